"""Sentences that a call may need while its agent cannot speak."""

import enum
from dataclasses import dataclass


class Sentence(enum.StrEnum):
    """What may have to be said without the model; each is kept as sound, by agent."""

    ONE_MOMENT = "one_moment"
    """The agent owes an answer and is not there yet."""
    CONNECTING = "connecting"
    """It cannot go on; the caller is connected with a person."""
    LEAVE_MESSAGE = "leave_message"
    """It cannot go on; the caller may speak after the tone, and will be called back."""
    MESSAGE_KEPT = "message_kept"
    """The message was kept and a callback is due; goodbye."""
    APOLOGY = "apology"
    """It cannot go on and nothing can be done now; please call again later; goodbye."""
    LINE_BROKE = "line_broke"
    """The line was interrupted and is there again."""


@dataclass(frozen=True, slots=True)
class SpokenSentence:
    """One of them as it is heard.

    Attributes:
        text: Its words.
        pcm: Their sound: s16le mono at 24 kHz.
    """

    text: str
    pcm: bytes


class Fallback(enum.StrEnum):
    """What a caller gets when the agent cannot be brought back."""

    TRANSFER = "transfer"
    VOICEMAIL = "voicemail"
    APOLOGY = "apology"
