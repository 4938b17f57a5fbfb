"""An exception at any await of the task of a browser's call: the neighbour's call goes on."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

import virtual_time
from fakes import FakeCaller
from fault_injection import faults
from fwai.adapters.browser.line import BrowserLine
from fwai.adapters.webrtc import peer
from fwai.adapters.webrtc.clock import MediaClock
from fwai.adapters.webrtc.peer import PeerOptions
from fwai.adapters.webrtc.ports import UdpPorts
from fwai.domain.call import CallId, CallOffer, CallState, StreamTicket
from fwai.interfaces.calls import CallControl
from fwai.interfaces.media import CallerLeg
from unit.adapters.handler_kit import FakeCalls

MOST_AWAITS = 20


class Leg(FakeCaller):
    """A leg that lets others run in the middle of each change."""

    async def connect(self) -> None:
        await asyncio.sleep(0.1)

    def release(self) -> None:
        pass

    async def close(self) -> None:
        await asyncio.sleep(0.1)
        await super().close()


class Calls(FakeCalls):
    """Carries every call until it is said to be over."""

    def __init__(self) -> None:
        super().__init__()
        self.overs: dict[str, asyncio.Event] = {}

    async def offer(self, offer: CallOffer, control: CallControl) -> StreamTicket:
        self.control = control
        self.overs[offer.provider_call_id] = asyncio.Event()
        return StreamTicket(CallId(f"20261122-{len(self.overs)}"), "token")

    async def carry(self, token: str, provider_call_id: str, leg: CallerLeg) -> bool:
        await self.overs[provider_call_id].wait()
        return True

    async def over_with(self, provider_call_id: str, state: CallState, cause: str) -> None:
        await asyncio.sleep(0.1)
        self.overs[provider_call_id].set()
        assert self.control is not None
        await self.control.hang_up(provider_call_id)


def test_the_neighbours_call_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    legs: list[Leg] = []

    async def answered(*_: Any) -> tuple[Leg, str]:  # noqa: ANN401 - as the peer is asked
        legs.append(Leg())
        return legs[-1], "v=0"

    monkeypatch.setattr(peer, "answer", answered)

    async def scene(step: int) -> list[str]:
        legs.clear()
        calls = Calls()
        async with asyncio.TaskGroup() as group:
            options = PeerOptions(UdpPorts(42_100, 42_199), MediaClock())
            line = BrowserLine(options, calls, group)
            neighbour, _ = await line.answer("v=0", "somebody", local=True)
            await asyncio.sleep(1)
            with faults(lambda name: name.startswith("browser:"), step) as plan:
                struck, _ = await line.answer("v=0", "another", local=True)
                await asyncio.sleep(1)
                await line.end_call(struck)
                await asyncio.sleep(20)
            assert line.active == 1, "the struck call is over, the other is not"
            assert [leg.closed_at is None for leg in legs] == [True, False]
            await line.end_call(neighbour)
            await asyncio.sleep(1)
            assert line.active == 0
        return plan.struck

    for step in range(1, MOST_AWAITS):
        with capture_logs() as logs:
            struck = virtual_time.run(scene(step))
        failed = [one["task"] for one in logs if one["event"] == "task_failed"]
        assert failed == struck
        if not struck:  # it has no further await
            assert step > 2, "the call's task was not struck at each of its awaits"
            return
    pytest.fail("a call has more awaits than were tried")
