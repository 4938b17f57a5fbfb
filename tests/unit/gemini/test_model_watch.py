"""Whether the model can be reached: who is told of what, and when it is looked at again."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from fakes import SeenFailures
from fwai.domain.events import AgentLost
from fwai.domain.failure import Area
from fwai.errors import AgentError
from fwai.gemini import faults
from fwai.gemini.connection import LiveEndpoint
from fwai.gemini.model_watch import LOST_WITHIN_S, PROBE_S, ModelWatch
from fwai.simulator.common.jumping_loop import settle
from unit.gemini.fake_live import FakeLive, Plan, talk

MODEL = "m"


def watch_of(
    service: FakeLive | None, failures: SeenFailures, models: tuple[str, ...] = (MODEL,)
) -> ModelWatch:
    url = service.url if service is not None else "ws://127.0.0.1:9"

    def setup(model: str) -> bytes:
        return json.dumps({"setup": {"model": f"models/{model}"}}).encode()

    return ModelWatch(failures, LiveEndpoint(url, "K", 5.0), models, setup)


def refusal(fault: faults.LiveFault, detail: str = "HTTP 403") -> AgentError:
    return AgentError("live: no", fault=fault.name, detail=detail)


@pytest.mark.parametrize("fault", faults.FAULTS.values(), ids=lambda one: one.name)
async def test_every_fault_is_told_with_its_fix_and_mended_by_the_next_session(
    fault: faults.LiveFault,
) -> None:
    failures = SeenFailures()
    watch = watch_of(None, failures)

    watch.failed(MODEL, refusal(fault))

    (trouble,) = failures.standing.values()
    assert trouble.area is Area.MODEL
    assert trouble.cause == f"{fault.what} (HTTP 403)"
    assert trouble.fix == fault.fix
    assert trouble.stops_calls is fault.stops_calls
    watch.opened(MODEL)
    assert failures.standing == {}


async def test_a_model_that_only_some_agents_use_stops_not_every_call() -> None:
    failures = SeenFailures()
    watch = watch_of(None, failures, (MODEL, "other"))

    watch.failed("other", refusal(faults.MODEL, "close 1008"))
    watch.failed(MODEL, refusal(faults.KEY))

    assert failures.names == ["gemini", "model other"]
    assert [one.stops_calls for one in failures.standing.values()] == [False, True]
    watch.opened(MODEL)
    assert failures.names == ["model other"], "another model says nothing of this one"
    watch.opened("other")
    assert failures.names == []


@asynccontextmanager
async def looking(watch: ModelWatch) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        group.create_task(watch.run())
        try:
            yield
        finally:
            watch.stop()


async def test_while_it_is_refused_it_is_looked_at_until_it_is_mended_and_then_no_more() -> None:
    failures = SeenFailures()
    refused = Plan("refuse", status=403)
    async with FakeLive(refused, refused) as service:
        watch = watch_of(service, failures)
        async with looking(watch):
            await settle(4000)
            assert service.attempts == [], "nothing is asked while all is well"
            watch.failed(MODEL, refusal(faults.KEY))
            began = asyncio.get_running_loop().time()
            await settle(sum(PROBE_S[:2]) + 1)
            assert [round(at - began) for at in service.attempts] == [5, 15]
            assert failures.names == ["gemini"]
            await settle(PROBE_S[2])
            assert failures.names == []
            await settle(4000)
            assert len(service.attempts) == 3
            assert service.lines[0].setup == {"setup": {"model": "models/m"}}
        assert service.open == 0


async def test_a_refused_setup_is_not_tried_again_with_another_one() -> None:
    failures = SeenFailures()
    async with FakeLive() as service:
        watch = watch_of(service, failures)
        async with looking(watch):
            watch.failed(MODEL, refusal(faults.SETUP, "close 1007"))
            await settle(4000)
            assert service.attempts == []
    assert failures.names == ["set-up for m"]
    assert not failures.standing[Area.MODEL, "set-up for m"].stops_calls


async def test_a_look_that_is_only_refused_its_setup_has_found_the_service() -> None:
    failures = SeenFailures()
    async with FakeLive(*[Plan("close", code=1007, reason="invalid argument")] * 9) as service:
        watch = watch_of(service, failures)
        async with looking(watch):
            watch.failed(MODEL, refusal(faults.UNREACHABLE))
            await settle(4000)
            assert len(service.attempts) == 1


# ---- when new calls need not try -----------------------------------------------------------------

SLOW = refusal(faults.UNREACHABLE, "")


@pytest.mark.parametrize("fault", faults.FAULTS.values(), ids=lambda one: one.name)
async def test_what_somebody_must_mend_lets_no_further_call_try(fault: faults.LiveFault) -> None:
    watch = watch_of(None, SeenFailures(), (MODEL, "other"))

    watch.failed(MODEL, refusal(fault))

    assert bool(watch.down(MODEL)) is fault.lasting
    if fault.lasting:
        assert watch.down(MODEL) == f"{fault.what} (HTTP 403): {fault.check}"
        assert [one.model for one in watch.all_down()] == [MODEL]
        assert watch.look_in_s(MODEL) == pytest.approx(PROBE_S[0])
    assert (watch.down("other"), watch.look_in_s("other")) == ("", 0.0)
    watch.opened(MODEL)
    assert (watch.down(MODEL), watch.all_down()) == ("", [])


async def test_two_calls_in_a_row_without_a_session_let_no_further_one_try() -> None:
    watch = watch_of(None, SeenFailures())

    watch.failed(MODEL, SLOW)
    watch.failed(MODEL, SLOW, for_good=True)
    assert watch.down(MODEL) == ""
    watch.failed(MODEL, SLOW, for_good=True)

    assert watch.down(MODEL).startswith("Gemini cannot be reached: ")


async def test_two_calls_with_a_session_or_with_time_between_them_are_not_in_a_row() -> None:
    watch = watch_of(None, SeenFailures())

    watch.failed(MODEL, SLOW, for_good=True)
    watch.opened(MODEL)
    watch.failed(MODEL, SLOW, for_good=True)
    assert watch.down(MODEL) == ""
    await settle(LOST_WITHIN_S + 1)
    watch.failed(MODEL, SLOW, for_good=True)

    assert watch.down(MODEL) == ""


async def test_a_setup_that_is_refused_for_good_stops_no_other_agent() -> None:
    watch = watch_of(None, SeenFailures())

    for _ in range(9):
        watch.failed(MODEL, refusal(faults.SETUP), for_good=True)

    assert watch.down(MODEL) == ""


async def test_after_one_lost_call_a_look_at_once_decides() -> None:
    async with FakeLive(Plan("refuse", status=503)) as service:
        watch = watch_of(service, SeenFailures())
        async with looking(watch):
            watch.failed(MODEL, SLOW, for_good=True)
            began = asyncio.get_running_loop().time()
            await settle(1)
            assert watch.down(MODEL).startswith("Gemini failed (HTTP 503)")
            await settle(5)
            assert watch.down(MODEL) == "", "the next look is let in, and so are calls"
            assert [round(at - began) for at in service.attempts] == [0, 5]

    async with FakeLive() as service:
        failures = SeenFailures()
        watch = watch_of(service, failures)
        async with looking(watch):
            watch.failed(MODEL, SLOW, for_good=True)
            await settle(1)
            assert (watch.down(MODEL), failures.names) == ("", [])


async def test_looks_become_rarer_up_to_one_a_minute_and_one_success_ends_it() -> None:
    refused = [Plan("refuse", status=403)] * 6
    async with FakeLive(*refused) as service:
        watch = watch_of(service, SeenFailures())
        async with looking(watch):
            watch.failed(MODEL, refusal(faults.KEY))
            began = asyncio.get_running_loop().time()
            await settle(184)
            assert watch.down(MODEL)
            await settle(62)
            assert [round(at - began) for at in service.attempts] == [5, 15, 35, 65, 125, 185, 245]
            assert watch.down(MODEL) == ""


async def test_who_is_not_reached_for_as_long_as_a_call_waits_is_down_without_a_call() -> None:
    async with FakeLive(*[Plan("refuse", status=503)] * 9) as service:
        watch = watch_of(service, SeenFailures())
        async with looking(watch):
            watch.failed(MODEL, SLOW)
            await settle(16)
            assert watch.down(MODEL) == ""
            await settle(20)
            assert watch.down(MODEL)


async def test_a_look_that_is_only_refused_its_setup_lets_calls_try() -> None:
    async with FakeLive(Plan("close", code=1007, reason="invalid argument")) as service:
        watch = watch_of(service, SeenFailures())
        async with looking(watch):
            watch.failed(MODEL, refusal(faults.REQUEST))
            assert watch.down(MODEL)
            await settle(6)
            assert watch.down(MODEL) == ""


async def test_a_call_that_opens_a_session_during_a_look_is_believed() -> None:
    failures = SeenFailures()
    async with FakeLive(Plan("silent")) as service:
        watch = watch_of(service, failures)
        async with looking(watch):
            watch.failed(MODEL, refusal(faults.KEY))
            await settle(6)
            assert len(service.attempts) == 1
            watch.opened(MODEL)
            await settle(60)
            assert (watch.down(MODEL), failures.names) == ("", [])


# ---- what a call tells ---------------------------------------------------------------------------

CALLS = [
    (Plan("refuse", status=403), "key_refused", "Gemini refuses the key (HTTP 403)"),
    (Plan("refuse", status=404), "address_wrong", "Gemini is not found at its address (HTTP 404)"),
    (
        Plan("close", code=1007, reason="API key not valid"),
        "key_refused",
        "Gemini refuses the key (close 1007)",
    ),
    (
        Plan("close", code=1008, reason="models/m is not found for API version v1beta"),
        "model_unknown",
        "Gemini does not know the model (close 1008, about model)",
    ),
    (
        Plan("close", code=1007, reason="Request contains an invalid argument."),
        "setup_refused",
        "Gemini refuses the set-up (close 1007)",
    ),
    (
        Plan("close", code=1011, reason="RESOURCE_EXHAUSTED"),
        "quota_used_up",
        "Gemini's quota is used up (close 1011)",
    ),
    (
        Plan("refuse", status=429),
        "quota_used_up",
        "Gemini's quota is used up (HTTP 429)",
    ),
    (Plan("refuse", status=503), "service_failed", "Gemini failed (HTTP 503)"),
    (Plan("silent"), "no_answer", "Gemini does not answer in time (10 s)"),
    (Plan("abort"), "link_broken", "the connection to Gemini broke (close 1006)"),
]


@pytest.mark.parametrize(("plan", "fault", "cause"), CALLS, ids=[str(one[2]) for one in CALLS])
async def test_a_call_whose_model_cannot_be_had_says_why_and_so_does_the_watch(
    plan: Plan, fault: str, cause: str
) -> None:
    failures = SeenFailures()
    async with talk(*[plan] * 60, watch=watch_of(None, failures)) as call:
        await call.run

    lost = call.events[-1]
    assert isinstance(lost, AgentLost)
    told = re.sub(r", (\d+) tries", "", lost.cause)
    assert told == f"{cause}: {faults.FAULTS[fault].check}"
    assert call.causes[-1] == lost.cause
    (trouble,) = failures.standing.values()
    assert trouble.fix == faults.FAULTS[fault].fix


async def test_a_hiccup_of_the_link_is_no_failure() -> None:
    failures = SeenFailures()
    async with talk(Plan("refuse", status=503), watch=watch_of(None, failures)) as call:
        await call.service.line(0)

    assert failures.seen_at_all == 0


async def test_a_key_that_is_revoked_in_a_call_is_told() -> None:
    failures = SeenFailures()
    expired = Plan("close", code=1008, reason="API key expired")
    async with talk(Plan(), *[expired] * 60, watch=watch_of(None, failures)) as call:
        line = await call.service.line(0)
        await line.close(1008, "API key expired")
        await call.run

    assert failures.names == ["gemini"]
    lost = call.events[-1]
    assert isinstance(lost, AgentLost)
    assert lost.cause.startswith("Gemini refuses the key (close 1008, ")
    assert lost.cause.endswith("): check GOOGLE_API_KEY")
