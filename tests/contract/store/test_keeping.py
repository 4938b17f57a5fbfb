"""What goes once its time is over, and what stays, on each database."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, event, func, insert, select, update

from fwai.domain.booking import NewBooking
from fwai.domain.call import CallEnding, CallId, CallState, EndReason
from fwai.domain.call_permission import DAY_S, CallPermission, Grant
from fwai.domain.callback import CallbackState, NewCallback
from fwai.domain.contact import Contact, MemoryEntry
from fwai.domain.events import ToolCall
from fwai.domain.job import Dead, Done, JobState, NewJob
from fwai.domain.keeping import KeepTime, KeepTimes, Removed
from fwai.errors import StoreError
from fwai.store.bookings import Bookings
from fwai.store.call_permissions import CallPermissions
from fwai.store.callbacks import Callbacks
from fwai.store.contacts import Contacts
from fwai.store.crash_recovery import Folders
from fwai.store.database import Database
from fwai.store.job_tables import bookings, callbacks, contacts, standings
from fwai.store.job_tables import jobs as job_rows
from fwai.store.jobs import Jobs
from fwai.store.keeping import PORTION, SLICE, Keeping
from fwai.store.tables import calls, instant, tool_calls, turns
from fwai.store.transcript_files import call_path
from unit.store.kit import KOLKATA, NOW, OTHER_PHONE, PHONE, RESULT, T0, Clock, Kept, a_call

LONG_S = 600.0
FOREVER = KeepTime(0)
DAY = timedelta(days=1)


def messages_in(kept: Kept) -> Path:
    """Return where voice messages are."""
    return kept.recordings.parent / "voice-messages"


def keeping_of(database: Database, kept: Kept) -> Keeping:
    folders = Folders(kept.transcripts, kept.recordings, KOLKATA, messages_in(kept))
    return Keeping(database, folders, kept.flush)


@pytest.fixture
def keeping(database: Database, kept: Kept) -> Keeping:
    return keeping_of(database, kept)


def days(of_calls: int, of_recordings: int | None = None) -> KeepTimes:
    """Return how long calls are kept, and recordings, if not as long."""
    sound = of_calls if of_recordings is None else of_recordings
    return KeepTimes(KeepTime(of_calls), KeepTime(sound))


async def expire(keeping: Keeping, times: KeepTimes, within_s: float = LONG_S) -> Removed:
    return await keeping.expire(times, NOW, within_s)


async def ended(
    kept: Kept,
    call_id: str,
    ago_s: float,
    *,
    state: CallState = CallState.COMPLETED,
    phone: str = PHONE,
    recording: bool = True,
) -> None:
    """Keep a call of a minute, with all that belongs to one, that ended so many seconds ago."""
    at = T0 - ago_s - 60
    call = replace(a_call(call_id), caller=phone)
    await kept.calls.open(call, CallState.IN_PROGRESS, at)
    log = kept.calls.log(call)
    log.caller_said("my name is Asha", at + 1, 1)
    log.tool_finished(ToolCall("fc-1", "book_demo", {"name": "Asha"}), RESULT, at + 2, 40)
    if recording:
        path = call_path(call.id, at, KOLKATA, ".wav")
        await kept.calls.set_recording(call.id, path)
        (kept.recordings / path).parent.mkdir(parents=True, exist_ok=True)
        (kept.recordings / path).write_bytes(b"RIFF")
    await kept.calls.end(call, CallEnding(state, EndReason.AGENT_HUNG_UP), at + 60)
    await kept.calls.set_summary(call.id, "Asha asked for the fees", {"budget": 500})
    await kept.flush()


async def ids(database: Database) -> list[str]:
    async with database.read() as connection:
        return sorted((await connection.execute(select(calls.c.id))).scalars())


async def count(database: Database, table: Table) -> int:
    async with database.read() as connection:
        return await connection.scalar(select(func.count()).select_from(table)) or 0


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if not path.is_dir())


# ---- when ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keep", "ago_s", "stays"),
    [
        (1, DAY_S - 1, True),
        (1, DAY_S, False),
        (1, DAY_S + 1, False),
        (365, 365 * DAY_S - 1, True),
        (365, 365 * DAY_S, False),
        (0, 20 * 365 * DAY_S, True),
        (36_500, 20 * 365 * DAY_S, True),
    ],
)
async def test_a_call_goes_so_many_times_24_hours_after_its_end(
    keeping: Keeping, kept: Kept, database: Database, keep: int, ago_s: float, stays: bool
) -> None:
    await ended(kept, "c-1", ago_s)
    await ended(kept, "new", 60)

    removed = await expire(keeping, days(keep))

    assert await ids(database) == (["c-1", "new"] if stays else ["new"])
    assert names(kept.transcripts) == (["c-1.jsonl", "new.jsonl"] if stays else ["new.jsonl"])
    assert removed.calls + removed.words == (not stays)


@pytest.mark.parametrize("state", list(CallState))
@pytest.mark.parametrize("job", [None, *JobState])
async def test_a_call_that_is_not_over_or_has_work_left_stays(
    keeping: Keeping,
    kept: Kept,
    database: Database,
    jobs: Jobs,
    state: CallState,
    job: JobState | None,
) -> None:
    await ended(kept, "c-1", 9 * DAY_S)
    if job is not None:
        await jobs.enqueue(NewJob("event", "event:1", {"text": "my name is Asha"}, call_id="c-1"))
    async with database.write() as connection:
        await connection.execute(update(calls).values(state=state.value))
        if job is not None:
            await connection.execute(update(job_rows).values(state=job.value))

    await expire(keeping, days(1, 1))

    goes = state.final and (job is None or job.final)
    assert await ids(database) == ([] if goes else ["c-1"])
    assert names(kept.transcripts) == ([] if goes else ["c-1.jsonl"])
    assert names(kept.recordings) == ([] if state.final else ["c-1.wav"])
    left = {one.state: one.payload for one in await jobs.page()}
    assert left == ({} if job is None else {job: {} if goes else {"text": "my name is Asha"}})


async def test_a_call_without_an_end_is_as_old_as_the_last_change_of_its_row(
    keeping: Keeping, kept: Kept, database: Database
) -> None:
    await ended(kept, "c-1", 9 * DAY_S)
    async with database.write() as connection:
        await connection.execute(update(calls).values(ended_at=None))

    assert (await expire(keeping, days(10))).calls == 0
    assert (await expire(keeping, days(9))).calls == 1


# ---- what ---------------------------------------------------------------------------------------


async def test_with_a_call_all_of_it_goes_and_nothing_of_the_others(
    keeping: Keeping, kept: Kept, database: Database, jobs: Jobs
) -> None:
    await ended(kept, "old", 40 * DAY_S)
    await ended(kept, "new", 20 * DAY_S)
    for call_id in ("old", "new"):
        await jobs.enqueue(NewJob("sms", call_id, {"text": "Asha"}, None, call_id, PHONE))
        (job,) = await jobs.lease(1, ["sms"])
        await jobs.settle(job, Dead("no"))

    removed = await expire(keeping, days(30))

    transcript, sound = kept.transcripts / "2026-11-04" / "new.jsonl", 4
    assert removed == Removed(calls=1, transcripts=1, recordings=1, bytes=removed.bytes)
    assert removed.bytes > sound
    assert await ids(database) == ["new"]
    assert [path for path in kept.transcripts.rglob("*") if path.is_file()] == [transcript]
    assert [await count(database, table) for table in (turns, tool_calls)] == [1, 1]
    left = {job.key: (job.state, job.payload, job.phone) for job in await jobs.page()}
    assert left == {
        "old": (JobState.DEAD, {}, PHONE),
        "new": (JobState.DEAD, {"text": "Asha"}, PHONE),
    }
    assert not await jobs.revive((await jobs.by_key("old")).id)  # type: ignore[union-attr]
    assert await expire(keeping, days(30)) == Removed()


WHOLE, NO_SOUND, ONLY_SOUND, GONE = "whole", "no sound", "only sound", "gone"


@pytest.mark.parametrize(
    ("of_calls", "of_recordings", "ago_days", "left"),
    [
        (30, 10, 5, WHOLE),
        (30, 10, 15, NO_SOUND),
        (30, 10, 40, GONE),
        (10, 30, 5, WHOLE),
        (10, 30, 15, ONLY_SOUND),
        (10, 30, 40, GONE),
        (0, 10, 15, NO_SOUND),
        (0, 10, 4000, NO_SOUND),
        (10, 0, 5, WHOLE),
        (10, 0, 15, ONLY_SOUND),
        (10, 0, 4000, ONLY_SOUND),
        (0, 0, 4000, WHOLE),
        (10, 10, 10, GONE),
    ],
)
async def test_words_and_sound_each_have_their_own_time(
    keeping: Keeping,
    kept: Kept,
    database: Database,
    of_calls: int,
    of_recordings: int,
    ago_days: int,
    left: str,
) -> None:
    await ended(kept, "c-1", ago_days * DAY_S)

    for _ in range(2):
        await expire(keeping, days(of_calls, of_recordings))

    record = await kept.calls.get(CallId("c-1"))
    words = left in (WHOLE, NO_SOUND)
    assert (record is None) == (left == GONE)
    assert names(kept.transcripts) == (["c-1.jsonl"] if words else [])
    assert names(kept.recordings) == (["c-1.wav"] if left in (WHOLE, ONLY_SOUND) else [])
    assert await count(database, turns) == await count(database, tool_calls) == words
    if record is not None:
        assert (record.summary is not None) == (record.extracted is not None) == words
        assert bool(record.call.context) == (record.transcript is not None) == words
        assert (record.recording is not None) == (left in (WHOLE, ONLY_SOUND))
        assert record.call.caller == PHONE, "whose recording it is"


async def test_a_recording_that_is_not_there_keeps_no_call(
    keeping: Keeping, kept: Kept, database: Database
) -> None:
    await ended(kept, "c-1", 15 * DAY_S)
    for path in kept.recordings.rglob("*.wav"):
        path.unlink()

    assert (await expire(keeping, days(10))).calls == 1
    assert await ids(database) == []


# ---- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "goes"),
    [
        ("transcripts/2026-11-13/c-1.jsonl", True),
        ("transcripts/2026-11-14/c-1.jsonl", False),  # ten days before T0 this day was not over
        ("recordings/2026-11-13/c-1.wav", True),
        ("recordings/2026-11-14/c-1.wav", False),
        ("transcripts/2020-02-29/c-1.jsonl", True),
        ("transcripts/2021-02-29/c-1.jsonl", False),  # no day
        ("transcripts/2999-01-01/c-1.jsonl", False),
        ("transcripts/2020-01-01/c-1.wav", False),
        ("recordings/2020-01-01/c-1.jsonl", False),
        ("transcripts/2020-01-01/notes.txt", False),
        ("transcripts/2020-01-01/.hidden.jsonl", False),
        ("transcripts/2020-01-01/a b.jsonl", False),
        ("transcripts/2020-01-01/.jsonl", False),
        ("transcripts/2020-01-01/deeper/c-1.jsonl", False),
        ("transcripts/2020-1-1/c-1.jsonl", False),
        ("transcripts/backup-2020-01-01/c-1.jsonl", False),
        ("transcripts/c-1.jsonl", False),
        ("secrets/2020-01-01/c-1.jsonl", False),
    ],
)
async def test_a_file_that_no_call_has_goes_by_the_day_of_its_folder(
    keeping: Keeping, kept: Kept, tmp_path: Path, file: str, goes: bool
) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"{}\n")

    removed = await expire(keeping, days(10, 10))

    assert path.exists() != goes
    assert (removed.transcripts + removed.recordings, removed.bytes) == (goes, 3 * goes)
    assert path.parent.exists() != goes, "empty folders of days are removed, and no others"
    assert removed.failed == 0


async def test_a_file_stays_while_a_call_has_it(keeping: Keeping, kept: Kept) -> None:
    """An outbound call may be written weeks before it is made; its folder is that day's."""
    await ended(kept, "c-1", 5 * DAY_S)
    for folder, name in ((kept.transcripts, "c-1.jsonl"), (kept.recordings, "c-1.wav")):
        old = folder / "2026-10-01" / name
        old.parent.mkdir()
        old.write_bytes(b"{}")

    await expire(keeping, days(10, 10))

    assert names(kept.transcripts) == ["c-1.jsonl"] * 2
    assert names(kept.recordings) == ["c-1.wav"] * 2


async def test_by_default_files_from_before_the_installation_stay(
    keeping: Keeping, kept: Kept
) -> None:
    for day in ("2020-01-01", "2026-10-01"):
        (kept.transcripts / day).mkdir(parents=True)
        (kept.transcripts / day / f"{day}.jsonl").write_bytes(b"{}")
    since = instant(T0 - 60 * DAY_S)

    await expire(keeping, KeepTimes(KeepTime(10, since), FOREVER))

    assert names(kept.transcripts) == ["2020-01-01.jsonl"]


async def test_empty_folders_go_but_not_those_that_may_get_a_file(
    keeping: Keeping, kept: Kept
) -> None:
    for day in ("2020-01-01", "2026-11-20", "2026-11-24", "2026-11-25", "empty"):
        (kept.transcripts / day).mkdir(parents=True)

    await expire(keeping, days(10))

    assert sorted(path.name for path in kept.transcripts.iterdir()) == [
        "2026-11-24", "2026-11-25", "empty",
    ]  # fmt: skip


async def test_links_are_not_followed(keeping: Keeping, kept: Kept, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "c-1.jsonl").write_bytes(b"{}")
    day = kept.transcripts / "2020-01-02"
    day.mkdir(parents=True)
    (day / "c-1.jsonl").symlink_to(outside / "c-1.jsonl")
    (kept.transcripts / "2020-01-01").symlink_to(outside)

    removed = await expire(keeping, days(10))

    assert (removed.transcripts, names(outside)) == (0, ["c-1.jsonl"])


async def test_the_folder_itself_may_be_a_link(
    keeping: Keeping, kept: Kept, database: Database, tmp_path: Path
) -> None:
    await ended(kept, "c-1", 40 * DAY_S)
    kept.transcripts.rename(tmp_path / "disk")
    kept.transcripts.symlink_to(tmp_path / "disk")

    removed = await expire(keeping, days(30))

    assert (removed.calls, removed.transcripts, names(tmp_path / "disk")) == (1, 1, [])


@pytest.mark.parametrize(
    "name",
    [
        "../2020-01-01/c-1.wav",
        "{0}/secret/2020-01-01/c-1.wav",
        "2020-01-01/../../secret/2020-01-01/c-1.wav",
        "2020-01-01/../c-1.wav",
        "link/c-1.wav",
        "2020-01-01/link/c-1.wav",
        "2020-01-02/c-1.wav",  # a link to a folder
        "2020-01-03/c-1.wav",  # a link to a file
        "2026-11-23/other.wav",  # of another call
        "c-1.wav",
        "",
        ".",
        "..",
        "2020-01-01",
        "2020-01-01/",
    ],
)
@pytest.mark.parametrize("times", [days(0, 30), days(30, 50)], ids=["sound", "call"])
async def test_a_row_makes_nothing_go_but_its_own_file_in_its_folder(
    keeping: Keeping, kept: Kept, database: Database, tmp_path: Path, name: str, times: KeepTimes
) -> None:
    await ended(kept, "c-1", 40 * DAY_S, recording=False)
    secret = tmp_path / "secret" / "2020-01-01"
    secret.mkdir(parents=True)
    for day in ("2020-01-01", "2020-01-03", "2026-11-23"):
        (kept.recordings / day).mkdir(parents=True)
    for path in (secret / "c-1.wav", kept.recordings / "2026-11-23" / "other.wav"):
        path.write_bytes(b"RIFF")
    (kept.recordings / "link").symlink_to(secret)
    (kept.recordings / "2020-01-01" / "link").symlink_to(secret)
    (kept.recordings / "2020-01-02").symlink_to(secret)
    (kept.recordings / "2020-01-03" / "c-1.wav").symlink_to(secret / "c-1.wav")
    before = names(tmp_path / "secret") + names(kept.recordings)
    async with database.write() as connection:
        await connection.execute(update(calls).values(recording=name.format(tmp_path)))

    for each in (times, days(30)):
        assert (await expire(keeping, each)).recordings == 0

    assert names(tmp_path / "secret") + names(kept.recordings) == before
    assert await ids(database) == []


async def test_a_file_that_cannot_be_removed_keeps_its_row_and_holds_up_no_other(
    keeping: Keeping, kept: Kept, database: Database
) -> None:
    """As in a folder that became read-only; to the superuser of a test none is."""
    for number in range(PORTION + 5):
        await ended(kept, f"c-{number:02}", (40 - number / 100) * DAY_S, recording=number == 3)
    stuck = [next(kept.transcripts.rglob(f"c-{number:02}.jsonl")) for number in (0, 1, 7)]
    stuck.append(next(kept.recordings.rglob("c-03.wav")))
    for path in stuck:
        path.unlink()
        path.mkdir()

    removed = await expire(keeping, days(30))

    assert (removed.calls, removed.transcripts, removed.failed) == (PORTION + 1, PORTION + 2, 4)
    assert await ids(database) == ["c-00", "c-01", "c-03", "c-07"]
    assert await count(database, turns) == 4
    for path in stuck:
        path.rmdir()
    assert (await expire(keeping, days(30))).calls == 4


async def test_a_folder_that_cannot_be_read_is_told_and_holds_up_no_other(
    keeping: Keeping, kept: Kept
) -> None:
    kept.transcripts.write_bytes(b"not a folder")
    (kept.recordings / "2020-01-01").mkdir(parents=True)
    (kept.recordings / "2020-01-01" / "c-1.wav").write_bytes(b"RIFF")

    removed = await expire(keeping, days(10, 10))

    assert (removed.failed, removed.recordings) == (1, 1)


async def test_where_no_files_are_rows_go_all_the_same(kept: Kept, database: Database) -> None:
    await ended(kept, "c-1", 40 * DAY_S)

    removed = await Keeping(database, Folders(None, None, KOLKATA), kept.flush).expire(
        days(30, 30), NOW, LONG_S
    )

    assert (removed.calls, removed.transcripts, removed.bytes) == (1, 0, 0)


# ---- how ----------------------------------------------------------------------------------------


@asynccontextmanager
async def failing_writes(
    database: Database, monkeypatch: pytest.MonkeyPatch, after: int
) -> AsyncIterator[None]:
    """Let all transactions fail but the first ones."""
    write, begun = database.write, 0

    def fail() -> Any:  # noqa: ANN401 - a context manager
        nonlocal begun
        begun += 1
        if begun > after:
            raise StoreError("the power failed")
        return write()

    with monkeypatch.context() as broken:
        broken.setattr(database, "write", fail)
        yield


@pytest.mark.parametrize("after", range(8))
async def test_after_a_crash_anywhere_the_next_run_goes_on(
    keeping: Keeping,
    kept: Kept,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    after: int,
) -> None:
    await ended(kept, "c-1", 40 * DAY_S)
    await ended(kept, "c-2", 5 * DAY_S)
    async with failing_writes(database, monkeypatch, after):
        with suppress(StoreError):
            await expire(keeping, days(30, 30))
    assert "c-1.jsonl" not in names(kept.transcripts) or after == 0

    await expire(keeping, days(30, 30))

    assert await ids(database) == ["c-2"]
    assert names(kept.transcripts) == ["c-2.jsonl"]
    assert [await count(database, table) for table in (turns, tool_calls)] == [1, 1]


async def test_two_processes_at_once_remove_everything_once(
    kept: Kept, database: Database, other_database: Database
) -> None:
    for number in range(PORTION * 2 + 3):
        await ended(kept, f"c-{number}", 40 * DAY_S, recording=number % 7 == 0)
    await ended(kept, "new", 60)

    both = await asyncio.gather(
        *(expire(keeping_of(one, kept), days(30)) for one in (database, other_database))
    )

    assert await ids(database) == ["new"]
    assert names(kept.transcripts) == ["new.jsonl"]
    assert sum(one.calls for one in both) == PORTION * 2 + 3
    assert sum(one.transcripts for one in both) == PORTION * 2 + 3
    assert sum(one.failed for one in both) == 0


async def test_no_transaction_is_large(
    keeping: Keeping, kept: Kept, database: Database, jobs: Jobs
) -> None:
    await ended(kept, "c-1", 40 * DAY_S, recording=False)
    many = 3 * SLICE + 7
    async with database.write() as connection:
        row = dict((await connection.execute(select(calls))).mappings().one())
        copies = [
            row | {"id": f"x-{n}", "provider_call_id": f"u-{n}", "transcript": None}
            for n in range(PORTION * 3)
        ]
        await connection.execute(insert(calls), copies)
        said = {"call_id": "c-1", "role": "caller", "turn": 1, "text": "yes", "interrupted": False}
        await connection.execute(
            insert(turns), [said | {"seq": n, "at": NOW} for n in range(9, many)]
        )
    sizes: list[int] = []

    def note(*of: Any) -> None:  # noqa: ANN401 - as SQLAlchemy calls it
        if of[2].lstrip().startswith(("DELETE", "UPDATE")):
            sizes.append(of[1].rowcount)

    event.listen(database.engine.sync_engine, "after_cursor_execute", note)
    try:
        removed = await expire(keeping, days(30))
    finally:
        event.remove(database.engine.sync_engine, "after_cursor_execute", note)

    assert removed.calls == PORTION * 3 + 1
    assert max(sizes) == SLICE
    assert await count(database, turns) == 0


async def test_what_there_is_no_time_for_waits_for_the_next_run(
    keeping: Keeping, kept: Kept, database: Database
) -> None:
    await ended(kept, "c-1", 40 * DAY_S)
    (kept.transcripts / "2020-01-01").mkdir(parents=True)
    (kept.transcripts / "2020-01-01" / "x.jsonl").write_bytes(b"{}")

    assert await expire(keeping, days(30, 30), within_s=0) == Removed(more=True)
    assert await ids(database) == ["c-1"]

    removed = await expire(keeping, days(30, 30))
    assert (removed.calls, removed.transcripts, removed.more) == (1, 2, False)


async def test_what_still_waits_to_be_written_comes_not_back(keeping: Keeping, kept: Kept) -> None:
    at = T0 - 40 * DAY_S
    await kept.calls.open(a_call(), CallState.IN_PROGRESS, at)
    kept.calls.log(a_call()).caller_said("my name is Asha", at, 1)
    await kept.calls.end(a_call(), CallEnding(CallState.COMPLETED, EndReason.SILENCE), at + 1)

    await expire(keeping, days(30))
    await kept.flush()

    assert names(kept.transcripts) == []


# ---- people -------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", list(CallbackState))
@pytest.mark.parametrize(
    ("written_ago", "due_ago", "old"),
    [(31, 31, True), (30, 30, True), (29, 40, False), (40, 29, False), (40, -5, False)],
)
async def test_a_promise_goes_when_it_is_over_and_old(
    keeping: Keeping,
    database: Database,
    jobs: Jobs,
    clock: Clock,
    state: CallbackState,
    written_ago: int,
    due_ago: int,
    old: bool,
) -> None:
    book = Callbacks(database, jobs, clock=clock)
    promised = NewCallback("k", PHONE, "", "FWAI_Core", NOW - due_ago * DAY, "about the fees")
    await book.schedule(promised)
    async with database.write() as connection:
        values = {"state": state.value, "written_at": NOW - written_ago * DAY}
        await connection.execute(update(callbacks).values(values))

    removed = await expire(keeping, days(30))

    goes = old and state.final
    assert (await count(database, callbacks), removed.callbacks) == (not goes, goes)


@pytest.mark.parametrize(("ago_days", "goes"), [(31, True), (30, True), (29, False), (-90, False)])
async def test_a_demo_goes_when_it_was_long_ago(
    keeping: Keeping, database: Database, jobs: Jobs, ago_days: int, goes: bool
) -> None:
    book = Bookings(database, jobs)
    new = NewBooking("k", PHONE, "Asha", "the course", NOW - ago_days * DAY, 30)
    await book.book(new, 1)

    removed = await expire(keeping, days(30))

    assert (await count(database, bookings), removed.bookings) == (not goes, goes)


def entry(ago_days: float) -> MemoryEntry:
    return MemoryEntry(NOW - ago_days * DAY, f"c-{ago_days}", "FWAI_Core", "asked for the fees")


@pytest.mark.parametrize(
    ("entries", "do_not_call", "written_ago", "left", "row"),
    [
        ([40, 35], False, 35, [], False),
        ([40, 20], False, 20, [20], True),
        ([40], True, 40, [], True),
        ([], True, 4000, [], True),
        ([], False, 31, [], False),
        ([], False, 29, [], True),
        ([40], False, 5, [], True),  # permitted again a few days ago
        ([20], False, 20, [20], True),
    ],
)
async def test_memories_go_and_that_somebody_must_not_be_called_stays(
    keeping: Keeping,
    database: Database,
    entries: list[int],
    do_not_call: bool,
    written_ago: int,
    left: list[int],
    row: bool,
) -> None:
    book = Contacts(database, clock=lambda: NOW - written_ago * DAY)
    for ago in entries:
        await book.remember(PHONE, entry(ago))
    if do_not_call or not entries:
        await book.set_do_not_call(PHONE, do_not_call, "asked for it")
    await Contacts(database, clock=lambda: NOW).remember(OTHER_PHONE, entry(1))

    removed = await expire(keeping, days(30))

    reason = "asked for it" if do_not_call or not entries else ""
    expected = Contact(PHONE, tuple(map(entry, left)), do_not_call, reason if row else "")
    assert await book.get(PHONE) == expected
    assert await count(database, contacts) == row + 1
    assert removed.memories == len(entries) - len(left)
    assert removed.contacts == (not row)


def ago(ago_days: float) -> float:
    return T0 - ago_days * DAY_S


@pytest.mark.parametrize(
    ("known", "goes"),
    [
        (CallPermission(), True),
        (CallPermission(user_at=ago(31)), True),
        (CallPermission(user_at=ago(29)), False),
        (CallPermission(asked_at=(ago(31), ago(29))), False),
        (CallPermission(asked_at=(ago(40),), unanswered=3), True),
        (CallPermission(grant=Grant.NONE, checked_at=ago(29)), False),
        (CallPermission(grant=Grant.NONE, checked_at=ago(31)), True),
        (CallPermission(grant=Grant.PERMANENT, user_at=ago(4000)), False),
        (CallPermission(grant=Grant.TEMPORARY, expires_at=T0 + 1, user_at=ago(40)), False),
        (CallPermission(grant=Grant.TEMPORARY, expires_at=ago(10), user_at=ago(40)), False),
        (CallPermission(grant=Grant.TEMPORARY, expires_at=ago(31), user_at=ago(40)), True),
    ],
)
async def test_a_permission_goes_when_nothing_was_heard_for_long_and_none_stands(
    keeping: Keeping, database: Database, known: CallPermission, goes: bool
) -> None:
    await CallPermissions(database).change(PHONE, lambda _: known)

    removed = await expire(keeping, days(30))

    assert (await count(database, standings), removed.permissions) == (not goes, goes)


async def test_with_transcripts_kept_for_ever_nothing_is_forgotten_of_people(
    keeping: Keeping, database: Database
) -> None:
    await Contacts(database).remember(PHONE, entry(9000))

    assert await expire(keeping, days(0, 1)) == Removed()


async def test_of_many_people_all_are_looked_at(keeping: Keeping, database: Database) -> None:
    person = {"do_not_call": False, "reason": "", "written_at": NOW}
    old, new = (
        {"at": (NOW - n * DAY).isoformat(), "call_id": "", "agent": "", "text": "x"}
        for n in (40, 1)
    )
    rows: list[Mapping[str, Any]] = [
        person | {"phone": f"+9199999{n:05}", "memory": [old, new] if n % 3 else [new]}
        for n in range(450)
    ]
    async with database.write() as connection:
        await connection.execute(insert(contacts), rows)

    assert (await expire(keeping, days(30))).memories == 300
    assert (await expire(keeping, days(30))) == Removed()


# ---- days of folders are those of the business --------------------------------------------------


def test_the_day_of_these_tests_begins_in_india() -> None:
    assert NOW.astimezone(KOLKATA).date() == date(2026, 11, 24)


async def test_a_job_that_is_done_is_evidence_without_words(
    keeping: Keeping, kept: Kept, jobs: Jobs
) -> None:
    """Its key still keeps the same from being done twice."""
    await ended(kept, "c-1", 40 * DAY_S)
    first = await jobs.enqueue(NewJob("sms", "sms:1", {"text": "Asha"}, call_id="c-1"))
    (job,) = await jobs.lease(1, ["sms"])
    await jobs.settle(job, Done({"delivery": "accepted"}, "m-1"))

    await expire(keeping, days(30))

    again = await jobs.enqueue(NewJob("sms", "sms:1", {"text": "Asha"}, call_id="c-1"))
    assert (again.id, again.payload, again.ref) == (first.id, {}, "m-1")


# ---- voice messages ------------------------------------------------------------------------------


def left(kept: Kept, call_id: str, ago_s: float = 0) -> Path:
    """Write a call's voice message, of so many seconds ago."""
    path = messages_in(kept) / f"{call_id}.wav"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"RIFF")
    os.utime(path, (T0 - ago_s, T0 - ago_s))
    return path


@pytest.mark.parametrize(
    ("of_calls", "of_recordings", "stays"),
    [
        (365, 10, ["new.wav", "open.wav"]),  # the call stays, its message goes
        (10, 0, ["new.wav", "open.wav"]),  # never longer than its call
        (10, 365, ["new.wav", "open.wav", "sound.wav"]),  # which its recording keeps
        (0, 0, ["new.wav", "old.wav", "open.wav", "sound.wav"]),
    ],
)
async def test_a_voice_message_goes_like_a_recording_and_never_after_its_call(
    keeping: Keeping, kept: Kept, of_calls: int, of_recordings: int, stays: list[str]
) -> None:
    await ended(kept, "old", 20 * DAY_S, recording=False)
    await ended(kept, "sound", 20 * DAY_S)
    await ended(kept, "new", DAY_S, recording=False)
    await kept.calls.open(a_call("open"), CallState.IN_PROGRESS, T0 - 20 * DAY_S)
    for call_id in ("old", "sound", "new", "open"):
        left(kept, call_id)
    if (of_calls, of_recordings) == (10, 0):
        (
            kept.recordings / call_path(CallId("sound"), T0 - 20 * DAY_S - 60, KOLKATA, ".wav")
        ).unlink()

    removed = await expire(keeping, days(of_calls, of_recordings))

    assert names(messages_in(kept)) == stays
    assert removed.failed == 0
    assert removed.bytes >= 4 * (4 - len(stays))


async def test_a_voice_message_without_a_call_is_as_old_as_its_file(
    keeping: Keeping, kept: Kept
) -> None:
    left(kept, "lost", 20 * DAY_S)
    left(kept, "fresh", DAY_S)
    (messages_in(kept) / ".lost.0a1b.part").write_bytes(b"RI")
    (messages_in(kept) / "notes.txt").write_bytes(b"somebody else's")
    os.utime(messages_in(kept) / ".lost.0a1b.part", (T0 - 2 * DAY_S, T0 - 2 * DAY_S))

    unset = KeepTimes(KeepTime(10), KeepTime(10, NOW - DAY))
    assert (await expire(keeping, unset)).recordings == 0, "nobody said that older ones may go"
    removed = await expire(keeping, days(10))

    assert names(messages_in(kept)) == ["fresh.wav", "notes.txt"]
    assert (removed.recordings, removed.failed) == (1, 0)


async def test_a_voice_message_that_cannot_be_removed_keeps_its_call(
    keeping: Keeping, kept: Kept, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ended(kept, "c-1", 20 * DAY_S, recording=False)
    left(kept, "c-1", 20 * DAY_S)
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path.parent == messages_in(kept):
            raise OSError(30, "read-only")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    removed = await expire(keeping, days(10))

    assert await ids(database) == ["c-1"]
    assert removed.failed == 2, "with its call, and alone"
    monkeypatch.undo()
    assert (await expire(keeping, days(10))).calls == 1
    assert names(messages_in(kept)) == []


async def test_voice_messages_wait_when_there_is_no_time_for_them(
    keeping: Keeping, kept: Kept
) -> None:
    left(kept, "lost", 20 * DAY_S)

    assert (await expire(keeping, days(10), within_s=0)).more
    assert names(messages_in(kept)) == ["lost.wav"]


async def test_a_folder_of_voice_messages_that_cannot_be_read_is_told(
    keeping: Keeping, kept: Kept
) -> None:
    messages_in(kept).write_bytes(b"in the way")

    assert (await expire(keeping, days(10))).failed == 1
