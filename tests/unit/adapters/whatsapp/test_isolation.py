"""An exception at any await of any task of a call or message: the neighbour's goes on."""

import asyncio
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

import virtual_time
from fault_injection import faults
from fwai.adapters.whatsapp.calls import WhatsAppCalls
from fwai.adapters.whatsapp.events import MessageStatus, Party
from fwai.domain.call import CallOffer, CallState
from fwai.interfaces.media import CallerLeg
from unit.adapters.handler_kit import FakeReports
from unit.adapters.whatsapp import kit
from unit.adapters.whatsapp.kit import NOW, USER, World, calls_of, connect, progress, terminate
from unit.adapters.whatsapp.test_messages import Desk

NEIGHBOUR = "wacid.2"
MOST_AWAITS = 60


class Handler(kit.Handler):
    """Carries the neighbour's call until Meta says that it is over, and lets others run."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.neighbour_over = asyncio.Event()
        self.neighbour_carried = False

    async def carry(self, token: str, provider_call_id: str, leg: CallerLeg) -> bool:
        if provider_call_id != NEIGHBOUR:
            return await super().carry(token, provider_call_id, leg)
        self.neighbour_carried = True
        await self.neighbour_over.wait()
        await leg.close()
        return True

    async def over_with(self, provider_call_id: str, state: CallState, cause: str) -> None:
        await asyncio.sleep(0.01)
        if provider_call_id == NEIGHBOUR:
            self.neighbour_over.set()
        else:
            await super().over_with(provider_call_id, state, cause)

    async def ringing(self, call_id: str, provider_call_id: str) -> None:
        await asyncio.sleep(0.01)

    async def missed(self, offer: CallOffer, state: CallState, cause: str = "") -> None:
        await asyncio.sleep(0.01)
        await super().missed(offer, state, cause)


async def comes_and_ends(calls: WhatsAppCalls) -> None:
    calls.handle(connect())
    await asyncio.sleep(2)
    calls.handle(terminate())


async def is_missed(calls: WhatsAppCalls) -> None:
    calls.handle(connect(at=NOW - 3600))
    await asyncio.sleep(2)


async def is_placed(calls: WhatsAppCalls) -> None:
    await calls.dial(USER, "20261122-1")
    calls.handle(progress("RINGING"))
    await asyncio.sleep(1)
    calls.handle(connect(ours=True, sdp=kit.ANSWER))
    calls.handle(progress("ACCEPTED"))
    await asyncio.sleep(2)
    calls.handle(terminate())


@pytest.mark.parametrize(
    ("kind", "story"),
    [
        ("whatsapp:", comes_and_ends),
        ("whatsapp:", is_placed),
        ("whatsapp_end:", comes_and_ends),
        ("whatsapp_missed:", is_missed),
        ("whatsapp_ringing:", is_placed),
    ],
)
def test_the_neighbours_call_goes_on(
    kind: str, story: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kit, "Handler", Handler)
    steps = ("answer", "pre_accept", "accept", "connect", "terminate", "reject", "offer", "dial")
    for step in range(1, MOST_AWAITS):
        world = World(faults=dict.fromkeys(steps, 0.01))
        struck: list[str] = []

        async def scene(world: World = world, step: int = step, struck: list[str] = struck) -> None:
            async with calls_of(world) as calls:
                calls.handle(connect(NEIGHBOUR))
                await asyncio.sleep(2)
                handler = world.handler
                assert isinstance(handler, Handler)
                assert handler.neighbour_carried
                with faults(lambda name: name.startswith(kind), step) as plan:
                    await story(calls)  # type: ignore[misc]
                    await asyncio.sleep(60)
                struck += plan.struck
                assert calls.active == 1, "the struck call is over, the other is not"
                assert not handler.neighbour_over.is_set()
                calls.handle(terminate(NEIGHBOUR))
                await asyncio.sleep(1)
                assert not calls.active

        with capture_logs() as logs:
            virtual_time.run(scene())
        failed = [one["task"] for one in logs if one["event"] == "task_failed"]
        assert set(failed) <= set(struck), "what was struck is logged, and nothing else failed"
        if not struck:  # it has no further await
            assert step > 1, f"no task {kind} was struck at all"
            return
    pytest.fail(f"a task {kind} has more awaits than were tried")


def test_a_report_on_a_message_is_no_other_ones_trouble() -> None:
    class SlowReports(FakeReports):
        async def reported(self, *args: str, **more: str) -> None:
            await asyncio.sleep(0.01)
            await super().reported(*args, **more)

    async def main() -> tuple[list[str], SlowReports]:
        reports = SlowReports()
        async with asyncio.TaskGroup() as group:
            desk = Desk(group)
            desk.messages._reports = reports
            with faults(lambda name: name == "whatsapp_report", 1) as plan:
                for number in range(3):
                    event = MessageStatus(f"wamid.{number}", "sent", Party("+919900000001"), NOW)
                    desk.messages.status(event)
                await asyncio.sleep(1)
                desk.status("read", message_id="wamid.9")
                await asyncio.sleep(1)
        return plan.struck, reports

    struck, reports = virtual_time.run(main())

    assert struck == ["whatsapp_report"]
    assert [one[1] for one in reports.heard] == ["wamid.1", "wamid.2", "wamid.9"]
