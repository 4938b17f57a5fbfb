"""The benchmark: starts the targets, drives each with the same load, prints what came out."""

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bench.drive import Row, at_rest, drive
from bench.parts import PARTS, measure
from bench.report import show, show_row
from bench.targets import TARGETS, Target, cores, start

STEP: Final = 20
FIRST_STEP: Final = 160  # what a fast core carries; a slower one is found out downwards
TRIES: Final = 2
MAX_CALLS: Final = 400
STEP_SECONDS: Final = 10.0
HOLDS_P99_MS: Final = 50.0
LOAD_BUSY: Final = 0.85


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; speed decides nothing about the exit code."""
    args = _parser().parse_args(argv)
    chosen = args.part.split(",")
    if unknown := set(chosen) - set(PARTS):
        raise SystemExit(
            f"unknown part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}"
        )
    report: dict[str, Any] = {"machine": _machine(), "servers": {}, "rows": [], "holds": None}
    with tempfile.TemporaryDirectory(prefix="fwai-bench-") as name:
        for part in chosen:
            print(f"\n---- {part}", flush=True)
            began = time.monotonic()
            if part == "calls":
                _measure_calls(args, Path(name), report)
            else:
                report[part] = measure(part, Path(name), quick=args.quick)
            print(f"{part} took {time.monotonic() - began:.0f} s", flush=True)
    report["machine"]["load_average_after"] = _load_average()
    show(report)
    if args.json:
        Path(args.json).write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    return 0


def _measure_calls(args: argparse.Namespace, folder: Path, report: Row) -> None:
    """Drive the product and the floors with the same numbers of Plivo calls."""
    targets: list[str] = args.target.split(",")
    numbers = [int(number) for number in args.calls.split(",")]
    seconds: float = args.seconds
    if args.quick:
        numbers, seconds = numbers[:2], min(seconds, 8.0)
    with ExitStack() as stack:
        running = []
        for name in targets:
            target, first_s = _start_twice(name, folder / name)
            stack.callback(target.stop)
            running.append(target)
            report["servers"][name] = {"first_start_s": first_s, **at_rest(target)}
        for calls in numbers:
            for target in running:
                row = drive(target, calls, seconds, args.settle)
                show_row(row)
                report["rows"].append(row)
        if args.most and not args.quick and "fwai" in targets:
            start_at = max(*numbers, FIRST_STEP - STEP) + STEP
            report["holds"] = _most_calls(running[targets.index("fwai")], start_at)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--part", default=",".join(PARTS), help="by commas")
    parser.add_argument("--calls", default="20,40,100", help="simultaneous calls, by commas")
    parser.add_argument("--seconds", type=float, default=15.0, help="length of each window")
    parser.add_argument("--settle", type=float, default=3.0, help="before each window, in seconds")
    parser.add_argument("--target", default=",".join(TARGETS), help="by commas")
    parser.add_argument(
        "--most",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="also step upwards to the most calls that hold",
    )
    parser.add_argument("--quick", action="store_true", help="two numbers, 10 s each, no steps")
    parser.add_argument("--json", metavar="FILE", help="write everything there")
    return parser


def _start_twice(name: str, folder: Path) -> tuple[Target, float]:
    """Start a target, the product with its database already made; say what the first one took."""
    target = start(name, folder)
    if name != "fwai":
        return target, target.start_s
    first_s = target.start_s
    target.stop()
    return start(name, folder, fresh=False), first_s


def _most_calls(target: Target, calls: int) -> Row:
    """Step upwards until a step does not hold twice, or the load itself is the limit.

    A first step that does not hold is followed by smaller ones, downwards.
    """
    held, failed, step = 0, 0, STEP
    while 0 < calls <= MAX_CALLS:
        row = drive(target, calls, STEP_SECONDS, 3.0)
        show_row(row)
        if holds(row) and row["calls"] == calls:
            held, failed = calls, 0
            if row["load_core"] > LOAD_BUSY:
                return {"calls": held, "limit": "load", "failed": None}
            if step < 0:
                return {"calls": held, "limit": "server", "failed": None}
        else:
            failed += 1
            if failed < TRIES:  # once may be this machine's other work
                continue
            failed = 0
            if held:
                return {"calls": held, "limit": "server", "failed": row}
            step = -STEP
        calls += step
    return {"calls": held, "limit": "bench" if held else "server", "failed": None}


def holds(row: Row) -> bool:
    """Whether a row keeps p99 under 50 ms each way, without an audible gap."""
    worst_ms = max(float(row[way]["p99"]) for way in ("to_model_ms", "to_caller_ms"))
    return worst_ms < HOLDS_P99_MS and int(row["gaps_over_20ms"]) == 0


def _machine() -> Row:
    model = next(
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        if line.startswith("model name")
    )
    server, load = cores()
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": model,
        "cores": f"server {server}, load {load} of {os.cpu_count()}",
        "python": platform.python_version(),
        "kernel": platform.release(),
        "load_average": _load_average(),
    }


def _load_average() -> list[float]:
    return [round(value, 2) for value in os.getloadavg()]
