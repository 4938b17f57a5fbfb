"""The agent acts: it books, writes, promises a callback, and keeps it across a restart."""

import asyncio
import json
import signal
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from e2e.acting_world import (
    AGREE,
    READ_BACK,
    ZONE,
    Bureau,
    Surroundings,
    acting,
    bureau,
    calendar_of,
    open_slot,
    surroundings,
    until,
)
from e2e.process import ready, server
from fwai.simulator.common.caller import AwaitHangUp, CallReport, HangUp, Hear, Say, Step
from fwai.simulator.common.clips import ClipLibrary
from fwai.simulator.common.fate import Fate
from fwai.simulator.plivo.exchange import PlacedCall
from gaps import besides_gaps

CALLER = "+919999900001"
CLIPS = ClipLibrary.load()
NOTE = "the fee of the evening batch"
FIRST: list[Step] = [
    Hear("greeting"),
    Say("book_demo"),
    Hear(READ_BACK),
    Say(AGREE),
    Hear("booking_confirmed"),
    Say("ask_ai"),
    Hear("price_answer"),
    Say("goodbye"),
    Hear("goodbye_answer"),
    AwaitHangUp(),
]
SECOND: list[Step] = [Hear("greeting"), Say("goodbye"), Hear("goodbye_answer"), AwaitHangUp()]
NOT_EARLY_S, NOT_LATE_S = -0.5, 3.0


async def first_call(around: Surroundings, slot: datetime) -> CallReport:
    around.world.model.scenario = acting(
        book_demo={
            "when": slot.replace(tzinfo=None).isoformat(),
            "name": "Asha Rao",
            "interest": "spoken English",
            "email": "asha at example dot com",
            "confirmed": True,
        },
        schedule_callback={"when": "in 1 minute", "note": NOTE},
    )
    async with asyncio.timeout(60):
        return await around.world.phone(number=CALLER).call(FIRST)


async def booked_and_told(around: Surroundings, slot: datetime) -> str:
    """Check what the first call left behind; return its id."""
    flow = around.flow
    ended = await flow.wait_event("call.ended")
    (mail,) = await around.box.wait_for(1)
    assert mail.recipients == ("asha@example.com",)
    assert around.box.violations == type(around.box.violations)()
    calendar = calendar_of(mail.message)
    assert f"DTSTART:{slot.astimezone(UTC):%Y%m%dT%H%M%SZ}" in calendar
    assert "METHOD:REQUEST" in calendar
    assert "mailto:asha@example.com" in calendar

    (message,) = around.world.provider.messages
    assert message.dst == CALLER.lstrip("+")
    assert "spoken English" in message.text
    assert f"{slot.day} {slot:%B} {slot.year}" in message.text
    await around.world.provider.delivered(message.message_uuid)
    assert [report.status for report in message.reports] == [200, 200, 200]

    booked = await flow.wait_event("demo.booked", ended.call_id)
    assert datetime.fromisoformat(booked.data["when"]) == slot
    assert booked.data["email"] == "asha@example.com"
    tools = [event.data for event in flow.events if event.kind == "tool.called"]
    assert {(tool["name"], tool["status"]) for tool in tools} == {
        ("book_demo", "failed"),  # its address is read back
        ("book_demo", "ok"), ("schedule_callback", "ok"), ("end_call", "ok"),
    }  # fmt: skip
    assert (ended.data["status"], ended.data["end_reason"]) == ("completed", "agent_hung_up")
    await flow.wait_event("message.status", ended.call_id)
    return ended.call_id


async def called_back(around: Surroundings, within_s: float = 100) -> str:
    """Wait until n8n was told that a call of ours rings, and return the call's id."""
    async with asyncio.timeout(within_s):
        while True:
            for event in around.flow.events:
                if event.kind == "call.ringing" and event.data["direction"] == "outbound":
                    return event.call_id
            await asyncio.sleep(0.1)


def rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "fwai.db")) as database:
        return database.execute(query).fetchall()


@pytest.mark.timeout(170)
async def test_a_demo_is_booked_and_the_callback_made_on_time_after_a_restart(
    tmp_path: Path,
) -> None:
    dialled: list[datetime] = []
    slot = open_slot(datetime.now(UTC))

    def pick_up(_placed: PlacedCall) -> list[Step]:
        dialled.append(datetime.now(UTC))
        return SECOND

    async with surroundings(tmp_path) as around:
        flow, world = around.flow, around.world
        world.provider.on_call = pick_up
        with server(tmp_path, around.port, **around.values) as process:
            await ready(around.port)
            report = await first_call(around, slot)
            first = await booked_and_told(around, slot)
            promised = await flow.wait_event("callback.scheduled", first)
            due_at = datetime.fromisoformat(promised.data["due_at"])
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, 15) == 0
        assert besides_gaps(report.problems) == []

        with server(tmp_path, around.port, **around.values) as process:
            await ready(around.port)
            assert datetime.now(UTC) < due_at, "the restart took too long to prove anything"
            assert not dialled
            second = await called_back(around)
            ended = await flow.wait_event("call.ended", second, 40)
            await flow.wait_event("call.answered", second)
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, 15) == 0

        (dialled_at,) = dialled
        assert NOT_EARLY_S < (dialled_at - due_at).total_seconds() < NOT_LATE_S
        (placed,) = world.provider.calls
        assert placed.report is not None
        assert besides_gaps(placed.report.problems) == []

        assert ended.data["status"] == "completed"
        assert ended.data["direction"] == "outbound"
        assert ended.data["to"] == CALLER
        told = json.dumps(world.model.sessions[-1].setup, ensure_ascii=False)
        assert "You have spoken with this person before" in told
        assert f"A demo is booked for {slot:%A, %d %B %Y, %H:%M}, interest: spoken English" in told
        assert "It is the callback that was promised to them" in told
        assert NOTE in told
        assert "A callback is promised" not in told, "it is being kept by this call"
        assert "You have spoken" not in json.dumps(world.model.sessions[0].setup)
        assert [session.violations for session in world.model.sessions] == [[], []]
        assert flow.refused == 0, "a signature was wrong"

    assert rows(tmp_path, "select state, attempts from callbacks") == [("done", 1)]
    ((said,),) = rows(tmp_path, "select confirmation from jobs where kind = 'send_email'")
    assert json.loads(str(said)) == {
        "read_back": CLIPS[READ_BACK].text,
        "answer": CLIPS[AGREE].text,
    }
    states = rows(tmp_path, "select direction, state from calls order by direction")
    assert states == [("inbound", "completed"), ("outbound", "completed")]
    assert rows(tmp_path, "select kind, state from jobs where state in ('dead', 'unknown')") == []


# ---- forgetting ---------------------------------------------------------------------------------


async def asked_by_key(office: Bureau) -> None:
    """Ask twice as n8n does: what was answered is kept for a day, and tells the number."""
    at = (datetime.now(ZONE) + timedelta(days=2)).isoformat()
    for _ in range(2):
        answer = await office.api.post(
            "/api/callbacks",
            json={"to": CALLER, "when": at},
            headers={"idempotency-key": f"promise {CALLER}"},
        )
        assert answer.status_code == 201, answer.text


async def test_a_person_is_erased_with_everything_that_was_kept(tmp_path: Path) -> None:
    slot = open_slot(datetime.now(UTC))
    async with bureau(tmp_path, record_calls=True) as office:
        world = office.house.world
        world.model.scenario = acting(
            book_demo={"when": slot.isoformat(), "name": "Asha Rao", "interest": "web design"},
            schedule_callback={"when": "in 3 days at noon", "note": "the fees"},
        )
        world.provider.fate(
            CALLER,
            Fate(script=[
                Hear("greeting"), Say("book_demo"), Hear("booking_confirmed"),
                Say("ask_ai"), Hear("price_answer"), HangUp(),
            ]),
        )  # fmt: skip
        call_id = await office.call(CALLER, context={"customer_name": "Asha Rao"})
        await office.ended(call_id)
        await asked_by_key(office)
        path = f"/api/contacts/{CALLER}"

        async def known() -> bool:
            return bool((await office.api.get(path)).json()["memory"])

        await until(known)
        person = (await office.api.get(path)).json()
        assert (len(person["callbacks"]), len(person["bookings"])) == (2, 1)
        assert [one.name for one in tmp_path.rglob("*.wav")]
        assert [one.name for one in tmp_path.rglob("*.jsonl")]

        erased = (await office.api.delete(path)).json()
        assert (erased["calls"], erased["callbacks"], erased["bookings"]) == (1, 2, 1)
        assert (erased["files"], erased["contact"]) == (2, True)
        assert (await office.api.get(f"/api/calls/{call_id}")).status_code == 404

    assert not list(tmp_path.rglob("*.wav"))
    # Whom it was is noted by a digest, so that a restored backup does not bring them back.
    assert [one.name for one in tmp_path.rglob("*.jsonl")] == ["erased.jsonl"]
    files = [one for one in tmp_path.rglob("*") if one.is_file() and one.name != "agents.json"]
    assert files
    for one in files:
        kept = one.read_bytes()
        for trace in (CALLER.lstrip("+"), "9999900001", call_id, "Asha Rao", "web design"):
            assert trace.encode() not in kept, f"{trace} is left in {one.name}"
