"""What waiting jobs cost, and how soon a new one begins.

Run: ``PYTHONPATH=src:tests .venv/bin/python tests/bench/jobs.py [--json FILE]``. The store and the
worker are the product's, in this process; nothing is asserted, machines differ.
"""

import argparse
import asyncio
import json
import logging
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog

from bench.measure import Spread, now_s
from fwai.domain.job import Done, Job, JobOutcome, NewJob
from fwai.jobs.signals import JobSignals
from fwai.jobs.worker import Worker
from fwai.store.job_tables import jobs as jobs_table
from fwai.store.job_writer import new_row
from fwai.store.jobs import Jobs
from fwai.store.open import StoreOptions, open_store

KIND: Final = "callback"
NEW: Final = "send_sms"
WAITING: Final = 10_000
SAMPLES: Final = 200
IDLE_S: Final = 20.0
GAP_S: Final = 0.02
TARGET_MS: Final = 50.0


class Bench:
    """A worker over a store, and when its handlers began."""

    def __init__(self, jobs: Jobs) -> None:
        self.jobs = jobs
        self.begun: dict[str, float] = {}
        handlers = {KIND: self.handle, NEW: self.handle}
        self.signals = JobSignals()
        self.worker = Worker(jobs, handlers, self.signals)
        jobs.on_new = self.signals.written

    async def handle(self, job: Job, begin: object) -> JobOutcome:
        """Note when it began."""
        self.begun[job.key] = now_s()
        return Done()

    async def idle(self, seconds: float) -> float:
        """Return the CPU that doing nothing takes, in milliseconds per second."""
        await asyncio.sleep(1.0)
        used = time.process_time()
        await asyncio.sleep(seconds)
        return round((time.process_time() - used) * 1000.0 / seconds, 3)

    async def latency(self, samples: int, name: str) -> dict[str, float]:
        """Return how long new jobs wait, from before they are written to their handler."""
        waits = []
        for number in range(samples):
            key = f"{name}:{number}"
            asked = now_s()
            job = await self.jobs.enqueue(NewJob(NEW, key))
            await self.signals.wait(self.jobs, job, 10.0)
            waits.append(self.begun[key] - asked)
            await asyncio.sleep(GAP_S)
        return Spread.of(waits).dump()

    async def burst(self, number: int, name: str) -> float:
        """Return how many jobs a second are done when many are due at once."""
        began = now_s()
        written = [await self.jobs.enqueue(NewJob(NEW, f"{name}:{n}")) for n in range(number)]
        await self.signals.wait(self.jobs, written[-1], 60.0)
        return round(number / (now_s() - began), 1)


async def fill(bench: Bench, store: Any, number: int) -> None:  # noqa: ANN401 - an open store
    """Write callbacks for the days to come."""
    now = datetime.now(UTC)
    rows = [
        new_row(
            NewJob(
                KIND,
                f"callback:{n}",
                {"callback_id": f"cb_{n}"},
                run_at=now + timedelta(hours=1, seconds=n * 8),
                phone=f"+9199999{n:05}",
            ),
            now,
        )
        for n in range(number)
    ]
    for start in range(0, number, 500):
        async with store.database.write() as connection:
            await connection.execute(jobs_table.insert(), rows[start : start + 500])
    bench.worker.wake()


async def measure(folder: Path, waiting: int, samples: int, idle_s: float) -> list[dict[str, Any]]:
    """Measure an empty queue and a full one."""
    options = StoreOptions(
        url=f"sqlite+aiosqlite:///{folder / 'fwai.db'}",
        zone=ZoneInfo("Asia/Kolkata"),
        transcripts_dir=None,
    )
    rows = []
    async with open_store(options) as store, asyncio.TaskGroup() as tasks:
        bench = Bench(store.jobs)
        tasks.create_task(bench.worker.run())
        for number in (0, waiting):
            if number:
                await fill(bench, store, number)
            row = {
                "waiting": number,
                "idle_cpu_ms_per_s": await bench.idle(idle_s),
                "start_ms": await bench.latency(samples, f"of {number}"),
                "burst_per_s": await bench.burst(samples, f"burst of {number}"),
            }
            show(row)
            rows.append(row)
        bench.worker.stop()
    return rows


def show(row: dict[str, Any]) -> None:
    """Print one row as soon as it was measured."""
    spread = row["start_ms"]
    print(
        f"{row['waiting']:7d} waiting jobs: idle {row['idle_cpu_ms_per_s']:6.3f} ms CPU a second, "
        f"enqueue to start p50 {spread['p50']:.1f} p95 {spread['p95']:.1f} "
        f"p99 {spread['p99']:.1f} max {spread['max']:.1f} ms ({spread['n']} samples), "
        f"{row['burst_per_s']:.0f} jobs a second in a burst",
        flush=True,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Print rows and, at the end, everything as JSON; speed decides nothing about the exit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--waiting", type=int, default=WAITING, help="jobs for later")
    parser.add_argument("--samples", type=int, default=SAMPLES, help="new jobs")
    parser.add_argument("--idle", type=float, default=IDLE_S, help="length of a window, seconds")
    parser.add_argument("--json", metavar="FILE", help="write everything there")
    args = parser.parse_args(argv)
    quiet = structlog.make_filtering_bound_logger(logging.ERROR)  # a line per job would be measured
    structlog.configure(wrapper_class=quiet)
    with tempfile.TemporaryDirectory(prefix="fwai-bench-") as name:
        rows = asyncio.run(measure(Path(name), args.waiting, args.samples, args.idle))
    full = rows[-1]
    verdict = "PASS" if full["start_ms"]["p99"] <= TARGET_MS else "MISS"
    print(
        f"{verdict}  enqueue to start p99 with {full['waiting']} waiting jobs, ms: "
        f"{full['start_ms']['p99']:.2f}, target {TARGET_MS:g}"
    )
    report = {"jobs": rows}
    print(json.dumps(report))
    if args.json:
        Path(args.json).write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
