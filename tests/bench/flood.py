"""What attacks do to live calls: each beside twenty of them, and a table of what came out.

    .venv/bin/python tests/bench/flood.py [--only WORD] [--calls 16] [--web-calls 4]

Each attack runs in a process of its own while another one holds the calls, most of them of Plivo
and some from browsers. How long the event loop stood still is measured inside the server
(`loop_watch`); the longest answer of ``/healthz`` also holds what the attacker takes of the
machine. New callers ask for a stream once a second all the time.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import loop_watch
from bench.attacks import ATTACKS, Attack
from bench.dialling import Dialler
from bench.drive import Row, drive
from bench.load import RAMP_PER_S, WEB_S
from bench.measure import memory_kb
from bench.targets import LOOP_FILE, Target, start

CALLS: Final = 16
WEB_CALLS: Final = 4
STILL_MS: Final = 50.0
SETTLE_S: Final = 3.0
WINDOW_S: Final = 14.0
QUIET_S: Final = 25.0  # for memory to come back
PROBE_S: Final = 0.05
CALLER_S: Final = 1.0
NEAR_KB: Final = 8_192


class Probes:
    """Asks the server all the time, as a monitor and as new callers do."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.health_ms: list[float] = []
        self.caller_ms: list[float] = []
        self.unanswered = 0
        self.memory_kb = 0  # with the calls, before the attack
        self.window = (0.0, 0.0)  # by `time.perf_counter`

    async def run(self) -> None:
        """Ask until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._health())
            group.create_task(self._callers())

    async def _health(self) -> None:
        parts = urlsplit(self._target.base_url)
        while True:
            at = time.perf_counter()
            try:
                async with asyncio.timeout(10):
                    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
                    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    await reader.read()
                    writer.close()
            except (OSError, TimeoutError):
                self.unanswered += 1
            self.health_ms.append((time.perf_counter() - at) * 1000)
            await asyncio.sleep(PROBE_S)

    async def _callers(self) -> None:
        dialler, number = Dialler(self._target.base_url, "plivo", self._target.secret), 0
        while True:
            number += 1
            at = time.perf_counter()
            try:
                await dialler.stream(str(uuid.uuid4()), f"+9170004{number:05d}")
            except (OSError, TimeoutError, RuntimeError, ValueError, IndexError):
                self.unanswered += 1
            self.caller_ms.append((time.perf_counter() - at) * 1000)
            await asyncio.sleep(CALLER_S)


async def attacked(target: Target, attack: Attack | None, wait_s: float) -> tuple[Probes, str]:
    """Probe for the window; begin the attack in it."""
    probes = Probes(target)
    said = "nothing"
    async with asyncio.TaskGroup() as group:
        await asyncio.sleep(wait_s)
        began = time.perf_counter()
        probing = group.create_task(probes.run())
        until = time.monotonic() + WINDOW_S
        await asyncio.sleep(1.0)
        probes.memory_kb = memory_kb(target.process.pid)["rss"]
        if attack is not None:
            try:
                async with asyncio.timeout(WINDOW_S - 2.0):
                    said = await attack(target)
            except (OSError, TimeoutError, RuntimeError) as exc:
                said = f"the attack broke off: {type(exc).__name__}"
        await asyncio.sleep(max(until - time.monotonic(), 0.1))
        probing.cancel()
        probes.window = began, time.perf_counter()
    return probes, said


def measure(name: str, attack: Attack | None, calls: int, web_calls: int) -> Row:
    """Run one attack against a server of its own, beside its calls."""
    with tempfile.TemporaryDirectory(prefix="fwai-flood-") as folder:
        target = start("fwai", Path(folder), browser=True, watched=True)
        try:
            row = _measure(name, attack, (calls, web_calls), target)
        finally:
            target.stop()
        if "window" in row:
            row["loop"] = _stillness(Path(folder) / LOOP_FILE, *row.pop("window"))
        return row | {"load_average": round(os.getloadavg()[0], 2)}


def _stillness(path: Path, since: float, until: float) -> Row:
    """Return the latest beat of the server's loop, the busiest one, and how many were too late."""
    late = loop_watch.read(path, since, until)
    still = [one for one in late if one["late_ms"] > STILL_MS]
    return {
        "late": max(late, key=lambda one: one["late_ms"], default=None),
        "busy_ms": max((min(one["cpu_ms"], one["late_ms"]) for one in late), default=0.0),
        "over_50ms": len(still),
        "busy_over_50ms": sum(one["cpu_ms"] > STILL_MS for one in still),
    }


def _measure(name: str, attack: Attack | None, calls: tuple[int, int], target: Target) -> Row:
    carrier, web = calls
    wait_s = carrier / RAMP_PER_S + web * WEB_S + SETTLE_S + 1.0
    found: dict[str, Any] = {}

    def besiege() -> None:
        found["probes"], found["said"] = asyncio.run(attacked(target, attack, wait_s))

    thread = threading.Thread(target=besiege)
    thread.start()
    broke, row = "", Row()
    try:
        row = drive(target, carrier, WINDOW_S + 1.0, SETTLE_S, web_calls=web)
    except subprocess.TimeoutExpired as exc:
        broke = f"no end within {exc.timeout:.0f} s"
    except RuntimeError:
        if target.process.poll() is None:
            raise
    thread.join(QUIET_S)
    if target.process.poll() is not None:
        broke = "the process"
    if broke:
        return {"attack": name, "broke": broke, "said": found.get("said", "")}
    probes: Probes = found["probes"]
    at = time.monotonic()
    while memory_kb(target.process.pid)["rss"] > probes.memory_kb + NEAR_KB:
        if time.monotonic() - at > QUIET_S:
            break
        time.sleep(1.0)
    return {
        "attack": name,
        "broke": "",
        "dropped_calls": row["dropped_calls"],
        "lost_audio_calls": row["lost_audio_calls"],
        "gaps_over_20ms": row["gaps_over_20ms"],
        "web": row["web"],
        "load_late_ms": row["load_late_ms"],
        "server_core": row["server_core"],
        "window": probes.window,
        "longest_answer_ms": round(max(probes.health_ms, default=0.0), 1),
        "new_caller_ms": round(max(probes.caller_ms, default=0.0), 1),
        "unanswered": probes.unanswered,
        "memory_mb": [probes.memory_kb // 1024, row["memory_kb"]["rss"] // 1024, _mb(target)],
        "cpu_ms_per_call_s": row["cpu_ms_per_call_s"],
        "said": found["said"],
    }


def _mb(target: Target) -> int:
    return round(memory_kb(target.process.pid)["rss"] / 1024)


def show(rows: list[Row]) -> None:
    """Print the table, as docs/SECURITY.md has it."""
    print(
        "| beside 20 live calls | ended | Plivo: gaps > 20 ms | WebRTC: lost in, lost out, late "
        "| loop late, its own work | longest answer | new caller "
        "| MB before, in it, afterwards | what came of it |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        if row["broke"]:
            print(f"| {row['attack']} | **{row['broke']}** | | | | | | | {row['said']} |")
            continue
        memory = ", ".join(str(size) for size in row["memory_mb"])
        web, loop = row["web"], row["loop"]
        late_ms = loop["late"]["late_ms"] if loop["late"] else 0.0
        print(
            f"| {row['attack']} | {_ended(row)} "
            f"| {row['gaps_over_20ms']} "
            f"| {web['server_lost']}, {web['lost']}, {web['late_over_60ms']} "
            f"| {late_ms:.0f} ms, {loop['busy_ms']:.0f} ms "
            f"| {row['longest_answer_ms']:.0f} ms | {row['new_caller_ms']:.0f} ms "
            f"| {memory} | {row['said']} |"
        )


def main() -> int:
    """Run all attacks, or some, and print the table."""
    parser = argparse.ArgumentParser(prog="flood", description=__doc__)
    parser.add_argument("--only", default="", help="a word of the attack's name")
    parser.add_argument("--calls", type=int, default=CALLS, help="of Plivo")
    parser.add_argument("--web-calls", type=int, default=WEB_CALLS, help="from browsers")
    parser.add_argument("--json", metavar="FILE", help="write everything there")
    args = parser.parse_args()
    attacks: dict[str, Attack | None] = {"nothing": None, **ATTACKS}
    rows = []
    for name, attack in attacks.items():
        if args.only in name:
            rows.append(measure(name, attack, args.calls, args.web_calls))
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    show(rows)
    if args.json:
        Path(args.json).write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    return int(any(row["broke"] or _ended(row) for row in rows))


def _ended(row: Row) -> int:
    return int(row["dropped_calls"] + row["web"]["dropped_calls"])


if __name__ == "__main__":
    sys.exit(main())
