"""Calls of ours: placed, ringing, answered, or not, whatever order the provider's news come in."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

import virtual_time
from fakes import HANG_UP, FakeAgent, FakeArchive, FakeCaller, FakeTools, admits
from fwai.audio.pcm import silence
from fwai.calls.limits import LEAVE_MESSAGE, SessionLimits
from fwai.calls.manager import CallManager
from fwai.calls.placing import DIAL_S, STREAM_S
from fwai.domain.call import (
    Call,
    CallEnding,
    CallId,
    CallOffer,
    CallState,
    DialOrder,
    Direction,
    EndReason,
)
from fwai.domain.events import AgentAudio, AgentEvent, CallerAudio, CallerEvent, GenerationEnded
from fwai.domain.events import Interrupted as Cut
from fwai.errors import ApiError, ApiUnknownError, BusyError
from fwai.interfaces.media import Recorder

ID = CallId("c-1")
CALL = Call(ID, "plivo", Direction.OUTBOUND, "+919999900001", "+918888800000", "FWAI_Core")
ORDER = DialOrder(ID, CALL.caller, token="", ring_s=45)
ANSWERED = CallOffer("plivo", "uuid-1", Direction.OUTBOUND, CALL.caller, CALL.line, call_id=ID)
Act = Callable[["House"], Awaitable[None]]


class Line:
    """A provider that takes a while and then answers what it is told to."""

    number = CALL.line

    def __init__(self) -> None:
        self.takes_s = 0.2
        self.answer: Exception | str = "uuid-1"
        self.meanwhile: Callable[[], Awaitable[None]] | None = None
        self.orders: list[DialOrder] = []
        self.hung_up: list[str] = []

    async def dial(self, order: DialOrder) -> str:
        self.orders.append(order)
        await asyncio.sleep(self.takes_s)
        if self.meanwhile is not None:
            await self.meanwhile()
            await asyncio.sleep(1)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def hang_up(self, provider_call_id: str) -> None:
        self.hung_up.append(provider_call_id)


class House:
    """A manager, a line, an archive that knows the call."""

    def __init__(self) -> None:
        self.line = Line()
        self.agents: list[FakeAgent] = []
        self.archive = FakeArchive()
        self.archive.calls[ID], self.archive.states[ID] = CALL, CallState.QUEUED
        self.speaks = False
        self.agent_fault: Exception | None = None
        self.make_agent: Callable[[Call], Awaitable[FakeAgent]] = self._agent_for
        self.calls = CallManager(
            agent_for=lambda call: self.make_agent(call),  # noqa: PLW0108 - tests replace it
            agent_id_for=lambda _: "FWAI_Core",
            tools=FakeTools(),
            archive=self.archive,
            limits=SessionLimits(dead_s=1e6),
            max_calls=10,
            recorder_for=self._no_recorder,
            speaks_to_machines=lambda _: self.speaks,
        )

    async def _agent_for(self, call: Call) -> FakeAgent:
        if self.agent_fault is not None:
            raise self.agent_fault
        agent = FakeAgent(on_prompt=self._reply)
        self.agents.append(agent)
        return agent

    def _reply(self, prompt: str) -> list[tuple[float, AgentEvent]]:
        sound = AgentAudio(silence(1000, 24_000))
        return [(0.5, sound), (0.6, GenerationEnded())]

    def _no_recorder(self, call: Call, rate: int, at: float) -> tuple[Recorder, Path] | None:
        return None

    async def place(self) -> str:
        return await self.calls.placer.place(CALL, self.line, ORDER)

    async def answer(self) -> str:
        ticket = await self.calls.offer(ANSWERED, self.line)
        assert ticket is not None
        return ticket.token

    async def talk(self, for_s: float = 5.0) -> None:
        token = await self.answer()
        assert await self.calls.carry(token, "uuid-1", FakeCaller([(for_s, HANG_UP)]))

    @property
    def state(self) -> CallState:
        return self.archive.states[ID]

    @property
    def ending(self) -> CallEnding:
        return self.archive.endings[ID]

    @property
    def outcome(self) -> tuple[CallState, EndReason]:
        return self.ending.state, self.ending.reason


def inside(act: Act, prepare: Callable[[House], None] = lambda _: None) -> House:
    """Run ``act`` with a running manager on a clock that jumps; nothing may be left after it."""

    async def main() -> House:
        house = House()
        prepare(house)
        ready = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(house.calls.run(ready))
            await ready.wait()
            await act(house)
            house.calls.stop()
        assert house.calls.active == 0
        assert house.calls._live._by_provider == {}
        assert house.calls._tokens._grants == {}
        assert not any(agent.running for agent in house.agents)
        return house

    return virtual_time.run(main())


# ---- the ordinary way ---------------------------------------------------------------------------


def test_the_model_session_is_open_while_it_rings() -> None:
    async def act(house: House) -> None:
        assert await house.place() == "uuid-1"
        assert house.agents[0].running
        assert house.calls.placer.outbound("plivo") == 1
        assert house.calls.live(ID)
        assert house.state is CallState.DIALING
        await house.calls.ringing(ID, "uuid-1")
        assert house.archive.states[ID] is CallState.RINGING

    inside(act)


def test_a_call_is_placed_rings_is_answered_and_ends() -> None:
    async def act(house: House) -> None:
        await house.place()
        await house.calls.ringing(ID, "uuid-1")
        await house.talk()

    house = inside(act)

    assert house.outcome == (CallState.COMPLETED, EndReason.CALLER_HUNG_UP)
    assert list(house.archive.calls) == [ID], "no second call was opened"
    assert house.archive.calls[ID].provider_call_id == "uuid-1"


def test_the_orders_token_admits_the_stream_of_a_provider_that_asks_for_none() -> None:
    async def act(house: House) -> None:
        await house.place()
        token = house.line.orders[0].token
        assert admits(house.calls, token)
        second = FakeCaller([(5.0, HANG_UP)])
        async with asyncio.TaskGroup() as tasks:
            first = FakeCaller([(5.0, HANG_UP)])
            tasks.create_task(house.calls.carry(token, "uuid-1", first))
            await asyncio.sleep(1)
            assert not admits(house.calls, token)
            assert not await house.calls.carry(token, "uuid-1", second)

    assert inside(act).outcome[0] is CallState.COMPLETED


def test_the_token_of_an_order_lives_as_long_as_it_may_ring() -> None:
    async def act(house: House) -> None:
        await house.place()
        await asyncio.sleep(44)
        assert admits(house.calls, house.line.orders[0].token)

    inside(act)


# ---- news before, after, twice, never -----------------------------------------------------------


def test_news_that_come_before_the_answer_name_the_call_better() -> None:
    """Plivo's answer names the request; its news name the call, and only that can be ended."""

    async def act(house: House) -> None:
        async def rings() -> None:
            await house.calls.ringing(ID, "uuid-1")

        house.line.meanwhile, house.line.answer = rings, "request-9"
        await house.place()
        assert house.calls.hang_up(ID)
        await asyncio.sleep(1)

    house = inside(act)

    assert house.line.hung_up == ["uuid-1"]
    assert house.archive.calls[ID].provider_call_id == "uuid-1"


def test_a_call_that_was_known_by_two_ids_leaves_neither_behind() -> None:
    async def act(house: House) -> None:
        house.line.answer = "request-9"
        await house.place()
        await house.calls.ringing(ID, "uuid-1")
        await house.talk()
        assert house.calls._live._by_provider == {}

    inside(act)


def test_a_call_that_is_answered_before_the_provider_confirms_it_is_carried() -> None:
    async def act(house: House) -> None:
        async with asyncio.TaskGroup() as tasks:

            async def picks_up() -> None:
                tasks.create_task(house.talk(5.0))

            house.line.meanwhile = picks_up
            await house.place()

    assert inside(act).outcome == (CallState.COMPLETED, EndReason.CALLER_HUNG_UP)


@pytest.mark.parametrize(
    "state", [CallState.BUSY, CallState.NO_ANSWER, CallState.REJECTED, CallState.FAILED]
)
@pytest.mark.parametrize("early", [False, True])
def test_the_providers_word_is_the_final_state_and_nothing_is_hung_up(
    state: CallState, early: bool
) -> None:
    async def act(house: House) -> None:
        async def over() -> None:
            await house.calls.ended("plivo", "uuid-1", state, "cause", call_id=ID)

        if early:
            house.line.meanwhile = over
        await house.place()
        for _ in range(2):
            await over()
            await asyncio.sleep(0.5)
        await house.calls.ended("plivo", "uuid-1", CallState.COMPLETED, call_id=ID)

    house = inside(act)

    assert house.outcome == (state, EndReason.NEVER_CONNECTED)
    assert house.ending.cause == "cause"
    assert house.line.hung_up == [], "it is over already"


def test_a_call_that_completed_without_a_stream_was_not_answered_by_us() -> None:
    async def act(house: House) -> None:
        await house.place()
        await house.calls.ended("plivo", "uuid-1", CallState.COMPLETED, call_id=ID)
        await asyncio.sleep(1)

    assert inside(act).outcome == (CallState.NO_ANSWER, EndReason.NEVER_CONNECTED)


def test_a_call_of_which_nothing_is_heard_is_hung_up_and_counts_as_not_answered() -> None:
    async def act(house: House) -> None:
        await house.place()
        await asyncio.sleep(45 + STREAM_S + 1)
        assert not house.agents[0].running

    house = inside(act)

    assert house.outcome == (CallState.NO_ANSWER, EndReason.NEVER_CONNECTED)
    assert house.line.hung_up == ["uuid-1"]


def test_no_answer_from_the_provider_is_unknown_and_its_news_still_count() -> None:
    async def act(house: House) -> None:
        house.line.answer = ApiUnknownError("plivo", "no answer")
        with pytest.raises(ApiUnknownError):
            await house.place()
        assert house.agents[0].running
        await house.calls.ringing(ID, "uuid-1")
        await house.talk()

    assert inside(act).outcome == (CallState.COMPLETED, EndReason.CALLER_HUNG_UP)


def test_a_provider_that_hangs_is_unknown_and_the_call_ends_by_itself() -> None:
    async def act(house: House) -> None:
        house.line.takes_s = 600.0
        with pytest.raises(ApiUnknownError):
            await house.place()
        await asyncio.sleep(45 + STREAM_S - DIAL_S + 1)
        assert house.calls.active == 0

    assert inside(act).outcome == (CallState.FAILED, EndReason.NEVER_CONNECTED)


# ---- what was not placed ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", [ApiError("plivo", "refused"), BusyError("full"), RuntimeError("bug")]
)
def test_what_was_not_placed_lets_go_of_all_and_ends_nothing(fault: Exception) -> None:
    """Whoever wanted it says what becomes of it: it may be tried again."""

    async def act(house: House) -> None:
        house.line.answer = fault
        with pytest.raises(type(fault)):
            await house.place()
        assert not house.calls.live(ID)
        assert not admits(house.calls, house.line.orders[0].token)
        await asyncio.sleep(1)

    assert inside(act).archive.endings == {}


def test_it_may_be_placed_again_while_the_first_try_still_lets_go() -> None:
    class SlowAgent(FakeAgent):
        async def run(self) -> None:
            await super().run()
            await asyncio.sleep(5)

    async def act(house: House) -> None:
        async def slow(call: Call) -> FakeAgent:
            return SlowAgent()

        fast, house.make_agent = house.make_agent, slow
        house.line.answer = BusyError("full")
        with pytest.raises(BusyError):
            await house.place()
        house.make_agent = fast
        house.line.answer = "uuid-1"
        await house.place()
        await asyncio.sleep(10)
        assert house.calls.live(ID)
        assert admits(house.calls, house.line.orders[1].token)
        await house.talk()

    assert inside(act).outcome == (CallState.COMPLETED, EndReason.CALLER_HUNG_UP)


def test_a_server_that_drains_places_nothing() -> None:
    async def act(house: House) -> None:
        house.calls.drain()
        with pytest.raises(BusyError):
            await house.place()

    assert inside(act).line.orders == []


# ---- ended from here ----------------------------------------------------------------------------


def test_an_operator_ends_a_ringing_call() -> None:
    async def act(house: House) -> None:
        await house.place()
        await house.calls.ringing(ID, "uuid-1")
        assert house.calls.hang_up(ID)
        await asyncio.sleep(1)
        assert await house.calls.offer(ANSWERED, house.line) is None, "picked up too late"

    house = inside(act)

    assert house.outcome == (CallState.CANCELED, EndReason.OPERATOR)
    assert house.line.hung_up == ["uuid-1"]


def test_an_operator_who_ends_it_before_the_provider_answered_stops_the_ringing() -> None:
    async def act(house: House) -> None:
        async def cancel() -> None:
            assert house.calls.hang_up(ID)

        house.line.meanwhile = cancel
        await house.place()

    house = inside(act)

    assert house.outcome == (CallState.CANCELED, EndReason.OPERATOR)
    assert house.line.hung_up == ["uuid-1"]


def test_an_operator_who_ends_it_in_the_moment_it_is_answered_leaves_no_stream_open() -> None:
    async def act(house: House) -> None:
        placing = asyncio.ensure_future(house.place())
        await asyncio.sleep(0.1)
        (order,) = house.line.orders
        answered = house.calls.carry(order.token, "uuid-1", FakeCaller())
        carrying = asyncio.ensure_future(answered)
        await asyncio.sleep(0)  # the provider's id is being kept
        assert house.calls.hang_up(ID)
        assert not await carrying
        await placing

    house = inside(act)

    assert house.outcome == (CallState.CANCELED, EndReason.OPERATOR)
    assert "uuid-1" in house.line.hung_up


def test_an_operator_who_ends_it_stops_the_ringing_also_while_the_database_is_slow() -> None:
    async def act(house: House) -> None:
        end = house.archive.end

        async def slowly(call: Call, ending: CallEnding, at: float) -> bool:
            await asyncio.sleep(2)
            return await end(call, ending, at)

        async def cancel() -> None:
            assert house.calls.hang_up(ID)

        house.archive.end = slowly  # type: ignore[method-assign]
        house.line.meanwhile = cancel
        await house.place()
        assert house.line.hung_up == ["uuid-1"]

    assert inside(act).outcome == (CallState.CANCELED, EndReason.OPERATOR)


def test_the_first_word_on_how_a_call_came_out_counts() -> None:
    async def act(house: House) -> None:
        await house.place()
        await house.calls.ended("plivo", "uuid-1", CallState.BUSY, "busy line")
        await house.calls.ended("plivo", "uuid-1", CallState.FAILED, "end of the call")

    house = inside(act)

    assert (house.ending.state, house.ending.cause) == (CallState.BUSY, "busy line")


def test_a_refusal_in_the_moment_an_operator_ends_it_leaves_the_call_ended() -> None:
    """Else it would be tried again, though nobody wants it any more."""

    class Refusing(Line):
        async def dial(self, order: DialOrder) -> str:
            await asyncio.sleep(0.2)
            assert houses[0].calls.hang_up(ID)
            raise ApiError("plivo", "too many requests", retryable=True)

    houses: list[House] = []

    async def act(house: House) -> None:
        houses.append(house)
        house.line = Refusing()
        with pytest.raises(ApiError):
            await house.place()
        await asyncio.sleep(1)

    assert inside(act).outcome == (CallState.CANCELED, EndReason.OPERATOR)


def test_a_refusal_after_an_operator_ended_it_changes_nothing() -> None:
    async def act(house: House) -> None:
        async def cancel() -> None:
            assert house.calls.hang_up(ID)

        house.line.meanwhile, house.line.answer = cancel, ApiError("plivo", "x", retryable=True)
        with pytest.raises(ApiError):
            await house.place()

    assert inside(act).outcome == (CallState.CANCELED, EndReason.OPERATOR)


def test_a_server_that_stops_ends_ringing_calls_and_says_so() -> None:
    async def act(house: House) -> None:
        await house.place()
        await house.calls.ringing(ID, "uuid-1")

    house = inside(act)

    assert house.outcome == (CallState.FAILED, EndReason.SERVER_STOPPED)
    assert house.line.hung_up == ["uuid-1"]


def test_a_server_that_stops_while_the_provider_is_asked_leaves_no_phone_ringing() -> None:
    async def act(house: House) -> None:
        async def stop() -> None:
            house.calls.stop()

        house.line.meanwhile = stop
        await house.place()

    house = inside(act)

    assert house.outcome == (CallState.FAILED, EndReason.SERVER_STOPPED)
    assert house.line.hung_up == ["uuid-1"]


def test_an_agent_that_cannot_be_made_fails_the_call_and_stops_the_ringing() -> None:
    async def act(house: House) -> None:
        house.agent_fault = RuntimeError("bug")
        await house.place()

    house = inside(act)

    assert house.outcome == (CallState.FAILED, EndReason.INTERNAL_ERROR)
    assert house.line.hung_up == ["uuid-1"]


# ---- machines -----------------------------------------------------------------------------------


def test_a_machine_is_hung_up_on() -> None:
    async def act(house: House) -> None:
        await house.place()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(house.talk(60.0))
            await asyncio.sleep(3)
            await house.calls.machine_answered("plivo", "uuid-1")
            await house.calls.machine_answered("plivo", "uuid-1")

    house = inside(act)

    assert house.outcome == (CallState.COMPLETED, EndReason.VOICEMAIL)
    assert house.line.hung_up == ["uuid-1"]


def test_a_machine_that_is_known_before_the_stream_is_hung_up_on() -> None:
    async def act(house: House) -> None:
        await house.place()
        await house.calls.machine_answered("plivo", "uuid-1")
        await asyncio.sleep(1)

    house = inside(act)

    assert house.outcome == (CallState.COMPLETED, EndReason.VOICEMAIL)
    assert house.line.hung_up == ["uuid-1"]


def carry_to_machine(script: list[tuple[float, AgentEvent]]) -> House:
    async def act(house: House) -> None:
        house.speaks = True
        await house.place()
        token = await house.answer()
        sounds: list[tuple[float, CallerEvent]] = [
            (second / 2, CallerAudio(silence(40, 8000))) for second in range(80)
        ]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(house.calls.carry(token, "uuid-1", FakeCaller(sounds)))
            await asyncio.sleep(3)
            await house.calls.machine_answered("plivo", "uuid-1")
            house.agents[0]._schedule(script)

    return inside(act)


def test_an_agent_that_speaks_to_machines_leaves_its_message_and_hangs_up() -> None:
    house = carry_to_machine([])

    assert LEAVE_MESSAGE in [text for _, text in house.agents[0].prompts]
    assert house.outcome == (CallState.COMPLETED, EndReason.VOICEMAIL)
    assert house.ending.audio_out_s == pytest.approx(2.0, abs=0.2)


def test_a_machine_that_speaks_over_the_message_stays_a_machine() -> None:
    """Else a promised callback would count as kept: nobody was reached."""
    house = carry_to_machine([(0.7, Cut())])

    assert house.outcome == (CallState.COMPLETED, EndReason.VOICEMAIL)


# ---- after a restart ----------------------------------------------------------------------------


def dialled_before(house: House) -> None:
    house.archive.states[ID] = CallState.DIALING


def test_a_call_that_was_placed_before_a_restart_goes_on_here() -> None:
    async def act(house: House) -> None:
        await house.talk()

    house = inside(act, dialled_before)

    assert house.outcome == (CallState.COMPLETED, EndReason.CALLER_HUNG_UP)
    assert list(house.archive.calls) == [ID]


def test_its_ringing_is_kept_for_whoever_would_dial_it_again() -> None:
    async def act(house: House) -> None:
        await house.calls.ringing(ID, "uuid-1")
        await house.calls.ringing(ID, "uuid-1")
        await house.calls.ringing(CallId("unknown"), "uuid-2")

    house = inside(act, dialled_before)

    assert house.state is CallState.RINGING
    assert house.archive.calls[ID].provider_call_id == "uuid-1"


@pytest.mark.parametrize(
    ("told", "kept"),
    [(CallState.BUSY, CallState.BUSY), (CallState.COMPLETED, CallState.NO_ANSWER)],
)
def test_its_end_is_kept(told: CallState, kept: CallState) -> None:
    async def act(house: House) -> None:
        await house.calls.ended("plivo", "uuid-1", told, "cause", call_id=ID)
        await house.calls.ended("plivo", "uuid-1", CallState.FAILED, call_id=ID)

    house = inside(act, dialled_before)

    assert house.outcome == (kept, EndReason.NEVER_CONNECTED)


@pytest.mark.parametrize("state", [CallState.CANCELED, CallState.QUEUED, CallState.IN_PROGRESS])
def test_an_answer_to_a_call_that_does_not_wait_for_one_opens_nothing(state: CallState) -> None:
    async def act(house: House) -> None:
        house.archive.states[ID] = state
        assert await house.calls.offer(ANSWERED, house.line) is None
        assert await house.calls.offer(replace(ANSWERED, call_id=CallId("x")), house.line) is None
        assert house.agents == []

    inside(act)


def test_an_answer_that_is_told_twice_is_one_call() -> None:
    async def act(house: House) -> None:
        first, second = await asyncio.gather(house.answer(), house.answer())
        assert first != second
        assert house.calls.active == 1

    inside(act, dialled_before)


# ---- what others dial ---------------------------------------------------------------------------


def test_an_outgoing_call_that_others_placed_is_kept_like_any_other() -> None:
    """A provider's flow may dial by itself: no order of ours made its row."""

    async def act(house: House) -> None:
        offer = replace(ANSWERED, provider_call_id="uuid-7", call_id=CallId(""))
        ticket = await house.calls.offer(offer, house.line)
        assert ticket is not None
        await asyncio.sleep(0.1)
        assert house.archive.states[ticket.call_id] is CallState.RINGING
        leg = FakeCaller([(2.0, HANG_UP)])
        assert await house.calls.carry(ticket.token, "uuid-7", leg)

    assert len(inside(act).archive.endings) == 1
