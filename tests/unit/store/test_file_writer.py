import asyncio
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fwai.store.file_writer import FileWriter, Flushed
from unit.store.kit import until


async def test_pieces_of_a_file_keep_their_order(tmp_path: Path) -> None:
    files = FileWriter()
    path = tmp_path / "day" / "a.jsonl"

    files.append(path, b"one\n")
    files.append(path, b"two\n")
    files.append(path, b"")
    await files.flush()
    files.append(path, b"three\n")
    await files.flush()

    assert path.read_bytes() == b"one\ntwo\nthree\n"
    assert files.pending_bytes == 0


async def test_what_is_skipped_reads_as_zeros(tmp_path: Path) -> None:
    files = FileWriter()
    path = tmp_path / "a.wav"

    files.write_at(path, 0, b"head")
    files.write_at(path, 8, b"tail")
    files.write_at(path, 0, b"HE")
    await files.flush()

    assert path.read_bytes() == b"HEad\0\0\0\0tail"


async def test_others_cannot_read_what_was_said(tmp_path: Path) -> None:
    files = FileWriter()
    files.append(tmp_path / "a", b"secret")

    await files.flush()

    assert (tmp_path / "a").stat().st_mode & 0o007 == 0


async def test_run_writes_within_its_period_and_stops_clean(tmp_path: Path) -> None:
    files = FileWriter(flush_s=0.01)
    path = tmp_path / "a"

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(files.run())
        files.append(path, b"live")
        await until(path.exists)
        files.append(path, b" and last")
        files.stop()

    assert path.read_bytes() == b"live and last"


async def test_a_cancelled_run_writes_what_it_has(tmp_path: Path) -> None:
    files = FileWriter()
    task = asyncio.ensure_future(files.run())
    await asyncio.sleep(0)
    files.append(tmp_path / "a", b"last words")

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (tmp_path / "a").read_bytes() == b"last words"


async def test_a_failing_file_is_kept_and_written_later_and_hinders_no_other(
    tmp_path: Path,
) -> None:
    files = FileWriter()
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    files.append(blocked, b"one ")
    files.append(tmp_path / "free", b"fine")

    with capture_logs() as logs:
        assert not await files.flush()
        files.append(blocked, b"two")
        assert not await files.flush()
        blocked.rmdir()
        assert await files.flush()

    assert blocked.read_bytes() == b"one two"
    assert (tmp_path / "free").read_bytes() == b"fine"
    assert [entry["event"] for entry in logs] == ["file_write_failed", "file_writes_resumed"]
    assert logs[0]["cause"] == "EISDIR"


async def test_a_torn_line_is_cut_off_before_the_next_try(tmp_path: Path) -> None:
    files = FileWriter()
    path = tmp_path / "a"
    files.append(path, b"first line\n")
    await files.flush()
    files.append(path, b"second line\n")

    with files_no_larger_than(15), capture_logs():
        assert not await files.flush()
        assert path.read_bytes() == b"first line\n"
    assert await files.flush()

    assert path.read_bytes() == b"first line\nsecond line\n"


async def test_run_goes_on_after_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fwai.store.file_writer.FLUSH_S", 0.01)
    files = FileWriter(flush_s=0.01)
    (tmp_path / "a").mkdir()
    files.append(tmp_path / "a", b"kept")

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(files.run())
        await until(lambda: files._failing)
        (tmp_path / "a").rmdir()
        await until(lambda: files.pending_bytes == 0)
        files.stop()

    assert (tmp_path / "a").read_bytes() == b"kept"


async def test_beyond_its_bounds_the_newest_is_dropped_and_counted_once(tmp_path: Path) -> None:
    files = FileWriter(max_file_bytes=10, max_total_bytes=15)

    with capture_logs() as logs:
        files.append(tmp_path / "a", b"x" * 8)
        files.append(tmp_path / "a", b"y" * 8)
        files.append(tmp_path / "b", b"z" * 8)
        await files.flush()

    assert (tmp_path / "a").read_bytes() == b"x" * 8
    assert not (tmp_path / "b").exists()
    assert files.dropped_bytes == 16
    assert [entry["event"] for entry in logs] == ["file_writes_dropped"]


async def test_what_cannot_be_written_at_the_end_is_reported(tmp_path: Path) -> None:
    files = FileWriter()
    (tmp_path / "a").mkdir()
    files.append(tmp_path / "a", b"four")

    with capture_logs() as logs:
        files.stop()
        await files.run()

    assert logs[-1] == {"event": "file_writes_lost", "bytes": 4, "log_level": "error"}


async def test_a_disk_that_hangs_does_not_hold_up_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fwai.store.file_writer.STOP_S", 0.02)
    os.mkfifo(tmp_path / "a")  # opening it for writing blocks until somebody reads
    files = FileWriter()
    files.append(tmp_path / "a", b"four")

    began = time.monotonic()
    files.stop()
    with capture_logs() as logs:
        await files.run()

    assert time.monotonic() - began < 5
    assert logs[-1]["event"] == "file_writes_lost"
    os.close(os.open(tmp_path / "a", os.O_RDONLY | os.O_NONBLOCK))


async def test_many_writers_never_mix_their_lines(tmp_path: Path) -> None:
    files = FileWriter(flush_s=0.001)
    path = tmp_path / "a"

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(files.run())
        for number in range(300):
            files.append(path, b"%d\n" % number)
            if number % 10 == 0:
                await files.flush()
        files.stop()

    assert path.read_text().split() == [str(number) for number in range(300)]


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("name", ["a\0b", "half \ud83d"], ids=["NUL", "half a character"])
async def test_a_file_that_can_never_be_written_hinders_no_other(tmp_path: Path, name: str) -> None:
    files = FileWriter(flush_s=0.01)
    sound = tmp_path / "sound"

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(files.run())
        files.append(tmp_path / name, b"lost")
        files.append(sound, b"kept")
        await until(sound.exists)
        await until(lambda: not files.pending_bytes)
        files.append(sound, b" too")
        files.stop()

    assert sound.read_bytes() == b"kept too"
    assert (files.pending_bytes, files.dropped_bytes) == (0, 4)


async def test_who_hears_of_a_flush_cannot_end_the_writing(tmp_path: Path) -> None:
    def breaks(_: Flushed) -> None:
        raise ValueError("nobody expected that")

    files = FileWriter(flush_s=0.01, on_flushed=breaks)
    path = tmp_path / "a"

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(files.run())
        files.append(path, b"one")
        await until(path.exists)
        files.append(path, b" two")
        files.stop()

    assert path.read_bytes() == b"one two"
