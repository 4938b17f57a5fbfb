"""A place in the words of a spoken time, which its rules look ahead from and move."""

from collections.abc import Sequence
from typing import Final

from fwai.domain.spoken_time_kinds import Kind, Word

END: Final = Word(Kind.BREAK)


class WordCursor:
    """A place in a list of words.

    Attributes:
        at: Index of the next word.
    """

    def __init__(self, words: Sequence[Word]) -> None:
        self._words = words
        self.at = 0

    @property
    def done(self) -> bool:
        """Whether no word is left."""
        return self.at >= len(self._words)

    def peek(self, ahead: int = 0) -> Word:
        """Return the word ``ahead`` of the next one, or behind it when negative; `END` outside."""
        at = self.at + ahead
        return self._words[at] if 0 <= at < len(self._words) else END

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
