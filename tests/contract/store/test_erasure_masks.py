"""What other people kept of an erased person, the list of the erased, and the database's log."""

import asyncio
import json
import shutil
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select, update

from fwai.domain.booking import NewBooking
from fwai.domain.call import CallId, CallState
from fwai.domain.callback import NewCallback
from fwai.domain.contact import MemoryEntry
from fwai.domain.job import NewJob
from fwai.domain.person_mask import ERASED
from fwai.errors import StoreError
from fwai.store.bookings import Bookings
from fwai.store.callbacks import Callbacks
from fwai.store.contacts import Contacts
from fwai.store.database import Database
from fwai.store.erasure import BARRED, CALL_LIVE, JOB_WAITS, Erasure
from fwai.store.erasure_list import KEY_FILE, LIST_FILE, ErasureList
from fwai.store.job_tables import bookings, callbacks, contacts, erasures
from fwai.store.job_tables import jobs as job_rows
from fwai.store.jobs import Jobs
from fwai.store.tables import calls, tool_calls, turns
from unit.store.kit import (
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

MAIL = "asha@example.com"
INNER = PHONE.removeprefix("+91")
SPOKEN = f"0{INNER[:5]} {INNER[5:]}"


@pytest.fixture
def noted(database: Database, tmp_path: Path) -> ErasureList:
    return ErasureList(database, tmp_path / "kept")


@pytest.fixture
def erasure(database: Database, kept: Kept, noted: ErasureList) -> Erasure:
    return Erasure(database, kept.transcripts, kept.recordings, kept.flush, noted, lambda: NOW)


async def named_by_another(kept: Kept, call_id: str, *, over: bool = True) -> None:
    """Keep a call of somebody else, who dictated the number and the mail address."""
    call = replace(a_call(call_id), caller=OTHER_PHONE)
    await kept.calls.open(call, CallState.IN_PROGRESS, T0)
    log = kept.calls.log(call)
    log.caller_said(f"text my friend on {SPOKEN}, or {MAIL.upper()}", T0 + 1, 1)
    request = replace(REQUEST, args={"to": PHONE, "text": "the fees", "n": [int(INNER)]})
    log.tool_finished(request, replace(RESULT, text=f"texted {PHONE}"), T0 + 2, 40)
    if over:
        await kept.calls.end(call, ENDING, T0 + 60)
    await kept.flush()


async def everything(database: Database) -> str:
    """Return all that the database holds, as one text."""
    tables = (calls, turns, tool_calls, job_rows, callbacks, bookings, contacts)
    async with database.read() as connection:
        found = [(await connection.execute(select(table))).all() for table in tables]
    return str(found)


async def test_others_keep_their_records_without_the_person(
    erasure: Erasure, kept: Kept, database: Database, jobs: Jobs, clock: Clock
) -> None:
    await named_by_another(kept, "b-1")
    await Bookings(database, jobs, clock=clock).book(
        NewBooking("b:1", PHONE, "Asha", "demo", NOW, 30, call_id="x", email=MAIL), 9
    )
    await Callbacks(database, jobs, clock=clock).schedule(
        NewCallback("cb:1", OTHER_PHONE, "", "FWAI_Core", NOW, f"with {SPOKEN}", "b-1")
    )
    await Contacts(database, clock=clock).remember(
        OTHER_PHONE, MemoryEntry(NOW, "b-1", "FWAI_Core", f"friend of {PHONE}")
    )
    done = await jobs.enqueue(NewJob("sms", "s:1", {"to": PHONE}, call_id="b-1"))
    await jobs.enqueue(NewJob("sms", "s:2", {"to": PHONE}, call_id="b-1"))
    async with database.write() as connection:
        await connection.execute(
            update(job_rows).where(job_rows.c.id == done.id).values(state="done")
        )
        told = {"context": {"friend": PHONE}, "summary": f"asked for {MAIL}"}
        await connection.execute(update(calls).values(told))

    erased = await erasure.erase(PHONE)

    assert (erased.calls, erased.bookings) == (0, 1)
    assert erased.masked == 6, "call, turn, tool, job, callback, memory"
    assert [(one.what, one.why) for one in erased.left] == [("1 jobs of other people", JOB_WAITS)]
    left = (await everything(database)).replace(f"{{'to': '{PHONE}'}}", "", 1)
    assert INNER not in left.replace(" ", "")
    assert MAIL not in left.lower()
    assert left.count(ERASED) == 10
    assert OTHER_PHONE in left
    written = kept.transcript("b-1").read_text()
    assert INNER not in written.replace(" ", "")
    assert MAIL not in written.lower()
    lines = [json.loads(line) for line in written.splitlines()]
    assert f"text my friend on {ERASED}, or {ERASED}" in [line.get("text") for line in lines]
    assert stat.S_IMODE(kept.transcript("b-1").stat().st_mode) == 0o640
    assert not list(kept.transcript("b-1").parent.glob(".*")), "nothing else is left there"

    async with database.write() as connection:
        await connection.execute(update(job_rows).values(state="done"))
    again = await erasure.erase(PHONE)
    assert (again.masked, again.left) == (1, [])
    assert INNER not in (await everything(database)).replace(" ", "")


async def test_a_call_of_others_that_goes_on_keeps_its_file_until_it_is_over(
    erasure: Erasure, kept: Kept
) -> None:
    await named_by_another(kept, "b-1", over=False)
    erased = await erasure.erase(PHONE)
    assert [one.why for one in erased.left] == [CALL_LIVE]
    assert PHONE in kept.transcript("b-1").read_text()


async def test_a_transcript_that_cannot_be_written_is_told(
    erasure: Erasure, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    await named_by_another(kept, "b-1")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(Path, "replace", full)
        with pytest.raises(StoreError, match="still names them"):
            await erasure.erase(PHONE)
    assert not list(kept.transcript("b-1").parent.glob(".*"))


async def test_many_rows_are_masked_and_those_of_longer_numbers_are_passed_by(
    erasure: Erasure, kept: Kept, database: Database
) -> None:
    await named_by_another(kept, "b-1")
    async with database.write() as connection:
        row = dict((await connection.execute(select(turns))).mappings().one())
        texts = [f"order 55{INNER}7" if n % 2 else f"it is {SPOKEN}" for n in range(1, 451)]
        many = [row | {"seq": n + 10, "text": text} for n, text in enumerate(texts)]
        await connection.execute(turns.insert(), many)

    erased = await erasure.erase(PHONE)

    assert erased.masked == 225 + 2
    left = await everything(database)
    assert SPOKEN not in left
    assert left.count(f"55{INNER}7") == 225


async def test_what_is_barred_is_named(erasure: Erasure, database: Database, clock: Clock) -> None:
    await Contacts(database, clock=clock).set_do_not_call(PHONE, True, "asked for it")
    assert [one.why for one in (await erasure.erase(PHONE)).left] == [BARRED]


# ---- the list of the erased ---------------------------------------------------------------------


async def called(kept: Kept, call_id: str, phone: str) -> None:
    call = replace(a_call(call_id), caller=phone, provider_call_id=f"p-{call_id}")
    await kept.calls.open(call, CallState.IN_PROGRESS, T0)
    await kept.calls.end(call, ENDING, T0 + 60)
    await kept.flush()


async def test_a_restored_backup_brings_nobody_back(
    erasure: Erasure, kept: Kept, database: Database, noted: ErasureList
) -> None:
    await called(kept, "a-1", PHONE)
    await called(kept, "b-1", OTHER_PHONE)
    await erasure.erase(PHONE)
    assert await erasure.erase_again() == 0

    await called(kept, "a-1", PHONE)  # as a restored backup would
    async with database.write() as connection:
        await connection.execute(erasures.delete())

    assert await erasure.erase_again() == 1
    assert await kept.calls.get(CallId("a-1")) is None
    assert await kept.calls.get(CallId("b-1")) is not None
    assert await erasure.erase_again() == 0, "once"

    await called(kept, "a-2", PHONE)  # somebody who calls again is a caller like others
    assert await erasure.erase_again() == 0
    assert await kept.calls.get(CallId("a-2")) is not None
    assert PHONE[1:] not in (noted.folder / LIST_FILE).read_text()


async def test_an_erasure_that_a_crash_cut_short_is_finished(
    erasure: Erasure, kept: Kept, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise StoreError("the power failed")

    await called(kept, "a-1", PHONE.lstrip("+"))
    with monkeypatch.context() as broken:
        broken.setattr(database, "change", fail)
        with pytest.raises(StoreError):
            await erasure.erase(PHONE)

    assert await erasure.erase_again() == 1
    assert await kept.calls.get(CallId("a-1")) is None


async def test_key_and_list_are_read_by_nobody_else(noted: ErasureList) -> None:
    one, two = await asyncio.gather(noted.note(PHONE, NOW), noted.note(PHONE, NOW))
    assert one == two, "two at once make one key"
    assert stat.S_IMODE((noted.folder / KEY_FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE((noted.folder / LIST_FILE).stat().st_mode) & 0o007 == 0
    assert sorted(path.name for path in noted.folder.iterdir()) == [LIST_FILE, KEY_FILE]


@pytest.mark.parametrize(
    "cut",
    [b'{"digest": "ab', b"\xff\xfe\n", b"[]\n", b'{"digest": 7, "at": 8}\n', b"null\n", b"\n"],
)
async def test_a_line_that_a_crash_cut_costs_no_other(noted: ErasureList, cut: bytes) -> None:
    noted.folder.mkdir()
    (noted.folder / LIST_FILE).write_bytes(cut)
    digest = await noted.note(PHONE, NOW)
    assert set(await noted.undone()) == {digest}


Broken = Callable[[Path], object]


def replace_by_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("a file")


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        (lambda folder: (folder / KEY_FILE).write_text("no key"), KEY_FILE),
        (lambda folder: (folder / KEY_FILE).mkdir(), KEY_FILE),
        (lambda folder: (folder / LIST_FILE).mkdir(), LIST_FILE),
        (replace_by_file, KEY_FILE),
    ],
    ids=["key spoilt", "key unreadable", "list unreadable", "folder is a file"],
)
async def test_what_cannot_be_noted_is_not_erased(
    erasure: Erasure, noted: ErasureList, kept: Kept, broken: Broken, named: str
) -> None:
    await called(kept, "a-1", PHONE)
    noted.folder.mkdir()
    broken(noted.folder)
    with pytest.raises(StoreError, match=named):
        await erasure.erase(PHONE)
    assert await kept.calls.get(CallId("a-1")) is not None


async def test_a_list_that_cannot_be_read_is_told(erasure: Erasure, noted: ErasureList) -> None:
    noted.folder.mkdir()
    (noted.folder / LIST_FILE).mkdir()
    with pytest.raises(StoreError, match=LIST_FILE):
        await erasure.erase_again()


async def test_nobody_was_erased_where_there_is_no_list(erasure: Erasure) -> None:
    assert await erasure.erase_again() == 0
