"""Letters of text messages: those of GSM 7 bit, and all others, which need UCS-2. No I/O.

A message of GSM letters has 160 of them in its first part, one with any other letter 70. In India
the kind is registered together with the wording.

Source: 3GPP TS 23.038, section 6.2.1.
"""

import unicodedata
from typing import Final

_BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_TWICE: Final = "^{}\\[~]|€\f"  # each takes the room of two
_GSM: Final = frozenset(_BASIC + _TWICE)
# What models and word processors write for letters that GSM has, by code point.
_LIKE: Final[dict[int, str]] = {
    **dict.fromkeys([0x2018, 0x2019, 0x201A, 0x2032, 0x0060, 0x00B4], "'"),
    **dict.fromkeys([0x201C, 0x201D, 0x201E, 0x2033], '"'),
    **dict.fromkeys([0x2010, 0x2011, 0x2012, 0x2013, 0x2014, 0x2015, 0x2212, 0x2022], "-"),
    **dict.fromkeys([0x200B, 0x2060, 0xFEFF], ""),
    0x2026: "...",
    0x20B9: "Rs.",
    0x00D7: "x",
}
_JOINERS: Final = frozenset("\u200c\u200d")  # Indian scripts need them


def is_gsm(text: str) -> bool:
    """Whether ``text`` has GSM letters only."""
    return _GSM.issuperset(text)


def foreign(text: str) -> str:
    """Return the first character of ``text`` that GSM lacks; empty when there is none."""
    return next((character for character in text if character not in _GSM), "")


def as_gsm(text: str) -> str:
    """Return ``text`` with typographic signs and foreign accents written as GSM has them.

    What is like nothing in GSM stays as it is.
    """
    return "".join(
        character if character in _GSM else _bare(character) for character in text.translate(_LIKE)
    )


def one_line(text: str) -> str:
    """Return ``text`` in composed letters and on one line, with single spaces between words."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def unprintable(text: str) -> bool:
    """Whether ``text`` has characters that nobody can see, such as those that turn it round."""
    return any(
        unicodedata.category(character).startswith("C") and character not in _JOINERS
        for character in text
    )


def units(text: str) -> int:
    """Return how much room ``text`` takes: GSM septets, or UTF-16 units with any other letter."""
    if is_gsm(text):
        return len(text) + sum(character in _TWICE for character in text)
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def shortened(text: str, most: int) -> str:
    """Return at most ``most`` characters of ``text``, to the end of a word where there is one."""
    if len(text) <= most:
        return text
    words = text[: most + 1].rpartition(" ")[0].rstrip(" ,;:-")
    return words or text[:most]


def _bare(character: str) -> str:
    """Return a letter without its accents, if GSM has that."""
    parts = unicodedata.normalize("NFKD", character)
    bare = "".join(part for part in parts if not unicodedata.combining(part))
    return bare if bare and _GSM.issuperset(bare) else character
