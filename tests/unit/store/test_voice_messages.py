"""A voice message is there whole or not at all, for nobody else's eyes."""

import os
import stat
import wave
from pathlib import Path

import pytest

from fwai.domain.call import CallId
from fwai.errors import StoreError
from fwai.store import voice_messages
from fwai.store.file_writer import Flushed
from fwai.store.voice_messages import VoiceMessages

CALL_ID = CallId("c-1")
PCM = bytes(range(200)) * 8


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class Told:
    """What was told of files."""

    def __init__(self) -> None:
        self.news: list[Flushed] = []

    def __call__(self, done: Flushed) -> None:
        self.news.append(done)


async def test_it_is_a_wav_that_only_the_service_may_read(tmp_path: Path) -> None:
    folder, told = tmp_path / "data" / "voice-messages", Told()
    box = VoiceMessages(folder, told)

    await box.keep(CALL_ID, b"\0\0", 8000)
    await box.keep(CALL_ID, PCM + b"\1", 16_000)  # half a sample is none

    path = folder / "c-1.wav"
    with wave.open(str(path)) as sound:
        assert sound.getparams()[:4] == (1, 2, 16_000, len(PCM) // 2)
        assert sound.readframes(len(PCM)) == PCM
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert names(folder) == ["c-1.wav"]
    assert told.news == [Flushed(written=(path,))] * 2


async def test_a_full_disk_leaves_nothing_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    told = Told()

    with pytest.raises(StoreError, match="No space left"):
        await VoiceMessages(tmp_path, told).keep(CALL_ID, PCM, 8000)

    assert names(tmp_path) == []
    ((path, error),) = told.news[0].failed.items()
    assert (path.name, error.errno) == ("c-1.wav", 28)


@pytest.mark.parametrize(("folder", "name"), [(False, "c-1"), (True, "../c-1"), (True, "")])
async def test_without_a_folder_or_a_name_none_is_kept(
    tmp_path: Path, folder: bool, name: str
) -> None:
    box = VoiceMessages(tmp_path if folder else None, Told())

    with pytest.raises(StoreError):
        await box.keep(CallId(name), PCM, 8000)

    assert names(tmp_path) == []


def test_only_messages_of_ours_are_removed(tmp_path: Path) -> None:
    (tmp_path / "c-1.wav").write_bytes(b"RIFF")
    (tmp_path / "link.wav").symlink_to(tmp_path / "c-1.wav")

    assert list(voice_messages.written_at(tmp_path)) == ["c-1"]
    count = voice_messages.remove(tmp_path, ["c-1", "c-2", "link", "../c-1"])

    assert (count.files, count.bytes, count.stay) == (1, 4, frozenset())
    assert names(tmp_path) == ["link.wav"]


def test_where_none_was_ever_kept_there_is_nothing_to_do(tmp_path: Path) -> None:
    for folder in (None, tmp_path / "none"):
        assert voice_messages.written_at(folder) == {}
        assert voice_messages.remove(folder, ["c-1"]).files == 0
        voice_messages.remove_parts(folder, 0)
