"""Old calls go: from the API, the database and the disk, and the job of the day says how much."""

import secrets
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from sqlalchemy import delete, update

from e2e.acting_world import until
from e2e.house import running
from fwai.domain.call import CallEnding, CallState, EndReason
from fwai.domain.contact import MemoryEntry
from fwai.domain.job import HOUSEKEEPING
from fwai.store.job_tables import installation, jobs
from fwai.store.open import StoreOptions, open_store
from postgres import drop_database, fresh_database
from unit.store.kit import KOLKATA, OTHER_PHONE, PHONE, a_call

DAY_S = 86_400.0
AGES = {"old": 400, "middle": 100, "new": 10}  # days since the end
NOBODY, EVERYBODY = set[str](), set(AGES)


def database_of(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder / 'fwai.db'}"


async def seed(folder: Path, url: str, *, upgraded: bool) -> None:
    """Fill an installation with calls of all ages, made by this version or by an older one."""
    options = StoreOptions(url, KOLKATA, folder / "transcripts", folder / "recordings")
    async with open_store(options) as store:
        for call_id, age in AGES.items():
            at = time.time() - age * DAY_S - 60
            call = replace(a_call(call_id), caller=PHONE)
            await store.calls.open(call, CallState.IN_PROGRESS, at)
            recorded = store.recorder(call, 8000, 0.0)
            assert recorded is not None
            recorder, path = recorded
            recorder.caller(b"\0\1" * 800, 0.0)
            await recorder.close()
            await store.calls.set_recording(call.id, path)
            store.calls.log(call).caller_said("my name is Asha", at + 1, 1)
            await store.calls.end(
                call, CallEnding(CallState.COMPLETED, EndReason.AGENT_HUNG_UP), at + 60
            )
            moment = datetime.fromtimestamp(at, UTC)
            await store.contacts.remember(PHONE, MemoryEntry(moment, call_id, "FWAI_Core", "fees"))
        await store.contacts.set_do_not_call(OTHER_PHONE, True, "asked for it")
        if upgraded:
            async with store.database.write() as connection:
                await connection.execute(delete(installation))
    orphan = folder / "transcripts" / "2020-01-01" / "lost.jsonl"
    orphan.parent.mkdir()
    orphan.write_text("{}\n")


async def kept(api: httpx.AsyncClient, folder: Path) -> tuple[set[str], set[str], set[str]]:
    """Return of which calls the API has words, of which it has sound, and whose files there are."""
    words, sound = set(), set()
    for call_id in AGES:
        answer = await api.get(f"/api/calls/{call_id}/transcript")
        assert answer.status_code in (200, 404)
        if answer.status_code == 200 and answer.json()["transcript"]:
            words.add(call_id)
        if (await api.get(f"/api/calls/{call_id}/recording")).status_code == 200:
            sound.add(call_id)
    files = {path.name for kind in ("*.jsonl", "*.wav") for path in folder.rglob(kind)}
    return words, sound, files


async def tidied(api: httpx.AsyncClient, server: Any) -> dict[str, Any]:  # noqa: ANN401
    """Let the job of the day run now, and return it as the API shows it."""

    async def done() -> bool:
        answer = await api.get("/api/jobs", params={"kind": HOUSEKEEPING, "status": "done"})
        return bool(answer.json()["jobs"])

    async with server.store.database.write() as connection:
        now = datetime.now(UTC) - timedelta(seconds=1)
        due = update(jobs).where(jobs.c.kind == HOUSEKEEPING)
        await connection.execute(due.values(next_at=now, run_at=now))
    server.store.jobs.notify()
    await until(done)
    answer = await api.get("/api/jobs", params={"kind": HOUSEKEEPING, "status": "done"})
    (job,) = answer.json()["jobs"]
    return dict(job)


@pytest.mark.parametrize(
    ("upgraded", "days", "words", "sound", "orphan"),
    [
        (False, (None, None), {"middle", "new"}, {"new"}, True),
        (True, (None, None), EVERYBODY, EVERYBODY, True),
        (True, (30, None), {"new"}, EVERYBODY, False),
        (True, (None, 30), EVERYBODY, {"new"}, True),
        (True, (30, 30), {"new"}, {"new"}, False),
        (False, (0, 0), EVERYBODY, EVERYBODY, True),
        (False, (0, None), EVERYBODY, {"new"}, True),
        (False, (1, 1), NOBODY, NOBODY, False),
        (False, (1, 0), NOBODY, EVERYBODY, False),
    ],
)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_what_is_too_old_is_gone_everywhere_and_counted(
    tmp_path: Path,
    kind: str,
    upgraded: bool,
    days: tuple[int | None, int | None],
    words: set[str],
    sound: set[str],
    orphan: bool,
) -> None:
    url = database_of(tmp_path) if kind == "sqlite" else fresh_database("keeping")
    await seed(tmp_path, url, upgraded=upgraded)
    key = secrets.token_hex(16)
    settings = {"transcripts_keep_days": days[0], "recordings_keep_days": days[1]}
    with structlog.testing.capture_logs() as logs:
        async with (
            running(tmp_path, database_url=url, api_keys=key, **settings) as house,
            httpx.AsyncClient(
                base_url=house.url, headers={"authorization": f"Bearer {key}"}
            ) as api,
        ):
            assert (await kept(api, tmp_path))[:2] == (EVERYBODY, EVERYBODY)

            job = await tidied(api, house.server)

            expected = {f"{one}.jsonl" for one in words} | {f"{one}.wav" for one in sound}
            expected |= {"lost.jsonl"} if orphan else set()
            assert await kept(api, tmp_path) == (words, sound, expected)
            shown = await api.get("/api/calls", params={"phone": PHONE})
            assert {one["call_id"] for one in shown.json()["calls"]} == words | sound
            person = (await api.get(f"/api/contacts/{PHONE}")).json()
            assert {one["call_id"] for one in person["memory"]} == words
            other = (await api.get(f"/api/contacts/{OTHER_PHONE}")).json()
            assert other["do_not_call"] is True
    if kind == "postgresql":
        drop_database(url)

    counts = job["result"]
    assert counts["calls"] == len(AGES) - len(words | sound)
    assert counts["words"] == len((words | sound) - words)
    assert counts["transcripts"] == len(AGES) - len(words) + (not orphan)
    assert counts["recordings"] == len(AGES) - len(sound)
    assert counts["memories"] == len(AGES) - len(words)
    assert (counts["bytes"] > 0) == (words != EVERYBODY or sound != EVERYBODY)
    assert (counts["failed"], counts["more"]) == (0, False)
    (line,) = [one for one in logs if one["event"] == "old_records_removed"]
    assert {name: line[name] for name in ("calls", "recordings", "bytes")} == {
        name: counts[name] for name in ("calls", "recordings", "bytes")
    }
    told = [one["fix"] for one in logs if one["event"] == "keeping_everything"]
    assert len(told) == (upgraded and None in days)
    for name, value in zip(("TRANSCRIPTS", "RECORDINGS"), days, strict=True):
        assert all((f"{name}_KEEP_DAYS" in fix) == (value is None) for fix in told)
