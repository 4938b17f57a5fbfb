"""Calls that the server places: however they come out, the row tells it and nothing is left."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from e2e.acting_world import ZONE, Bureau, acting, agents_file, bureau
from fwai.domain.phone import dialable
from fwai.simulator.common.caller import AwaitHangUp, HangUp, Hear, Say, Step, Wait
from fwai.simulator.common.fate import Fate, Loss, Refusal
from fwai.simulator.meta.phone import MetaCall
from fwai.simulator.plivo.api import PlivoApi
from fwai.simulator.plivo.exchange import PlacedCall
from gaps import assert_satisfied

PERSON = "+919999900002"
HUMAN = "+919999900009"
LISTENS: list[Step] = [Hear("greeting"), Wait(300), HangUp()]
STAYS: list[Step] = [Hear("greeting"), AwaitHangUp(30)]


async def placed(office: Bureau) -> PlacedCall:
    """Return the one call that Plivo was asked for, once it is over there."""
    (one,) = office.house.world.provider.calls
    async with asyncio.timeout(30):
        await one.done.wait()
    return one


# ---- how calls come out -------------------------------------------------------------------------


async def test_a_call_rings_is_answered_talks_and_completes(tmp_path: Path) -> None:
    async with bureau(tmp_path) as office:
        accepted = await office.start(PERSON, context={"customer_name": "Asha", "note": "fees"})
        assert (accepted["status"], accepted["provider"]) == ("queued", "plivo")
        call_id = accepted["call_id"]
        ended = await office.ended(call_id)
        one = await placed(office)
        await office.idle()

        assert one.report is not None
        assert_satisfied(one.report)
        assert one.report.heard_clips == ["greeting", "ai_answer", "goodbye_answer"]
        data = ended.data
        assert (data["status"], data["end_reason"]) == ("completed", "agent_hung_up")
        assert (data["direction"], data["to"]) == ("outbound", PERSON)
        assert data["provider_call_id"] == one.request_uuid
        assert data["context"] == {"customer_name": "Asha", "note": "fees"}
        assert data["duration_s"] == pytest.approx(one.report.duration_ms / 1000, abs=1.0)
        assert [line["text"] for line in data["transcript"] if line["role"] == "caller"] == [
            "Are you a real person?",
            "Thank you, that is all. Goodbye.",
        ]
        assert set(office.kinds(call_id)) == {
            *("call.ringing", "call.answered", "call.ended", "tool.called")
        }
        assert (await office.shown(call_id))["status"] == "completed"
        (session,) = office.house.world.model.sessions
        assert session.violations == []
        assert "You have called this person" in str(session.setup)
        assert "customer_name: Asha" in str(session.setup)


OUTCOMES = {
    "busy": (Fate(outcome="busy"), "busy", "Busy Line"),
    "rejected": (Fate(outcome="rejected"), "rejected", "Rejected"),
    "failed": (Fate(outcome="failed"), "failed", "Network Error"),
    "given up": (Fate(outcome="no_answer", ring_s=0.3), "no_answer", "No Answer"),
    "canceled": (Fate(outcome="canceled"), "canceled", "Cancelled"),
}


@pytest.mark.parametrize("name", OUTCOMES)
async def test_a_call_that_nobody_takes_ends_as_the_provider_says(
    tmp_path: Path, name: str
) -> None:
    fate, status, cause = OUTCOMES[name]
    async with bureau(tmp_path) as office:
        office.house.world.provider.fate(PERSON, fate)
        call_id = await office.call(PERSON)
        ended = await office.ended(call_id)

        assert (ended.data["status"], ended.data["cause"]) == (status, cause)
        assert ended.data["end_reason"] == "never_connected"
        assert (ended.data["answered_at"], ended.data["duration_s"]) == (None, None)
        assert "call.answered" not in office.kinds(call_id)
        assert [one.closed_by for one in office.house.world.model.sessions] == ["client"]


async def test_a_call_that_rings_too_long_was_not_answered(tmp_path: Path) -> None:
    """The provider keeps the ring timeout that it was given."""
    async with PlivoApi("MADEMO0000000000DEMO", "token", clock_scale=10) as api:
        api.fate(PERSON, Fate(outcome="no_answer"))
        plivo = {"plivo_api_url": api.url, "plivo_auth_token": "token", "ring_seconds": 12}
        async with bureau(tmp_path, **plivo) as office:
            ended = await office.ended(await office.call(PERSON))

        assert (ended.data["status"], ended.data["cause"]) == ("no_answer", "Ring Timeout Reached")
        assert [one.parameters["ring_timeout"] for one in api.calls] == [12]


@pytest.mark.parametrize(("voicemail", "heard"), [("hang_up", False), ("speak", True)])
async def test_an_answering_machine_is_hung_up_on_or_spoken_to(
    tmp_path: Path, voicemail: str, heard: bool
) -> None:
    file = agents_file(tmp_path, voicemail=voicemail)
    async with bureau(tmp_path, prompts_file=file) as office:
        office.house.world.provider.fate(PERSON, Fate(outcome="machine", machine_after_s=4.5))
        ended = await office.ended(await office.call(PERSON))
        one = await placed(office)

    assert (ended.data["status"], ended.data["end_reason"]) == ("completed", "voicemail")
    assert one.report is not None
    assert one.report.ended_by in ("api", "agent")
    asked = office.house.world.model.sessions[0].texts
    assert any("answering machine" in text for text in asked) is heard
    assert (len(one.report.heard) > 1) is heard


# ---- when the provider does not do what it is asked ---------------------------------------------


@pytest.mark.parametrize("lost", ["error", "hang"])
async def test_a_call_whose_acceptance_was_lost_still_ends_as_it_was(
    tmp_path: Path, lost: Loss
) -> None:
    async with bureau(tmp_path) as office:
        office.house.world.provider.fate(PERSON, Fate(lost=lost, script=LISTENS))
        call_id = await office.call(PERSON)
        ended = await office.ended(call_id)
        await office.idle()

        assert len(office.house.world.provider.calls) == 1
        assert (ended.data["status"], ended.data["end_reason"]) == ("completed", "caller_hung_up")
        assert [job["kind"] for job in await office.jobs("unknown")] == ["dial"]


@pytest.mark.parametrize(("refused", "cause"), [("no_credit", "402"), ("unauthorized", "401")])
async def test_a_refused_call_fails_with_its_cause_and_leaves_nothing(
    tmp_path: Path, refused: Refusal, cause: str
) -> None:
    async with bureau(tmp_path) as office:
        office.house.world.provider.fate(PERSON, Fate(refused=refused))
        call_id = await office.call(PERSON)
        ended = await office.ended(call_id)

        assert (ended.data["status"], ended.data["end_reason"]) == ("failed", "not_dialed")
        assert cause in ended.data["cause"]
        assert [job["kind"] for job in await office.jobs("dead")] == ["dial"]
        assert all(one.closed_by for one in office.house.world.model.sessions)
        await office.idle()
    assert office.house.server.calls.active == 0


async def test_a_full_account_is_tried_again_until_it_has_room(tmp_path: Path) -> None:
    """Plivo's 403 for too many calls at a time is no refusal of this one."""
    async with bureau(tmp_path) as office:
        office.house.world.provider.fate(
            PERSON, Fate(refused="too_many_calls"), Fate(script=LISTENS)
        )
        ended = await office.ended(await office.call(PERSON))

        assert ended.data["status"] == "completed"
        assert len(office.house.world.provider.calls) == 1


# ---- what is asked for --------------------------------------------------------------------------


async def test_two_identical_requests_at_once_are_one_call(tmp_path: Path) -> None:
    async with bureau(tmp_path) as office:
        office.house.world.provider.fate(PERSON, Fate(script=LISTENS))

        async def ask() -> str:
            answer = await office.api.post(
                "/api/calls", json={"to": PERSON}, headers={"idempotency-key": "order-7"}
            )
            assert answer.status_code == 202
            return str(answer.json()["call_id"])

        first, second = await asyncio.gather(ask(), ask())
        assert first == second
        await office.ended(first)
        await office.idle()
        assert await ask() == first
        assert len(office.house.world.provider.calls) == 1


async def test_outside_calling_hours_a_call_waits_and_says_until_when(tmp_path: Path) -> None:
    now = datetime.now(ZONE)
    opens = (now + timedelta(hours=2)).replace(minute=0, second=0, microsecond=0)
    hours = f"{opens:%H:%M}-{opens + timedelta(hours=1):%H:%M}"
    if opens.hour == 23:
        hours = "23:00-24:00"
    async with bureau(tmp_path, calling_hours=hours) as office:
        accepted = await office.start(PERSON)
        assert accepted["status"] == "scheduled"
        assert datetime.fromisoformat(accepted["due_at"]) == opens

        answer = await office.api.post(f"/api/calls/{accepted['call_id']}/hangup")
        assert (answer.status_code, answer.json()["status"]) == (202, "canceled")
        ended = await office.ended(accepted["call_id"])
        assert (ended.data["status"], ended.data["end_reason"]) == ("canceled", "operator")
        assert not office.house.world.provider.calls
        assert not office.house.world.model.sessions


async def test_not_before_is_kept(tmp_path: Path) -> None:
    async with bureau(tmp_path) as office:
        office.house.world.provider.fate(PERSON, Fate(script=LISTENS))
        not_before = datetime.now(UTC) + timedelta(seconds=2)
        accepted = await office.start(PERSON, not_before=not_before.isoformat())
        assert accepted["status"] == "scheduled"
        ended = await office.ended(accepted["call_id"])

        begun = datetime.fromisoformat(ended.data["started_at"])
        assert timedelta(0) <= begun - not_before < timedelta(seconds=2)


async def test_who_must_not_be_called_is_not_called(tmp_path: Path) -> None:
    async with bureau(tmp_path) as office:
        path = f"/api/contacts/{PERSON}"
        await office.api.put(path, json={"do_not_call": True, "reason": "asked us"})
        answer = await office.api.post("/api/calls", json={"to": PERSON})

        assert answer.status_code == 403
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"] == "urn:fwai:problem:do-not-call"
        assert (await office.api.get("/api/calls")).json()["calls"] == []


WRONG: list[tuple[dict[str, object], str]] = [
    ({"to": "12345"}, "to"),
    ({"to": PERSON, "agent": "Nobody"}, "agent"),
    ({"to": PERSON, "provider": "exotel"}, "provider"),
    ({"to": PERSON, "not_before": "2026-13-01"}, "not_before"),
    ({"to": 5}, "to"),
    ({}, "to"),
]


async def test_what_cannot_be_right_is_named_and_nothing_is_kept(tmp_path: Path) -> None:
    async with bureau(tmp_path) as office:
        for body, field in WRONG:
            answer = await office.api.post("/api/calls", json=body)
            assert (answer.status_code, answer.json()["field"]) == (422, field)
        assert (await office.api.get("/api/calls")).json()["calls"] == []


# ---- acting on a live call ----------------------------------------------------------------------


async def test_an_operator_lets_the_agent_speak_and_ends_the_call(tmp_path: Path) -> None:
    async with bureau(tmp_path) as office:
        office.house.world.provider.fate(PERSON, Fate(script=STAYS))
        call_id = await office.call(PERSON)
        await office.greeted()
        said = await office.api.post(f"/api/calls/{call_id}/say", json={"text": "Time is short."})
        assert said.status_code == 202, said.text
        await asyncio.sleep(2.5)
        answer = await office.api.post(f"/api/calls/{call_id}/hangup")
        assert answer.status_code == 202
        ended = await office.ended(call_id)
        one = await placed(office)

        assert (ended.data["status"], ended.data["end_reason"]) == ("completed", "operator")
        assert one.report is not None
        assert one.report.heard_clips == ["greeting", "time_warning"]
        assert one.report.ended_by == "api"
        late = await office.api.post(f"/api/calls/{call_id}/say", json={"text": "Too late"})
        assert (late.status_code, late.json()["type"]) == (409, "urn:fwai:problem:not-live")


async def test_an_operator_stops_a_call_that_rings(tmp_path: Path) -> None:
    async with bureau(tmp_path) as office:
        office.house.world.provider.fate(PERSON, Fate(outcome="no_answer"))
        call_id = await office.call(PERSON)
        await office.in_state(call_id, "ringing")
        answer = await office.api.post(f"/api/calls/{call_id}/hangup")
        assert answer.status_code == 202
        ended = await office.ended(call_id)
        one = await placed(office)

        assert (ended.data["status"], ended.data["end_reason"]) == ("canceled", "operator")
        assert one.report is not None
        assert one.report.ended_by == "canceled"


@pytest.mark.parametrize("by", ["operator", "agent"])
async def test_a_call_is_handed_to_a_human(tmp_path: Path, by: str) -> None:
    script: list[Step] = [Hear("greeting")]
    script += [Say("ask_hindi")] if by == "agent" else []
    async with bureau(tmp_path, human_handoff_number=HUMAN) as office:
        world = office.house.world
        world.model.scenario = acting(transfer_call={"reason": "wants a person"})
        world.provider.fate(PERSON, Fate(script=[*script, AwaitHangUp(30)]))
        call_id = await office.call(PERSON)
        if by == "operator":
            await office.greeted()
            answer = await office.api.post(f"/api/calls/{call_id}/transfer")
            assert (answer.status_code, answer.json()["status"]) == (200, "ok")
        ended = await office.ended(call_id)
        one = await placed(office)

        assert one.report is not None
        assert [dialable(number) for number in one.report.dialled] == [HUMAN]
        assert (ended.data["status"], ended.data["end_reason"]) == ("completed", "transferred")


# ---- the other providers ------------------------------------------------------------------------


async def test_exotel_places_a_call_that_is_talked_on(tmp_path: Path) -> None:
    async with bureau(tmp_path, call_provider="plivo,exotel") as office:
        call_id = await office.call(PERSON, provider="exotel")
        ended = await office.ended(call_id)

        exotel = office.house.world.exotel
        assert exotel is not None
        (one,) = exotel.calls
        async with asyncio.timeout(10):
            await one.done.wait()
        assert one.report is not None
        assert_satisfied(one.report)
        assert (ended.data["provider"], ended.data["status"]) == ("exotel", "completed")
        assert ended.data["end_reason"] == "agent_hung_up"
        assert "call.answered" in office.kinds(call_id)
        assert not office.house.world.provider.calls


EXOTEL = {
    "busy": (Fate(outcome="busy"), "busy", "never_connected"),
    "not answered": (Fate(outcome="no_answer", ring_s=0.3), "no_answer", "never_connected"),
    "failed": (Fate(outcome="failed"), "failed", "never_connected"),
    "refused": (Fate(refused="no_credit"), "failed", "not_dialed"),
}


@pytest.mark.parametrize("name", EXOTEL)
async def test_exotel_does_not_reach_the_person(tmp_path: Path, name: str) -> None:
    fate, status, reason = EXOTEL[name]
    async with bureau(tmp_path, call_provider="exotel") as office:
        exotel = office.house.world.exotel
        assert exotel is not None
        exotel.fate(PERSON, fate)
        ended = await office.ended(await office.call(PERSON))

        assert (ended.data["status"], ended.data["end_reason"]) == (status, reason)
        assert all(one.closed_by for one in office.house.world.model.sessions)


async def test_whatsapp_places_a_call_that_is_talked_on(tmp_path: Path) -> None:
    async with bureau(tmp_path, call_provider="whatsapp") as office:
        meta = office.house.world.meta
        assert meta is not None

        async def user(call: MetaCall) -> None:
            await meta.answer(call, [Hear("greeting"), Say("ask_ai"), Hear("ai_answer"), HangUp()])

        meta._on_call = user
        call_id = await office.call(PERSON)
        ended = await office.ended(call_id)

        (call,) = meta.calls.values()
        assert call.violations == []
        assert (ended.data["provider"], ended.data["status"]) == ("whatsapp", "completed")
        assert ended.data["end_reason"] == "caller_hung_up"
        assert {"call.ringing", "call.answered", "call.ended"} <= set(office.kinds(call_id))


async def test_whatsapp_user_rejects(tmp_path: Path) -> None:
    async with bureau(tmp_path, call_provider="whatsapp") as office:
        meta = office.house.world.meta
        assert meta is not None

        async def user(call: MetaCall) -> None:
            await meta.status(call, "REJECTED")

        meta._on_call = user
        ended = await office.ended(await office.call(PERSON))
        assert (ended.data["status"], ended.data["end_reason"]) == ("rejected", "never_connected")


async def test_whatsapp_without_permission_is_not_dialled(tmp_path: Path) -> None:
    async with bureau(tmp_path, call_provider="whatsapp") as office:
        meta = office.house.world.meta
        assert meta is not None
        meta.permission = {"permission": {"status": "no_permission"}, "actions": []}
        ended = await office.ended(await office.call(PERSON))

        assert (ended.data["status"], ended.data["end_reason"]) == ("failed", "not_dialed")
        assert ended.data["cause"] == "permission_needed"
        assert not meta.calls
