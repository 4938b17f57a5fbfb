"""Who may look into the folders that are made."""

import stat
from pathlib import Path

import pytest

from fwai.store.folders import FOLDER_MODE, close_to_others, make_folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_every_folder_that_is_made_is_closed_to_others(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    made = tmp_path / "data" / "recordings" / "2026-11-29"
    make_folder(made)
    make_folder(made)
    assert [mode(made), mode(made.parent), mode(made.parent.parent)] == [FOLDER_MODE] * 3
    assert mode(tmp_path) == 0o755, "that one was there"


def test_what_is_no_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError):
        make_folder(tmp_path / "file")
    with pytest.raises(NotADirectoryError):
        make_folder(tmp_path / "file" / "below")


@pytest.mark.parametrize(
    ("before", "after"), [(0o755, 0o750), (0o777, 0o770), (0o750, 0o750), (0o1777, 0o1777)]
)
def test_an_older_folder_is_closed_at_the_start(tmp_path: Path, before: int, after: int) -> None:
    folder = tmp_path / "transcripts"
    folder.mkdir()
    folder.chmod(before)
    assert close_to_others(folder) == (before != after)
    assert mode(folder) == after


def test_a_folder_that_is_more_than_ours_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    assert not close_to_others(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir("/")
    assert not close_to_others(tmp_path)
    assert not close_to_others(tmp_path / "missing")
    assert mode(tmp_path) == 0o755
