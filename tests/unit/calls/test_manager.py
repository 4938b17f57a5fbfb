"""All calls of a process: admission, ownership, and that nothing is left behind."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import virtual_time
from fakes import HANG_UP, FakeAgent, FakeArchive, FakeCaller, FakeControl, FakeTools, admits
from fwai.calls.admission import Admission
from fwai.calls.limits import SessionLimits
from fwai.calls.manager import CallManager
from fwai.calls.placing import STREAM_S
from fwai.domain.call import Call, CallId, CallOffer, CallState, Direction, EndReason
from fwai.domain.events import AgentAway, AgentEvent, AgentLost, AgentReady
from fwai.domain.instance import InstanceStatus
from fwai.errors import ApiError, BusyError, StoreError
from fwai.interfaces.media import Recorder

INBOUND = CallOffer("plivo", "carrier-1", Direction.INBOUND, "+919999900001", "+918888800000")


class House:
    """A manager with fakes around it."""

    def __init__(
        self,
        max_calls: int | None = 10,
        archive: FakeArchive | None = None,
        recorder: tuple[Recorder, Path] | None = None,
        admission: Admission | None = None,
    ) -> None:
        self.recorder = recorder
        self.agents: list[FakeAgent] = []
        self.archive = archive or FakeArchive()
        self.make_agent: Callable[[Call], Awaitable[FakeAgent]] = self._agent_for
        self.control = FakeControl()
        self.status = InstanceStatus()
        self.calls = CallManager(
            agent_for=lambda call: self.make_agent(call),  # noqa: PLW0108 - tests replace it
            agent_id_for=lambda _: "FWAI_Core",
            tools=FakeTools(),
            archive=self.archive,
            limits=SessionLimits(),
            max_calls=max_calls,
            status=self.status,
            recorder_for=self._recorder_for,
            admission=admission,
        )

    async def _agent_for(self, call: Call) -> FakeAgent:
        agent = FakeAgent()
        self.agents.append(agent)
        return agent

    def _recorder_for(self, call: Call, rate: int, at: float) -> tuple[Recorder, Path] | None:
        return self.recorder

    async def offer(self, offer: CallOffer = INBOUND) -> str:
        ticket = await self.calls.offer(offer, self.control)
        assert ticket is not None
        return ticket.token

    @property
    def states(self) -> list[CallState]:
        return list(self.archive.states.values())

    @property
    def reasons(self) -> list[EndReason]:
        return [ending.reason for ending in self.archive.endings.values()]


def inside(
    act: Callable[[House], Awaitable[None]],
    max_calls: int | None = 10,
    archive: FakeArchive | None = None,
    recorder: tuple[Recorder, Path] | None = None,
) -> House:
    """Run ``act`` with a running manager on a clock that jumps; nothing may be left after it."""

    async def main() -> House:
        house = House(max_calls, archive, recorder)
        ready = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(house.calls.run(ready))
            await ready.wait()
            await act(house)
            house.calls.stop()
        assert house.calls.active == 0
        assert not any(agent.running for agent in house.agents)
        return house

    return virtual_time.run(main())


def test_model_session_is_opened_while_the_phone_still_rings() -> None:
    async def act(house: House) -> None:
        await house.offer()
        await asyncio.sleep(0.1)
        assert house.agents[0].running

    inside(act)


def test_a_call_runs_from_offer_to_hang_up() -> None:
    async def act(house: House) -> None:
        token = await house.offer()
        assert admits(house.calls, token)
        assert await house.calls.carry(token, "carrier-1", FakeCaller([(2.0, HANG_UP)]))

    house = inside(act)

    assert house.states == [CallState.COMPLETED]
    assert house.reasons == [EndReason.CALLER_HUNG_UP]
    assert house.control.hung_up == []


AWAY = "Gemini refuses the key (HTTP 403): check GOOGLE_API_KEY"


@pytest.mark.parametrize(
    ("events", "carrier", "reason", "cause"),
    [
        ([AgentAway(AWAY), AgentLost(AWAY)], "", EndReason.AGENT_FAILED, AWAY),
        ([AgentLost(AWAY)], "Normal Hangup", EndReason.AGENT_FAILED, AWAY),
        ([AgentAway(AWAY)], "", EndReason.CALLER_HUNG_UP, AWAY),
        ([AgentAway(AWAY), AgentReady()], "", EndReason.CALLER_HUNG_UP, ""),
        ([], "", EndReason.CALLER_HUNG_UP, ""),
    ],
)
def test_a_call_says_why_its_agent_was_away(
    events: Sequence[AgentEvent], carrier: str, reason: EndReason, cause: str
) -> None:
    """What the carrier says of the hang-up that this brings says nothing of it."""

    async def act(house: House) -> None:
        async def agent_for(call: Call) -> FakeAgent:
            house.agents.append(FakeAgent([(0.5, event) for event in events]))
            return house.agents[-1]

        async def hang_up(provider_call_id: str) -> None:
            await house.calls.ended("plivo", provider_call_id, CallState.COMPLETED, carrier)

        house.make_agent = agent_for
        if carrier:
            house.control.hang_up = hang_up  # type: ignore[method-assign]
        token = await house.offer()
        stays_s = 20.0 if reason is EndReason.AGENT_FAILED else 2.0  # it is told an apology
        await house.calls.carry(token, "carrier-1", FakeCaller([(stays_s, HANG_UP)]))

    house = inside(act)

    (ending,) = house.archive.endings.values()
    assert (ending.reason, ending.cause) == (reason, cause)


@pytest.mark.parametrize(("chosen", "speaks"), [("", "FWAI_Core"), ("Desk", "Desk")])
def test_the_agent_that_a_caller_chose_comes_before_the_line_s(chosen: str, speaks: str) -> None:
    async def act(house: House) -> None:
        await house.offer(replace(INBOUND, agent=chosen))
        await asyncio.sleep(0.1)

    house = inside(act)

    assert [call.agent for call in house.archive.calls.values()] == [speaks]


def test_a_stream_that_never_comes_gives_the_model_session_back() -> None:
    async def act(house: House) -> None:
        token = await house.offer()
        await asyncio.sleep(STREAM_S + 1)
        assert not house.agents[0].running
        assert not admits(house.calls, token)

    house = inside(act)

    assert house.reasons == [EndReason.NEVER_CONNECTED]
    assert house.states == [CallState.FAILED]
    assert house.control.hung_up == ["carrier-1"]


@pytest.mark.parametrize("state", [CallState.NO_ANSWER, CallState.BUSY, CallState.CANCELED])
def test_the_carriers_word_on_an_unanswered_call_is_its_state(state: CallState) -> None:
    async def act(house: House) -> None:
        await house.offer()
        await house.calls.ended("plivo", "carrier-1", state)
        await house.calls.ended("plivo", "carrier-1", CallState.COMPLETED)
        await asyncio.sleep(0.1)

    house = inside(act)

    assert house.states == [state]


def test_a_hang_up_webhook_ends_a_running_call_once() -> None:
    async def act(house: House) -> None:
        token = await house.offer()

        async def webhook() -> None:
            await asyncio.sleep(1.0)
            await house.calls.ended("plivo", "carrier-1", CallState.COMPLETED)
            await house.calls.ended("plivo", "carrier-1", CallState.COMPLETED)

        await asyncio.gather(
            webhook(), house.calls.carry(token, "carrier-1", FakeCaller([(1.0, HANG_UP)]))
        )

    house = inside(act)

    assert house.reasons == [EndReason.CALLER_HUNG_UP]


def test_a_repeated_offer_is_the_same_call_with_a_new_ticket() -> None:
    async def act(house: House) -> None:
        first, second = await house.offer(), await house.offer()
        assert first != second
        assert house.calls.active == 1
        assert await house.calls.carry(second, "carrier-1", FakeCaller([(1.0, HANG_UP)]))

    house = inside(act)

    assert len(house.archive.calls) == 1


def test_a_replayed_offer_of_a_running_or_ended_call_mints_nothing() -> None:
    async def act(house: House) -> None:
        token = await house.offer()

        async def replay() -> None:
            await asyncio.sleep(1.0)
            assert await house.calls.offer(INBOUND, house.control) is None

        await asyncio.gather(
            replay(), house.calls.carry(token, "carrier-1", FakeCaller([(2.0, HANG_UP)]))
        )
        assert await house.calls.offer(INBOUND, house.control) is None

    inside(act)


@pytest.mark.parametrize(("token", "carrier_id"), [(None, "carrier-2"), ("forged", "carrier-1")])
def test_a_stream_that_does_not_fit_its_token_is_refused(
    token: str | None, carrier_id: str
) -> None:
    async def act(house: House) -> None:
        good = await house.offer()
        assert not await house.calls.carry(token or good, carrier_id, FakeCaller())
        assert admits(house.calls, good), "a wrong guess must not use the token up"

    inside(act)


def test_a_token_admits_one_stream() -> None:
    async def act(house: House) -> None:
        token = await house.offer()
        assert await house.calls.carry(token, "carrier-1", FakeCaller([(1.0, HANG_UP)]))
        assert not await house.calls.carry(token, "carrier-1", FakeCaller())

    inside(act)


def test_admission_stops_at_the_configured_number() -> None:
    async def act(house: House) -> None:
        await house.offer()
        with pytest.raises(BusyError):
            await house.calls.offer(
                CallOffer("plivo", "carrier-2", Direction.INBOUND, "", ""), house.control
            )

    inside(act, max_calls=1)


def test_draining_admits_nothing_and_lets_calls_go_on() -> None:
    async def act(house: House) -> None:
        token = await house.offer()
        house.calls.drain()
        with pytest.raises(BusyError):
            await house.calls.offer(
                CallOffer("plivo", "carrier-2", Direction.INBOUND, "", ""), house.control
            )
        assert await house.calls.carry(token, "carrier-1", FakeCaller([(5.0, HANG_UP)]))

    house = inside(act)

    assert house.states == [CallState.COMPLETED, CallState.BUSY]


def test_stopping_ends_what_still_runs_and_says_so() -> None:
    async def act(house: House) -> None:
        token = await house.offer()
        carrying = asyncio.ensure_future(
            house.calls.carry(token, "carrier-1", FakeCaller([(60.0, HANG_UP)]))
        )
        await asyncio.sleep(1.0)
        house.calls.stop()
        await carrying

    house = inside(act)

    assert house.reasons == [EndReason.SERVER_STOPPED]
    assert house.states == [CallState.FAILED]
    assert house.control.hung_up == ["carrier-1"]


@pytest.mark.parametrize("closed", [True, False])
def test_calls_that_others_took_over_are_hung_up_and_what_they_closed_stays(closed: bool) -> None:
    async def act(house: House) -> None:
        token = await house.offer()
        leg = FakeCaller([(60.0, HANG_UP)])
        carrying = asyncio.ensure_future(house.calls.carry(token, "carrier-1", leg))
        await asyncio.sleep(1.0)
        if closed:  # else it had no row yet: nobody else will close it
            (call_id,) = house.archive.states
            house.archive.states[call_id] = CallState.FAILED
        house.status.declared_dead()
        await carrying
        assert leg.closed_at is not None

    house = inside(act)

    assert house.control.hung_up == ["carrier-1"]
    assert house.reasons == ([] if closed else [EndReason.SERVER_CRASHED])
    assert set(house.archive.states.values()) == {CallState.FAILED}


def test_a_ringing_call_of_ours_that_others_adopted_goes_on_there() -> None:
    async def act(house: House) -> None:
        offer = replace(INBOUND, direction=Direction.OUTBOUND)
        await house.offer(offer)
        await asyncio.sleep(1.0)
        house.status.declared_dead()
        await asyncio.sleep(1.0)

    house = inside(act)

    assert house.control.hung_up == []
    assert house.reasons == []


def test_a_failing_rest_api_does_not_keep_the_call_open() -> None:
    async def act(house: House) -> None:
        house.control = FakeControl(ApiError("plivo", "down"))
        token = await house.offer()
        await asyncio.sleep(0.1)  # it is in the archive
        call_id = next(iter(house.archive.calls))
        carrying = asyncio.ensure_future(
            house.calls.carry(token, "carrier-1", FakeCaller([(60.0, HANG_UP)]))
        )
        await asyncio.sleep(1.0)
        assert house.calls.hang_up(call_id)
        await carrying

    house = inside(act)

    assert house.reasons == [EndReason.OPERATOR]


def test_a_carrier_that_never_answers_a_hang_up_does_not_keep_the_call_open() -> None:
    class Silent(FakeControl):
        async def hang_up(self, provider_call_id: str) -> None:
            await super().hang_up(provider_call_id)
            await asyncio.sleep(1e6)

    async def act(house: House) -> None:
        house.control = Silent()
        token = await house.offer()
        leg = FakeCaller([(60.0, HANG_UP)])
        carrying = asyncio.ensure_future(house.calls.carry(token, "carrier-1", leg))
        await asyncio.sleep(1.0)
        assert house.calls.hang_up(next(iter(house.archive.calls)))
        async with asyncio.timeout(30):
            await carrying
        assert leg.closed_at is not None

    house = inside(act)

    assert house.control.hung_up == ["carrier-1"]
    assert house.reasons == [EndReason.OPERATOR]


def test_two_requests_for_one_call_at_once_are_one_call() -> None:
    class Slow(FakeArchive):
        async def state_of(self, provider: str, provider_call_id: str) -> CallState | None:
            await asyncio.sleep(0.2)
            return await super().state_of(provider, provider_call_id)

    async def act(house: House) -> None:
        tokens = await asyncio.gather(house.offer(), house.offer())
        assert len(set(tokens)) == 2
        assert house.calls.active == 1
        assert await house.calls.carry(tokens[0], "carrier-1", FakeCaller([(1.0, HANG_UP)]))

    house = inside(act, archive=Slow())

    assert house.reasons == [EndReason.CALLER_HUNG_UP]
    assert len(house.agents) == 1


def test_a_sick_database_does_not_silence_the_phone() -> None:
    class SickArchive(FakeArchive):
        async def state_of(self, provider: str, provider_call_id: str) -> CallState | None:
            raise StoreError("database: disk I/O error")

        async def open(self, call: Call, state: CallState, at: float) -> None:
            raise StoreError("database: disk I/O error")

    async def act(house: House) -> None:
        token = await house.offer()
        leg = FakeCaller([(2.0, HANG_UP)])
        leg_was_carried = await house.calls.carry(token, "carrier-1", leg)
        assert leg_was_carried
        assert leg.closed_at is not None

    inside(act, archive=SickArchive())


def test_one_broken_call_does_not_touch_another() -> None:
    class BrokenAgent(FakeAgent):
        async def run(self) -> None:
            await asyncio.sleep(1.0)
            raise RuntimeError("bug")

    async def act(house: House) -> None:
        other = await house.offer()
        await asyncio.sleep(0.1)  # its agent is there

        async def broken_agent(call: Call) -> BrokenAgent:
            return BrokenAgent()

        house.make_agent = broken_agent
        broken = await house.offer(
            CallOffer("plivo", "carrier-2", Direction.INBOUND, "", "+918888800000")
        )
        await asyncio.gather(
            house.calls.carry(broken, "carrier-2", FakeCaller([(9.0, HANG_UP)])),
            house.calls.carry(other, "carrier-1", FakeCaller([(5.0, HANG_UP)])),
        )

    house = inside(act)

    assert sorted(house.reasons) == [EndReason.CALLER_HUNG_UP, EndReason.INTERNAL_ERROR]


def test_a_call_that_is_not_live_cannot_be_acted_on() -> None:
    async def act(house: House) -> None:
        unknown = CallId("20261122-none")

        assert not house.calls.hang_up(unknown)
        assert not house.calls.live(unknown)
        assert house.calls.session(unknown) is None
        assert not await house.calls.carry("no token", "carrier-9", FakeCaller([]))

    inside(act)


@dataclass
class Recording:
    """Takes sound, and is closed once."""

    closed: int = 0

    def caller(self, pcm: bytes, at: float) -> None:
        pass

    def agent(self, pcm: bytes, at: float) -> None:
        pass

    def cut(self, at: float) -> None:
        pass

    async def close(self) -> None:
        self.closed += 1


def test_a_recording_is_known_before_it_ends_and_closed_with_the_call() -> None:
    recording = Recording()

    async def act(house: House) -> None:
        token = await house.offer()
        await house.calls.carry(token, "carrier-1", FakeCaller([(3.0, HANG_UP)]))

    house = inside(act, recorder=(recording, Path("c.wav")))

    assert recording.closed == 1
    assert list(house.archive.recordings.values()) == [Path("c.wav")]
