"""What is measured: the product and the two floors, each a process pinned to one core."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

import children
from bench.measure import cpu_s
from bench.wires import LINES

ROOT: Final = Path(__file__).resolve().parents[2]
ACCOUNTS: Final = {"plivo": "MABENCH000000000BNCH", "exotel": "bench1"}
NOBODY: Final = "http://127.0.0.1:9"  # the discard port: nobody listens
START_S: Final = 30.0
STOP_S: Final = 15.0
POLL_S: Final = 0.01
LOOP_FILE: Final = "loop.jsonl"

TARGETS: Final = ("fwai", "floor", "picows-floor")


def cores() -> tuple[int, int]:
    """Return the core of the servers and the core of the load; the same one if there is but one."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def spawn(core: int, command: list[str], env: dict[str, str], cwd: Path) -> subprocess.Popen[bytes]:
    """Start a process pinned to ``core``: it inherits what this one is bound to meanwhile."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        return subprocess.Popen(
            command, env=env, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    finally:
        os.sched_setaffinity(0, before)


def drain(pipe: IO[bytes], kept: deque[bytes]) -> None:
    """Read a server's log as a service manager does, and keep its end.

    Not a file: a disk that is busy with somebody's fsync would stop the server in the middle.
    """
    for line in pipe:
        kept.append(line)


@dataclass(slots=True)
class Target:
    """A running server.

    Attributes:
        secret: Plivo's token, the secret of Exotel's addresses and the API's key, all in one.
        start_s: From the start of the process until it said that it is ready.
        start_cpu_s: What CPU it used until then, all threads, in seconds.
        idle_memory_kb: What it used before its first call.
    """

    name: str
    port: int
    model_port: int
    process: subprocess.Popen[bytes]
    start_s: float
    secret: str = field(repr=False)
    start_cpu_s: float = 0.0
    idle_memory_kb: dict[str, int] = field(default_factory=dict)

    @property
    def base_url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def calls(self) -> int:
        """How many calls it says are not over."""
        try:
            return int(_ready(self.base_url)["calls"])
        except urllib.error.HTTPError as exc:  # not ready says so, too
            return int(json.load(exc)["calls"])

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(
    name: str,
    folder: Path,
    *,
    fresh: bool = True,
    providers: Sequence[str] = ("plivo",),
    browser: bool = False,
    watched: bool = False,
) -> Target:
    """Start a target and wait until it is ready.

    Args:
        name: One of `TARGETS`.
        folder: Where it keeps what it writes.
        fresh: Without the database of an earlier start; the schema is then made first.
        providers: What the product carries calls of.
        browser: The product offers calls from a browser, too.
        watched: Late beats of the product's loop are noted, see `loop_watch`.

    Raises:
        RuntimeError: It did not get ready; its output is shown.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port, model_port = free_port(), free_port()
    token = secrets.token_hex(20)
    env = dict(os.environ)
    if name == "fwai":
        env = {k: v for k, v in env.items() if k in ("PATH", "HOME", "LANG")}
        _make_folder(folder, fresh=fresh)
        env |= _settings(folder, port, model_port, token)
        env |= _accounts(token, providers) | {"BROWSER_CALLS": str(browser).lower()}
        program = [str(ROOT / "run.py")]
        if watched:
            program = [str(ROOT / "tests/bench/loop_watch.py"), str(folder / LOOP_FILE)]
        command = [sys.executable, *program, "serve"]
    else:
        kind = "picows" if name.startswith("picows") else "uvicorn"
        env |= children.environment() | {"OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "bench.floor", kind, "--port", str(port)]
        command += ["--model-url", f"ws://127.0.0.1:{model_port}"]
    log: deque[bytes] = deque(maxlen=200)
    started = time.perf_counter()
    process = spawn(cores()[0], command, env, folder)
    assert process.stdout is not None
    threading.Thread(target=drain, args=(process.stdout, log), daemon=True).start()
    target = Target(name, port, model_port, process, 0.0, token)
    while time.perf_counter() - started < START_S and process.poll() is None:
        try:
            _ready(target.base_url)
        except (urllib.error.URLError, OSError):
            time.sleep(POLL_S)
        else:
            target.start_s = round(time.perf_counter() - started, 2)
            target.start_cpu_s = round(cpu_s(process.pid), 2)
            return target
    target.stop()
    said = b"".join(log).decode(errors="replace")
    raise RuntimeError(f"{name} did not start:\n{said[-3000:]}")


def _ready(base_url: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{base_url}/readyz", timeout=5) as answer:  # noqa: S310 - loopback
        body: dict[str, Any] = json.load(answer)
    return body


def _make_folder(folder: Path, *, fresh: bool) -> None:
    prompts = json.loads((ROOT / "prompts.json").read_text("utf-8"))
    for agent, profile in prompts.items():
        if not agent.startswith("_"):
            # By this the load knows which telephone a session of the model belongs to.
            profile["prompt"] += " The caller's number is {{caller_number}}."
    (folder / "prompts.json").write_text(json.dumps(prompts), "utf-8")
    for name in ("data", "transcripts"):
        if fresh:
            shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir(exist_ok=True)


def _settings(folder: Path, port: int, model_port: int, secret: str) -> dict[str, str]:
    """All features on except recording; other guards and limits as they are by default."""
    return {
        "API_KEYS": secret,
        "GOOGLE_API_KEY": "bench",
        "GEMINI_LIVE_URL": f"ws://127.0.0.1:{model_port}",
        "AGENT_CLIPS": "false",
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "DATABASE_URL": f"sqlite+aiosqlite:///{folder}/data/fwai.db",
        "DATA_DIR": str(folder / "data"),
        "TRANSCRIPTS_DIR": str(folder / "transcripts"),
        "PROMPTS_FILE": str(folder / "prompts.json"),
        "ENABLE_TRANSCRIPTS": "true",
        "RECORD_CALLS": "false",
        "MAX_CONCURRENT_CALLS": "auto",
        "API_CALLS_PER_MINUTE": "1000000",  # one key places calls as fast as they are measured
        "REQUESTS_PER_MINUTE": "1000000",
        "LOG_FORMAT": "json",
    }


def _accounts(secret: str, providers: Sequence[str]) -> dict[str, str]:
    """Return what enables the providers; their REST APIs are out of reach."""
    known = {
        "plivo": {
            "PLIVO_AUTH_ID": ACCOUNTS["plivo"],
            "PLIVO_AUTH_TOKEN": secret,
            "PLIVO_PHONE_NUMBER": LINES["plivo"],
            "PLIVO_API_URL": NOBODY,
        },
        "exotel": {
            "EXOTEL_SID": ACCOUNTS["exotel"],
            "EXOTEL_API_KEY": "bench",
            "EXOTEL_API_TOKEN": "bench",
            "EXOTEL_CALLER_ID": LINES["exotel"],
            "EXOTEL_WEBHOOK_SECRET": secret,
            "EXOTEL_API_URL": NOBODY,
        },
        "whatsapp": {
            "PHONE_NUMBER_ID": "100000000000001",
            "META_ACCESS_TOKEN": "bench",
            "META_VERIFY_TOKEN": "bench-verify",
            "META_APP_SECRET": secret,
            "META_GRAPH_URL": NOBODY,
        },
    }
    found = {"CALL_PROVIDER": ",".join(providers)}
    for name in providers:
        found |= known[name]
    return found
