"""What is measured besides calls of Plivo: each part with servers of its own."""

import json
import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from bench.drive import Row, at_rest, drive, run
from bench.report import show_row
from bench.targets import ROOT, Target, cores, start

PAIRS: Final = 3
PAIR_S: Final = 8.0
SETTLE_S: Final = 2.0
API_CALLS: Final = 20
API_RATE: Final = 50.0
API_S: Final = 20.0
WEBRTC_CALLS: Final = 8
WEBRTC_S: Final = 10.0
JOBS_IDLE_S: Final = 8.0
JOBS_SAMPLES: Final = 150
EVERY_WAY: Final = ("plivo", "exotel", "whatsapp")
WEBRTC_LIBRARIES: Final = ("av", "pylibsrtp")  # aiortc, all Python itself, loads both


@contextmanager
def _server(folder: Path, *, exotel: bool = False) -> Iterator[Target]:
    target = start("fwai", folder, providers=EVERY_WAY[: 1 + exotel])
    try:
        at_rest(target)
        yield target
    finally:
        target.stop()


# ---- Exotel beside Plivo ------------------------------------------------------------------------


def exotel(folder: Path, *, quick: bool) -> Row:
    """Let one server carry calls of Plivo and of Exotel in turns."""
    pairs, seconds = (1, 5.0) if quick else (PAIRS, PAIR_S)
    rows: list[Row] = []
    with _server(folder / "exotel", exotel=True) as target:
        found = [
            _ratio(target, calls, pairs, seconds, message_ms, rows)
            for calls, message_ms in ((20, 20), (40, 20), (20, 100))
        ]
    return {"ratios": found, "rows": rows}


def _ratio(
    target: Target, calls: int, pairs: int, seconds: float, message_ms: int, rows: list[Row]
) -> Row:
    """Measure pairs; which one is first changes, so that what drifts hits both."""
    ratios, costs = [], {"plivo": [0.0][:0], "exotel": [0.0][:0]}
    for pair in range(pairs):
        cost: dict[str, float] = {}
        for provider in ("plivo", "exotel") if pair % 2 == 0 else ("exotel", "plivo"):
            ms = message_ms if provider == "exotel" else 20
            row = drive(target, calls, seconds, SETTLE_S, provider=provider, message_ms=ms)
            show_row(row)
            rows.append(row)
            cost[provider] = row["cpu_ms_per_call_s"]
            costs[provider].append(cost[provider])
        ratios.append(cost["exotel"] / cost["plivo"])
    return {
        "calls": calls,
        "message_ms": message_ms,
        "ratios": [round(ratio, 3) for ratio in ratios],
        "median": round(statistics.median(ratios), 3),
        "cpu_ms_per_call_s": {name: statistics.median(each) for name, each in costs.items()},
    }


# ---- the API under calls ------------------------------------------------------------------------


def api(folder: Path, *, quick: bool) -> Row:
    """Place calls by the API while others run: before, with it, and after."""
    seconds = 5.0 if quick else API_S
    rows = []
    with _server(folder / "api") as target:
        for rate in (0.0, API_RATE, 0.0):
            row = drive(target, API_CALLS, seconds, SETTLE_S, api_rate=rate)
            show_row(row)
            rows.append(row)
    return {"rows": rows}


# ---- WebRTC and jobs: programs of their own -----------------------------------------------------


def webrtc(*, quick: bool) -> Row:
    """Measure WebRTC legs."""
    seconds = 4.0 if quick else WEBRTC_S
    server, load = cores()
    command = [sys.executable, str(ROOT / "tests/bench/webrtc.py"), "--brief"]
    command += ["--calls", str(WEBRTC_CALLS), "--seconds", str(seconds), "--core", str(server)]
    found: Row = json.loads(run(load, command, 180).splitlines()[-1])
    return found


def jobs(*, quick: bool) -> Row:
    """Measure the queue of jobs, empty and full."""
    idle, samples = (2.0, 30) if quick else (JOBS_IDLE_S, JOBS_SAMPLES)
    command = [sys.executable, "-m", "bench.jobs", "--samples", str(samples), "--idle", str(idle)]
    lines = run(cores()[0], command, 300).decode().splitlines()
    for line in lines:
        if "waiting jobs:" in line and not line.startswith(("PASS", "MISS", "{")):
            print(line)
    found: Row = json.loads(lines[-1])
    return found


# ---- servers that do nothing --------------------------------------------------------------------


def idle(folder: Path) -> Row:
    """Start the smallest server and the one with every way in; see what each has loaded."""
    rows: dict[str, Row] = {}
    for name, providers, browser in (
        ("plivo", ("plivo",), False),
        ("plivo, exotel, whatsapp, browser", EVERY_WAY, True),
    ):
        place = folder / f"idle-{len(rows)}"
        start("fwai", place, providers=providers, browser=browser).stop()  # makes the database
        target = start("fwai", place, fresh=False, providers=providers, browser=browser)
        try:
            rest = at_rest(target)
            rows[name] = rest | {"webrtc_libraries": webrtc_libraries(target.process.pid)}
        finally:
            target.stop()
    return rows


def webrtc_libraries(pid: int) -> list[str]:
    """Return which of WebRTC's libraries a process has loaded: each brings compiled parts."""
    maps = Path(f"/proc/{pid}/maps").read_text("utf-8", errors="replace")
    return [name for name in WEBRTC_LIBRARIES if f"/site-packages/{name}/" in maps]


PARTS: Final[tuple[str, ...]] = ("calls", "exotel", "webrtc", "idle", "api", "jobs")


def measure(part: str, folder: Path, *, quick: bool) -> Any:  # noqa: ANN401 - JSON
    """Measure one of `PARTS` but the first."""
    match part:
        case "exotel":
            return exotel(folder, quick=quick)
        case "webrtc":
            return webrtc(quick=quick)
        case "idle":
            return idle(folder)
        case "api":
            return api(folder, quick=quick)
        case "jobs":
            return jobs(quick=quick)
        case _:
            raise ValueError(part)
