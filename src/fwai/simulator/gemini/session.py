"""Serves one connection to the simulated Live API, from its setup message to its close.

One task listens to the client, one conducts the agent's turns. Whatever ends the session (the
client leaves, the client errs, a fault strikes, time is up) is raised and takes all tasks with it.
"""

import asyncio
import uuid

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from fwai.simulator.gemini.ear import Ear
from fwai.simulator.gemini.link import Link, LinkAbort, wait_closed
from fwai.simulator.gemini.memory import Conversation
from fwai.simulator.gemini.record import SessionRecord
from fwai.simulator.gemini.reply import Spoken
from fwai.simulator.gemini.scenario import Fault, Moment
from fwai.simulator.gemini.setup import Setup, read_setup
from fwai.simulator.gemini.strikes import Striker
from fwai.simulator.gemini.turns import SharedState, TurnConductor
from fwai.simulator.gemini.wire import LiveClose, invalid, read_client

SETUP_LIMIT_S = 30.0
SESSION_LIMIT_S = 3_480.0
"""Connections have been seen to end after 58 minutes sharp."""


class LiveSession:
    """Serves one client's session.

    Args:
        socket: The connection, open; ``run`` closes it.
        record: What is kept of it.
        shared: What it shares with others.
    """

    def __init__(
        self, socket: ServerConnection, record: SessionRecord, shared: SharedState
    ) -> None:
        self._socket = socket
        self._record = record
        self._shared = shared
        self._scenario = shared.scenario
        self._link = Link(socket, shared.clock, record)
        self._tasks = asyncio.TaskGroup()
        self._striker = Striker(self._link, self._tasks)

    async def run(self) -> None:
        """Serve until the connection is over; never raises what a client can cause."""
        verdict: LiveClose | LinkAbort | None = None
        try:
            async with asyncio.timeout(SESSION_LIMIT_S), self._tasks:
                ear, conductor = await self._open()
                self._tasks.create_task(conductor.run(), name="conduct")
                await self._listen(ear)
        except* (LiveClose, LinkAbort) as group:
            verdict = _first(group)
        except* ConnectionClosed as group:
            by_client = _closed_by_client(group)
            self._record.closed_by = "client" if by_client else "server"
            if by_client and self._striker.conductor is not None:
                self._striker.conductor.tool_calls.close()
        except* TimeoutError:
            verdict = LiveClose(1011, "Deadline expired before operation could complete.")
        await self._hang_up(verdict)

    async def strike(self, fault: Fault) -> None:
        """Let a fault happen now, whatever moment it names; what it raises ends the session."""
        await self._striker.strike(fault)

    def strike_soon(self, fault: Fault) -> None:
        """Let a fault happen from outside; the session must be running."""
        self._tasks.create_task(self.strike(fault), name=f"fault:{fault.kind}")

    async def _open(self) -> tuple[Ear, TurnConductor]:
        """Take the setup message, answer it, and return who listens and who conducts."""
        setup = await self._take_setup()
        index = self._record.index
        faults, clock = self._shared.faults, self._link.clock
        if hang := faults.session_fault(index, "setup_hang", clock.ms()):
            over_ms = faults.over_ms(hang, clock.ms())
            await wait_closed(self._socket, clock, over_ms)
        await clock.sleep(self._scenario.setup_ms)
        for fault in faults.strikes(index, "setup"):
            await self._link.clock.sleep(fault.after_ms)
            await self.strike(fault)
        conversation = self._recall(setup)
        conductor = self._striker.conductor = TurnConductor(
            self._link, self._shared, setup, conversation, self._tasks, self._strike_due
        )
        history_due = setup.history_first and not self._record.resumed
        ear = Ear(self._record, setup, conversation, conductor, history_due=history_due)
        self._record.session_id = uuid.uuid4().hex
        await self._link.send({"setupComplete": {"sessionId": self._record.session_id}})
        self._shared.changed()
        await self._strike_due("open", None)
        return ear, conductor

    async def _take_setup(self) -> Setup:
        async with asyncio.timeout(SETUP_LIMIT_S):
            kind, body = read_client(await self._socket.recv())
        if kind != "setup":
            raise invalid("The first message must be setup.")
        self._record.setup = body
        self._shared.changed()
        setup = read_setup(body)
        self._record.handle = setup.handle
        return setup

    def _recall(self, setup: Setup) -> Conversation:
        """Return the conversation of the client's handle, or a new one, or refuse the handle."""
        if setup.handle is None:
            return Conversation(greeted=setup.taken_up)
        now_ms = self._link.clock.ms()
        fault = self._shared.faults.session_fault(self._record.index, "refuse_handle", now_ms)
        if fault:
            raise LiveClose(fault.close_code, fault.close_reason)
        remembered = self._shared.memory.recall(setup.handle)
        if remembered is None:
            code = self._scenario.unknown_handle_code
            raise LiveClose(code, "BidiGenerateContent session not found")
        model, conversation = remembered
        if model != setup.model:
            raise invalid("The model cannot be changed when a session is resumed.")
        self._record.resumed = True
        return conversation

    async def _listen(self, ear: Ear) -> None:
        while True:
            kind, body = read_client(await self._socket.recv())
            ear.take(kind, body)
            self._shared.changed()

    async def _strike_due(self, moment: Moment, spoken: Spoken | None) -> None:
        """Let the faults of this moment, and of this turn if it is one, happen."""
        turn = spoken.turn if spoken else None
        for fault in self._shared.faults.strikes(self._record.index, moment, turn):
            if moment == "audio" and spoken is not None:
                if spoken.judged_ms < fault.after_ms <= spoken.sent_ms:
                    await self.strike(fault)
            elif fault.after_ms:
                self._tasks.create_task(self._later(fault), name=f"fault:{fault.kind}")
            else:
                await self.strike(fault)
        if moment == "audio" and spoken is not None:
            spoken.judged_ms = spoken.sent_ms

    async def _later(self, fault: Fault) -> None:
        await self._link.clock.sleep(fault.after_ms)
        await self.strike(fault)

    async def _hang_up(self, verdict: LiveClose | LinkAbort | None) -> None:
        if verdict is not None and self._record.closed_by is None:
            self._record.closed_by = "server"
        if isinstance(verdict, LinkAbort):
            self._socket.transport.abort()
            await self._socket.wait_closed()
        elif verdict is not None:
            await self._socket.close(verdict.code, verdict.reason)
        self._record.close_code = self._socket.close_code
        self._shared.changed()


def _first(group: BaseExceptionGroup[LiveClose | LinkAbort]) -> LiveClose | LinkAbort:
    error = group.exceptions[0]
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _closed_by_client(group: BaseExceptionGroup[ConnectionClosed]) -> bool:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return isinstance(error, ConnectionClosed) and error.rcvd_then_sent is not False
