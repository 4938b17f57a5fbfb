"""What attacks do to live calls: each beside twenty of them, and a table of what came out.

    .venv/bin/python tests/bench/flood.py [--only WORD] [--calls 20]

Each attack runs in a process of its own while another one holds the calls. The longest answer of
``/healthz`` tells how long the event loop stood still, as far as the machine lets it; new callers
ask for a stream once a second all the time.
"""

import argparse
import asyncio
import json
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

from bench.attacks import ATTACKS, Attack
from bench.dialling import Dialler
from bench.drive import Row, drive
from bench.measure import memory_kb
from bench.targets import Target, start

CALLS: Final = 20
SETTLE_S: Final = 3.0
WINDOW_S: Final = 14.0
QUIET_S: Final = 60.0
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
    return probes, said


def measure(name: str, attack: Attack | None, calls: int) -> Row:
    """Run one attack against a server of its own, beside its calls."""
    with tempfile.TemporaryDirectory(prefix="fwai-flood-") as folder:
        target = start("fwai", Path(folder), browser=True)
        try:
            return _measure(name, attack, calls, target)
        finally:
            target.stop()


def _measure(name: str, attack: Attack | None, calls: int, target: Target) -> Row:
    found: dict[str, Any] = {}

    def besiege() -> None:
        found["probes"], found["said"] = asyncio.run(
            attacked(target, attack, calls / 20 + SETTLE_S + 1.0)
        )

    thread = threading.Thread(target=besiege)
    thread.start()
    row = drive(target, calls, WINDOW_S + 1.0, SETTLE_S)
    thread.join(QUIET_S)
    if target.process.poll() is not None:
        return {"attack": name, "died": True, "said": found.get("said", "")}
    probes: Probes = found["probes"]
    at = time.monotonic()
    while memory_kb(target.process.pid)["rss"] > probes.memory_kb + NEAR_KB:
        if time.monotonic() - at > QUIET_S:
            break
        time.sleep(1.0)
    return {
        "attack": name,
        "died": False,
        "dropped_calls": row["dropped_calls"],
        "lost_audio_calls": row["lost_audio_calls"],
        "gaps_over_20ms": row["gaps_over_20ms"],
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
        "| beside 20 live calls | ended | gaps > 20 ms | longest answer | new caller "
        "| MB before, in it, afterwards | what came of it |"
    )
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        if row["died"]:
            print(f"| {row['attack']} | **the process** | | | | | {row['said']} |")
            continue
        memory = ", ".join(str(size) for size in row["memory_mb"])
        print(
            f"| {row['attack']} | {row['dropped_calls']} | {row['gaps_over_20ms']} "
            f"| {row['longest_answer_ms']:.0f} ms | {row['new_caller_ms']:.0f} ms "
            f"| {memory} | {row['said']} |"
        )


def main() -> int:
    """Run all attacks, or some, and print the table."""
    parser = argparse.ArgumentParser(prog="flood", description=__doc__)
    parser.add_argument("--only", default="", help="a word of the attack's name")
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--json", metavar="FILE", help="write everything there")
    args = parser.parse_args()
    attacks: dict[str, Attack | None] = {"nothing": None, **ATTACKS}
    rows = []
    for name, attack in attacks.items():
        if args.only in name:
            rows.append(measure(name, attack, args.calls))
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    show(rows)
    if args.json:
        Path(args.json).write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    return int(any(row["died"] or row["dropped_calls"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
