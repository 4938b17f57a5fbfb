"""Plays a recording aloud, with whatever player the machine has."""

import shutil
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, TextIO

PLAYERS: Final[Sequence[Sequence[str]]] = (
    ("pw-play",),
    ("paplay",),
    ("aplay", "--quiet"),
    ("afplay",),
    ("ffplay", "-nodisp", "-autoexit", "-loglevel", "quiet"),
    ("play", "--no-show-progress"),
    ("mpv", "--no-video", "--really-quiet"),
)
"""Programs that play a WAV file named last and then end, the likeliest to work first."""

SLACK_S: Final = 10.0  # beyond the recording's length, for a player that is slow to begin
BEGUN_S: Final = 2.0  # one that fails later than this was heard, or stopped by whoever listens


def offer(path: Path, *, aloud: bool, out: TextIO | None = None) -> bool:
    """Play a recording if it is to be heard, and say where it is; return whether it was played.

    Raises:
        KeyboardInterrupt: It was stopped; no player is left.
    """
    out = out or sys.stdout
    players = list(_found()) if aloud else []
    if players:
        out.write("Playing the call: the caller is on the left, the agent on the right.\n")
        out.flush()
    for player in players:
        if _play([*player, str(path)], _length_s(path) + SLACK_S):
            return True
    why = ""
    if aloud:
        names = ", ".join(player[0] for player in players or PLAYERS)
        why = f" (none of these could play it: {names})" if players else f" (no player: {names})"
    out.write(f"To hear the call: {path}{why}\n")
    return False


def _found() -> Iterator[Sequence[str]]:
    for name, *options in PLAYERS:
        path = shutil.which(name)
        if path is not None:
            yield (path, *options)


def _length_s(path: Path) -> float:
    with wave.open(str(path), "rb") as recording:
        return recording.getnframes() / recording.getframerate()


def _play(command: Sequence[str], limit_s: float) -> bool:
    """Run a player to its end; False when it could not begin."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    began = time.monotonic()
    try:
        process = subprocess.Popen(  # noqa: S603 - a player found on PATH, and our own file
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return True
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    except OSError:
        return False
    finally:
        signal.signal(signal.SIGINT, before)
    return process.returncode == 0 or time.monotonic() - began > BEGUN_S
