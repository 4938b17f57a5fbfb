"""An agent that is lost before anybody spoke with it: the call ends, and says why."""

import asyncio
from collections.abc import Callable

import pytest

import virtual_time  # noqa: F401 - `inside` runs on its clock
from fakes import HANG_UP, FakeAgent, FakeCaller
from fwai.domain.call import Call, CallState, EndReason
from fwai.domain.events import AgentEvent, AgentLost, AgentReady
from fwai.errors import ApiError
from unit.calls import test_manager as inbound
from unit.calls.test_placing import ANSWERED, House, inside

REFUSED = "the model's key was refused"


class LostAgent(FakeAgent):
    """Tells of its loss when it happens; whoever listens later hears of it first."""

    def __init__(self, after_s: float, loss: AgentEvent | None) -> None:
        super().__init__()
        self._after_s = after_s
        self._loss = loss
        self._early: list[AgentEvent] = [AgentReady()]

    def listen(self, hear: Callable[[AgentEvent], None]) -> None:
        super().listen(hear)
        early, self._early = self._early, []
        for event in early:
            hear(event)

    async def run(self) -> None:
        self.running = True
        try:
            async with asyncio.timeout(self._after_s):
                await self._over.wait()
        except TimeoutError:
            if self._loss is not None:
                (self._hear or self._early.append)(self._loss)
        finally:
            self.running = False


def lost(after_s: float, loss: AgentEvent | None) -> Callable[[House], None]:
    def prepare(house: House) -> None:
        async def make(call: Call) -> FakeAgent:
            agent = LostAgent(after_s, loss)
            house.agents.append(agent)
            return agent

        house.make_agent = make

    return prepare


@pytest.mark.parametrize("after_s", [0.0, 0.1, 5.0, 40.0], ids=lambda s: f"{s:g} s")
@pytest.mark.parametrize(("loss", "cause"), [(AgentLost(), ""), (AgentLost(REFUSED), REFUSED)])
def test_it_stops_ringing_and_the_reason_is_kept(
    after_s: float, loss: AgentLost, cause: str
) -> None:
    """It is lost while Plivo is asked (0.2 s), right after it, or while the telephone rings."""

    async def act(house: House) -> None:
        assert await house.place() == "uuid-1"
        await asyncio.sleep(after_s + 1)
        assert house.line.hung_up == ["uuid-1"]
        await house.calls.ended("plivo", "uuid-1", CallState.NO_ANSWER, "CANCEL")
        assert await house.calls.offer(ANSWERED, house.line) is None, "too late to answer"

    house = inside(act, lost(after_s, loss))

    assert house.outcome == (CallState.FAILED, EndReason.AGENT_FAILED)
    assert house.ending.cause == cause


@pytest.mark.parametrize("told", [CallState.NO_ANSWER, CallState.BUSY, CallState.REJECTED])
def test_what_the_carrier_told_first_stays(told: CallState) -> None:
    async def act(house: House) -> None:
        await house.place()
        await house.calls.ended("plivo", "uuid-1", told)
        await asyncio.sleep(10)

    house = inside(act, lost(3.0, AgentLost()))

    assert house.outcome == (told, EndReason.NEVER_CONNECTED)


def test_a_refused_dial_is_not_the_agents_fault() -> None:
    async def act(house: House) -> None:
        house.line.answer = ApiError("plivo", "refused (HTTP 400)")
        house.line.takes_s = 2.0
        with pytest.raises(ApiError):
            await house.place()

    house = inside(act, lost(5.0, AgentLost()))

    assert house.archive.endings == {}, "the dialer says what becomes of it"


def test_an_agent_that_was_closed_is_not_lost() -> None:
    async def act(house: House) -> None:
        await house.place()
        await asyncio.sleep(100)

    house = inside(act, lost(1e6, AgentLost()))

    assert house.outcome == (CallState.NO_ANSWER, EndReason.NEVER_CONNECTED)


def test_one_that_is_lost_as_it_is_answered_fails_the_call() -> None:
    async def act(house: House) -> None:
        await house.place()
        token = await house.answer()
        await house.calls.carry(token, "uuid-1", FakeCaller([(30.0, HANG_UP)]))

    house = inside(act, lost(0.3, AgentLost()))

    assert house.outcome == (CallState.FAILED, EndReason.AGENT_FAILED)


def test_whoever_calls_us_is_not_left_waiting_either() -> None:
    async def act(house: inbound.House) -> None:
        async def make(call: Call) -> FakeAgent:
            return LostAgent(2.0, AgentLost(REFUSED))

        house.make_agent = make
        token = await house.offer()
        await asyncio.sleep(3)
        await house.calls.carry(token, "carrier-1", caller := FakeCaller([(30.0, HANG_UP)]))
        assert caller.heard_ms > 1_000, "what to do instead is said"

    house = inbound.inside(act)

    (ending,) = house.archive.endings.values()
    assert ending.reason is EndReason.AGENT_FAILED
    assert ending.cause == REFUSED
    assert house.control.hung_up == ["carrier-1"]
