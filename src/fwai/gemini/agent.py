"""The agent's leg: one conversation over as many connections as it takes.

Theory of operation. `run` opens a connection, hands it the conversation and waits until it is lost,
given up (`renew`), due for rotation or no longer wanted. A new connection starts from the last
handle the service issued, and gets what was said after it as history; without a usable handle it is
a fresh session that gets our whole transcript. Neither repeats the greeting.

Rotation (the service announced its end, or it is old) opens the next connection while the old one
still serves, and changes over when nobody speaks, no tool runs and nothing is owed; before the
announced end in any case, unless a reply is being received: that is taken to its end, or to the
connection's.

What the model owes an answer to is kept: instructions and tool results by `Memory` as text, what
the caller said by `Uplink` as sound, because the service may not have transcribed it yet. The next
connection gets both. If the loss cut a reply short, the model is told to go on. A tool call
belongs to the connection it came from: its id means nothing to the next one, so a late result goes
there as words.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import structlog

from fwai.domain.events import (
    AgentAudio,
    AgentEvent,
    AgentReady,
    CallerRepeats,
    CallerSaid,
    ToolCall,
    ToolResult,
    ToolsCancelled,
)
from fwai.errors import AgentError
from fwai.gemini import messages
from fwai.gemini.connection import LiveConnection, LiveEndpoint
from fwai.gemini.faults import SILENT
from fwai.gemini.memory import Memory
from fwai.gemini.messages import (
    Control,
    GoAway,
    HandleIssued,
    OddMessage,
    ServerMessage,
    ServiceError,
    SetupDone,
    TurnRefused,
)
from fwai.gemini.model_watch import LiveWatch
from fwai.gemini.models import family_of
from fwai.gemini.odd_messages import OddMessages
from fwai.gemini.outage import Outage
from fwai.gemini.recovery import REFUSALS, Attempt, Recovery
from fwai.gemini.rotation import Rotation
from fwai.gemini.setup import SessionConfig, setup_message
from fwai.gemini.uplink import Uplink

EARLY_EVENTS: Final = 1_000
QUIET_S: Final = 1.0
HISTORY_JUDGED_S: Final = 3.0  # a close with 1007 so soon after a history judges the history
INVALID_ARGUMENT: Final = 1007

SILENT_ERROR: Final = AgentError(
    "live: given up, it does not answer", resumable=True, fresh=True, fault=SILENT.name
)

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Opened:
    """An open connection that may serve.

    Attributes:
        handle_at: Up to where its session knows the conversation; None for a fresh one.
        earlier: What was said after that, where it stands in its set-up.
        at: Since when it is open.
    """

    connection: LiveConnection
    handle_at: int | None
    earlier: list[tuple[str, str]]
    at: float


class GeminiAgent:
    """A Live session that survives its connections. Implements ``AgentLeg``.

    Args:
        endpoint: Where the service is.
        config: What the model is told.
        watch: Hears whether sessions can be opened, or None.

    Attributes:
        connections: How many were opened.
    """

    def __init__(
        self, endpoint: LiveEndpoint, config: SessionConfig, watch: LiveWatch | None = None
    ) -> None:
        self._endpoint = endpoint
        self._config = config
        self._scheduling = family_of(config.model).tool_scheduling
        self._loop = asyncio.get_running_loop()
        self._recovery = Recovery()
        self._outage = Outage(config.model, watch, self._tell)
        self._connection: LiveConnection | None = None
        self._closing = False
        self._wake = asyncio.Event()
        self._rotation = Rotation()
        self._renewal: bool | None = None  # asked for: as a fresh session?
        self._hear: Callable[[AgentEvent], None] | None = None
        self._early: deque[AgentEvent] = deque(maxlen=EARLY_EVENTS)
        self._handle: str | None = None
        self._opening: asyncio.Timeout | None = None
        self._memory = Memory()
        self._history_in_setup = not family_of(config.model).history
        self._history_sent_at = -HISTORY_JUDGED_S
        self._odd = OddMessages()
        self._uplink = Uplink()
        self._calls: dict[str, LiveConnection | None] = {}
        self._unnamed = 0  # tool calls that came without an id
        self._spoke_at = -QUIET_S
        self.connections = 0

    @property
    def dropped_audio(self) -> int:
        """Caller audio that the model never got, in bytes."""
        return self._uplink.dropped

    def listen(self, hear: Callable[[AgentEvent], None]) -> None:
        """Deliver every event from now on to ``hear``; earlier ones first."""
        self._hear = hear
        while self._early:
            hear(self._early.popleft())

    def hear(self, pcm: bytes, *, speech: bool) -> None:
        """Let the model hear s16le mono at 16 kHz; held while there is no connection."""
        now = self._loop.time()
        if speech:
            self._spoke_at = now
        if self._uplink.add(pcm, speech=speech, now=now):
            self._memory.caller_begins()
        self._uplink.send(self._connection, pcm)

    def prompt(self, text: str) -> None:
        """Give the model an instruction that it acts on at once."""
        self._memory.owe(text)
        if self._connection is not None:
            self._connection.send(messages.text(text))

    def answer_tool(self, result: ToolResult) -> None:
        """Answer a tool call once; an answer to a cancelled or unknown call is dropped."""
        if result.id not in self._calls:
            return
        asked_by, connection = self._calls.pop(result.id), self._connection
        if not result.silent:
            # Kept until the model speaks about it: the connection may be lost before.
            self._memory.owe(f"Result of {result.name}: {result.text}", result.id)
        if connection is None:
            return
        if asked_by is connection:
            connection.send(messages.tool_response(result, scheduling=self._scheduling))
            if not self._scheduling:
                self._memory.awaits_tool()
        elif not result.silent:
            connection.send(messages.text(f"Result of {result.name}: {result.text}"))

    def renew(self, *, fresh: bool) -> None:
        """Give up the connection, which does not answer, and go on with another one."""
        if self._connection is not None and not self._closing:
            self._renewal = fresh
            self._wake_up()

    def close(self) -> None:
        """End the session; ``run`` returns soon after."""
        self._closing = True
        self._wake_up()
        if self._opening is not None:
            self._opening.reschedule(self._loop.time())
            self._opening = None

    async def run(self) -> None:
        """Keep the session alive until ``close``; a loss for good is an ``AgentLost`` event."""
        if self._outage.known():
            return
        attempt: Attempt | None = Attempt(0.0, resume=False)
        try:
            while attempt is not None and not self._closing:
                attempt = await self._connect_and_stay(attempt)
        finally:
            self._detach()
        if not self._closing:
            self._outage.gave_up(self.connections)

    # ---- connections --------------------------------------------------------------------------

    async def _connect_and_stay(self, attempt: Attempt) -> Attempt | None:
        """Live through connections until one is lost; return what to try next."""
        if not attempt.resume:
            self._handle = None
        resumed = attempt.resume and self._handle is not None
        try:
            opened = await self._open(attempt.delay_s)
        except AgentError as exc:
            again = self._recovery.after(
                exc, now=self._loop.time(), lived_s=None, handle=resumed, resumed=resumed
            )
            self._outage.not_opened(exc, resumed=resumed, last=again is None)
            return again
        if opened is None:
            return None
        while True:
            current = opened
            self._attach(current)
            opened, error = await self._stay(current)
            self._detach()
            if opened is None:
                break
            self._recovery.served(self._loop.time() - current.at)
        if error is None or self._closing:
            return None
        if error.code == INVALID_ARGUMENT and self._history_judged(current):
            self._history_in_setup = True
        fresh, self._renewal = self._renewal, None
        again = self._recovery.after(
            error,
            now=self._loop.time(),
            lived_s=self._loop.time() - current.at,
            handle=self._handle is not None and not fresh,
            resumed=current.handle_at is not None,
        )
        self._outage.lost(error, replying=self._memory.replying, last=again is None)
        return again

    async def _open(self, delay_s: float) -> Opened | None:
        """Open a connection after a delay; None as soon as nobody wants it any more.

        Raises:
            AgentError: It could not be opened.
        """
        handle_at = self._memory.handle_at if self._handle is not None else None
        try:
            async with asyncio.timeout(None) as self._opening:
                await asyncio.sleep(delay_s)
                earlier = self._memory.told(handle_at) if self._history_in_setup else []
                setup = setup_message(self._config, self._handle, earlier)
                connection = await LiveConnection.open(self._endpoint, setup)
                return Opened(connection, handle_at, earlier, self._loop.time())
        except TimeoutError:
            return None
        finally:
            self._opening = None

    def _attach(self, opened: Opened) -> None:
        now, connection = self._loop.time(), opened.connection
        self._outage.opened()
        first = self.connections == 0
        self.connections += 1
        self._connection = connection
        self._rotation = Rotation(opened.at)
        unheard = self._uplink.unanswered(now) if not first else b""
        if unheard:
            self._memory.unsay()
            self._tell(CallerRepeats())
        history, instruction = self._memory.reopened(
            handle_at=opened.handle_at, heard_again=bool(unheard)
        )
        if history and not self._history_in_setup:
            connection.send(messages.history(history))
            self._history_sent_at = now
        if instruction:
            connection.send(messages.text(instruction))
        self._uplink.begin(connection, unheard)
        self._tell(AgentReady(resumed=not first))
        connection.listen(self._on_message)

    async def _stay(self, opened: Opened) -> tuple[Opened | None, AgentError | None]:
        """Serve until the connection is over.

        Returns:
            The one that takes over, if one does; else why it ended, or None when it is unwanted.
        """
        lost = opened.connection.lost
        lost.add_done_callback(self._wake_up)
        following: Opened | None = None
        try:
            while not self._closing:
                now = self._loop.time()
                if self._renewal is not None:
                    return None, SILENT_ERROR
                if following is not None and following.connection.lost.done():
                    following = None
                    self._rotation.failed(now)
                if following is not None and self._outdated(following, now):
                    following.connection.close()
                    following = None  # opened anew, with what was said meanwhile
                if lost.done():
                    taken, following = following, None
                    return taken, None if taken else lost.result()
                if following is not None and self._may_change(now):
                    taken, following = following, None
                    return taken, None
                if following is None and self._rotation.due(now, quiet=not self._busy()):
                    following = await self._open_beside()
                    continue
                await self._wait_for_wake(self._rotation.look_again_s(now))
            return None, None
        finally:
            if following is not None:
                following.connection.close()

    async def _open_beside(self) -> Opened | None:
        """Open the connection that is to take over; the old one serves on meanwhile."""
        try:
            opened = await self._open(0.0)
        except AgentError as exc:
            _log.warning("agent_rotation_failed", code=exc.code, fault=exc.fault)
            if exc.code in REFUSALS:
                self._handle = None  # as a fresh session, next time
            self._rotation.failed(self._loop.time())
            return None
        if opened is not None:
            opened.connection.lost.add_done_callback(self._wake_up)
        return opened

    def _may_change(self, now: float) -> bool:
        if not self._busy():
            return True
        return self._rotation.urgent(now) and not self._memory.replying

    def _history_judged(self, opened: Opened) -> bool:
        sent = self._history_sent_at >= opened.at - QUIET_S
        return sent and self._loop.time() - self._history_sent_at < HISTORY_JUDGED_S

    def _outdated(self, following: Opened, now: float) -> bool:
        """Whether more was said than stands in a set-up that nothing can be added to."""
        if not self._history_in_setup or self._busy() or self._rotation.urgent(now):
            return False
        return self._memory.told(following.handle_at) != following.earlier

    def _busy(self) -> bool:
        spoke_lately = self._loop.time() - self._spoke_at < QUIET_S
        return not self._memory.settled or bool(self._calls) or spoke_lately

    def _wake_up(self, _: object = None) -> None:
        self._wake.set()

    async def _wait_for_wake(self, timeout_s: float | None) -> None:
        """Wait until something happened that `run` must look at, or for ``timeout_s``."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()
        self._wake.clear()

    def _detach(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    # ---- messages -----------------------------------------------------------------------------

    def _on_message(self, message: ServerMessage) -> None:
        if isinstance(message, AgentAudio):
            if self._memory.spoke():
                self._acted()
        elif isinstance(message, Control):
            self._obey(message)
            return
        else:
            if isinstance(message, ToolCall) and not message.id:
                self._unnamed += 1
                message = replace(message, id=f"{messages.NO_ID}{self._unnamed}")
            self._track(message)
        self._tell(message)

    def _obey(self, message: Control) -> None:
        """Do what concerns the connection and not the call."""
        match message:
            case HandleIssued(handle):
                self._handle = handle
                self._memory.handle_issued()
            case GoAway(left_s):
                self._rotation.announced(self._loop.time(), left_s)
                self._wake_up()
                _log.info("agent_rotation_announced", left_s=round(left_s, 1))
            case TurnRefused(reason):
                _log.warning("agent_turn_refused", reason=reason)
            case OddMessage() | ServiceError():
                self._odd.note(message)
            case SetupDone():
                pass

    def _track(self, event: AgentEvent) -> None:
        """Keep what a reconnect must know: what was said, what is owed, which tools run."""
        self._memory.track(event)
        if isinstance(event, CallerSaid):
            self._uplink.words_came(self._loop.time())
        elif isinstance(event, ToolCall):
            self._acted()
            self._calls[event.id] = self._connection
        elif isinstance(event, ToolsCancelled):
            for call_id in event.ids:
                self._calls.pop(call_id, None)

    def _acted(self) -> None:
        """The model answers what it heard."""
        self._uplink.answered(self._loop.time())
        self._recovery.of_use()

    def _tell(self, event: AgentEvent) -> None:
        if self._hear is not None:
            self._hear(event)
        else:
            self._early.append(event)
