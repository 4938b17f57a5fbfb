"""What erasing a person must do, on each database."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Table, func, insert, select

from fwai.domain.booking import NewBooking
from fwai.domain.call import CallId, CallState
from fwai.domain.call_permission import CallPermission
from fwai.domain.callback import NewCallback
from fwai.domain.contact import Contact, MemoryEntry
from fwai.domain.erasure import Erased
from fwai.domain.job import NewJob
from fwai.errors import StoreError
from fwai.store.bookings import Bookings
from fwai.store.call_permissions import CallPermissions
from fwai.store.callbacks import Callbacks
from fwai.store.contacts import Contacts
from fwai.store.database import Database
from fwai.store.erasure import PORTION, Erasure, spellings
from fwai.store.idempotency_keys import IdempotencyKeys
from fwai.store.job_tables import metadata, sent_messages
from fwai.store.jobs import Jobs
from fwai.store.quota_counts import QuotaCounts
from fwai.store.tables import calls, tool_calls, turns
from unit.store.kit import (
    BUSY,
    DAY,
    ENDING,
    NOW,
    OTHER_PHONE,
    PHONE,
    REQUEST,
    RESULT,
    T0,
    Clock,
    Kept,
    a_call,
)

BARE = PHONE.lstrip("+")


@pytest.fixture
def erasure(database: Database, kept: Kept) -> Erasure:
    return Erasure(database, kept.transcripts, kept.recordings, kept.flush)


async def spoke(kept: Kept, call_id: str, phone: str = PHONE) -> None:
    """Keep a call that is over, with all that may belong to one."""
    call = replace(a_call(call_id), caller=phone)
    await kept.calls.open(call, CallState.IN_PROGRESS, T0)
    log = kept.calls.log(call)
    log.caller_said("my name is Asha", T0 + 1, 1)
    log.tool_finished(REQUEST, RESULT, T0 + 2, 40)
    recording = Path(DAY) / f"{call_id}.wav"
    await kept.calls.set_recording(call.id, recording)
    (kept.recordings / recording).parent.mkdir(parents=True, exist_ok=True)
    (kept.recordings / recording).write_bytes(b"RIFF")
    await kept.calls.end(call, ENDING, T0 + 60)
    await kept.flush()


def files(kept: Kept) -> list[str]:
    found = [*kept.transcripts.rglob("*.jsonl"), *kept.recordings.rglob("*.wav")]
    return sorted(path.name for path in found)


async def rows(database: Database, *tables: Table) -> dict[str, int]:
    async with database.read() as connection:
        return {
            table.name: await connection.scalar(select(func.count()).select_from(table)) or 0
            for table in tables or metadata.sorted_tables
        }


class People:
    """What may be kept of two people who called."""

    def __init__(self, database: Database, jobs: Jobs, clock: Clock) -> None:
        self.callbacks = Callbacks(database, jobs, clock=clock)
        self.bookings = Bookings(database, jobs, clock=clock)
        self.contacts = Contacts(database, clock=clock)
        self.standings = CallPermissions(database)
        self.requests = IdempotencyKeys(database, clock=clock)
        self.quotas = QuotaCounts(database)
        self.jobs = jobs
        self.database = database

    async def know(self, phone: str, call_id: str) -> None:
        await self.callbacks.schedule(
            NewCallback(f"cb:{phone}", phone, "", "FWAI_Core", NOW, "", call_id)
        )
        await self.bookings.book(
            NewBooking(f"b:{phone}", phone, "Asha", "demo", NOW, 30, call_id=call_id), 9
        )
        await self.contacts.remember(phone, MemoryEntry(NOW, call_id, "FWAI_Core", "asked"))
        await self.standings.change(phone, lambda old: old.heard_from(T0))
        message = {"provider": "plivo", "message_id": f"m:{phone}", "job_id": "", "status": "sent"}
        async with self.database.write() as connection:
            writing = insert(sent_messages).values(**message, recipient=phone, rank=1)
            await connection.execute(writing.values(written_at=NOW))
        await self.jobs.enqueue(NewJob("sms", f"sms:{phone}", phone=phone))
        await self.jobs.enqueue(NewJob("summary", f"summary:{call_id}", call_id=call_id))
        await self.quotas.take(DAY, {"new": 9}, recipient=phone, if_new="new")


@pytest.fixture
def people(database: Database, jobs: Jobs, clock: Clock) -> People:
    return People(database, jobs, clock)


@pytest.mark.parametrize("written", [PHONE, BARE, f" {PHONE} "])
async def test_nothing_is_kept_of_a_person_and_all_of_the_others(
    erasure: Erasure, kept: Kept, database: Database, people: People, written: str
) -> None:
    for call_id, phone in (("a-1", PHONE), ("a-2", BARE), ("b-1", OTHER_PHONE)):
        await spoke(kept, call_id, phone)
        await people.know(phone, call_id)
    await people.requests.claim("calls", "k-1", "f-1")

    erased = await erasure.erase(written)

    assert erased == Erased(calls=2, callbacks=2, bookings=2, jobs=6, files=4, contact=True)
    assert files(kept) == ["b-1.jsonl", "b-1.wav"]
    left = await rows(database)
    assert left.pop("jobs") == 3
    assert left.pop("instances") == 0, "no process registered here"
    assert left.pop("installation") == 1, "the key of the digests, which is about nobody"
    assert left.pop("erasures") == 0, "nobody keeps a list here"
    assert left.pop("nonces") == 0, "which are hashes alone"
    assert left.pop("audit") == 0, "which tests/unit/web/test_audit.py looks at"
    assert set(left.values()) == {1}, left
    assert await kept.calls.get(CallId("b-1")) is not None
    assert await people.standings.load(OTHER_PHONE) != CallPermission()


@pytest.mark.parametrize(
    ("key", "body"),
    [
        ("k-1", {"text": f'{{"to":"{PHONE}","note":"about the fees"}}'}),
        (f"call-{BARE}-monday", {"text": "{}"}),
        (f"call-{PHONE}", None),
    ],
)
async def test_answers_that_name_a_person_are_forgotten_and_no_others(
    erasure: Erasure, people: People, key: str, body: object
) -> None:
    async def ask(key: str, body: object) -> None:
        claim = await people.requests.claim("callbacks", key, "f-1")
        if body is not None:
            await people.requests.answer("callbacks", key, claim.generation, 201, body)

    other = {"text": f'{{"to":"{OTHER_PHONE}"}}'}
    await ask(key, body)
    await ask("k-2", other)

    await erasure.erase(PHONE)

    assert (await people.requests.claim("callbacks", key, "f-1")).mine, "it was forgotten"
    kept = await people.requests.claim("callbacks", "k-2", "f-1")
    assert (kept.mine, kept.body) == (False, other)


async def test_erasing_again_finds_nothing(erasure: Erasure, kept: Kept, people: People) -> None:
    await spoke(kept, "a-1")
    await people.know(PHONE, "a-1")
    await erasure.erase(PHONE)

    assert await erasure.erase(PHONE) == Erased()


async def test_that_somebody_must_not_be_called_stays(erasure: Erasure, people: People) -> None:
    await people.know(PHONE, "a-1")
    await people.contacts.set_do_not_call(PHONE, True, "asked for it")

    assert (await erasure.erase(PHONE)).contact

    assert await people.contacts.get(PHONE) == Contact(PHONE, (), True, "asked for it")
    assert not (await erasure.erase(PHONE)).contact


async def test_a_call_that_is_not_over_stays_with_its_jobs(
    erasure: Erasure, kept: Kept, people: People
) -> None:
    for call_id, state in (("live", CallState.IN_PROGRESS), ("waiting", CallState.SCHEDULED)):
        await kept.calls.open(a_call(call_id), state, T0)
    dial = await people.jobs.enqueue(NewJob("dial", "dial:1", call_id="waiting", phone=PHONE))
    await people.jobs.enqueue(NewJob("sms", "sms:1", call_id="unknown", phone=PHONE))

    assert await erasure.erase(PHONE) == Erased(jobs=1, live=2)

    assert await people.jobs.page() == [dial]
    await kept.calls.end(a_call("live"), BUSY, T0 + 1)
    await kept.calls.end(a_call("waiting"), BUSY, T0 + 1)
    assert await erasure.erase(PHONE) == Erased(calls=2, jobs=1, files=2)
    assert files(kept) == []


async def test_what_was_promised_to_others_in_an_erased_call_goes_with_its_job(
    erasure: Erasure, kept: Kept, database: Database, people: People
) -> None:
    """Its job goes with the call; a promise without a job would stand for ever."""
    await spoke(kept, "a-1")
    await people.know(OTHER_PHONE, "a-1")

    erased = await erasure.erase(PHONE)

    assert (erased.callbacks, erased.bookings, erased.jobs) == (1, 1, 2)
    assert [job.kind for job in await people.jobs.page()] == ["sms"]
    assert await people.standings.load(OTHER_PHONE) != CallPermission()


async def test_what_still_waits_to_be_written_comes_not_back(erasure: Erasure, kept: Kept) -> None:
    await kept.calls.open(a_call(), CallState.IN_PROGRESS, T0)
    kept.calls.log(a_call()).caller_said("my name is Asha", T0, 1)
    await kept.calls.end(a_call(), ENDING, T0 + 1)

    await erasure.erase(PHONE)
    await kept.flush()

    assert files(kept) == []


async def test_a_crash_between_files_and_rows_leaves_what_can_be_found_again(
    kept: Kept, database: Database, erasure: Erasure, monkeypatch: pytest.MonkeyPatch
) -> None:
    await spoke(kept, "a-1")
    with monkeypatch.context() as broken:
        broken.setattr(database, "change", _fail)
        with pytest.raises(StoreError):
            await erasure.erase(PHONE)
    assert files(kept) == []

    assert await erasure.erase(PHONE) == Erased(calls=1)

    assert set((await rows(database)).values()) == {0}


def _fail() -> None:
    raise StoreError("the power failed")


async def test_a_file_that_cannot_be_removed_keeps_its_row(
    kept: Kept, erasure: Erasure, database: Database
) -> None:
    await spoke(kept, "a-1")
    kept.transcript("a-1").unlink()
    kept.transcript("a-1").mkdir()

    with pytest.raises(StoreError, match="a-1"):
        await erasure.erase(PHONE)

    assert (await rows(database, calls, turns, tool_calls)) == {
        "calls": 1,
        "turns": 1,
        "tool_calls": 1,
    }


@pytest.mark.parametrize(
    "name",
    ["../secret.wav", "{0}/secret.wav", f"{DAY}/../../secret.wav", "link/secret.wav", "", "."],
)
async def test_a_path_that_leads_outside_is_not_followed(
    kept: Kept, erasure: Erasure, tmp_path: Path, name: str
) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(b"RIFF")
    await spoke(kept, "a-1")
    (kept.recordings / "link").symlink_to(tmp_path)
    await kept.calls.set_recording(CallId("a-1"), Path(name.format(tmp_path)))

    erased = await erasure.erase(PHONE)

    assert (erased.calls, erased.files) == (1, 1)
    assert secret.exists()


async def test_many_calls_are_removed_in_portions(
    erasure: Erasure, database: Database, kept: Kept
) -> None:
    await spoke(kept, "a-1")
    async with database.write() as connection:
        row = dict((await connection.execute(select(calls))).mappings().one())
        many = [
            row | {"id": f"x-{n}", "provider_call_id": f"u-{n}", "transcript": None}
            for n in range(PORTION * 2)
        ]
        await connection.execute(insert(calls), many)

    assert await erasure.erase(PHONE) == Erased(calls=PORTION * 2 + 1, files=2)


async def test_nothing_is_kept_where_no_files_are(database: Database, kept: Kept) -> None:
    await spoke(kept, "a-1")

    assert await Erasure(database, None, None).erase(PHONE) == Erased(calls=1)


@pytest.mark.parametrize("phone", ["", "+", " "])
async def test_people_who_withheld_their_number_are_not_one_person(
    erasure: Erasure, kept: Kept, phone: str
) -> None:
    await spoke(kept, "a-1", "")

    with pytest.raises(ValueError, match="number"):
        await erasure.erase(phone)

    assert await kept.calls.get(CallId("a-1")) is not None


def test_a_number_is_found_however_it_is_written() -> None:
    assert spellings(PHONE) == spellings(BARE)
    assert {PHONE, BARE} <= set(spellings(PHONE))
    assert OTHER_PHONE not in spellings(PHONE)


async def test_their_voice_messages_go_and_those_of_others_stay(
    database: Database, kept: Kept
) -> None:
    folder = kept.recordings.parent / "voice-messages"
    folder.mkdir()
    for call_id, phone in (("a-1", PHONE), ("b-1", OTHER_PHONE)):
        await spoke(kept, call_id, phone)
        (folder / f"{call_id}.wav").write_bytes(b"RIFF")
    erasure = Erasure(database, None, None, kept.flush, messages_dir=folder)

    erased = await erasure.erase(PHONE)

    assert (erased.calls, erased.files) == (1, 1)
    assert [path.name for path in folder.iterdir()] == ["b-1.wav"]
