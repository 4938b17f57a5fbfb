import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwai.domain.email_address import address
from tables import each_row


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("asha@example.com", "asha@example.com"),
        ("  Asha@Example.COM ", "asha@example.com"),
        ("asha@example.com.", "asha@example.com"),
        ("asha at example dot com", "asha@example.com"),
        ("Asha dot K at example dot co dot in", "asha.k@example.co.in"),
        ("asha at the rate example dot com", "asha@example.com"),
        ("asha at the rate of example dot com", "asha@example.com"),
        ("asha @ example . com", "asha@example.com"),
        ("a s h a 9 9 at example dot com", "asha99@example.com"),
        ("asha underscore k at my dash shop dot example dot com", "asha_k@my-shop.example.com"),
        ("asha plus news at example dot com", "asha+news@example.com"),
        ("at the rate at example dot com", None),
        ("o'brien@example.com", "o'brien@example.com"),
        ("asha@bücher.example", "asha@xn--bcher-kva.example"),
        ("asha@उदाहरण.भारत", "asha@xn--p1b6ci4b4b3a.xn--h2brj9c"),
    ],
)
def test_what_people_say_becomes_an_address(said: str, meant: str | None) -> None:
    if meant is None:
        with pytest.raises(ValueError, match="more than one @"):
            address(said)
    else:
        assert address(said) == meant


@each_row(
    ("said", "sentence"),
    [
        ("", "no @"),
        ("asha", "no @"),
        ("cat dot example dot com", "no @"),
        ("asha@x@example.com", "more than one @"),
        ("asha@example.com, ravi@example.com", "one bare"),
        ("Asha <asha@example.com>", "one bare"),
        ('"asha k"@example.com', "one bare"),
        ("mailto:asha@example.com", "one bare"),
        ("asha kumar at example dot com", "between two words"),
        ("आशा@example.com", "spell it"),
        (".asha@example.com", "spell it"),
        ("asha.@example.com", "spell it"),
        ("as..ha@example.com", "spell it"),
        ("-f@example.com", "spell it"),
        ("asha%example.org@example.com", "spell it"),
        ("example.org!asha@example.com", "spell it"),
        ("@example.com", "spell it"),
        (f"{'a' * 65}@example.com", "spell it"),
        ("asha@example", "after the @"),
        ("asha@example.com:25", "after the @"),
        ("asha@[127.0.0.1]", "after the @"),
        ("asha@127.0.0.1", "after the @"),
        ("asha@-example.com", "after the @"),
        ("asha@example..com", "after the @"),
        ("asha@exam ple.com", "between two words"),
        (f"asha@{'a' * 64}.com", "after the @"),
        (f"asha@{'ü' * 70}.com", "after the @"),
        (f"asha@{'a.' * 200}com", "too long"),
        ("asha@example.com\r\nBcc: x@example.com", "one line"),
        ("asha@example.com\n", "one line"),
        ("asha\x00@example.com", "one line"),
        ("a" * 2000, "too long"),
    ],
)
def test_what_is_no_address_is_refused_with_what_to_ask(said: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as refused:
        address(said)

    assert len(said) < 4 or said not in str(refused.value)


SPELT = [
    ("r a j dot k u m a r at gmail dot com", "raj.kumar@gmail.com"),
    ("R A J dot K U M A R at G M A I L dot C O M", "raj.kumar@gmail.com"),
    ("r a j k u m a r at the rate gmail dot com", "rajkumar@gmail.com"),
    ("r, a, j at gmail dot com", "raj@gmail.com"),
    ("r a j point k at gmail point com", "raj.k@gmail.com"),
    ("raj dot kumar at gmail dot com", "raj.kumar@gmail.com"),
    ("raj full stop kumar at gmail dot com", "raj.kumar@gmail.com"),
    ("raj k at gmail dot com", "rajk@gmail.com"),
    ("j smith at gmail dot com", "jsmith@gmail.com"),
    ("raj 1990 at gmail dot com", "raj1990@gmail.com"),
    ("raj 1 9 9 0 at gmail dot com", "raj1990@gmail.com"),
    ("raj nineteen ninety at gmail dot com", "raj1990@gmail.com"),
    ("raj one two three at gmail dot com", "raj123@gmail.com"),
    ("raj ninety nine at gmail dot com", "raj99@gmail.com"),
    ("raj twenty at gmail dot com", "raj20@gmail.com"),
    ("raj twenty four seven at gmail dot com", "raj247@gmail.com"),
    ("r a j ek do teen at gmail dot com", "raj123@gmail.com"),
    ("r a j nau nau at gmail dot com", "raj99@gmail.com"),
    ("r a j दो तीन at gmail dot com", "raj23@gmail.com"),
    ("double l at example dot com", "ll@example.com"),
    ("a double l e n at example dot com", "allen@example.com"),
    ("raj double five at gmail dot com", "raj55@gmail.com"),
    ("raj triple seven at gmail dot com", "raj777@gmail.com"),
    ("raj triple 7 at gmail dot com", "raj777@gmail.com"),
    ("capital r a j at gmail dot com", "raj@gmail.com"),
    ("small r small a small j at gmail dot com", "raj@gmail.com"),
    ("upper case r a j at gmail dot com", "raj@gmail.com"),
    ("r for raj a for apple j for jug at gmail dot com", "raj@gmail.com"),
    ("b as in ball o at example dot com", "bo@example.com"),
    ("b as ball o at example dot com", "bo@example.com"),
    ("k jaise kamal u at example dot com", "ku@example.com"),
    ("double b as in ball at example dot com", "bb@example.com"),
    ("romeo alpha juliet at gmail dot com", "raj@gmail.com"),
    ("romeo alpha juliet 7 at gmail dot com", "raj7@gmail.com"),
    ("victor at gmail dot com", "victor@gmail.com"),
    ("mike dot victor at gmail dot com", "mike.victor@gmail.com"),
    ("z e zed at example dot com", "zez@example.com"),
    ("raj under score k at gmail dot com", "raj_k@gmail.com"),
    ("raj underscore kumar underscore 7 at gmail dot com", "raj_kumar_7@gmail.com"),
    ("raj hyphen kumar at gmail dot com", "raj-kumar@gmail.com"),
    ("raj kumar all one word at gmail dot com", "rajkumar@gmail.com"),
    ("raj kumar no space at gmail dot com", "rajkumar@gmail.com"),
    ("raj kumar without spaces at gmail dot com", "rajkumar@gmail.com"),
    ("raj kumar together at gmail dot com", "rajkumar@gmail.com"),
    ("raj kumar bina space ke at gmail dot com", "rajkumar@gmail.com"),
    ("raj all small letters at gmail dot com", "raj@gmail.com"),
    ("all lowercase raj at gmail dot com", "raj@gmail.com"),
    ("raj at g mail dot com", "raj@gmail.com"),
    ("raj at g m a i l dot com", "raj@gmail.com"),
    ("raj at hot mail dot com", "raj@hotmail.com"),
    ("raj at rediff mail dot com", "raj@rediffmail.com"),
    ("raj at yahoo dot co dot in", "raj@yahoo.co.in"),
    ("raj at yahoo dot co dot i n", "raj@yahoo.co.in"),
    ("raj at sign gmail dot com", "raj@gmail.com"),
    ("raj at symbol gmail dot com", "raj@gmail.com"),
    ("raj at rate gmail dot com", "raj@gmail.com"),
    ("raj एट gmail डॉट com", "raj@gmail.com"),
    ("raj एट द रेट gmail डॉट com", "raj@gmail.com"),
    ("my email is raj at gmail dot com", "raj@gmail.com"),
    ("my email id is r a j at gmail dot com", "raj@gmail.com"),
    ("mera email hai raj at gmail dot com", "raj@gmail.com"),
    ("it's raj at gmail dot com", "raj@gmail.com"),
    ("r a j @ gmail . com", "raj@gmail.com"),
    ("seven at example dot com", "seven@example.com"),
    ("raj dot f i v e at example dot com", "raj.five@example.com"),
    ("raj dot 5 at example dot com", "raj.5@example.com"),
    ("sharma s h a r m a at gmail dot com", "sharma@gmail.com"),
    ("sharma, s h a r m a at gmail dot com", "sharma@gmail.com"),
    ("raj r a j 1 at gmail dot com", "raj1@gmail.com"),
    ("mike 7 7 at gmail dot com", "mike77@gmail.com"),
    ("victor 1 9 8 5 at gmail dot com", "victor1985@gmail.com"),
    ("oscar one two three at gmail dot com", "oscar123@gmail.com"),
    ("asha at hotel 2 4 dot com", "asha@hotel24.com"),
    ("mike dot victor 7 7 at gmail dot com", "mike.victor77@gmail.com"),
    ("asha kumar in one word at gmail dot com", "ashakumar@gmail.com"),
    ("asha kumar as one word at gmail dot com", "ashakumar@gmail.com"),
    ("asha kumar is one word at gmail dot com", "ashakumar@gmail.com"),
    ("asha kumar it's one word at gmail dot com", "ashakumar@gmail.com"),
    ("asha kumar with no space at gmail dot com", "ashakumar@gmail.com"),
    ("asha kumar no space in between at gmail dot com", "ashakumar@gmail.com"),
    ("asha kumar all together at gmail dot com", "ashakumar@gmail.com"),
    ("asha kumar written together at gmail dot com", "ashakumar@gmail.com"),
    ("asha kumar in one go at gmail dot com", "ashakumar@gmail.com"),
    ("o for orange 7 7 at gmail dot com", "o77@gmail.com"),
    ("0 7 7 at gmail dot com", "077@gmail.com"),
    ("asha dot kumar one word at gmail dot com", "asha.kumar@gmail.com"),
    ("asha एट जीमेल डॉट कॉम", "asha@gmail.com"),
    ("asha at जीमेल डॉट कॉम", "asha@gmail.com"),
    ("asha@उदाहरण.भारत", "asha@xn--p1b6ci4b4b3a.xn--h2brj9c"),
    ("b o b 7 at gmail dot com", "bob7@gmail.com"),
    ("r a o 7 at gmail dot com", "rao7@gmail.com"),
    ("r-a-j@example.com", "r-a-j@example.com"),
]

ASKED = [
    ("raj dot five at example dot com", "figure or as a word"),
    ("asha underscore one at gmail dot com", "figure or as a word"),
    ("asha minus one at gmail dot com", "figure or as a word"),
    ("double o seven at gmail dot com", "zero or the letter"),
    ("o 7 7 at gmail dot com", "zero or the letter"),
    ("asha 7 o 7 at gmail dot com", "zero or the letter"),
    ("A-S-H-A at gmail dot com", "dashes"),
    ("sharma, s-h-a-r-m-a at gmail dot com", "dashes"),
    ("asha at फलाना डॉट कॉम", "English letters"),
    ("victor k r at gmail dot com", "which letters"),
    ("mike victor k at gmail dot com", "which letters"),
    *(
        (f"{said} at gmail dot com", "which words belong")
        for said in (
            "yes a s h a",
            "so r a j",
            "ok r a j",
            "haan r a j",
            "um r a j",
            "email r a j",
            "r a j only",
            "r a j and 1 2",
            "r a j then 1 2 3",
            "r a j number 1",
            "r a j space k",
            "r a j slash k",
            "r a j star",
            "r small a small j small",
            "a s h a lowercase",
            "a s h a please",
            "r a j hai",
            "sharma s h a r m",
            "raj k u m a r",
            "asha kumar one word okay",
            "asha kumar single word only",
            "raj and 1 2",
            "asha kumar one word and 1 2",
            "yes asha kumar one word",
            "asha number 7",
        )
    ),
    ("asha at gmail dot c o m please", "which words belong"),
    ("asha at gmail dot c o m ok", "which words belong"),
    ("john smith at gmail dot com", "between two words"),
    ("raj kumar sharma at gmail dot com", "between two words"),
    ("mike victor at gmail dot com", "between two words"),
    ("raj at big shop dot com", "between two words"),
    ("double u a at gmail dot com", "w or uu"),
    ("double kumar at gmail dot com", "what is double"),
    ("r for kamal a j at gmail dot com", "its example"),
    ("raj two hundred at gmail dot com", "digit by digit"),
    ("r a j dot k u m a r at gmail", "after the @"),
    ("r a j dot k u m a r", "no @"),
    ("raj dot dot kumar at gmail dot com", "spell it"),
    ("raj at gmail dot com or raj at yahoo dot com", "more than one @"),
]


@each_row(("said", "meant"), SPELT)
def test_what_is_spelt_is_read(said: str, meant: str) -> None:
    assert address(said) == meant


@each_row(("said", "sentence"), ASKED)
def test_what_has_several_readings_is_asked(said: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        address(said)


SIGNS = {".": "dot", "_": "underscore", "-": "dash", "+": "plus", "@": "at"}


@given(
    st.from_regex(
        r"[a-z0-9]{1,9}([._+-][a-z0-9]{1,9}){0,2}@[a-z0-9]{1,9}\.[a-z]{2,6}", fullmatch=True
    )
)
def test_to_spell_letter_by_letter_is_advice_that_works(wanted: str) -> None:
    # An o among figures may be a zero: it is asked about, and told by an example.
    spelt = re.sub(r"(?<![a-z])o(?=[0-9])", "O", wanted)
    said = " ".join(SIGNS.get(one, one) for one in spelt)
    assert address(said.replace("O", "o for orange")) == wanted


@pytest.mark.parametrize(
    ("said", "advised", "meant"),
    [
        ("john smith at gmail dot com", "john dot smith at gmail dot com", "john.smith@gmail.com"),
        (
            "john smith at gmail dot com",
            "john underscore smith at gmail dot com",
            "john_smith@gmail.com",
        ),
        ("john smith at gmail dot com", "john dash smith at gmail dot com", "john-smith@gmail.com"),
        ("john smith at gmail dot com", "johnsmith at gmail dot com", "johnsmith@gmail.com"),
        ("yes r a j at gmail dot com", "raj at gmail dot com", "raj@gmail.com"),
        ("raj k u m a r at gmail dot com", "rajkumar at gmail dot com", "rajkumar@gmail.com"),
        ("A-S-H-A at gmail dot com", "a s h a at gmail dot com", "asha@gmail.com"),
        (
            "A-S-H-A at gmail dot com",
            "a dash s dash h dash a at gmail dot com",
            "a-s-h-a@gmail.com",
        ),
        ("victor k r at gmail dot com", "v k r at gmail dot com", "vkr@gmail.com"),
        ("raj dot five at gmail dot com", "raj dot 5 at gmail dot com", "raj.5@gmail.com"),
        ("raj dot five at gmail dot com", "raj dot f i v e at gmail dot com", "raj.five@gmail.com"),
        ("o 7 at gmail dot com", "o for orange 7 at gmail dot com", "o7@gmail.com"),
        ("o 7 at gmail dot com", "0 7 at gmail dot com", "07@gmail.com"),
        ("double u a at gmail dot com", "w a at gmail dot com", "wa@gmail.com"),
        ("double u a at gmail dot com", "u u a at gmail dot com", "uua@gmail.com"),
        ("raj two hundred at gmail dot com", "raj 2 0 0 at gmail dot com", "raj200@gmail.com"),
        ("raj kumar", "raj dot kumar at gmail dot com", "raj.kumar@gmail.com"),
    ],
)
def test_every_advice_can_be_followed(said: str, advised: str, meant: str) -> None:
    with pytest.raises(ValueError, match="ask"):
        address(said)

    assert address(advised) == meant


@given(st.text(max_size=60) | st.from_regex(r"[a-z .@_+-]{0,30}@[a-z. -]{0,30}", fullmatch=True))
def test_whatever_comes_out_is_one_plain_address_and_stays_itself(said: str) -> None:
    try:
        result = address(said)
    except ValueError:
        return

    assert result.isascii()
    assert result.count("@") == 1
    assert not set(result) & set(' \r\n\t,;<>"()[]\\')
    assert address(result) == result
