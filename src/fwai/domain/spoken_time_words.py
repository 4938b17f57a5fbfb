"""Vocabulary and tokenizer of spoken times: English, Hindi in Latin script and Devanagari."""

import enum
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

_LETTERS = r"a-z\u0900-\u0963\u0970-\u097f"
_TOKEN = re.compile(rf"\d+(?:[:./-]\d+)*|[{_LETTERS}]+|\S")
_INNER_PUNCTUATION = re.compile(rf"(?<=[{_LETTERS}])[-'’.]+(?=[{_LETTERS}])")  # noqa: RUF001
_BREAKS = frozenset(",.;!?()-–—।")  # noqa: RUF001
_LONGEST_PHRASE = 4
_LONGEST_NUMBER = 6


class Kind(enum.Enum):
    """The role of a word in a spoken time."""

    NUMBER = enum.auto()  # value in sixtieths: 5 is 300, dedh (one and a half) is 90
    FIGURES = enum.auto()  # 5:30, 1.5, 25/11/2026; read by the grammar
    MORE = enum.auto()  # sade, sava, paune: sixtieths added to the number behind it
    PART = enum.auto()  # half, quarter: sixtieths of an hour
    AND_HALF = enum.auto()
    ARTICLE = enum.auto()
    UNIT = enum.auto()  # seconds
    DAY = enum.auto()  # days from today
    WEEKDAY = enum.auto()  # 0 is Monday
    MONTH = enum.auto()
    ORDINAL = enum.auto()  # what follows the number of a day
    MERIDIEM = enum.auto()  # 0 before noon, 12 after
    DAY_PART = enum.auto()  # first hour of a part of the day, see HOURS_OF
    OCLOCK = enum.auto()
    AND_MINUTES = enum.auto()  # baj kar
    PAST = enum.auto()
    TO = enum.auto()
    NEXT = enum.auto()
    NEXT_WEEK = enum.auto()
    NOW = enum.auto()
    AFTER = enum.auto()
    LATER = enum.auto()
    BREAK = enum.auto()
    UNKNOWN = enum.auto()


class Word(NamedTuple):
    """A word or phrase with its meaning."""

    kind: Kind
    value: int = 0
    text: str = ""


MORNING, NOON, AFTERNOON, EVENING, NIGHT, MIDNIGHT = range(6)
HOURS_OF: Final = {
    MORNING: range(12),
    NOON: range(12, 13),
    AFTERNOON: range(11, 19),
    EVENING: range(13, 24),
    NIGHT: (*range(18, 24), *range(5)),
    MIDNIGHT: range(1),
}
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400

# Alternatives are separated by spaces, values by bars; _ stands for a space within a phrase. Hindi
# in Latin script is written as `_fold_spelling` leaves it: one spelling for shaam, sham and Shaam.
_Rows = Mapping[Kind, tuple[str, Sequence[int]]]
_ENGLISH: Final[_Rows] = {
    Kind.NUMBER: (
        (
            "zero|one|two couple|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|"
            "fourteen|fifteen|sixteen|seventeen|eighteen|nineteen"
        ),
        range(0, 1200, 60),
    ),
    Kind.PART: ("half|quarter", (30, 15)),
    Kind.AND_HALF: ("and_a_half and_half", (30,)),
    Kind.ARTICLE: ("a an", (0,)),
    Kind.UNIT: (
        "second seconds sec secs|minute minutes min mins|hour hours hr hrs|day days|week weeks",
        (1, MINUTE_S, HOUR_S, DAY_S, 7 * DAY_S),
    ),
    Kind.DAY: (
        (
            "yesterday|today|tomorrow tomorow tommorow tommorrow tmrw tmr next_day|"
            "day_after_tomorrow after_tomorrow overmorrow"
        ),
        (-1, 0, 1, 2),
    ),
    Kind.WEEKDAY: (
        (
            "monday mon|tuesday tue tues|wednesday wed|thursday thu thur thurs|friday fri|"
            "saturday sat|sunday sun"
        ),
        range(7),
    ),
    Kind.MONTH: (
        (
            "january jan|february feb|march mar|april apr|may|june jun|july jul|august aug|"
            "september sep sept|october oct|november nov|december dec"
        ),
        range(1, 13),
    ),
    Kind.ORDINAL: ("st nd rd th", (0,)),
    Kind.MERIDIEM: ("am a_m|pm p_m", (0, 12)),
    Kind.DAY_PART: (
        "morning|noon midday|afternoon|evening|night|midnight",
        (MORNING, NOON, AFTERNOON, EVENING, NIGHT, MIDNIGHT),
    ),
    Kind.OCLOCK: ("oclock o_clock", (0,)),
    Kind.PAST: ("past", (0,)),
    Kind.TO: ("to", (0,)),
    Kind.NEXT: ("next", (0,)),
    Kind.NEXT_WEEK: ("next_week", (0,)),
    Kind.NOW: ("now right_now immediately", (0,)),
    Kind.AFTER: ("after", (0,)),
    Kind.LATER: ("later from_now", (0,)),
    Kind.BREAK: ("and", (0,)),
}
_HINDI: Final[_Rows] = {
    Kind.NUMBER: (
        (
            "ek|do|tin|char|panch|che chhe cheh chah chhah|sat|ath|nau|das dus|gyarah gyara|"
            "barah bara|terah tera|chaudah chauda|pandrah pandra|solah sola|satrah satra|"
            "atharah athara|unnis unis|bis|ikkis|bais|teis|chaubis|pachis pachchis|chhabbis|"
            "sattais|atthais|untis|tis|ikattis"
        ),
        range(60, 1920, 60),
    ),
    Kind.MORE: ("sadhe sade sarhe|sava|paune pone pauna", (30, 15, -15)),
    Kind.PART: ("adha adhe", (30,)),
    Kind.UNIT: (
        "sekand|minat minut minton minaton|ghanta ghante ghanton|din dinon|hafta hafte hafton",
        (1, MINUTE_S, HOUR_S, DAY_S, 7 * DAY_S),
    ),
    Kind.DAY: (
        "aj|kal agle_din|parso parson parsun kal_ke_bad|tarso tarson narso narson",
        (0, 1, 2, 3),
    ),
    Kind.WEEKDAY: (
        (
            "somvar|mangalvar mangal|budhvar budh|guruvar brihaspativar virvar|shukravar shukrvar|"
            "shanivar shanichar|ravivar itvar"
        ),
        range(7),
    ),
    Kind.ORDINAL: ("tarikh", (0,)),
    Kind.DAY_PART: (
        "subah subha subeh savere|dopahar dopeher dophar|sham|rat|adhi_rat",
        (MORNING, AFTERNOON, EVENING, NIGHT, MIDNIGHT),
    ),
    Kind.OCLOCK: ("baje bje", (0,)),
    Kind.AND_MINUTES: ("baj_kar bajkar baj_ke bajke", (0,)),
    Kind.NEXT: ("agle agla agli", (0,)),
    Kind.NEXT_WEEK: ("agle_hafte", (0,)),
    Kind.NOW: ("abhi turant", (0,)),
    Kind.LATER: ("bad ke_bad", (0,)),
}
_DEVANAGARI: Final[_Rows] = {
    Kind.NUMBER: (
        (
            "एक|दो|तीन|चार|पांच पाँच|छह छः छे छ_: छ|सात|आठ|नौ|दस|ग्यारह|बारह|तेरह|चौदह|"
            "पंद्रह पन्द्रह|सोलह|सत्रह|अठारह अट्ठारह|उन्नीस|बीस|इक्कीस|बाईस|तेईस|चौबीस|पच्चीस|छब्बीस|"
            "सत्ताईस|अट्ठाईस|उनतीस|तीस|इकतीस"
        ),
        range(60, 1920, 60),
    ),
    Kind.MORE: ("साढ़े साढे|सवा|पौने", (30, 15, -15)),
    Kind.PART: ("आधा आधे", (30,)),
    Kind.UNIT: (
        "सेकंड सेकेंड|मिनट मिनटों|घंटा घंटे घंटों घण्टा घण्टे घण्टों|दिन दिनों|हफ्ता हफ्ते हफ़्ता हफ़्ते सप्ताह",
        (1, MINUTE_S, HOUR_S, DAY_S, 7 * DAY_S),
    ),
    Kind.DAY: ("आज|कल अगले_दिन|परसों परसो कल_के_बाद|तरसों नरसों", (0, 1, 2, 3)),
    Kind.WEEKDAY: (
        "सोमवार|मंगलवार मंगल|बुधवार बुध|गुरुवार गुरूवार बृहस्पतिवार वीरवार|शुक्रवार|शनिवार|रविवार इतवार",
        range(7),
    ),
    Kind.MONTH: (
        (
            "जनवरी|फरवरी फ़रवरी|मार्च|अप्रैल|मई|जून|जुलाई|अगस्त|सितंबर सितम्बर|अक्टूबर अक्तूबर|नवंबर नवम्बर|"
            "दिसंबर दिसम्बर"
        ),
        range(1, 13),
    ),
    Kind.ORDINAL: ("तारीख", (0,)),
    Kind.MERIDIEM: ("एएम|पीएम", (0, 12)),
    Kind.DAY_PART: (
        "सुबह सवेरे|दोपहर|शाम|रात|आधी_रात",
        (MORNING, AFTERNOON, EVENING, NIGHT, MIDNIGHT),
    ),
    Kind.OCLOCK: ("बजे", (0,)),
    Kind.AND_MINUTES: ("बजकर बज_कर बजके", (0,)),
    Kind.NEXT: ("अगले अगला अगली", (0,)),
    Kind.NEXT_WEEK: ("अगले_हफ्ते अगले_हफ़्ते अगले_सप्ताह", (0,)),
    Kind.NOW: ("अभी तुरंत", (0,)),
    Kind.LATER: ("बाद के_बाद", (0,)),
}
_TENS: Final = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50}
_SIXTIETHS: Final = {  # one and a half, two and a half, and the minutes people say
    "dedh": 90, "derh": 90, "dhai": 150, "adhai": 150, "डेढ़": 90, "ढाई": 150,
    "paintis": 2100, "chalis": 2400, "paintalis": 2700, "pachas": 3000, "pachpan": 3300,
    "पैंतीस": 2100, "चालीस": 2400, "पैंतालीस": 2700, "पचास": 3000, "पचपन": 3300,
}  # fmt: skip
_STOP_WORDS: Final = (
    "at on the of in this coming upcoming for by around about exactly sharp please call me back "
    "ok okay yes only this_week within approximately from_today early late "
    "ko ke ki ka men mein me main par pe is is_hafte ane_vale ane_vala anevale anevala tak kar "
    "abhi_se aj_se andar karib lagbhag thik ji han as_pas "
    "को के की का में मे पर इस आने_वाले आने_वाला तक कर अभी_से आज_से अंदर करीब क़रीब लगभग ठीक जी हां हाँ"
)


def _build_table(*languages: _Rows) -> dict[str, tuple[Word, ...]]:
    """Build the table of phrases; for a phrase of two languages the later one wins."""
    table: dict[str, tuple[Word, ...]] = {}
    for rows in languages:
        for kind, (spellings, values) in rows.items():
            for same, value in zip(spellings.split("|"), values, strict=True):
                table |= dict.fromkeys(_phrases(same), (Word(kind, value),))
    for word, sixtieths in _SIXTIETHS.items():
        table[_normalize(word)] = (Word(Kind.NUMBER, sixtieths),)
    return table | dict.fromkeys(_phrases(_STOP_WORDS), ())


def _compound_phrases() -> Iterator[tuple[str, tuple[Word, ...]]]:
    """Yield English compound phrases: forty five, this evening."""
    units = _ENGLISH[Kind.NUMBER][0].replace(" couple", "").split("|")[1:10]
    for ten, number in _TENS.items():
        yield ten, (Word(Kind.NUMBER, number * 60),)
        for unit, word in enumerate(units, 1):
            yield f"{ten} {word}", (Word(Kind.NUMBER, (number + unit) * 60),)
    today = Word(Kind.DAY, 0)
    for name in ("tonight", "tonite", "this night"):
        yield name, (today, Word(Kind.DAY_PART, NIGHT))
    for name, part in (("morning", MORNING), ("afternoon", AFTERNOON), ("evening", EVENING)):
        yield f"this {name}", (today, Word(Kind.DAY_PART, part))


def _phrases(spellings: str) -> list[str]:
    return [_normalize(one.replace("_", " ")) for one in spellings.split()]


def _normalize(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _fold_spelling(text: str) -> str:
    """Fold spellings of Hindi in Latin script: somwaar and Somvar are the same."""
    for written, one in (("aa", "a"), ("ee", "i"), ("oo", "u"), ("w", "v")):
        text = text.replace(written, one)
    return text


_TABLE: Final = _build_table(_HINDI, _DEVANAGARI, _ENGLISH) | dict(_compound_phrases())
_FOLDED_TABLE: Final = _build_table(_HINDI)  # sat is Saturday, saat is seven; soon is not Sunday


def tokenize(text: str) -> list[Word]:
    """Tokenize ``text``; stop words are dropped."""
    plain = _normalize(text.lower()).replace("\u200c", "").replace("\u200d", "")
    plain = _INNER_PUNCTUATION.sub(lambda found: " " if "-" in found[0] else "", plain)
    tokens = _TOKEN.findall(plain)
    words: list[Word] = []
    at = 0
    while at < len(tokens):
        for length in range(min(_LONGEST_PHRASE, len(tokens) - at), 0, -1):
            found = _look_up(" ".join(tokens[at : at + length]))
            if found is not None:
                break
        else:
            length, found = 1, (_word_of_token(tokens[at]),)
        words += found
        at += length
    return words


def _look_up(phrase: str) -> tuple[Word, ...] | None:
    found = _TABLE.get(phrase)
    return found if found is not None else _FOLDED_TABLE.get(_fold_spelling(phrase))


def _word_of_token(token: str) -> Word:
    if token.isdecimal():
        return (
            Word(Kind.NUMBER, int(token) * 60, token)
            if len(token) <= _LONGEST_NUMBER
            else Word(Kind.UNKNOWN)
        )
    if token[0].isdecimal():
        return Word(Kind.FIGURES, 0, token)
    return Word(Kind.BREAK if token in _BREAKS else Kind.UNKNOWN, 0, token)
