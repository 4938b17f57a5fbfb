"""Tokenizer of spoken times: English, Hindi in Latin script and Devanagari, mixed as they come."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from fwai.domain import spoken_time_english as english
from fwai.domain import spoken_time_hindi as hindi
from fwai.domain.spoken_time_cursor import ASIDES
from fwai.domain.spoken_time_kinds import Kind, Rows, Word

# A word is of letters of any script, with their marks; what is no letter stands for itself.
_LETTERS = r"a-z\u0900-\u0963\u0970-\u097f"
_OTHER_LETTERS = rf"[^\s\d{_LETTERS}\x00-\x7f\u2010-\u2027\u0964-\u096f]"
_TOKEN = re.compile(
    rf"(?<![\d{_LETTERS}])\.\d+|\d+(?:[:./-]\d+)*|(?:[{_LETTERS}]|{_OTHER_LETTERS})+|\S"
)
_INNER_PUNCTUATION = re.compile(rf"(?<=[{_LETTERS}])[-'’.]+(?=[{_LETTERS}])")  # noqa: RUF001
_SPACED_COLON = re.compile(r"(?<![\d:])(\d{1,2})(?: *: +| +: *)(?=\d\d(?![\d:]))")
# An ISO date and time with AM or PM behind it, and "5th.12": the fifth of the twelfth month.
_ISO_T = re.compile(r"(?<![\d-])(\d{4}-\d\d-\d\d)t(?=\d{1,2}:\d\d)")
_NTH_OF_MONTH = re.compile(
    r"(?<![\d.:/-])(\d{1,2})(?:st|nd|rd|th)[./](0?[1-9]|1[0-2])(?![\d.:/-]*\d)"
    r"(?! *(?:[ap]\.? ?m\b|baje|bje|o ?'?clock|बजे))"
)
_MONTH_NAMES = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
_BREAKS = frozenset(",.;!?()-–—।\"“”‘’'")  # noqa: RUF001
_LONGEST_PHRASE = 5
_LONGEST_NUMBER = 6
_FULL_WIDTH: Final = {0x3000: " "} | {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}

_Table = dict[str, tuple[Word, ...]]


def tokenize(text: str) -> list[Word]:
    """Tokenize ``text``; every word is kept, those that say nothing about when as asides."""
    plain = _NTH_OF_MONTH.sub(
        lambda found: f"{found[1]}th {_MONTH_NAMES[int(found[2]) - 1]}",
        _ISO_T.sub(r"\1 ", _normalize(text.translate(_FULL_WIDTH))),
    )
    plain = _INNER_PUNCTUATION.sub(lambda found: " " if "-" in found[0] else "", plain)
    tokens = _TOKEN.findall(_SPACED_COLON.sub(r"\1:", plain))
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
    return [_second_of_month(words, index) for index in range(len(words))]


def _second_of_month(words: list[Word], index: int) -> Word:
    """Return the word at ``index``; "second" beside a month is its second day."""
    word = words[index]
    if word.text != "second":
        return word
    read = [one for one in words[:index] if one.kind not in ASIDES][-1:]
    read += [one for one in words[index + 1 :] if one.kind not in ASIDES][:1]
    of_month = any(one.kind in (Kind.MONTH, Kind.ORDINAL) for one in read)
    return Word(Kind.NTH, 2, word.text) if of_month else word


def _look_up(phrase: str) -> tuple[Word, ...] | None:
    found = _TABLE.get(phrase)
    if found is None:
        found = _FOLDED_TABLE.get(_fold_spelling(phrase))
    # A refusal shows the word as it was said.
    return (found[0]._replace(text=found[0].text or phrase), *found[1:]) if found else found


def _word_of_token(token: str) -> Word:
    if token.isdecimal():
        # So that no number is so long that it takes time to read.
        known = len(token) <= _LONGEST_NUMBER
        return Word(Kind.NUMBER, int(token) * 60, token) if known else Word(Kind.UNKNOWN, 0, token)
    if token[0].isdecimal():
        return Word(Kind.FIGURES, 0, token)
    return Word(Kind.BREAK if token in _BREAKS else Kind.UNKNOWN, 0, token)


def _normalize(text: str) -> str:
    """Return ``text`` in small letters and Latin digits, without invisible signs and nukta."""
    plain = unicodedata.normalize("NFC", text.lower())
    visible = "".join(
        str(unicodedata.decimal(sign, sign)) for sign in plain if unicodedata.category(sign) != "Cf"
    )
    return visible.replace("\u093c", "").replace("\u0901", "\u0902")


def _fold_spelling(text: str) -> str:
    """Fold spellings of Hindi in Latin script: somwaar and Somvar are the same."""
    for written, one in (("aa", "a"), ("ee", "i"), ("oo", "u"), ("w", "v")):
        text = text.replace(written, one)
    return text


def _build_table(
    rows: Rows, fillers: str, compounds: Iterable[tuple[str, tuple[Word, ...]]]
) -> _Table:
    """Build the table of phrases of one language."""
    table: _Table = {}
    for phrase, words in compounds:
        table[_normalize(phrase)] = words
    for kind, (spellings, values) in rows.items():
        for same, value in zip(spellings.split("|"), values, strict=True):
            table |= {phrase: (Word(kind, value),) for phrase in _phrases(same)}
    return table | dict.fromkeys(_phrases(fillers), (Word(Kind.ASIDE),))


def _phrases(spellings: str) -> list[str]:
    return [_normalize(one.replace("_", " ")) for one in spellings.split()]


_HINDI: Final = {
    **_build_table(hindi.LATIN, hindi.FILLERS, hindi.compounds()),
    **_build_table(hindi.DEVANAGARI, "", ()),
    **{_normalize(word): (Word(Kind.NUMBER, value),) for word, value in hindi.SIXTIETHS.items()},
}
# Of a phrase of both languages the English meaning wins.
_TABLE: Final = _HINDI | _build_table(english.ROWS, english.FILLERS, english.compounds())
_FOLDED_TABLE: Final = _HINDI  # sat is Saturday, saat is seven; soon is not Sunday
