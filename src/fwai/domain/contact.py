"""Contacts: memory of earlier calls and the do-not-call list."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

MAX_ENTRIES: Final = 5
MAX_TEXT: Final = 700


@dataclass(frozen=True, slots=True)
class MemoryEntry:
    """Digest of one earlier call.

    Attributes:
        text: What was said and agreed; at most `MAX_TEXT` characters.
    """

    at: datetime
    call_id: str
    agent: str
    text: str


@dataclass(frozen=True, slots=True)
class Contact:
    """A person's memory and do-not-call flag.

    Attributes:
        phone: E.164.
        memory: The oldest first, at most `MAX_ENTRIES`.
        do_not_call: They asked not to be called, or an operator forbade it.
        reason: Why; for the operator.
    """

    phone: str
    memory: Sequence[MemoryEntry] = ()
    do_not_call: bool = False
    reason: str = ""


def remembered(memory: Sequence[MemoryEntry], new: MemoryEntry) -> tuple[MemoryEntry, ...]:
    """Add ``new`` to ``memory``; it replaces the entry of the same call."""
    others = [entry for entry in memory if entry.call_id != new.call_id]
    return tuple(sorted([*others, new], key=lambda entry: entry.at)[-MAX_ENTRIES:])


def entry_json(entry: MemoryEntry) -> Mapping[str, Any]:
    """Serialise a memory entry for storage."""
    return {
        "at": entry.at.isoformat(),
        "call_id": entry.call_id,
        "agent": entry.agent,
        "text": entry.text[:MAX_TEXT],
    }


def read_entry(raw: Mapping[str, Any]) -> MemoryEntry:
    """Parse an entry that `entry_json` made."""
    at = datetime.fromisoformat(raw["at"])
    return MemoryEntry(at, raw["call_id"], raw["agent"], raw["text"])
