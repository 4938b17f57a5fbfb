"""Hindi vocabulary of spoken times, in Latin script and in Devanagari.

Latin spellings stand as `spoken_time_words` folds them: shaam, sham and Shaam are one.
Devanagari is read without nukta, and with anusvara for candrabindu.
"""

from collections.abc import Iterator
from typing import Final

from fwai.domain.spoken_time_kinds import (
    DAY_S,
    DOPAHAR,
    EVENING,
    FITTING,
    HOUR_S,
    LASTING,
    MIDNIGHT,
    MINUTE_S,
    MORNING,
    NIGHT,
    Kind,
    Rows,
    Word,
)

_LATIN_NUMBERS: Final = (
    "ek|do|tin|char|panch pach|che chhe cheh chah chhah chhai|sat|ath|nau nav|das dus|gyarah gyara|"
    "barah bara|terah tera|chaudah chauda|pandrah pandra|solah sola|satrah satra|"
    "atharah athara attharah atthara|unnis unis|bis|ikkis ikis|bais|teis tais|chaubis|"
    "pachis pachchis|chhabbis chabbis|sattais satais|atthais athais|untis unatis unnatis|tis|"
    "ikattis ikatis iktis|battis batis|taintis tentis|chauntis chautis|paintis pentis|"
    "chhattis chattis|saintis|adtis artis|untalis unchalis|chalis|iktalis|bayalis byalis|"
    "taintalis tentalis|chauvalis chavalis|paintalis pentalis|chhiyalis chiyalis|saintalis|"
    "adtalis artalis|unchas|pachas|ikyavan|bavan|tirpan tirepan|chauvan|pachpan|chhappan chappan|"
    "sattavan satavan|atthavan athavan|unsath|sath"
)
_DEVANAGARI_NUMBERS: Final = (
    "एक|दो|तीन|चार|पांच|छह छः छे छ_: छ|सात|आठ|नौ|दस|ग्यारह|बारह|तेरह|चौदह|पंद्रह पन्द्रह|सोलह|सत्रह|"
    "अठारह अट्ठारह|उन्नीस|बीस|इक्कीस|बाईस|तेईस|चौबीस|पच्चीस|छब्बीस|सत्ताईस|अट्ठाईस अठाईस|उनतीस|तीस|"
    "इकतीस इकत्तीस|बत्तीस|तैंतीस|चौंतीस|पैंतीस|छत्तीस|सैंतीस|अड़तीस|उनतालीस|चालीस|इकतालीस|बयालीस|तैंतालीस|"
    "चौवालीस चवालीस|पैंतालीस|छियालीस|सैंतालीस|अड़तालीस|उनचास|पचास|इक्यावन|बावन|तिरपन तिरेपन|चौवन|पचपन|"
    "छप्पन|सत्तावन|अट्ठावन|उनसठ|साठ"
)
LATIN: Final[Rows] = {
    Kind.NUMBER: (_LATIN_NUMBERS, range(60, 3660, 60)),
    Kind.MORE: ("sadhe sade sarhe|sava|paune pone pauna paun", (30, 15, -15)),
    Kind.PART: ("adha adhe", (30,)),
    Kind.UNIT: (
        (
            "sekand|minat minut minton minaton minit|ghanta ghante ghanton|din dinon|"
            "hafta hafte hafton"
        ),
        (1, MINUTE_S, HOUR_S, DAY_S, 7 * DAY_S),
    ),
    Kind.DAY: (
        "aj|kal|parso parson parsun|tarso tarson narso narson",
        (0, 1, 2, 3),
    ),
    Kind.NEXT_DAY: ("agle_din agla_din", (1,)),
    Kind.WEEKDAY: (
        (
            "somvar|mangalvar mangal|budhvar budh|guruvar brihaspativar virvar|shukravar shukrvar|"
            "shanivar shanichar|ravivar itvar"
        ),
        range(7),
    ),
    Kind.NTH: (
        "pahli pehli pahla pehla|dusri dusra|tisri tisra|chauthi chautha|panchvi|chhathi chathi",
        range(1, 7),
    ),
    Kind.ORDINAL: ("tarikh tarik", (0,)),
    Kind.DAY_PART: (
        "subah subha subeh savere|dopahar dopeher dophar|sham|rat|adhi_rat",
        (MORNING, DOPAHAR, EVENING, NIGHT, MIDNIGHT),
    ),
    Kind.OCLOCK: ("baje bje", (0,)),
    Kind.AND_MINUTES: (
        "baj_kar bajkar baj_ke bajke|bajne_men bajne_mein bajne_me",
        (1, -1),
    ),
    Kind.THIS: ("is isi", (0,)),
    Kind.NEXT: ("agle agla agli", (0,)),
    Kind.THIS_WEEK: ("is_hafte", (0,)),
    Kind.NEXT_WEEK: ("agle_hafte agle_vik", (0,)),
    Kind.NEAR_MONTH: ("is_mahine|agle_mahine", (0, 1)),
    Kind.NOW: ("abhi turant", (0,)),
    Kind.SAME_TIME: ("isi_samay isi_vaqt isi_vakt isi_time is_samay is_vaqt is_vakt is_time", (0,)),
    Kind.MEIN: ("men mein me main|dijiye dijiyega dena", (0, 1)),
    Kind.KO: ("ko", (0,)),
    Kind.LATER: ("bad ke_bad", (0,)),
    Kind.BREAK: ("aur", (0,)),
    Kind.OPEN: ("pehle pahle se_pehle tak ke_andar andar se", (0,)),
    Kind.SEVERAL: ("ya bich ke_bich", (0,)),
    Kind.REPEATED: ("har roz rozana har_roz har_din", (0,)),
    Kind.VAGUE: (
        (
            "thodi thora thodi_der der kuch kuchh jaldi khane khana mahina mahine mahinon sal ant "
            "akhir kabhi kabhi_bhi"
        ),
        (0,),
    ),
    Kind.GONE: ("pichle pichla pichli bite bita", (0,)),
    Kind.THING: (
        (
            "fon kol bat call_dena call_dijiye fon_dena fon_dijiye|"
            "thik_hai thik_rahega hoga rahega chalega"
        ),
        (LASTING, FITTING),
    ),
    Kind.OF: ("ke ka ki", (0,)),
}
DEVANAGARI: Final[Rows] = {
    Kind.NUMBER: (_DEVANAGARI_NUMBERS, range(60, 3660, 60)),
    Kind.MORE: ("साढ़े साढे|सवा|पौने पौन", (30, 15, -15)),
    Kind.PART: ("आधा आधे", (30,)),
    Kind.UNIT: (
        "सेकंड सेकेंड|मिनट मिनटों|घंटा घंटे घंटों घण्टा घण्टे घण्टों|दिन दिनों|हफ्ता हफ्ते सप्ताह",
        (1, MINUTE_S, HOUR_S, DAY_S, 7 * DAY_S),
    ),
    Kind.DAY: ("आज|कल|परसों परसो|तरसों नरसों", (0, 1, 2, 3)),
    Kind.NEXT_DAY: ("अगले_दिन अगला_दिन", (1,)),
    Kind.WEEKDAY: (
        "सोमवार|मंगलवार मंगल|बुधवार बुध|गुरुवार गुरूवार बृहस्पतिवार वीरवार|शुक्रवार|शनिवार|रविवार इतवार",
        range(7),
    ),
    Kind.MONTH: (
        ("जनवरी|फरवरी|मार्च|अप्रैल|मई|जून|जुलाई|अगस्त|सितंबर सितम्बर|अक्टूबर अक्तूबर|नवंबर नवम्बर|दिसंबर दिसम्बर"),
        range(1, 13),
    ),
    Kind.NTH: ("पहली पहला|दूसरी दूसरा|तीसरी तीसरा|चौथी चौथा|पांचवी|छठी छठा", range(1, 7)),
    Kind.ORDINAL: ("तारीख", (0,)),
    Kind.MERIDIEM: ("एएम|पीएम", (0, 12)),
    Kind.DAY_PART: (
        "सुबह सवेरे|दोपहर|शाम|रात|आधी_रात",
        (MORNING, DOPAHAR, EVENING, NIGHT, MIDNIGHT),
    ),
    Kind.OCLOCK: ("बजे", (0,)),
    Kind.AND_MINUTES: ("बजकर बज_कर बजके|बजने_में", (1, -1)),
    Kind.THIS: ("इस इसी", (0,)),
    Kind.NEXT: ("अगले अगला अगली", (0,)),
    Kind.THIS_WEEK: ("इस_हफ्ते इस_सप्ताह", (0,)),
    Kind.NEXT_WEEK: ("अगले_हफ्ते अगले_सप्ताह", (0,)),
    Kind.NEAR_MONTH: ("इस_महीने|अगले_महीने", (0, 1)),
    Kind.NOW: ("अभी तुरंत", (0,)),
    Kind.SAME_TIME: ("इसी_समय इसी_वक्त इस_समय इस_वक्त", (0,)),
    Kind.MEIN: ("में मे|दीजिए देना", (0, 1)),
    Kind.KO: ("को", (0,)),
    Kind.LATER: ("बाद के_बाद", (0,)),
    Kind.BREAK: ("और", (0,)),
    Kind.OPEN: ("पहले से_पहले तक के_अंदर अंदर से", (0,)),
    Kind.SEVERAL: ("या बीच के_बीच", (0,)),
    Kind.REPEATED: ("हर रोज रोजाना", (0,)),
    Kind.VAGUE: ("थोड़ी देर कुछ जल्दी खाने खाना महीना महीने साल अंत आखिर कभी", (0,)),
    Kind.GONE: ("पिछले पिछला पिछली बीते", (0,)),
    Kind.THING: (
        "फोन कॉल बात डेमो मीटिंग|ठीक_है ठीक_रहेगा होगा रहेगा चलेगा",
        (LASTING, FITTING),
    ),
    Kind.OF: ("के का की", (0,)),
}
SIXTIETHS: Final = {  # one and a half, two and a half
    "dedh": 90, "derh": 90, "dhai": 150, "adhai": 150, "डेढ़": 90, "ढाई": 150,
}  # fmt: skip
# As in English; "abhi se" and "aj se" are what is counted from anyway.
FILLERS: Final = (
    "par pe hi toh ji han hanji ane_vale ane_vala anevale anevala thik "
    "sahi achchha accha acha hai hain samay "
    "vaqt vakt taim mujhe mujhko muje hamen hamko humein ap apko vapas phir phir_se "
    "fir fir_se dobara zara kar kare karen karo karna kariye kijiye "
    "kijiyega kar_do kardo kar_dena kar_dijiye kar_dijiyega kar_lena kar_lijiye "
    "kar_len kar_sakte karni karte karunga kariyega "
    "pakka aspas bhai bhaiya abhi_se ab_se aj_se as_pas karib karib_karib "
    "lagbhag takriban पर पे ही तो जी हां आने_वाले आने_वाला ठीक सही "
    "अच्छा है हैं समय वक्त मुझे मुझको हमें आप आपको "
    "वापस फिर फिर_से दोबारा जरा कर करें करो करना करिए कीजिए कीजिएगा "
    "कर_दो कर_देना कर_दीजिए कर_दीजिएगा कर_लेना कर_लीजिए करनी करते पक्का आसपास प्लीज "
    "कृपया अभी_से अब_से आज_से आस_पास करीब लगभग"
)


def compounds() -> Iterator[tuple[str, tuple[Word, ...]]]:
    """Yield ordinals made of numbers, and "ghante bhar", an hour's length."""
    for numbers, endings in (
        (_LATIN_NUMBERS, ("vi", "vin", "va", "ve")),
        (_DEVANAGARI_NUMBERS, ("वी", "वीं", "वां", "वें")),
    ):
        for day, spellings in enumerate(numbers.split("|")[:31], 1):
            for one in spellings.split():
                for ending in endings:
                    yield f"{one}{ending}", (Word(Kind.NTH, day),)
    hour = Word(Kind.NUMBER, 60), Word(Kind.UNIT, HOUR_S)
    for name in ("ghante bhar", "ghanta bhar", "घंटे भर", "घंटा भर"):
        yield name, hour
