"""Joins what people spell: letters one by one, "double l", "r for raj", numbers in words. PURE.

It joins only what has one reading. Two whole words may have anything between them, and are asked
about; whoever says "one word" or "no space" has answered that.
"""

import re
from collections.abc import Sequence
from typing import Final


def _pairs(text: str) -> dict[str, str]:
    return dict(pair.split(":") for pair in text.split())


_ENGLISH: Final = _pairs(
    """zero:0 one:1 two:2 three:3 four:4 five:5 six:6 seven:7 eight:8 nine:9 ten:10 eleven:11
    twelve:12 thirteen:13 fourteen:14 fifteen:15 sixteen:16 seventeen:17 eighteen:18 nineteen:19"""
)
_TENS: Final = _pairs("twenty:2 thirty:3 forty:4 fifty:5 sixty:6 seventy:7 eighty:8 ninety:9")
_HINDI: Final = _pairs(
    """shunya:0 ek:1 do:2 teen:3 tin:3 char:4 chaar:4 paanch:5 panch:5 chhah:6 chhe:6 chah:6 saat:7
    sat:7 aath:8 aat:8 nau:9 das:10 शून्य:0 एक:1 दो:2 तीन:3 चार:4 पांच:5 पाँच:5 छह:6 छः:6 सात:7 आठ:8
    नौ:9"""
)
_NATO: Final = frozenset(
    """alfa alpha bravo charlie delta echo foxtrot golf hotel india juliet juliett kilo lima mike
    november oscar papa quebec romeo sierra tango uniform victor whiskey whisky xray yankee
    zulu""".split()  # noqa: SIM905 - one word is like another here
)
_LETTER_NAMES: Final = {"zed": "z", "zee": "z"}
_SIZES: Final = frozenset({"capital", "cap", "small", "lowercase", "uppercase", "letter", "digit"})
_TIMES: Final = {"double": 2, "triple": 3}
_EXAMPLES: Final = frozenset({"for", "as", "like", "jaise", "se"})
_MIN_NATO: Final = 3  # "mike victor" is a person
_INITIALS: Final = 2  # as many letters go with a word; more of them spell something of their own
_FILLERS: Final = frozenset(
    """yes yeah yep ok okay so well um uh hmm haan han ji accha acha no not is it its that this
    the a an and then with in as of or only just please email mail id address name number numbers
    space slash hash star sign symbol word words letter letters capital small caps lowercase
    uppercase between also sir madam hello aur phir bas mera meri naam hai""".split()  # noqa: SIM905
) - {"a"}
"""Words that belong to the sentence rather than to what is spelt in it."""

JOINED: Final = re.compile(
    r"(?<!\S)(?:(?:all|as|is|in|with|both|written|joined|typed|it is|it's|its|that is) )*"
    r"(?:(?:one|a single|single) word|no spaces?|without (?:any )?spaces?|together|in one"
    r"|bina space(?: ke)?)(?: (?:in ?between|between|go))?(?!\S)"
)
"""What people say to tell that nothing stands between words."""


class SpeltError(ValueError):
    """It has several readings, or none; the text tells a voice agent what to ask."""


def join_spelt(text: str, *, joined: bool = False) -> str:
    """Join what was spelt between two signs of an address or a name.

    Args:
        text: Lower case; a single word comes back as it is, whatever it means.
        joined: The speaker said that nothing stands between the words.

    Raises:
        SpeltError: Several readings are left.
    """
    words = text.split()
    if len(words) < 2:
        return "".join(words)
    alphabet = sum(word in _NATO for word in words)
    if alphabet and all(word in _NATO or _is_character(word) for word in words):
        if alphabet >= _MIN_NATO:
            return "".join(word[0] for word in words)
        if any(_is_character(word) and word.isalpha() for word in words):
            raise SpeltError(
                "it is not clear which letters are meant: ask the caller to spell it letter by "
                "letter, and give the letters alone"
            )
    return _Speller(words, joined=joined).join()


def is_number_word(word: str) -> bool:
    """Whether ``word`` is an English number, such as "seven"."""
    return word in _ENGLISH or word in _TENS


def _is_character(word: str) -> bool:
    return len(word) == 1 and word.isalnum()


class _Speller:
    def __init__(self, words: Sequence[str], *, joined: bool) -> None:
        self._words = words
        self._joined = joined
        self._at = 0
        self._whole: list[str] = []
        self._spelt_word = False  # a word came with its own spelling
        spelt = sum(_is_character(word) or word.isdecimal() for word in words)
        numbers = sum(word in _ENGLISH or word in _TENS for word in words)
        # "do" and "sat" are English, too: they count where something else is spelt as well.
        self._digits = _ENGLISH | _HINDI if spelt or _all_hindi(words) else _ENGLISH
        self._spells = bool(spelt or numbers or _all_hindi(words))

    def join(self) -> str:
        found = []
        while self._at < len(self._words):
            found.append(self._next())
        letters = sum(_is_character(word) and word.isalpha() for word in self._words)
        doubted = letters > _INITIALS and not self._spelt_word
        if self._whole and (doubted or _FILLERS.intersection(self._whole)):
            raise SpeltError(
                "it is not clear which words belong to it: ask the caller, and give only what "
                "belongs to it, whole words without blanks or single letters"
            )
        if len(self._whole) > 1 and not self._joined:
            raise SpeltError(
                "it is not clear what stands between two words: ask whether it is a dot, an "
                "underscore, a dash or nothing, and give it with that sign, or as one word without "
                "blanks"
            )
        return "".join(found)

    def _take(self) -> str:
        self._at += 1
        return self._words[self._at - 1]

    def _peek(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._words[at] if at < len(self._words) else ""

    def _next(self) -> str:
        word = self._take()
        if word in _SIZES and _is_character(self._peek()):
            word = self._take()
        elif word in ("upper", "lower") and self._peek() == "case" and _is_character(self._peek(1)):
            self._at += 1
            word = self._take()
        if word in _TIMES and self._peek():
            return self._repeated(_TIMES[word])
        if _is_character(word):
            self._doubt_zero(word)
            return self._after_letter(word)
        return self._number(word) or self._word(word)

    def _repeated(self, times: int) -> str:
        word = self._take()
        if word == "u" and times == 2:
            raise SpeltError("double u may be w or uu: ask which, and give it as w or as u u")
        character = self._digits.get(word, word)
        if not _is_character(character):
            raise SpeltError(
                "it is not clear what is double: ask the caller to spell it letter by letter"
            )
        self._doubt_zero(character)
        return self._after_letter(character) + character * (times - 1)

    def _doubt_zero(self, letter: str) -> None:
        """Ask about an "o" that stands among figures: it may be a zero."""
        following = self._peek()
        figures = following.isdecimal() or following in _ENGLISH or following in _TENS
        before = [word for word in self._words[: self._at - 1] if word not in _TIMES]
        if letter == "o" and figures and not (before and before[-1].isalpha()):
            raise SpeltError(
                "the o may be a zero or the letter: ask which, and give 0, or o for orange"
            )

    def _after_letter(self, letter: str) -> str:
        """Skip the example after a letter: "r for raj", "b as in ball"."""
        skip = 1
        if self._peek() == "as" and self._peek(1) == "in":
            skip = 2
        elif self._peek() not in _EXAMPLES:
            return letter
        example = self._peek(skip)
        if len(example) < 2 or not example.startswith(letter):
            raise SpeltError("a letter and its example differ: ask the caller to spell it again")
        self._at += skip + 1
        return letter

    def _number(self, word: str) -> str:
        if not self._spells and len(self._words) > 1 and word not in _ENGLISH | _TENS:
            return ""
        if word in _TENS:
            unit = _ENGLISH.get(self._peek(), "")
            if len(unit) == 1 and unit != "0":
                self._at += 1
                return _TENS[word] + unit
            return _TENS[word] + "0"
        if word in ("hundred", "thousand", "sau", "hazaar"):
            raise SpeltError("a number is not clear: ask for it digit by digit")
        return self._digits.get(word, "")

    def _word(self, word: str) -> str:
        if word in _LETTER_NAMES and self._spells:
            return _LETTER_NAMES[word]
        if not word.isdecimal():
            self._whole.append(word)
            ahead = self._words[self._at : self._at + len(word)]
            if len(word) > 1 and list(word) == list(ahead):
                self._at += len(word)  # "sharma, s h a r m a" says it twice
                self._spelt_word = True
        return word


def _all_hindi(words: Sequence[str]) -> bool:
    return len(words) > 1 and all(word in _HINDI or word in _ENGLISH for word in words)
