"""The benchmark: starts the targets, drives each with the same load, prints what came out."""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import children
from bench.measure import cpu_s, memory_kb
from bench.report import show, show_row
from bench.targets import AUTH_ID, ROOT, TARGETS, Target, cores, spawn, start

IDLE_S: Final = 2.0
OVER_S: Final = 20.0
STEP: Final = 20
MOST_CALLS: Final = 400
STEP_SECONDS: Final = 10.0
HOLDS_P99_MS: Final = 50.0
LOAD_BUSY: Final = 0.85

Row = dict[str, Any]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; speed decides nothing about the exit code."""
    args = _parser().parse_args(argv)
    targets: list[str] = args.target.split(",")
    numbers = [int(number) for number in args.calls.split(",")]
    seconds: float = args.seconds
    if args.quick:
        numbers, seconds = numbers[:2], min(seconds, 10.0)
    report: dict[str, Any] = {"machine": _machine(), "servers": {}, "rows": [], "holds": None}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fwai-bench-")))
        running = []
        for name in targets:
            target, first_s = _start_twice(name, folder / name)
            stack.callback(target.stop)
            running.append(target)
            report["servers"][name] = {"first_start_s": first_s, **_at_rest(target)}
        for calls in numbers:
            for target in running:
                row = _drive(target, calls, seconds, args.settle)
                show_row(row)
                report["rows"].append(row)
        if args.most and not args.quick and "fwai" in targets:
            report["holds"] = _most_calls(running[targets.index("fwai")], max(numbers) + STEP)
    show(report)
    if args.json:
        Path(args.json).write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--calls", default="20,40,100", help="simultaneous calls, by commas")
    parser.add_argument("--seconds", type=float, default=30.0, help="length of each window")
    parser.add_argument("--settle", type=float, default=5.0, help="before each window, in seconds")
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


def _at_rest(target: Target) -> Row:
    """Measure a server that has done nothing yet."""
    pid = target.process.pid
    time.sleep(0.5)
    used = cpu_s(pid)
    time.sleep(IDLE_S)
    target.idle_memory_kb = memory_kb(pid)
    return {
        "start_s": target.start_s,
        "idle_memory_kb": target.idle_memory_kb,
        "idle_cpu_ms_per_s": round((cpu_s(pid) - used) * 1000 / IDLE_S, 2),
    }


def _drive(target: Target, calls: int, seconds: float, settle_s: float) -> Row:
    """Run one load against a target, and see that it comes to rest again."""
    command = [sys.executable, "-m", "bench.load", "--base-url", target.base_url]
    command += ["--model-port", str(target.model_port), "--server-pid", str(target.process.pid)]
    command += ["--calls", str(calls), "--seconds", str(seconds), "--settle-s", str(settle_s)]
    command += ["--auth-id", AUTH_ID, "--auth-token", target.auth_token]
    env = children.environment() | {"OPENBLAS_NUM_THREADS": "1"}
    process = spawn(cores()[1], command, env, ROOT)
    try:
        output, _ = process.communicate(timeout=calls + seconds + settle_s + 60)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    if process.returncode:
        raise RuntimeError(f"the load broke:\n{output.decode(errors='replace')[-3000:]}")
    row: Row = json.loads(output.splitlines()[-1])
    left = _rest(target)
    return {
        "target": target.name,
        **row,
        "idle_memory_kb": target.idle_memory_kb,
        "memory_after_kb": memory_kb(target.process.pid),
        "calls_left": left,
    }


def _rest(target: Target) -> int:
    """Wait until the server says that no call is left, and return how many are."""
    deadline = time.monotonic() + OVER_S
    while (left := target.calls()) and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.5)
    return left


def _most_calls(target: Target, calls: int) -> Row:
    """Step upwards until a step does not hold twice, or the load itself is the limit."""
    held = calls - STEP
    failed = 0
    while calls <= MOST_CALLS:
        row = _drive(target, calls, STEP_SECONDS, 3.0)
        show_row(row)
        if not holds(row) or row["calls"] < calls:
            failed += 1
            if failed == 2:  # once may be this machine's other work
                return {"calls": held, "limit": "server", "failed": row}
            continue
        failed = 0
        held = calls
        if row["load_core"] > LOAD_BUSY:
            return {"calls": held, "limit": "load", "failed": None}
        calls += STEP
    return {"calls": held, "limit": "bench", "failed": None}


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
        "load_average": [round(value, 2) for value in os.getloadavg()],
    }
