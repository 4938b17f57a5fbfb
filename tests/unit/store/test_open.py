import asyncio
import gc
import shutil
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from fakes import SeenFailures
from fwai.domain.call import CallState, Direction
from fwai.domain.callback import NewCallback
from fwai.domain.failure import Area, Trouble
from fwai.errors import StoreError
from fwai.store.erasure_list import LIST_FILE
from fwai.store.open import StoreOptions, open_store
from fwai.store.transcript_files import read_transcript
from unit.store.kit import ENDING, KOLKATA, NOW, PHONE, T0, a_call, sqlite_url, until


@pytest.fixture(autouse=True)
def schema(tmp_path: Path, migrated: Path) -> None:
    (tmp_path / "data").mkdir()
    shutil.copy(migrated, tmp_path / "data" / "fwai.db")


def options(folder: Path, *, recordings: bool = True) -> StoreOptions:
    return StoreOptions(
        url=sqlite_url(folder),
        zone=KOLKATA,
        transcripts_dir=folder / "transcripts",
        recordings_dir=folder / "recordings" if recordings else None,
    )


async def test_a_whole_call_is_kept_and_nothing_is_left_behind(tmp_path: Path) -> None:
    async with open_store(options(tmp_path)):
        pass  # the schema and what is imported once
    gc.collect()
    files_open = len(list(Path("/proc/self/fd").iterdir()))

    async with open_store(options(tmp_path)) as store:
        await store.calls.open(a_call(), CallState.IN_PROGRESS, T0)
        recording = store.recorder(a_call(), 8000, 5.0)
        assert recording is not None
        recorder, path = recording
        assert path == Path("2026-11-24/c-1.wav"), "the folder of its transcript, not of now"
        await store.calls.set_recording(a_call().id, path)
        store.calls.log(a_call()).caller_said("Hello", T0 + 1, 1)
        recorder.caller(b"\0\1" * 800, 5.0)
        await recorder.close()
        assert await store.calls.end(a_call(), ENDING, T0 + 9)

    (transcript_file,) = (tmp_path / "transcripts").rglob("*.jsonl")
    transcript = read_transcript(transcript_file)
    assert transcript.ending is not None
    assert len(transcript.lines) == 1
    (audio,) = (tmp_path / "recordings").rglob("c-1.wav")
    assert audio.stat().st_size == 44 + 800 * 4
    assert not (tmp_path / "data" / "fwai.db-wal").exists()
    assert len(list(Path("/proc/self/fd").iterdir())) == files_open
    await until(lambda: not [t for t in threading.enumerate() if "connection" in t.name])
    assert len(asyncio.all_tasks()) == 1


async def test_the_next_start_closes_what_was_left_open(tmp_path: Path) -> None:
    async with open_store(options(tmp_path)) as store:
        await store.calls.open(a_call(), CallState.IN_PROGRESS, T0)

    async with open_store(options(tmp_path)) as store:
        call = await store.calls.get(a_call().id)

    assert call is not None
    assert call.state is CallState.FAILED


async def test_recording_is_off_by_default(tmp_path: Path) -> None:
    async with open_store(options(tmp_path, recordings=False)) as store:
        assert store.recorder(a_call(), 8000, 0.0) is None


async def test_what_is_not_kept_any_more_is_erased_all_the_same(tmp_path: Path) -> None:
    """Transcripts and recordings were on once; the files of that time are a person's still."""
    async with open_store(options(tmp_path)) as store:
        await store.calls.open(a_call(), CallState.IN_PROGRESS, T0)
        recording = store.recorder(a_call(), 8000, 5.0)
        assert recording is not None
        recorder, path = recording
        await store.calls.set_recording(a_call().id, path)
        await recorder.close()
        await store.calls.end(a_call(), ENDING, T0 + 9)
    now_off = replace(
        options(tmp_path, recordings=False),
        transcripts_dir=None,
        old_transcripts_dir=tmp_path / "transcripts",
        old_recordings_dir=tmp_path / "recordings",
    )

    async with open_store(now_off) as store:
        erased = await store.erasure.erase(a_call().caller)
        assert store.recorder(a_call(), 8000, 0.0) is None

    assert (erased.calls, erased.files) == (1, 2)
    assert not [*tmp_path.rglob("c-1.*")]


async def test_a_callback_s_call_is_taken_back_with_it(tmp_path: Path) -> None:
    """The store builds its callbacks over its calls."""
    async with open_store(options(tmp_path)) as store:
        promise = NewCallback("cb:1", PHONE, "plivo", "FWAI_Core", NOW)
        callback, _ = await store.callbacks.schedule(promise)
        await store.callbacks.started(callback.id, a_call().id)
        waiting = replace(a_call(), direction=Direction.OUTBOUND, provider_call_id="")
        await store.calls.place(waiting, CallState.QUEUED, T0)

        await store.callbacks.cancel(callback.id)

        record = await store.calls.get(a_call().id)
    assert record is not None
    assert record.state is CallState.CANCELED


async def test_a_cancelled_server_writes_what_it_has(tmp_path: Path) -> None:
    async def serve() -> None:
        async with open_store(options(tmp_path)) as store:
            await store.calls.open(a_call(), CallState.IN_PROGRESS, T0)
            store.calls.log(a_call()).caller_said("last words", T0 + 1, 1)
            ready.set()
            await asyncio.Event().wait()

    ready = asyncio.Event()
    task = asyncio.ensure_future(serve())
    await ready.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    async with open_store(options(tmp_path)) as store:
        assert [turn.text for turn in await store.calls.turns(a_call().id)] == ["last words"]
    (path,) = (tmp_path / "transcripts").rglob("*.jsonl")
    assert read_transcript(path).lines[0]["text"] == "last words"


async def test_a_database_that_cannot_be_used_is_said_before_anything_starts(
    tmp_path: Path,
) -> None:
    shutil.rmtree(tmp_path / "data")
    (tmp_path / "data").write_text("in the way")

    with pytest.raises(StoreError, match="cannot be created"):
        async with open_store(options(tmp_path)):
            pytest.fail("it must not open")


async def test_a_start_that_is_cut_short_leaves_no_instance_that_seems_to_live(
    tmp_path: Path,
) -> None:
    """Else the next start would tell of a takeover."""
    (tmp_path / "transcripts").write_text("in the way")

    class Interrupted(SeenFailures):
        def seen(self, trouble: Trouble) -> None:
            raise asyncio.CancelledError  # Ctrl-C, at this very moment

    with pytest.raises(asyncio.CancelledError):
        async with open_store(replace(options(tmp_path), failures=Interrupted())):
            pytest.fail("it must not open")

    with closing(sqlite3.connect(tmp_path / "data" / "fwai.db")) as database:
        assert database.execute("SELECT state FROM instances").fetchall() == [("stopped",)]


async def test_an_error_of_the_block_comes_out_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        await fail_in(tmp_path)

    (path,) = (tmp_path / "transcripts").rglob("*.jsonl")
    assert read_transcript(path).call is not None


async def fail_in(folder: Path) -> None:
    async with open_store(options(folder)) as store:
        await store.calls.open(a_call(), CallState.IN_PROGRESS, T0)
        raise ZeroDivisionError


async def test_a_list_of_erasures_that_cannot_be_read_is_told_and_stops_nothing(
    tmp_path: Path,
) -> None:
    failures = SeenFailures()
    (tmp_path / "data" / LIST_FILE).mkdir()
    spoilt = replace(options(tmp_path), data_dir=tmp_path / "data", failures=failures)

    async with open_store(spoilt) as store:
        assert failures.standing.keys() == {(Area.STORAGE, "erasures")}
        await store.calls.open(a_call(), CallState.IN_PROGRESS, T0)
