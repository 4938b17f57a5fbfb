"""A place in the words of a spoken time, which its rules look ahead from and move."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from fwai.domain.spoken_time_kinds import DONE, Kind, Word

END: Final = Word(Kind.BREAK)
ASIDES: Final = (Kind.ASIDE, Kind.THING, Kind.OF)


class WordCursor:
    """A place in a list of words; what no rule reads is kept between them.

    Attributes:
        at: Index of the next word.
        named: What may last stands somewhere: a demo, a call.
        joined: Such a thing stands before "ka", "ke" or "of", so that a length may be its own.
    """

    def __init__(self, words: Sequence[Word]) -> None:
        self._words = [word for word in words if word.kind not in ASIDES]
        self._asides: list[list[Word]] = [[]]
        for word in words:
            if word.kind in ASIDES:
                self._asides[-1].append(word)
            else:
                self._asides.append([])
        self.named = any(word.kind is Kind.THING and word.value != DONE for word in words)
        self.joined = any(
            one.kind is Kind.THING and other.kind is Kind.OF for one, other in pairwise(words)
        )
        self.at = 0

    @property
    def done(self) -> bool:
        """Whether no word is left."""
        return self.at >= len(self._words)

    def peek(self, ahead: int = 0) -> Word:
        """Return the word ``ahead`` of the next one, or behind it when negative; `END` outside."""
        at = self.at + ahead
        return self._words[at] if 0 <= at < len(self._words) else END

    def asides(self, ahead: int = 0) -> Sequence[Word]:
        """Return what stands between the word ``ahead`` and the one before it, unread."""
        at = self.at + ahead
        return self._asides[at] if 0 <= at < len(self._asides) else ()

    def next_are(self, *kinds: Kind) -> bool:
        """Whether the next words are of ``kinds``."""
        return all(self.peek(ahead).kind is kind for ahead, kind in enumerate(kinds))

    def skip(self, kind: Kind) -> bool:
        """Pass the next word if it is of ``kind``."""
        found = self.peek().kind is kind
        self.at += found
        return found

    def take(self) -> Word:
        """Pass the next word and return it."""
        self.at += 1
        return self.peek(-1)
