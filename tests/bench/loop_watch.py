"""Runs the server and watches from inside whether its event loop stands still.

    python tests/bench/loop_watch.py FILE serve

Each beat that comes late is a line of FILE: when, how late, and of that time how much the loop's
thread used itself (``cpu_ms``) and how much it was ready and another one had the core
(``waited_ms``). Only the first is the server's. With ``LOOP_STACKS=1`` what ran for more than 40 ms
is written to FILE.stacks; that costs more than the measurement.
"""

import asyncio
import faulthandler
import json
import os
import runpy
import sys
import time
from pathlib import Path
from typing import Any, Final

import uvloop

BEAT_S: Final = 0.005
LATE_S: Final = 0.010
STACK_S: Final = 0.040


class Watch:
    """Beats on one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, name: str) -> None:
        self._loop = loop
        self._file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._stacks: int | None = None
        if os.environ.get("LOOP_STACKS"):
            self._stacks = os.open(f"{name}.stacks", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._schedule = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
        self._at, self._cpu, self._waited = self._now()

    def _now(self) -> tuple[float, float, float]:
        waited = int(os.pread(self._schedule, 80, 0).split()[1]) / 1e9
        return time.perf_counter(), time.thread_time(), waited

    def beat(self) -> None:
        """Note how late it is, and come again."""
        at, cpu, waited = self._now()
        late = at - self._at - BEAT_S
        if late > LATE_S:
            found = {"at": at, "late_ms": late, "cpu_ms": cpu - self._cpu}
            found["waited_ms"] = waited - self._waited
            line = {k: v if k == "at" else round(v * 1000, 1) for k, v in found.items()}
            os.write(self._file, json.dumps(line).encode() + b"\n")
        self._at, self._cpu, self._waited = at, cpu, waited
        if self._stacks is not None:
            faulthandler.dump_traceback_later(STACK_S, file=self._stacks)
        self._loop.call_later(BEAT_S, self.beat)


def read(path: Path, since: float, until: float) -> list[dict[str, float]]:
    """Return the late beats of a window, by this machine's `time.perf_counter`."""
    if not path.exists():
        return []
    lines = path.read_text("ascii").splitlines()
    found: list[dict[str, float]] = [json.loads(line) for line in lines]
    return [one for one in found if since <= one["at"] <= until]


def main() -> None:
    """Put the watch into the loop, and run the server as it is run otherwise."""
    name, arguments = sys.argv[1], sys.argv[2:]
    run_forever = uvloop.Loop.run_forever

    def watched(loop: Any) -> None:  # noqa: ANN401 - compiled
        loop.call_soon(Watch(loop, name).beat)
        run_forever(loop)

    uvloop.Loop.run_forever = watched  # type: ignore[assignment,method-assign]
    program = Path(__file__).resolve().parents[2] / "run.py"
    sys.argv = [str(program), *arguments]
    runpy.run_path(str(program), run_name="__main__")


if __name__ == "__main__":
    main()
