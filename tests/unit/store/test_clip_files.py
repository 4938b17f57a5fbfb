"""Clips as files: whole or not there, and only the service's user can read them."""

import json
import os
from pathlib import Path

import pytest

from fwai.domain.sentence import SpokenSentence
from fwai.store.clip_files import ClipFiles

NAME, OTHER = "0123456789abcdef" * 2, "f" * 32
SPOKEN = SpokenSentence("एक क्षण रुकिए।", b"\1\2" * 1000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "clips"


def test_what_was_written_is_read(folder: Path) -> None:
    files = ClipFiles(folder)
    assert files.read(NAME) is None

    files.write(NAME, SPOKEN, {"voice": "Puck"})

    assert files.read(NAME) == SPOKEN
    assert sorted(path.name for path in folder.iterdir()) == [f"{NAME}.json", f"{NAME}.pcm"]
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert json.loads((folder / f"{NAME}.json").read_text("utf-8")) == {
        "text": SPOKEN.text,
        "bytes": 2000,
        "voice": "Puck",
    }


def test_writing_again_replaces(folder: Path) -> None:
    files = ClipFiles(folder)
    files.write(NAME, SPOKEN, {})

    files.write(NAME, SpokenSentence("other", b"\3\4"), {})

    assert files.read(NAME) == SpokenSentence("other", b"\3\4")


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("pcm", b"\1\2"),
        ("pcm", b""),
        ("pcm", b"\1\2" * 1000 + b"\1"),
        ("pcm", None),
        ("json", None),
        ("json", b""),
        ("json", b"\xff"),
        ("json", b"[]"),
        ("json", b"3"),
        ("json", b"[" * 10_000),
        ("json", b'{"text": "a"}'),
        ("json", b'{"text": "", "bytes": 2000}'),
        ("json", b'{"text": 3, "bytes": 2000}'),
        ("json", b'{"text": "a", "bytes": "2000"}'),
        ("json", b'"' + b"x" * 20_000 + b'"'),
    ],
)
def test_what_is_broken_counts_as_missing(folder: Path, kind: str, content: bytes | None) -> None:
    files = ClipFiles(folder)
    files.write(NAME, SPOKEN, {})
    path = folder / f"{NAME}.{kind}"
    path.unlink()
    if content is not None:
        path.write_bytes(content)

    assert files.read(NAME) is None


def test_half_a_sample_at_its_end_is_broken(folder: Path) -> None:
    files = ClipFiles(folder)
    files.write(NAME, SpokenSentence("a", b"\1\2\3"), {})

    assert files.read(NAME) is None


def test_what_is_no_file_is_not_waited_for(folder: Path) -> None:
    files = ClipFiles(folder)
    files.write(NAME, SPOKEN, {})
    (folder / f"{NAME}.pcm").unlink()
    os.mkfifo(folder / f"{NAME}.pcm")

    assert files.read(NAME) is None


def test_what_nobody_says_any_more_is_removed_and_nothing_else(folder: Path) -> None:
    files = ClipFiles(folder)
    files.write(NAME, SPOKEN, {})
    files.write(OTHER, SPOKEN, {})
    (folder / f".{OTHER}.pcm.0123456789ab").write_bytes(b"half")
    (folder / "mine.pcm").write_bytes(b"an operator's")
    (folder / f"{'e' * 32}.pcm").mkdir()  # cannot be removed

    assert files.keep_only([NAME]) == 3

    assert files.read(NAME) == SPOKEN
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [f"{NAME}.json", f"{NAME}.pcm", "mine.pcm", f"{'e' * 32}.pcm"]
    )


def test_without_a_folder_there_is_nothing_to_remove(folder: Path) -> None:
    assert ClipFiles(folder).keep_only([]) == 0


def test_a_disk_that_is_full_leaves_what_was_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = ClipFiles(folder)
    files.write(NAME, SPOKEN, {})

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.write(NAME, SpokenSentence("other", b"\3\4"), {})

    assert files.read(NAME) == SPOKEN
    assert len(list(folder.iterdir())) == 2
