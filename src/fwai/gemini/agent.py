"""The agent's leg: one conversation over as many connections as it takes.

Theory of operation. `run` opens a connection, hands it the conversation and waits until it is lost,
due for rotation (the service announced its end) or no longer wanted. Between two connections
nothing is lost: caller audio is held up to `HELD_S`. A new connection starts from the last handle
the service issued, and gets what was said after it as history; without a usable handle it is a
fresh session that gets our whole transcript. Neither repeats the greeting.

What the model owes an answer to is kept by `Memory` and said again as text after a loss: the handle
may be older than it. If the loss cut a reply short, the model is told to go on. A tool call belongs
to the connection it came from: its id means nothing to the next one, so a late result goes there as
words.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import structlog

from fwai.domain.events import (
    AgentAudio,
    AgentEvent,
    AgentReady,
    ToolCall,
    ToolResult,
    ToolsCancelled,
)
from fwai.errors import AgentError
from fwai.gemini import messages
from fwai.gemini.connection import LiveConnection, LiveEndpoint
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
from fwai.gemini.recovery import Attempt, Recovery
from fwai.gemini.setup import INPUT_HZ, SessionConfig, setup_message

UPLINK_BYTES: Final = INPUT_HZ * 2 * 40 // 1000  # 40 ms: half the messages of 20 ms
HELD_S: Final = 3.0
HELD_BYTES: Final = int(INPUT_HZ * 2 * HELD_S)
EARLY_EVENTS: Final = 1_000
ROTATE_BEFORE_S: Final = 2.0  # of the time the service said it has left
ROTATION_POLL_S: Final = 0.1
QUIET_S: Final = 1.0

_log = structlog.get_logger()


class GeminiAgent:
    """A Live session that survives its connections. Implements ``AgentLeg``.

    Args:
        endpoint: Where the service is.
        config: What the model is told.
        watch: Hears whether sessions can be opened, or None.

    Attributes:
        connections: How many were opened.
        dropped_audio: Caller audio that the model never got, in bytes.
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
        self._rotate_at: float | None = None
        self._hear: Callable[[AgentEvent], None] | None = None
        self._early: deque[AgentEvent] = deque(maxlen=EARLY_EVENTS)
        self._handle: str | None = None
        self._opening: asyncio.Timeout | None = None
        self._memory = Memory()
        self._odd = OddMessages()
        self._uplink = bytearray()
        self._calls: dict[str, LiveConnection | None] = {}
        self._spoke_at = -QUIET_S
        self.connections = 0
        self.dropped_audio = 0

    def listen(self, hear: Callable[[AgentEvent], None]) -> None:
        """Deliver every event from now on to ``hear``; earlier ones first."""
        self._hear = hear
        while self._early:
            hear(self._early.popleft())

    def hear(self, pcm: bytes, *, speech: bool) -> None:
        """Let the model hear s16le mono at 16 kHz; held while there is no connection."""
        if speech:
            self._spoke_at = self._loop.time()
        connection = self._connection
        if connection is None or not connection.is_open:
            self._uplink += pcm
            if (over := len(self._uplink) - HELD_BYTES) > 0:
                del self._uplink[:over]
                self.dropped_audio += over
        elif not self._uplink and len(pcm) >= UPLINK_BYTES:
            self._send_audio(connection, pcm)
        else:
            self._uplink += pcm
            if len(self._uplink) >= UPLINK_BYTES:
                self._flush_uplink(connection)

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

    def close(self) -> None:
        """End the session; ``run`` returns soon after."""
        self._closing = True
        self._wake_up()
        if self._opening is not None:
            self._opening.reschedule(self._loop.time())
            self._opening = None

    async def run(self) -> None:
        """Keep the session alive until ``close``; a loss for good is an ``AgentLost`` event."""
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
        """Live through one connection and return what to try next."""
        if not attempt.resume:
            self._handle = None
        resumed = attempt.resume and self._handle is not None
        try:
            connection = await self._open(attempt)
        except AgentError as exc:
            again = self._recovery.after(exc, lived_s=None, handle=resumed, resumed=resumed)
            self._outage.not_opened(exc, resumed=resumed, last=again is None)
            return again
        if connection is None:
            return None
        opened_at = self._loop.time()
        self._attach(connection, resumed=resumed)
        error = await self._over(connection)
        self._detach()
        if error is None:
            return None if self._closing else Attempt(0.0, resume=True)
        again = self._recovery.after(
            error,
            lived_s=self._loop.time() - opened_at,
            handle=self._handle is not None,
            resumed=resumed,
        )
        self._outage.lost(error, replying=self._memory.replying, last=again is None)
        return again

    async def _open(self, attempt: Attempt) -> LiveConnection | None:
        """Open a connection after the attempt's delay; None as soon as nobody wants it any more.

        Raises:
            AgentError: It could not be opened.
        """
        try:
            async with asyncio.timeout(None) as self._opening:
                await asyncio.sleep(attempt.delay_s)
                setup = setup_message(self._config, self._handle)
                return await LiveConnection.open(self._endpoint, setup)
        except TimeoutError:
            return None
        finally:
            self._opening = None

    def _attach(self, connection: LiveConnection, *, resumed: bool) -> None:
        self._outage.opened()
        first = self.connections == 0
        self.connections += 1
        self._connection = connection
        history, instruction = self._memory.reopened(resumed=resumed)
        if history:
            connection.send(messages.history(history))
        if instruction:
            connection.send(messages.text(instruction))
        if self._uplink:
            self._flush_uplink(connection)
        self._tell(AgentReady(resumed=not first))
        connection.listen(self._on_message)

    async def _over(self, connection: LiveConnection) -> AgentError | None:
        """Wait until the connection is lost (its error), due for rotation or unwanted (None)."""
        connection.lost.add_done_callback(self._wake_up)
        while not self._closing:
            if connection.lost.done():
                return connection.lost.result()
            if self._rotate_at is not None and (
                self._loop.time() >= self._rotate_at or not self._busy()
            ):
                return None
            await self._wait_for_wake(ROTATION_POLL_S if self._rotate_at is not None else None)
        return None

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
        self._rotate_at = None
        if connection is not None:
            connection.close()

    # ---- messages -----------------------------------------------------------------------------

    def _on_message(self, message: ServerMessage) -> None:
        if isinstance(message, AgentAudio):
            self._memory.spoke()
        elif isinstance(message, Control):
            self._obey(message)
            return
        else:
            self._track(message)
        self._tell(message)

    def _obey(self, message: Control) -> None:
        """Do what concerns the connection and not the call."""
        match message:
            case HandleIssued(handle):
                self._handle = handle
                self._memory.handle_issued()
            case GoAway(left_s):
                self._rotate_at = self._loop.time() + max(left_s - ROTATE_BEFORE_S, 0.0)
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
        if isinstance(event, ToolCall):
            self._calls[event.id] = self._connection
        elif isinstance(event, ToolsCancelled):
            for call_id in event.ids:
                self._calls.pop(call_id, None)

    def _tell(self, event: AgentEvent) -> None:
        if self._hear is not None:
            self._hear(event)
        else:
            self._early.append(event)

    def _flush_uplink(self, connection: LiveConnection) -> None:
        if connection.is_open:
            self._send_audio(connection, bytes(self._uplink))
            self._uplink.clear()

    def _send_audio(self, connection: LiveConnection, pcm: bytes) -> None:
        if not connection.send_audio(messages.audio(pcm)):
            self.dropped_audio += len(pcm)
