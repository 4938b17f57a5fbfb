"""Folders that cannot be written: who is told, and that mending is noticed without a call."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fakes import SeenFailures
from fwai.domain.failure import Area
from fwai.store.file_writer import FileWriter, Flushed
from fwai.store.storage_watch import OTHER, StorageWatch
from polling import until

SETTINGS = {"recordings": "DATA_DIR/recordings", "transcripts": "TRANSCRIPTS_DIR"}


class Disk:
    """Two folders, their watch and who hears of them."""

    def __init__(self, root: Path) -> None:
        self.folders = {name: root / name for name in SETTINGS}
        self.failures = SeenFailures()
        self.watch = StorageWatch(
            self.failures,
            {name: (self.folders[name], SETTINGS[name]) for name in SETTINGS},
            look_s=0.02,
        )
        self.files = FileWriter(flush_s=0.01, on_flushed=self.watch.flushed)

    def block(self, name: str) -> None:
        """Put a file where a folder belongs; as root no mode bits would stop anybody."""
        self.folders[name].write_text("in the way")

    def mend(self, name: str) -> None:
        self.folders[name].unlink()


@asynccontextmanager
async def served(disk: Disk) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(disk.watch.run(disk.files))]
        group.create_task(disk.files.run())
        try:
            yield
        finally:
            disk.files.stop()
            for task in tasks:
                task.cancel()


@pytest.mark.parametrize("name", SETTINGS)
async def test_a_folder_that_cannot_be_written_is_told_at_the_start_and_mended_without_a_call(
    tmp_path: Path, name: str
) -> None:
    disk = Disk(tmp_path)
    disk.block(name)

    await disk.watch.try_folders()

    assert disk.failures.names == [name]
    trouble = disk.failures.standing[Area.STORAGE, name]
    assert trouble.cause == "the folder cannot be written (ENOTDIR)"
    assert SETTINGS[name] in trouble.fix
    assert str(tmp_path) not in trouble.cause + trouble.fix
    async with served(disk):
        await until(lambda: disk.failures.seen_at_all > 3)  # looked at again and again
        disk.mend(name)
        await until(lambda: not disk.failures.standing)
        seen = disk.failures.seen_at_all
    assert disk.failures.seen_at_all == seen


@pytest.mark.parametrize("name", SETTINGS)
async def test_what_a_call_cannot_write_is_told_and_written_when_that_is_mended(
    tmp_path: Path, name: str
) -> None:
    disk = Disk(tmp_path)
    path = disk.folders[name] / "2026-11-24" / "c-1"
    other = next(folder for key, folder in disk.folders.items() if key != name) / "c-1"
    async with served(disk):
        disk.block(name)
        disk.files.append(path, b"words")
        disk.files.append(other, b"words")
        await until(lambda: disk.failures.names == [name])
        disk.mend(name)
        await until(lambda: not disk.failures.standing)
    assert path.read_bytes() == other.read_bytes() == b"words"


async def test_good_folders_leave_nothing_and_nobody_hears_of_them(tmp_path: Path) -> None:
    disk = Disk(tmp_path)

    await disk.watch.try_folders()

    assert disk.failures.seen_at_all == 0
    assert [list(folder.iterdir()) for folder in disk.folders.values()] == [[], []]


async def test_a_full_disk_stands_until_a_file_can_be_written_again(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    path = disk.folders["recordings"] / "a.wav"
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    disk.watch.flushed(Flushed([disk.folders["recordings"] / "b.wav"], {path: full}))

    (trouble,) = disk.failures.standing.values()
    assert trouble.cause == "the disk is full (ENOSPC)"
    disk.watch.flushed(Flushed([disk.folders["transcripts"] / "c"]))
    assert disk.failures.names == ["recordings"]
    disk.watch.flushed(Flushed([path]))
    assert disk.failures.names == []


async def test_a_file_of_no_folder_of_ours_is_told_and_mended_by_the_next_one(
    tmp_path: Path,
) -> None:
    disk = Disk(tmp_path)
    path = tmp_path / "elsewhere" / "c"
    async with served(disk):
        disk.block("recordings")
        full = OSError(errno.EACCES, "no")
        disk.watch.flushed(Flushed([], {path: full, disk.folders["recordings"] / "a": full}))
        await until(lambda: disk.failures.seen_at_all > 3)  # there was a look at all that fails
        disk.mend("recordings")
        await until(lambda: disk.failures.names == [OTHER])
        disk.watch.flushed(Flushed([path]))
    assert disk.failures.names == []


async def test_a_folder_that_is_rarely_needed_is_made_by_nobody_and_looked_at_once_it_fails(
    tmp_path: Path,
) -> None:
    disk, folder = Disk(tmp_path), tmp_path / "messages"
    rarely = {"voice messages": (folder, "DATA_DIR/voice-messages")}
    disk.watch = StorageWatch(disk.failures, {}, rarely=rarely, look_s=0.02)
    await disk.watch.try_folders()
    assert not folder.exists()

    async with served(disk):
        folder.write_text("in the way")
        disk.watch.flushed(Flushed(failed={folder / "c-1.wav": OSError(errno.ENOTDIR, "no")}))
        assert disk.failures.names == ["voice messages"]
        folder.unlink()
        await until(lambda: not disk.failures.names)
