"""Keeps conversations for session resumption, by handle."""

import uuid
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any

from fwai.simulator.gemini.scenario import Reply

MAX_HANDLES = 4_096
"""Handles kept; the oldest are forgotten."""

TOKENS_PER_SECOND = 25
CHARACTERS_PER_TOKEN = 4


@dataclass(slots=True)
class Conversation:
    """State of a conversation that a resumed session continues.

    Attributes:
        turns: Turns begun.
        greeted: The first instruction has been answered, or the conversation was taken up later.
        context_tokens: Size of the context, billed as a whole each turn.
    """

    turns: int = 0
    greeted: bool = False
    context_tokens: int = 0

    def hear(self, length_ms: float) -> None:
        """Add caller audio to the context."""
        self.context_tokens += round(length_ms / 1000 * TOKENS_PER_SECOND)

    def read(self, text: str, *, by_agent: bool) -> None:
        """Add text to the context; what the agent said before means that it need not greet."""
        self.context_tokens += -(-len(text) // CHARACTERS_PER_TOKEN)
        self.greeted |= by_agent

    def bill(self, spoken_ms: float, compression: tuple[int, int] | None) -> tuple[int, int]:
        """Close a turn: return its prompt and response tokens and grow the context."""
        prompt = self.context_tokens
        response = round(spoken_ms / 1000 * TOKENS_PER_SECOND)
        self.context_tokens += response
        if compression is not None and self.context_tokens > compression[0]:
            self.context_tokens = compression[1]
        return prompt, response


class Memory:
    """Keeps snapshots of conversations by handle; every handle stays good, not only the newest.

    Attributes:
        asked: The latest tool call of any session and the reply it is of, or None.
    """

    def __init__(self) -> None:
        self.asked: tuple[dict[str, Any], Reply] | None = None
        self._kept: OrderedDict[str, tuple[str, Conversation]] = OrderedDict()

    def keep(self, model: str, conversation: Conversation) -> str:
        """Remember a conversation as it is now; return its handle."""
        handle = f"handle-{uuid.uuid4().hex}"
        self._kept[handle] = (model, replace(conversation))
        if len(self._kept) > MAX_HANDLES:
            self._kept.popitem(last=False)
        return handle

    def recall(self, handle: str) -> tuple[str, Conversation] | None:
        """Return the model and a copy of the conversation of a handle; None for a strange one."""
        found = self._kept.get(handle)
        return (found[0], replace(found[1])) if found else None

    def forget(self) -> None:
        """Forget every conversation, as a restart of the service would."""
        self._kept.clear()
