"""The agent's leg: one conversation over as many connections as it takes.

Theory of operation. `run` opens a connection, hands it the conversation and waits until it is lost,
due for rotation (the service announced its end) or no longer wanted. Between two connections
nothing is lost: caller audio is held up to `HELD_S`. A new connection starts from the last handle
the service issued; without a usable handle it is a fresh session that gets our transcript as
history. Neither repeats the greeting.

What the model owes an answer to (`_unanswered`: a prompt, a tool's result, the caller's words) is
remembered until it speaks or ends its turn, and said again as text after a loss: the handle may be
older than it. If the loss cut a reply short, the model is told to go on. A tool call belongs to the
connection it came from: its id means nothing to the next one, so a late result goes there as words.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

import structlog

from fwai.domain.events import (
    AgentAudio,
    AgentEvent,
    AgentLost,
    AgentReady,
    AgentSaid,
    CallerSaid,
    GenerationEnded,
    Interrupted,
    ToolCall,
    ToolResult,
    ToolsCancelled,
    TurnEnded,
)
from fwai.errors import AgentError
from fwai.gemini import messages
from fwai.gemini.connection import LiveConnection, LiveEndpoint
from fwai.gemini.messages import (
    Control,
    GoAway,
    HandleIssued,
    ServerMessage,
    SetupDone,
    TurnRefused,
)
from fwai.gemini.models import family_of
from fwai.gemini.recovery import Attempt, Recovery
from fwai.gemini.setup import INPUT_HZ, SessionConfig, setup_message

UPLINK_BYTES: Final = INPUT_HZ * 2 * 40 // 1000  # 40 ms: half the messages of 20 ms
HELD_S: Final = 3.0
HELD_BYTES: Final = int(INPUT_HZ * 2 * HELD_S)
EARLY_EVENTS: Final = 1_000
HISTORY_CHARS: Final = 6_000
ROTATE_BEFORE_S: Final = 2.0  # of the time the service said it has left
ROTATION_POLL_S: Final = 0.1
QUIET_S: Final = 1.0
GO_ON: Final = "The connection was briefly interrupted. Go on from where you stopped."

_log = structlog.get_logger()


class GeminiAgent:
    """A Live session that survives its connections. Implements ``AgentLeg``.

    Args:
        endpoint: Where the service is.
        config: What the model is told.
    """

    def __init__(self, endpoint: LiveEndpoint, config: SessionConfig) -> None:
        self._endpoint = endpoint
        self._config = config
        self._scheduling = family_of(config.model).tool_scheduling
        self._loop = asyncio.get_running_loop()
        self._recovery = Recovery()
        self._connection: LiveConnection | None = None
        self._closing = False
        self._wake = asyncio.Event()
        self._rotate_at: float | None = None
        self._hear: Callable[[AgentEvent], None] | None = None
        self._early: deque[AgentEvent] = deque(maxlen=EARLY_EVENTS)
        self._handle: str | None = None
        self._uplink = bytearray()
        self._history: deque[tuple[str, str]] = deque()
        self._calls: dict[str, LiveConnection | None] = {}
        self._replying = False
        self._unanswered: str | None = None
        self._spoke_at = 0.0
        self.connections = 0
        self.dropped_audio = 0

    # ---- AgentLeg -----------------------------------------------------------------------------

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
        if connection is not None and not self._uplink and len(pcm) >= UPLINK_BYTES:
            connection.send_audio(messages.audio(pcm))
            return
        self._uplink += pcm
        if connection is None:
            if (over := len(self._uplink) - HELD_BYTES) > 0:
                del self._uplink[:over]
                self.dropped_audio += over
        elif len(self._uplink) >= UPLINK_BYTES:
            self._flush_uplink(connection)

    def prompt(self, text: str) -> None:
        """Give the model an instruction that it acts on at once."""
        self._unanswered = text
        if self._connection is not None:
            self._connection.send(messages.text(text))

    def answer_tool(self, result: ToolResult) -> None:
        """Answer a tool call once; an answer to a cancelled or unknown call is dropped."""
        if result.id not in self._calls:
            return
        connection = self._calls.pop(result.id)
        words = f"Result of {result.name}: {result.text}"
        if connection is self._connection and connection is not None:
            connection.send(messages.tool_response(result, scheduling=self._scheduling))
            self._unanswered = None if result.silent else words
        elif not result.silent:
            self.prompt(words)

    def close(self) -> None:
        """End the session; ``run`` returns soon after."""
        self._closing = True
        self._stir()

    async def run(self) -> None:
        """Keep the session alive until ``close``; a loss for good is an ``AgentLost`` event."""
        attempt: Attempt | None = Attempt(0.0, resume=False)
        try:
            while attempt is not None and not self._closing:
                attempt = await self._connect_and_stay(attempt)
        finally:
            self._detach()
        if not self._closing:
            self._tell(AgentLost())

    # ---- connections --------------------------------------------------------------------------

    async def _connect_and_stay(self, attempt: Attempt) -> Attempt | None:
        """Live through one connection and return what to try next."""
        if attempt.delay_s:
            await asyncio.sleep(attempt.delay_s)
        handle = self._handle if attempt.resume else None
        try:
            connection = await LiveConnection.open(
                self._endpoint, setup_message(self._config, handle)
            )
        except AgentError as exc:
            _log.warning("agent_connection_failed", code=exc.code, resumed=handle is not None)
            return self._recovery.after(exc, lived_s=None, handle=self._handle is not None)
        opened_at = self._loop.time()
        self._attach(connection, resumed=handle is not None)
        error = await self._over(connection)
        self._detach()
        if error is None:
            return None if self._closing else Attempt(0.0, resume=self._handle is not None)
        _log.warning("agent_connection_lost", code=error.code, replying=self._replying)
        lived_s = self._loop.time() - opened_at
        return self._recovery.after(error, lived_s=lived_s, handle=self._handle is not None)

    def _attach(self, connection: LiveConnection, *, resumed: bool) -> None:
        first = self.connections == 0
        self.connections += 1
        self._connection = connection
        if not first and not resumed and self._history:
            connection.send(messages.history(list(self._history)))
        if self._unanswered is not None:
            connection.send(messages.text(self._unanswered))
        elif self._replying:
            self.prompt(GO_ON)
        self._replying = False
        if self._uplink:
            self._flush_uplink(connection)
        self._tell(AgentReady(resumed=not first))
        connection.listen(self._on_message)

    async def _over(self, connection: LiveConnection) -> AgentError | None:
        """Wait until the connection is lost (its error), due for rotation or unwanted (None)."""
        connection.lost.add_done_callback(self._stir)
        while not self._closing:
            if connection.lost.done():
                return connection.lost.result()
            if self._rotate_at is not None and (
                self._loop.time() >= self._rotate_at or not self._busy()
            ):
                return None
            await self._stirred(ROTATION_POLL_S if self._rotate_at is not None else None)
        return None

    def _busy(self) -> bool:
        spoke_lately = self._loop.time() - self._spoke_at < QUIET_S
        return self._replying or self._unanswered is not None or bool(self._calls) or spoke_lately

    def _stir(self, _: object = None) -> None:
        self._wake.set()

    async def _stirred(self, timeout_s: float | None) -> None:
        """Wait until something happened that `run` must look at, or for ``timeout_s``."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    def _detach(self) -> None:
        connection, self._connection = self._connection, None
        self._rotate_at = None
        if connection is not None:
            self.dropped_audio += connection.dropped * UPLINK_BYTES
            connection.close()

    # ---- messages -----------------------------------------------------------------------------

    def _on_message(self, message: ServerMessage) -> None:
        if isinstance(message, AgentAudio):
            self._replying = True
            self._unanswered = None
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
            case GoAway(left_s):
                self._rotate_at = self._loop.time() + max(left_s - ROTATE_BEFORE_S, 0.0)
                self._stir()
                _log.info("agent_rotation_announced", left_s=round(left_s, 1))
            case TurnRefused(reason):
                _log.warning("agent_turn_refused", reason=reason)
            case SetupDone():
                pass

    def _track(self, event: AgentEvent) -> None:
        """Keep what a reconnect must know: what was said, what is owed, which tools run."""
        match event:
            case CallerSaid(text):
                self._remember("user", text)
                self._unanswered = self._history[-1][1].strip() or None
            case AgentSaid(text):
                self._remember("model", text)
            case Interrupted() | GenerationEnded():
                self._replying = False
            case TurnEnded():
                self._replying = False
                self._unanswered = None
            case ToolCall(id=call_id):
                self._calls[call_id] = self._connection
                self._unanswered = None
            case ToolsCancelled(ids):
                for call_id in ids:
                    self._calls.pop(call_id, None)
            case _:
                pass

    def _tell(self, event: AgentEvent) -> None:
        if self._hear is not None:
            self._hear(event)
        else:
            self._early.append(event)

    def _flush_uplink(self, connection: LiveConnection) -> None:
        connection.send_audio(messages.audio(bytes(self._uplink)))
        self._uplink.clear()

    def _remember(self, role: str, text: str) -> None:
        if self._history and self._history[-1][0] == role:
            self._history[-1] = (role, self._history[-1][1] + text)
        else:
            self._history.append((role, text))
        while sum(len(words) for _, words in self._history) > HISTORY_CHARS:
            self._history.popleft()
