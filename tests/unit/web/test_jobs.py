"""The work of the server."""

from typing import Any

import pytest

from fwai.domain.job import Dead, Done, Job, NewJob, Unknown
from fwai.store.jobs import Jobs
from fwai.web import jobs as routes
from fwai.web import paging
from unit.store.kit import PHONE
from unit.web.kit import House, problem


def book(home: House) -> Jobs:
    jobs = home.services.jobs
    assert isinstance(jobs, Jobs)
    return jobs


async def settled(home: House, outcome: Any, kind: str = "event", key: str = "e") -> Job:  # noqa: ANN401
    payload = {"body": {"type": "call.ended", "data": {"to": PHONE}}, "url": "https://e.com/s"}
    job = await book(home).enqueue(NewJob(kind, key, payload, call_id="c-1", phone=PHONE))
    (leased,) = await book(home).lease(1, [kind])
    await book(home).settle(leased, outcome)
    return job


async def test_work_is_shown_without_what_it_is_about(home: House) -> None:
    job = await settled(home, Dead("the receiver answers 500"))
    answer = await home.get(f"/jobs/{job.id}")

    assert answer.json() == {
        "job_id": job.id,
        "kind": "event",
        "status": "dead",
        "run_at": "2026-11-24T04:00:00.000Z",
        "attempts": 1,
        "error": "the receiver answers 500",
        "result": None,
        "call_id": "c-1",
        "event_type": "call.ended",
        "created_at": "2026-11-24T04:00:00.000Z",
    }
    problem(await home.get("/jobs/job_0"), 404, "not-found")
    problem(await home.get("/jobs/a%00"), 404, "not-found")


async def test_only_of_an_event_the_type_is_shown(home: House) -> None:
    job = await settled(home, Done(), kind="sms")

    assert (await home.get(f"/jobs/{job.id}")).json()["event_type"] is None


async def test_work_is_found(home: House) -> None:
    dead = await settled(home, Dead("x"), key="1")
    home.clock.move(1)
    done = await settled(home, Done(), kind="sms", key="2")

    async def found(**asked: Any) -> list[str]:  # noqa: ANN401
        return [job["job_id"] for job in (await home.get("/jobs", **asked)).json()["jobs"]]

    assert await found() == [done.id, dead.id]
    assert await found(status="dead") == [dead.id]
    assert await found(status=["dead", "done"], kind="sms") == [done.id]
    page = (await home.get("/jobs", limit=1)).json()
    assert await found(cursor=page["next_cursor"]) == [dead.id]
    problem(await home.get("/jobs", status="gone"), 422, "invalid", "status.0")
    problem(await home.get("/jobs", kind="SMS;"), 422, "invalid", "kind")


@pytest.mark.parametrize("outcome", [Dead("x"), Unknown("x")])
async def test_dead_and_unknown_work_is_tried_again(home: House, outcome: Any) -> None:  # noqa: ANN401
    job = await settled(home, outcome)
    answer = await home.post(f"/jobs/{job.id}/retry")

    assert (answer.status_code, answer.json()["status"]) == (200, "waiting")


async def test_other_work_is_not_tried_again(home: House) -> None:
    job = await settled(home, Done())

    assert "done" in problem(await home.post(f"/jobs/{job.id}/retry"), 409, "not-dead")
    problem(await home.post("/jobs/job_0/retry"), 404, "not-found")


@pytest.mark.parametrize("outcome", [Dead("x"), Unknown("x")])
async def test_of_what_only_the_outcome_is_kept_nothing_is_tried_again(
    home: House,
    outcome: Any,  # noqa: ANN401
) -> None:
    job = await settled(home, outcome)
    await book(home).forget_words(home.clock.move(60))

    assert "ask anew" in problem(await home.post(f"/jobs/{job.id}/retry"), 409, "only-outcome")
    assert (await home.post("/events/replay")).json() == {"replayed": 0, "more": False}


@pytest.mark.parametrize(
    ("kind", "shown"), [("housekeeping", {"calls": 4, "bytes": 900}), ("send_sms", None)]
)
async def test_how_much_was_removed_is_shown_and_of_messages_nothing(
    home: House,
    kind: str,
    shown: Any,  # noqa: ANN401
) -> None:
    job = await settled(home, Done({"calls": 4, "bytes": 900}), kind=kind)

    assert (await home.get(f"/jobs/{job.id}")).json()["result"] == shown


async def test_dead_events_are_delivered_again(home: House) -> None:
    await settled(home, Dead("x"), key="old")
    sms = await settled(home, Dead("x"), kind="sms", key="sms")
    home.clock.move(3600)
    new = await settled(home, Dead("x"), key="new")
    since = await home.post("/events/replay", {"since": "2026-11-24T10:00:00+05:30"})
    waiting = (await home.get("/jobs", status="waiting")).json()["jobs"]
    rest = await home.post("/events/replay")
    none = await home.post("/events/replay", {})

    assert since.json() == {"replayed": 1, "more": False}
    assert [job["job_id"] for job in waiting] == [new.id]
    assert rest.json() == {"replayed": 1, "more": False}
    assert none.json() == {"replayed": 0, "more": False}
    assert (await home.get(f"/jobs/{sms.id}")).json()["status"] == "dead"
    problem(await home.post("/events/replay", {"since": "now"}), 422, "invalid", "since")


async def test_no_more_than_a_thousand_at_a_time(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "MAX_REPLAYED", 2)
    monkeypatch.setattr(paging, "MAX_PAGE", 2)
    for number in range(3):
        home.clock.move(1)
        await settled(home, Dead("x"), key=str(number))

    assert (await home.post("/events/replay")).json() == {"replayed": 2, "more": True}
    assert (await home.post("/events/replay")).json() == {"replayed": 1, "more": False}
