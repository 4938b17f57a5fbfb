"""Every event that docs/N8N.md lists leaves the real server, signed, with the fields it lists."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from documentation import documented_events, documented_items
from e2e.acting_world import Bureau, acting, agents_file, bureau, open_slot
from e2e.out_of_order import BRIEFLY, PATIENTLY, bad_login, block, model_fails, text, unblock
from fwai.simulator.common.caller import AwaitHangUp, Hear, Say, Step
from fwai.simulator.common.fate import Fate
from fwai.simulator.gemini.scenario import Fault
from fwai.simulator.gemini.server import GeminiLiveSimulator
from fwai.simulator.n8n.client import FlowEvent

PERSON = "+919999900003"
OTHER = "+919999900005"
CALLS = 3  # that are placed here before one is too many for a day
TALKS: list[Step] = [
    Hear("greeting"),
    Say("ask_ai"),
    Hear("price_answer"),
    Say("goodbye"),
    Hear("goodbye_answer"),
    AwaitHangUp(),
]


def promise_that_is_too_old(folder: Path) -> None:
    """Leave an older installation's promise that was due six hours ago."""
    due_at = datetime.now(UTC) - timedelta(hours=6)
    promise = {"phone": "+919999900004", "when": due_at.isoformat(), "note": "the fee"}
    (folder / "callbacks.json").write_text(json.dumps([promise]), "utf-8")


@asynccontextmanager
async def office_with_everything(folder: Path) -> AsyncIterator[Bureau]:
    """Serve with all that events come of: tools, texts, a model that sums calls up."""
    promise_that_is_too_old(folder)
    async with (
        GeminiLiveSimulator() as summing,
        bureau(
            folder,
            prompts_file=agents_file(folder, summary=True),
            gemini_text_model="gemini-3.8-flash",
            gemini_text_url=summing.text_url,
            daily_callback_limit=1,
            outbound_calls_per_day=CALLS,
        ) as office,
    ):
        yield office


async def break_everything(office: Bureau, folder: Path) -> None:
    """Let the model, a provider and a folder fail, and put them right again."""
    provider = office.house.world.provider
    provider.fate(OTHER, PATIENTLY, BRIEFLY)
    async with model_fails(office, Fault(kind="refuse", status=403)):
        block(folder / "transcripts")
        provider.faults.append(bad_login())
        assert await text(office, OTHER, "one") == "failed"
        await office.ended(await office.call(OTHER))
        for kind in ("agent.down", "storage.failed", "service.failed"):
            await office.flow.wait_event(kind)
    unblock(folder / "transcripts")
    assert await text(office, OTHER, "two") == "ok"
    await office.ended(await office.call(OTHER))


async def do_everything(office: Bureau) -> str:
    """Place a call in which a callback is promised, book a demo; return the call's id."""
    world = office.house.world
    world.model.scenario = acting(schedule_callback={"when": "tomorrow 5 pm", "note": "the fee"})
    world.provider.fate(PERSON, Fate(script=TALKS))
    call_id = await office.call(PERSON)
    await office.ended(call_id)
    booking = {
        "when": open_slot(datetime.now(UTC)).replace(tzinfo=None).isoformat(),
        "name": "Asha Rao",
        "interest": "spoken English",
    }
    answer = await office.api.post(
        "/api/tools/book_demo", json={"to": PERSON, "arguments": booking}
    )
    assert answer.json()["status"] == "ok", answer.text
    return call_id


def assert_as_documented(event: FlowEvent) -> None:
    """Compare an event with its documentation, its lists entry by entry."""
    assert set(event.data) == documented_events()[event.kind], event.kind
    for name, fields in documented_items().items():
        entries: list[Mapping[str, Any]] = event.data.get(name, [])
        assert all(set(entry) == fields for entry in entries), (event.kind, name)


@pytest.mark.timeout(120)
async def test_every_documented_event_is_emitted_as_it_is_documented(tmp_path: Path) -> None:
    async with office_with_everything(tmp_path) as office:
        await break_everything(office, tmp_path)
        call_id = await do_everything(office)
        await office.start(PERSON)  # it waits for tomorrow
        for kind in documented_events():
            await office.flow.wait_event(kind)
        warnings = (await office.api.get("/readyz")).json()["warnings"]
        events = list(office.flow.events)

    assert {event.kind for event in events} == set(documented_events())
    (reached,) = [one for one in warnings if one.startswith("limits: callback: the 1 callbacks")]
    assert "raise DAILY_CALLBACK_LIMIT" in reached
    for event in events:
        assert_as_documented(event)
        assert datetime.fromisoformat(event.timestamp).tzinfo is not None
    (ended,) = [e for e in events if e.kind == "call.ended" and e.call_id == call_id]
    assert ended.data["transcript"]
    assert ended.data["tools"]
    (summed,) = [e for e in events if e.kind == "call.summarized" and e.call_id == call_id]
    assert summed.data["summary"]
