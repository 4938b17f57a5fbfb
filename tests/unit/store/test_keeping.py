"""How old calls are found in SQLite, and their files in their folder."""

import os
from datetime import date
from pathlib import Path

import pytest

from fwai.domain.keeping import KeepTime, KeepTimes
from fwai.store import kept_files
from fwai.store.crash_recovery import Folders
from fwai.store.database import Database
from fwai.store.keeping import Keeping
from unit.store.kit import KOLKATA, NOW, Kept, plans


async def test_old_calls_are_found_by_index_and_not_sorted(database: Database, kept: Kept) -> None:
    keeping = Keeping(database, Folders(None, None, KOLKATA), kept.flush)
    times = KeepTimes(KeepTime(365), KeepTime(90))

    plan = await plans(database, keeping.expire(times, NOW, 60))

    assert plan.count("SEARCH calls USING INDEX ix_calls_created_at_id (created_at<?)") == 2
    assert "ix_bookings_starts_at (starts_at<?)" in plan
    assert "B-TREE" not in plan, "nothing is sorted"
    assert "SCAN calls" not in plan


@pytest.mark.parametrize("name", ["2026-11-24/c-1.wav\0", "2026-11-24/c-1.wav/c-1.wav", "\0/c-1"])
def test_a_name_that_no_file_can_have_removes_nothing(tmp_path: Path, name: str) -> None:
    count = kept_files.remove_files(tmp_path, {"c-1": name})

    assert (count.files, count.bytes, count.stay) == (0, 0, frozenset())


def test_a_file_in_a_folder_that_is_a_file_is_gone(tmp_path: Path) -> None:
    (tmp_path / "2026-11-24").write_bytes(b"")

    assert not kept_files.remove_files(tmp_path, {"c-1": "2026-11-24/c-1.wav"}).stay


def test_a_folder_that_is_gone_meanwhile_holds_nothing(tmp_path: Path) -> None:
    assert kept_files.days_until(tmp_path / "none", date(2026, 11, 24)) == []
    assert kept_files.calls_of(tmp_path / "2026-11-24", ".wav") == []
    kept_files.remove_if_empty([tmp_path / "2026-11-24"])


def test_a_cause_has_a_name() -> None:
    assert kept_files.cause_of(OSError(30, "read-only")) == "EROFS"
    assert kept_files.cause_of(OSError("odd")) == "OSError"


async def test_a_day_s_folder_that_cannot_be_read_is_told(
    database: Database, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in ("2020-01-01", "2020-01-02"):
        (kept.transcripts / day).mkdir(parents=True)
        (kept.transcripts / day / "c-1.jsonl").write_bytes(b"{}")
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "2020-01-01":
            raise PermissionError(13, "no")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    keeping = Keeping(database, Folders(kept.transcripts, None, KOLKATA), kept.flush)

    removed = await keeping.expire(KeepTimes(KeepTime(10), KeepTime(0)), NOW, 60)

    assert (removed.failed, removed.transcripts) == (1, 1)
