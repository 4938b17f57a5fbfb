"""Reads the digits of a telephone number out of text as people, spreadsheets and URIs write it.

Nothing here knows which numbers exist; that is `phone_plan`. What can be read in one way only is
read, everything else is refused by name. No refusal repeats the number: it may end up in a log.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

FIX: Final = "write the full international number with its country code, such as +919999900000"
MAX_CHARS: Final = 40
MAX_WRITTEN: Final = 120  # with invisible marks
MIN_DIGITS: Final = 7
MAX_DIGITS: Final = 17  # 15, after 00 or a trunk zero in brackets

_PLAIN: Final = re.compile(r"\+?[0-9]{7,15}", re.ASCII)
# Beside the format characters (category Cf: zero width, direction, soft hyphen, BOM, tags) what
# shows nothing either: combining joiners, variation selectors, a keycap's frame.
_INVISIBLE: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u20e3\u3164\uffa0")
_VARIATION_SELECTORS: Final = range(0xFE00, 0xFE10)
_ALIKE: Final = {
    **dict.fromkeys("\uff0b\ufe62\u207a\u2795", "+"),
    **dict.fromkeys("\u2212\u207b\u208b", "-"),  # dashes are a category of their own
    **dict.fromkeys("\uff08\ufe59\u207d", "("),
    **dict.fromkeys("\uff09\ufe5a\u207e", ")"),
    **dict.fromkeys("\uff0e\u2024", "."),
    **dict.fromkeys("\uff0c\u3001\u060c\uff1b\u061b", ","),
    **dict.fromkeys("\uff0f\u2044", "/"),
    "\uff1a": ":",
    "\u2800": " ",  # Braille's blank
}
# A spreadsheet's mark of text, and what CSV puts around it.
_QUOTES: Final = " \"'`=\u00b4\u2018\u2019\u201a\u201c\u201d\u201e\u2032"
_SCHEME: Final = re.compile(r"(?:tel|phone|call|callto)\s*:\s*(?://)?", re.IGNORECASE)
_EXTENSION: Final = re.compile(r"(?:;?\s*(?:ext(?:ensio)?n?|x)[\s.:=]*|#\s*)[0-9]", re.IGNORECASE)
_SEVERAL: Final = re.compile(r"[,;/|&]|\b(?:or|and)\b", re.IGNORECASE)
_WHOLE_FLOAT: Final = re.compile(r"(\+?[0-9]{8,15})\.0{1,2}", re.ASCII)
_EXPONENT: Final = re.compile(r"\+?([0-9])(?:[.,]([0-9]*))?[eE]\+?([0-9]{1,2})", re.ASCII)
# Numbers parted by points end so, too, but only in two zeros and with other points before them.
_FLOAT_BEHIND: Final = re.compile(r"[^.]*\.0{1,2}|.*\.0", re.ASCII)
_NEXT_CELL: Final = re.compile(r"[^\S ]")  # whatever is blank but the blank: line breaks, tabs
_TRUNK: Final = re.compile(r"\(\s*0\s*\)")
_MARKS: Final = re.compile(r"[\s().\-]+")


class PhoneError(ValueError):
    """A text is no telephone number that can be used; the message says why and what to write."""


@dataclass(frozen=True, slots=True)
class Written:
    """The digits of one number as it was written.

    Attributes:
        plus: Whether it began with ``+``, so that its country is told.
        digits: ASCII digits, `MIN_DIGITS` to `MAX_DIGITS`.
        trunk_left_out: The digits without a zero that stood in brackets; else empty.
        groups: The digits as they were parted, without such a zero.
    """

    plus: bool
    digits: str
    trunk_left_out: str = ""
    groups: tuple[str, ...] = ()


def read(text: str) -> Written:
    """Read the digits of a number.

    Separators, invisible marks, digits of any script, ``tel:``, quotes of spreadsheets and the
    ``.0`` of their numbers are understood.

    Raises:
        PhoneError: It is not one number, or too short to be a subscriber's.
    """
    if _PLAIN.fullmatch(text):
        plain = text.removeprefix("+")
        return Written(text.startswith("+"), plain, groups=(plain,))
    shown = _SCHEME.sub("", _bared(_visible(text)), count=1)
    shown = _bared(shown)
    if len(shown) > MAX_CHARS:
        raise PhoneError(f"a telephone number has at most {MAX_CHARS} characters; give one number")
    shown = _of_spreadsheet(shown)
    _refuse_extras(shown)
    without_trunk = _TRUNK.sub(" ", shown)
    plus, digits = _digits(shown)
    left_out = _digits(without_trunk)[1] if without_trunk != shown else ""
    return Written(plus, digits, left_out, tuple(re.findall("[0-9]+", without_trunk)))


def _bared(text: str) -> str:
    return text.strip().strip(_QUOTES).strip()


def _visible(text: str) -> str:
    """Drop what shows nothing and write what looks alike in ASCII."""
    if len(text) > MAX_WRITTEN:
        raise PhoneError(f"a telephone number has at most {MAX_CHARS} characters; give one number")
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_plain, text))


def _plain(character: str) -> str:
    if character in _ALIKE:
        return _ALIKE[character]
    if character.isascii() and (character.isprintable() or character.isspace()):
        return character
    if character in _INVISIBLE or ord(character) in _VARIATION_SELECTORS:
        return ""
    match unicodedata.category(character):
        case "Cf":
            return ""
        case "Nd":  # codespell:ignore
            return str(unicodedata.decimal(character))
        case "Pd":
            return "-"
        case "Zs":
            return " "
    return character


def _of_spreadsheet(text: str) -> str:
    """Undo what a spreadsheet makes of a number that it took for an amount."""
    if found := _WHOLE_FLOAT.fullmatch(text):
        return found[1]
    if not (found := _EXPONENT.fullmatch(text)):
        return text
    digits, exponent = found[1] + (found[2] or ""), int(found[3])
    if len(digits) != exponent + 1:
        raise PhoneError(
            "a spreadsheet has rounded this number, so its last digits are lost; format the column "
            "as text and enter the number again"
        )
    return digits


def _refuse_extras(text: str) -> None:
    """Refuse by name what is more or something else than one number."""
    if not re.search("[0-9]", text):
        raise PhoneError(f"there is no number in it; {FIX}")
    if _EXTENSION.search(text):
        raise PhoneError("an extension cannot be dialled; give the number without it")
    if text.count("+") > 1 or _SEVERAL.search(text) or _NEXT_CELL.search(text):
        raise PhoneError("it holds more than one number; give one")
    if re.search("[A-Za-z]", text):
        raise PhoneError("it holds letters; write the number with digits only")
    strange = next((one for one in text if not (one in "+-().0123456789" or one.isspace())), "")
    if strange:
        raise PhoneError(
            f"it holds a character that is in no number ({_name(strange)}); leave it out"
        )
    if _FLOAT_BEHIND.fullmatch(text):
        raise PhoneError("it ends as a spreadsheet writes amounts; leave out the point and the 0")
    if "+" in text.lstrip(" (")[1:]:
        raise PhoneError("+ stands before the country code; write it first")


def _name(character: str) -> str:
    return unicodedata.name(character, "").lower() or f"U+{ord(character):04X}"


def _digits(text: str) -> tuple[bool, str]:
    compact = _MARKS.sub("", text)
    digits = compact.removeprefix("+")
    if len(digits) < MIN_DIGITS:
        raise PhoneError(f"it is too short: short and emergency numbers are never called; {FIX}")
    if len(digits) > MAX_DIGITS:
        raise PhoneError("it has too many digits for one number; give one")
    return compact.startswith("+"), digits
