"""Events: one job per event and address, with a key of its own, delivered until it is taken."""

import json
from datetime import timedelta
from typing import Any

import pytest

from fakes import SeenFailures
from fwai.domain.call_event import ENDED
from fwai.domain.job import EVENT, Dead, Done, Retry
from fwai.errors import ApiAuthError, ApiError
from fwai.jobs.events import GIVE_UP_S, PATIENCE, Events
from unit.jobs.kit import PHONE, T0, a_job, no_mark
from unit.store.kit import Clock

URL = "https://n8n.example.com/events"
OTHER = "https://n8n.example.com/call"


class DeliveryError(ApiError):
    retry_after_s = 40.0


class Receiver:
    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.got: list[tuple[str, str, bytes]] = []

    async def post(self, url: str, message_id: str, body: bytes) -> int:
        if self.faults:
            raise self.faults.pop(0)
        self.got.append((url, message_id, body))
        return 204


def gap(attempts: int, jitter: float, asked: float | None) -> float:
    assert 0.0 <= jitter < 1.0
    return asked or 10.0 * attempts


def events(receiver: Receiver, url: str = URL) -> tuple[Events, Clock]:
    clock = Clock()
    clock.now = T0
    return Events(url, receiver.post, gap, clock), clock


def an_event(**facts: Any) -> Any:  # noqa: ANN401 - a job
    body = {"type": ENDED, "timestamp": "2026-11-24T04:00:00.000Z", "data": {"name": "आशा"}}
    return a_job(EVENT, payload={"body": body, "url": ""}, **facts)


def test_an_event_goes_to_everybody_who_wants_it() -> None:
    made, _ = events(Receiver())

    jobs = made.new(ENDED, "c-1", {"a": 1}, also_to=OTHER, call_id="c-1", phone=PHONE)

    assert [(job.payload["url"], job.key) for job in jobs] == [
        ("", "event:call.ended:c-1:0"),
        (OTHER, "event:call.ended:c-1:1"),
    ]
    assert {(job.call_id, job.phone) for job in jobs} == {("c-1", PHONE)}
    assert jobs[0].payload["body"] == {
        "type": ENDED,
        "timestamp": "2026-11-24T04:00:00.000Z",
        "data": {"a": 1},
    }


def test_one_address_is_told_once_and_none_is_told_nothing() -> None:
    assert len(events(Receiver())[0].new(ENDED, "c-1", {}, also_to=URL)) == 1
    assert events(Receiver(), url="")[0].new(ENDED, "c-1", {}) == []
    (alone,) = events(Receiver(), url="")[0].new(ENDED, "c-1", {}, also_to=OTHER)
    (_, besides) = events(Receiver())[0].new(ENDED, "c-1", {}, also_to=OTHER)
    assert alone == besides, "a setting that comes or goes makes no second event of one"


def test_keys_are_the_same_for_the_same_event_and_others_for_others() -> None:
    made, clock = events(Receiver())

    first = made.new(ENDED, "c-1", {"a": 1})
    clock.move(60)

    assert [job.key for job in made.new(ENDED, "c-1", {"a": 2})] == [job.key for job in first]
    others = [made.new(ENDED, "c-2", {}), made.new("call.ringing", "c-1", {})]
    assert len({job.key for found in (first, *others) for job in found}) == 3


def test_a_key_fits_whatever_it_is_made_of() -> None:
    made, _ = events(Receiver())

    (job,) = made.new("callback.scheduled", "k" * 100, {})

    assert len(job.key) <= 160


async def test_an_event_is_posted_under_the_id_of_its_job() -> None:
    receiver = Receiver()
    made, _ = events(receiver)

    assert await made.deliver(an_event(), no_mark) == Done({"status": 204})

    ((url, message_id, body),) = receiver.got
    assert (url, message_id) == (URL, "job_1")
    assert json.loads(body)["data"] == {"name": "आशा"}
    assert "आशा".encode() in body


async def test_the_same_event_has_the_same_body_each_time() -> None:
    receiver = Receiver()
    made, clock = events(receiver)

    await made.deliver(an_event(), no_mark)
    clock.move(500)
    await made.deliver(an_event(attempts=2), no_mark)

    assert receiver.got[0] == receiver.got[1]


async def test_a_receiver_that_fails_five_times_gets_it_on_the_sixth() -> None:
    receiver = Receiver(*[ApiError("webhook", "HTTP 500", retryable=True)] * 5)
    made, clock = events(receiver)

    for attempt in range(1, 6):
        outcome = await made.deliver(an_event(attempts=attempt), no_mark)
        assert outcome == Retry("webhook: HTTP 500", after_s=10.0 * attempt)
        clock.move(10.0 * attempt)

    assert isinstance(await made.deliver(an_event(attempts=6), no_mark), Done)


async def test_a_receiver_may_ask_for_time() -> None:
    made, _ = events(Receiver(DeliveryError("webhook", "HTTP 429", retryable=True)))

    outcome = await made.deliver(an_event(), no_mark)

    assert isinstance(outcome, Retry)
    assert outcome.after_s == 40.0


@pytest.mark.parametrize(
    ("age_s", "outcome"), [(GIVE_UP_S - 1, Retry), (GIVE_UP_S, Dead), (GIVE_UP_S * 3, Dead)]
)
async def test_it_is_given_up_after_a_day(age_s: float, outcome: type) -> None:
    made, clock = events(Receiver(ApiError("webhook", "HTTP 500", retryable=True)))
    clock.move(age_s)

    assert isinstance(await made.deliver(an_event(attempts=30), no_mark), outcome)


@pytest.mark.parametrize(
    "fault", [ApiError("webhook", "HTTP 410"), ValueError("this address is not allowed")]
)
async def test_what_can_never_be_delivered_is_given_up_at_once(fault: Exception) -> None:
    made, _ = events(Receiver(fault))

    assert await made.deliver(an_event(), no_mark) == Dead(str(fault))


@pytest.mark.parametrize(
    ("age_s", "outcome"), [(0.0, Retry), (GIVE_UP_S - 1, Retry), (GIVE_UP_S, Dead)]
)
async def test_a_dead_letter_that_is_replayed_is_tried_for_a_day_again(
    age_s: float, outcome: type
) -> None:
    made, clock = events(Receiver(ApiError("webhook", "HTTP 404", retryable=True)))
    job = an_event(created_at=T0 - timedelta(days=5), run_at=T0)
    clock.move(age_s)

    assert isinstance(await made.deliver(job, no_mark), outcome)


async def test_events_follow_the_operators_address_when_it_is_corrected() -> None:
    (new,) = events(Receiver(), url="https://n8n.example.com/wrong")[0].new(ENDED, "c-1", {})
    receiver = Receiver()
    corrected, _ = events(receiver)

    assert isinstance(await corrected.deliver(a_job(EVENT, payload=new.payload), no_mark), Done)

    assert [url for url, _, _ in receiver.got] == [URL]


async def test_a_calls_own_address_stays_what_the_call_was_placed_with() -> None:
    (_, new) = events(Receiver())[0].new(ENDED, "c-1", {}, also_to=OTHER)
    receiver = Receiver()

    await events(receiver, url="")[0].deliver(a_job(EVENT, payload=new.payload), no_mark)

    assert [url for url, _, _ in receiver.got] == [OTHER]


async def test_without_an_address_any_more_an_event_says_so() -> None:
    made, _ = events(Receiver(), url="")

    outcome = await made.deliver(an_event(), no_mark)

    assert isinstance(outcome, Dead)
    assert "EVENTS_WEBHOOK_URL" in outcome.why


# ---- an address that takes nothing --------------------------------------------------------------

REFUSED = [
    (ApiError("webhook", "refused (HTTP 401)", status=401, retryable=True), 1, "HTTP 401"),
    (ApiError("webhook", "refused (HTTP 403)", status=403, retryable=True), 1, "HTTP 403"),
    (ApiError("webhook", "refused (HTTP 404)", status=404, retryable=True), PATIENCE, "HTTP 404"),
    (ApiError("webhook", "refused (HTTP 500)", status=500, retryable=True), PATIENCE, "HTTP 500"),
    (ApiError("webhook", "cannot connect", retryable=True), PATIENCE, "no answer"),
    (ApiError("webhook", "gone (HTTP 410)", status=410), PATIENCE, "HTTP 410"),
]


@pytest.mark.parametrize(("fault", "tries", "said"), REFUSED, ids=[one[2] for one in REFUSED])
async def test_an_address_that_takes_nothing_for_long_is_a_failure_until_it_takes_something(
    fault: ApiError, tries: int, said: str
) -> None:
    failures = SeenFailures()
    receiver = Receiver(*[fault] * (tries + 1))
    made = Events(URL, receiver.post, gap, lambda: T0, failures)

    for attempt in range(1, tries):
        await made.deliver(an_event(attempts=attempt), no_mark)
    assert failures.names == [], "it may only be published anew"
    await made.deliver(an_event(attempts=tries), no_mark)

    (trouble,) = failures.standing.values()
    assert said in trouble.cause
    assert "EVENTS_WEBHOOK" in trouble.fix
    assert "n8n.example.com" not in trouble.cause + trouble.fix
    receiver.faults.clear()
    await made.deliver(an_event(), no_mark)
    assert failures.names == []


async def test_the_address_of_one_call_is_not_the_operators() -> None:
    failures = SeenFailures()
    fault = ApiAuthError("webhook", "refused", status=401)
    made = Events(URL, Receiver(fault).post, gap, lambda: T0, failures)
    body = {"type": ENDED, "timestamp": "", "data": {}}

    await made.deliver(a_job(EVENT, payload={"body": body, "url": OTHER}), no_mark)

    assert failures.names == []
