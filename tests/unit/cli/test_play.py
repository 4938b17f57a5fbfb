"""Playing a recording: which player, when it fails, and that none is left."""

import io
import os
import signal
import threading
import wave
from pathlib import Path

import pytest

from fwai.cli import play


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "call.wav"
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(2)
        wav.setsampwidth(2)
        wav.setframerate(8000)
        wav.writeframes(bytes(3200))
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which programs are found."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    return programs


def player(folder: Path, name: str, script: str) -> Path:
    """Install a player that does what ``script`` says; return where it notes its arguments."""
    noted = folder / f"{name}.args"
    path = folder / name
    path.write_text(f'#!/bin/sh\necho "$@" > {noted}\n{script}\n', "utf-8")
    path.chmod(0o755)
    return noted


def offered(recording: Path, *, aloud: bool = True) -> tuple[bool, str]:
    out = io.StringIO()
    played = play.offer(recording, aloud=aloud, out=out)
    return played, out.getvalue()


@pytest.mark.parametrize("name", [one[0] for one in play.PLAYERS])
def test_any_known_player_plays_the_file(folder: Path, recording: Path, name: str) -> None:
    noted = player(folder, name, "exit 0")

    played, told = offered(recording)

    assert played
    assert "the caller is on the left" in told
    assert noted.read_text().split()[-1] == str(recording)


def test_the_next_one_is_tried_when_a_player_has_no_sound(folder: Path, recording: Path) -> None:
    player(folder, "paplay", "exit 1")
    noted = player(folder, "aplay", "exit 0")

    assert offered(recording)[0]
    assert noted.exists()


def test_a_player_that_cannot_be_run_is_passed_over(folder: Path, recording: Path) -> None:
    broken = folder / "aplay"
    broken.write_bytes(b"\x7fELF no program")
    broken.chmod(0o755)

    played, told = offered(recording)

    assert not played
    assert str(recording) in told
    assert "none of these could play it" in told


def test_without_a_player_the_file_is_offered(folder: Path, recording: Path) -> None:
    played, told = offered(recording)

    assert not played
    assert told.startswith(f"To hear the call: {recording} (no player: pw-play, paplay")


def test_where_it_must_be_silent_no_player_is_run(folder: Path, recording: Path) -> None:
    noted = player(folder, "aplay", "exit 0")

    assert offered(recording, aloud=False) == (False, f"To hear the call: {recording}\n")
    assert not noted.exists()


def test_a_player_that_does_not_end_is_ended(
    folder: Path, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = player(folder, "aplay", f"echo $$ > {folder / 'pid'}; exec /bin/sleep 30")
    monkeypatch.setattr(play, "SLACK_S", 0.5)

    assert offered(recording)[0]
    assert noted.exists()
    assert gone(folder)


def test_an_interrupt_leaves_no_player(folder: Path, recording: Path) -> None:
    player(folder, "aplay", f"echo $$ > {folder / 'pid'}; exec /bin/sleep 30")
    before = signal.getsignal(signal.SIGINT)
    press = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    press.start()

    with pytest.raises(KeyboardInterrupt):
        offered(recording)

    press.join()
    assert gone(folder)
    assert signal.getsignal(signal.SIGINT) is before


def gone(folder: Path) -> bool:
    try:
        os.kill(int((folder / "pid").read_text()), 0)
    except ProcessLookupError:
        return True
    return False
