"""The read-back of what a caller dictated: how far it got, and the words that confirmed it."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

MAX_READ_BACK = 500
MAX_ANSWER = 300


class ReadBack(enum.Enum):
    """Why a dictated recipient is not confirmed yet."""

    NAMED = enum.auto()
    """It was named just now."""
    UNHEARD = enum.auto()
    """Nothing was said since, or it is still being said."""
    CUT = enum.auto()
    """The caller spoke before they had heard it all."""
    UNANSWERED = enum.auto()
    """They heard it, and have said nothing since."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What was said when a recipient was confirmed.

    Attributes:
        read_back: The agent's words, all of which the caller had heard; at most `MAX_READ_BACK`
            characters, the last of them.
        answer: The caller's next words, as they were transcribed; at most `MAX_ANSWER` characters.
    """

    read_back: str
    answer: str

    def facts(self, *, words: bool) -> Mapping[str, str]:
        """Return it as JSON; without ``words`` only that it was so."""
        if not words:
            return {}
        return {"read_back": self.read_back, "answer": self.answer}
