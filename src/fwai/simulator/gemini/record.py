"""Records what a simulated Live session saw of its client, for tests to assert on."""

from dataclasses import dataclass, field
from typing import Any, TypeVar

_T = TypeVar("_T")

MAX_KEPT = 1_000
"""Items kept in each list of a record; what comes after is only counted by ``dropped``."""


@dataclass(slots=True)
class SessionRecord:
    """One connection, as the service saw it. No list holds more than ``MAX_KEPT`` items.

    Attributes:
        index: Its number over the simulator's life, refused ones included.
        path: What the client asked for, without the query.
        auth: How a key came, ``x-goog-api-key``, ``authorization``, ``key`` or ``access_token``;
            None when none did. The key itself is not kept.
        refused: HTTP status it was refused with, or None.
        setup: The setup message with camelCase keys, or None before it came.
        session_id: The id given in setupComplete, or empty.
        handle: The resumption handle it came with, or None.
        resumed: The conversation of that handle goes on here.
        handles: Handles issued here.
        texts: Typed instructions, from realtimeInput and from turns that ask for an answer.
        contents: clientContent messages.
        updates: contextUpdate messages.
        tool_calls: Tools asked for: ``{id, name, args}``.
        tool_responses: functionResponses as they came.
        cancelled: Ids of tool calls that were taken back.
        skipped_tools: Tools the scenario wanted and the client had not declared.
        audio_ms: Caller audio received.
        rates: Sample rates the client declared for it.
        heard: Name of the clip each utterance was recognised as, or None.
        scores: How well, 0 to 1; 0 when it was not.
        replies: Names of the replies given, in order.
        turns: Turns that were finished, interrupted ones included.
        interruptions: Turns that were interrupted.
        sent_ms: Agent audio sent.
        stream_ends: audioStreamEnd messages.
        activities: ``start`` and ``end`` as the client signalled them.
        violations: What a client must not do and this one did.
        dropped: Items not kept, the lists being full.
        close_code: Close code of the connection, 1006 when it broke; None while it is open.
        closed_by: ``client`` or ``server``, or None while it is open.
    """

    index: int
    path: str
    auth: str | None
    refused: int | None = None
    setup: dict[str, Any] | None = None
    session_id: str = ""
    handle: str | None = None
    resumed: bool = False
    handles: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    contents: list[dict[str, Any]] = field(default_factory=list)
    updates: list[dict[str, Any]] = field(default_factory=list)
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    tool_responses: list[dict[str, Any]] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    skipped_tools: list[str] = field(default_factory=list)
    audio_ms: float = 0.0
    rates: set[int] = field(default_factory=set)
    heard: list[str | None] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)
    turns: int = 0
    interruptions: int = 0
    sent_ms: float = 0.0
    stream_ends: int = 0
    activities: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    dropped: int = 0
    close_code: int | None = None
    closed_by: str | None = None

    def keep(self, items: list[_T], item: _T) -> None:
        """Append to one of the lists, as long as there is room."""
        if len(items) < MAX_KEPT:
            items.append(item)
        else:
            self.dropped += 1
