"""Parses and validates e-mail addresses, including dictated ones."""

import re
from typing import Final

import idna

from fwai.domain.spelt_words import JOINED, SpeltError, is_number_word, join_spelt

MAX_CHARS: Final = 254
MAX_LOCAL_CHARS: Final = 64
_SPOKEN_AT: Final = re.compile(
    r"(?<!\S)(?:at(?:\s+(?:the\s+)?rate(?:\s+of)?|\s+(?:sign|symbol))?|एट(?:\s+द\s+रेट)?|ऐट)(?!\S)"
)
_TWO_WORDS: Final = re.compile(
    r"(?<!\S)(under|full|g|hot|rediff|out|i|proton|ya) "
    r"(score|stop|mail|look|cloud|hoo)(?!\S)"
)
_LEAD: Final = re.compile(
    r"^(?:(?:my|the|mera|meri) )?(?:e-?mail|mail)(?: (?:id|address))? (?:is|hai) "
    r"|^(?:it is|it's|its) "
)
_CASE: Final = re.compile(
    r"(?<!\S)(?:all )?(?:in )?(?:small|lower ?case|english) letters(?!\S)"
    r"|(?<!\S)all (?:small|lower ?case)(?!\S)"
)
_SPOKEN: Final = {
    "dot": ".",
    "point": ".",
    "fullstop": ".",
    "डॉट": ".",
    "अंडरस्कोर": "_",
    "डैश": "-",
    "period": ".",
    "underscore": "_",
    "dash": "-",
    "hyphen": "-",
    "minus": "-",
    "plus": "+",
}
_LATIN: Final = {
    "जीमेल": "gmail", "याहू": "yahoo", "हॉटमेल": "hotmail", "आउटलुक": "outlook",
    "रेडिफमेल": "rediffmail", "कॉम": "com", "इन": "in", "डॉट": "dot", "को": "co",
}  # fmt: skip
_ONE_WORD: Final = {
    "under score": "underscore", "full stop": "fullstop", "g mail": "gmail",
    "hot mail": "hotmail", "rediff mail": "rediffmail", "out look": "outlook",
    "i cloud": "icloud", "proton mail": "protonmail", "ya hoo": "yahoo",
}  # fmt: skip
_SIGNS: Final = frozenset("._+-@")
_PUNCTUATION: Final = re.compile(r"\s*([@.])\s*|\s*(?<=\s)([_+-])(?=\s)\s*")
# Fewer than RFC 5321 allows: quotes, % and ! have only been seen in attempts to relay mail.
_LOCAL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_+'&=~-]|\.(?!\.|$))*")
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_TOP_LABEL: Final = re.compile(r"[a-z]{2,63}|xn--[a-z0-9-]{1,59}")
_DASHED: Final = re.compile(r"(?<!\S)(?:[^\W_]-){2,}[^\W_](?!\S)")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def address(text: str) -> str:
    """Parse the one address in ``text`` to lower case ASCII.

    It may be written ("Asha@example.com ") or spelt as people say it ("asha dot k at example dot
    com", "at the rate" for @, letters one by one). The domain may be international.

    Raises:
        ValueError: It is no address, or not for certain. The sentence tells a voice agent what to
            ask, and does not hold the address.
    """
    written = _replace_spoken_signs(text)
    if re.search(r"[,;<>\"]|\bmailto:", written):
        raise ValueError("give one bare e-mail address, without a name, quotes, commas or brackets")
    if written.count("@") != 1:
        many = "@" in written
        raise ValueError(
            "there is more than one @: ask the caller for one e-mail address"
            if many
            else "there is no @ in it: ask the caller for the whole e-mail address"
        )
    local, _, domain = written.partition("@")
    _doubt_number_words(local)
    local, domain = _joined(local), _joined(domain)
    if len(local) > MAX_LOCAL_CHARS or not _LOCAL.fullmatch(local):
        raise ValueError(
            "the part before the @ cannot be right: ask the caller to spell it letter by letter,"
            " in English letters"
        )
    result = f"{local}@{_to_ascii_domain(domain)}"
    if len(result) > MAX_CHARS:
        raise ValueError("the e-mail address is too long: ask the caller to repeat it")
    return result


def _replace_spoken_signs(text: str) -> str:
    """Replace spoken signs by characters, without blanks around them."""
    if len(text) > 4 * MAX_CHARS:
        raise ValueError("that is too long for an e-mail address: ask the caller to repeat it")
    lower = text.strip(" ").lower()
    if "@" not in lower:  # between letters that are spelt
        lower = lower.replace(",", " ")
    if _CONTROL.search(lower):
        raise ValueError("give the e-mail address on one line, without control characters")
    if "@" not in lower:
        if _DASHED.search(lower):
            raise ValueError(
                "it is not clear whether the dashes belong to it: ask the caller, and give the "
                "letters with blanks between them, and the word dash for each dash that is meant"
            )
        lower = _SPOKEN_AT.sub("@", lower)
        if not (domain := _latin(lower.rpartition("@")[2])).isascii():
            raise ValueError(
                "the part after the @ is not in English letters: ask the caller to spell it, and "
                "give it in English letters"
            )
        lower = f"{lower.rpartition('@')[0]}@ {domain}" if "@" in lower else lower
    words = _LEAD.sub("", " ".join(lower.split()))
    words = _TWO_WORDS.sub(lambda match: _ONE_WORD.get(match[0], match[0]), _CASE.sub(" ", words))
    words = " ".join(_SPOKEN.get(word, word) for word in words.split())
    return _PUNCTUATION.sub(lambda match: match[1] or match[2], words).removesuffix(".")


def _doubt_number_words(local: str) -> None:
    """Ask about "raj underscore one": the word may be meant, or the figure."""
    pieces = re.split(r"[._+-]", local)
    if len(pieces) > 1 and any(is_number_word(piece.strip()) for piece in pieces):
        raise ValueError(
            "a number may be meant as a figure or as a word: ask which, and give the figure, or "
            "the word letter by letter"
        )


def _latin(domain: str) -> str:
    """Write the providers that everybody knows in Latin letters."""
    return " ".join(_LATIN.get(word, word) for word in domain.split())


def _joined(part: str) -> str:
    """Join what was spelt between the signs of a part.

    Raises:
        ValueError: It has several readings; the sentence tells what to ask.
    """
    joined = JOINED.search(part) is not None
    part = JOINED.sub(" ", part)
    try:
        return "".join(
            piece if piece in _SIGNS else join_spelt(piece, joined=joined)
            for piece in re.split(r"([.@_+-])", part)
        )
    except SpeltError as exc:
        raise ValueError(str(exc)) from None


def _to_ascii_domain(domain: str) -> str:
    """Convert ``domain`` to its ASCII (IDNA) form.

    Raises:
        ValueError: It is not a valid domain.
    """
    wrong = "the part after the @ cannot be right: ask the caller to repeat it, such as example.com"
    try:
        ascii_domain = domain if domain.isascii() else idna.encode(domain, uts46=True).decode()
    except idna.IDNAError as exc:
        raise ValueError(wrong) from exc
    labels = ascii_domain.split(".")
    valid = len(labels) > 1 and all(_LABEL.fullmatch(label) for label in labels)
    if not valid or not _TOP_LABEL.fullmatch(labels[-1]):
        raise ValueError(wrong)
    return ascii_domain
