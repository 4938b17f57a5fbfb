"""Lets the faults of one moment happen in one session."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fwai.simulator.gemini.link import Link, LinkAbort
from fwai.simulator.gemini.scenario import Fault
from fwai.simulator.gemini.turns import TurnConductor
from fwai.simulator.gemini.wire import (
    OUTPUT_HZ,
    Json,
    LiveClose,
    audio_turn,
    content,
    seconds,
    tool_call,
)

_UNREADABLE = b'{"serverContent":{"modelTurn":'
_STRAY_MS = 300


@dataclass(slots=True)
class Striker:
    """Lets faults happen in one session.

    Attributes:
        link: The session's socket.
        tasks: Owns what happens later.
        conductor: Takes the turns; None before the set-up is over.
    """

    link: Link
    tasks: asyncio.TaskGroup
    conductor: TurnConductor | None = None

    async def strike(self, fault: Fault) -> None:
        """Let a fault happen now, whatever moment it names.

        Raises:
            LiveClose: It closes the session.
            LinkAbort: It cuts the wire.
            ValueError: It is none of one moment.
        """
        does: dict[str, Callable[[Fault], Awaitable[None]]] = {
            "close": self._close,
            "abort": self._abort,
            "go_away": self._go_away,
            "stall": self._stall,
            "half_open": self._half_open,
            "slow_pongs": self._slow_pongs,
            "phantom_interrupted": self._interrupt,
            "malformed": self._malformed,
            "stray_audio": self._stray_audio,
            "cancel_tool": self._cancel_tool,
            "ask_again": self._ask_again,
        }
        if fault.kind in _ODD_FRAMES:
            await self.link.send(_ODD_FRAMES[fault.kind])
        elif fault.kind in does:
            await does[fault.kind](fault)
        else:
            raise ValueError(f"{fault.kind} is no fault of a moment")

    async def _close(self, fault: Fault) -> None:
        if fault.close_code == 1006:  # what one side sees when no close frame came
            raise LinkAbort
        raise LiveClose(fault.close_code, fault.close_reason)

    async def _abort(self, _: Fault) -> None:
        raise LinkAbort

    async def _go_away(self, fault: Fault) -> None:
        left = {} if fault.untimed else {"timeLeft": seconds(fault.time_left_ms)}
        await self.link.send({"goAway": left})
        self.tasks.create_task(self._leave(fault), name="go_away")

    async def _leave(self, fault: Fault) -> None:
        after_ms = fault.time_left_ms if fault.leave_ms is None else fault.leave_ms
        await asyncio.sleep(after_ms / 1000)
        raise LiveClose(fault.close_code, fault.close_reason)

    async def _stall(self, fault: Fault) -> None:
        self.link.stalled = True
        self._end_later(fault)

    async def _half_open(self, fault: Fault) -> None:
        self.link.freeze()
        self._end_later(fault)

    def _end_later(self, fault: Fault) -> None:
        if fault.for_ms is not None:
            self.tasks.create_task(self._thaw(fault.for_ms), name="thaw")

    async def _thaw(self, after_ms: float) -> None:
        await self.link.clock.sleep(after_ms)
        await self.link.thaw()

    async def _slow_pongs(self, fault: Fault) -> None:
        self.link.delay_pongs(fault.delay_ms)

    async def _interrupt(self, _: Fault) -> None:
        if self.conductor is None or not self.conductor.interrupt():
            await self.link.send(content(interrupted=True))

    async def _malformed(self, _: Fault) -> None:
        await self.link.send_raw(_UNREADABLE)

    async def _stray_audio(self, _: Fault) -> None:
        quiet = bytes(OUTPUT_HZ * 2 * _STRAY_MS // 1000)
        await self.link.send(content(modelTurn=audio_turn(quiet)))

    async def _cancel_tool(self, _: Fault) -> None:
        ids = self.conductor.tool_calls.cancel_one() if self.conductor is not None else []
        if ids:
            await self.link.send({"toolCallCancellation": {"ids": ids}})

    async def _ask_again(self, fault: Fault) -> None:
        if self.conductor is None:
            return
        call = self.conductor.tool_calls.ask_again(new_id=fault.new_id)
        if call is not None:
            await self.link.send(tool_call([call]))


_ODD_FRAMES: dict[str, Json] = {
    "error_frame": {"error": {"code": 503, "message": "Overloaded.", "status": "UNAVAILABLE"}},
    "unknown_message": {"futureSignal": {"level": 1}},
}
