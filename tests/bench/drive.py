"""Drives a target with a load, in a process of its own, and sees that it comes to rest again."""

import json
import subprocess
import sys
import time
from typing import Any, Final

import children
from bench.measure import cpu_s, memory_kb
from bench.targets import ACCOUNTS, ROOT, Target, cores, spawn

IDLE_S: Final = 2.0
OVER_S: Final = 20.0

Row = dict[str, Any]


def at_rest(target: Target) -> Row:
    """Measure a server that has done nothing yet."""
    pid = target.process.pid
    time.sleep(0.5)
    used = cpu_s(pid)
    time.sleep(IDLE_S)
    target.idle_memory_kb = memory_kb(pid)
    return {
        "start_s": target.start_s,
        "start_cpu_s": target.start_cpu_s,
        "idle_memory_kb": target.idle_memory_kb,
        "idle_cpu_ms_per_s": round((cpu_s(pid) - used) * 1000 / IDLE_S, 2),
    }


def drive(
    target: Target,
    calls: int,
    seconds: float,
    settle_s: float,
    *,
    provider: str = "plivo",
    message_ms: int = 20,
    api_rate: float = 0.0,
    web_calls: int = 0,
) -> Row:
    """Run one load against a target; see `bench.load.Plan` for what it is told.

    Raises:
        RuntimeError: The load broke; its output is shown.
    """
    command = [sys.executable, "-m", "bench.load", "--base-url", target.base_url]
    command += ["--model-port", str(target.model_port), "--server-pid", str(target.process.pid)]
    command += ["--calls", str(calls), "--seconds", str(seconds), "--settle-s", str(settle_s)]
    command += ["--provider", provider, "--account", ACCOUNTS[provider]]
    command += ["--secret", target.secret, "--message-ms", str(message_ms)]
    command += ["--api-rate", str(api_rate), "--web-calls", str(web_calls)]
    output = run(cores()[1], command, calls + seconds + settle_s + 60)
    row: Row = json.loads(output.splitlines()[-1])
    left = _rest(target)
    return {
        "target": target.name,
        **row,
        "idle_memory_kb": target.idle_memory_kb,
        "memory_after_kb": memory_kb(target.process.pid),
        "calls_left": left,
    }


def run(core: int, command: list[str], limit_s: float) -> bytes:
    """Run a program of the bench to its end on a core; return its output.

    Raises:
        RuntimeError: It broke; its output is shown.
    """
    env = children.environment() | {"OPENBLAS_NUM_THREADS": "1"}
    process = spawn(core, command, env, ROOT)
    try:
        output, _ = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    if process.returncode:
        raise RuntimeError(f"a part broke:\n{output.decode(errors='replace')[-3000:]}")
    return output


def _rest(target: Target) -> int:
    """Wait until the server says that no call is left, and return how many are."""
    deadline = time.monotonic() + OVER_S
    while (left := target.calls()) and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.5)
    return left
