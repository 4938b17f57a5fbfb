"""Every command, as a person types it: its own process, against a real server on loopback."""

import asyncio
import json
import re
import secrets
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from documentation import commands
from e2e.acting_world import ALWAYS, agents_file, until
from e2e.process import ROOT, environment, free_port, ready, server, world
from fwai import __version__
from fwai.simulator.common.caller import HangUp, Hear
from fwai.simulator.common.fate import Fate

PERSON = "+919999900003"
LIMIT_S = 60


async def run(
    folder: Path,
    *words: str,
    expect: int = 0,
    values: Mapping[str, str] | None = None,
    told: list[str] | None = None,
) -> str:
    """Run a command to its end and return what it printed; ``told`` gets what it complained of."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "run.py"), *words),
        cwd=folder,
        env=environment(folder, **(values or {})),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(LIMIT_S):
            printed, complaint = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == expect, printed.decode() + complaint.decode()
    assert "Traceback" not in complaint.decode()
    if told is not None:
        told.append(complaint.decode())
    return printed.decode()


# ---- one run per command ------------------------------------------------------------------------


async def call(folder: Path) -> None:
    """Call somebody who picks up and somebody who does not; list and retry what is left."""
    port = free_port()
    async with world(port) as (outside, values):
        values |= {
            "API_KEYS": secrets.token_hex(16),
            "CALLING_HOURS": ALWAYS,
            "PROMPTS_FILE": str(agents_file(folder)),
        }
        outside.provider.fate(PERSON, Fate(script=[Hear("greeting"), HangUp()]))
        asking = values | {"PORT": str(port)}
        with server(folder, port, **values):
            await ready(port)
            order = ("call", "--to", PERSON, "--provider", "plivo", "--agent", "FWAI_Core")
            told = json.loads(await run(folder, *order, "--json", values=asking))
            plain = await run(folder, *order, values=asking)
            outside.provider.fate(PERSON, Fate(outcome="busy"))
            said = await run(folder, "call", "--to", PERSON, expect=1, values=asking)
            placed = await run(folder, "call", "--to", PERSON, "--no-wait", values=asking)
            refused = await run(folder, "call", "--to", "12", expect=1, values=asking)

    assert (told["status"], told["agent"]) == ("completed", "FWAI_Core")
    assert told["transcript"][0]["text"].startswith("Hello")
    assert re.search(r"^\[\d\d:\d\d:\d\d \+05:30\] +agent  Hello", plain, re.MULTILINE)
    assert ": busy" in said
    assert ": queued, due" in placed
    assert refused == ""


async def jobs(folder: Path) -> None:
    """Show what could not be done, try one again and all events."""
    port = free_port()
    nobody = f"http://127.0.0.1:{free_port()}/events"
    async with world(port) as (outside, values):
        values |= {
            "API_KEYS": secrets.token_hex(16),
            "CALLING_HOURS": ALWAYS,
            "EVENTS_WEBHOOK_URL": nobody,
            "EVENTS_WEBHOOK_SECRET": "whsec_cGxlYXNlLW1ha2Utb25lLW9mLXlvdXItb3du",
        }
        outside.provider.fate(PERSON, Fate(outcome="busy"))
        asking = values | {"PORT": str(port)}
        with server(folder, port, **values):
            await ready(port)
            assert await run(folder, "jobs", values=asking) == "nothing\n"
            await run(folder, "call", "--to", PERSON, expect=1, values=asking)
            listed: list[str] = []

            async def waits() -> bool:
                text = await run(folder, "jobs", "--state", "waiting", values=asking)
                listed[:] = [line for line in text.splitlines() if " event " in line]
                return bool(listed)

            await until(waits, 20)
            shown = json.loads(await run(folder, "jobs", "--json", values=asking))
            replayed = await run(folder, "jobs", "--retry", "events", values=asking)
            # It waits for its next try, so it is neither dead nor unknown.
            job_id = listed[0].split()[0]
            await run(folder, "jobs", "--retry", job_id, expect=1, values=asking)

    assert shown["jobs"] == []
    assert replayed == "events that are tried again: 0\n"


async def serve(folder: Path) -> None:
    """Answer on HOST and PORT alone; LOG_FORMAT as asked, and DEBUG shows more than LOG_LEVEL."""
    port = free_port()
    values = environment(folder, PORT=str(port), DEBUG="true", LOG_LEVEL="ERROR")
    with (folder / "server.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(ROOT / "run.py"), "serve"), cwd=folder, env=values, stderr=log
        )
        try:
            await ready(port)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.2", port)
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(15):
                assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert '"server_ready"' in (folder / "server.log").read_text("utf-8")


async def simulator(folder: Path) -> None:
    """Listen for Live sessions on the port that was asked for, until interrupted."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "run.py"), "simulator", "--port", str(port), "--verbose"),
        cwd=folder,
        env=environment(folder),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            line = await process.stdout.readline()
            process.send_signal(signal.SIGINT)
            code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert line.decode() == f"LISTENING ws://127.0.0.1:{port}\n"
    assert code in (0, 130)


async def init(folder: Path) -> None:
    """Write a new installation into the folder that is named."""
    said = await run(folder, "init", "new")

    assert "Then: cd new" in said
    assert f"{ROOT / 'run.py'} demo" in said
    assert {path.name for path in (folder / "new").iterdir()} == {
        ".env", "data", "prompts.json", "transcripts",
    }  # fmt: skip


async def demo(folder: Path) -> None:
    """Play a call on the telephone that is named."""
    told = json.loads(await run(folder, "demo", "--provider", "exotel", "--json"))

    assert told["ok"]


async def faults(folder: Path) -> None:
    """Hold the calls that are named, in several processes."""
    told = json.loads(await run(folder, "faults", "--only", "no fault: t", "--json"))

    assert (told["ok"], told["holds"]) == (True, 3)


RUNS: Mapping[str, Callable[[Path], Awaitable[None]]] = {
    "call": call,
    "demo": demo,
    "faults": faults,
    "init": init,
    "jobs": jobs,
    "serve": serve,
    "simulator": simulator,
}


@pytest.mark.timeout(150)
@pytest.mark.parametrize("command", sorted(commands()))
async def test_every_command_runs(command: str, tmp_path: Path) -> None:
    await RUNS[command](tmp_path)


async def test_the_version_is_told_without_a_configuration(tmp_path: Path) -> None:
    assert await run(tmp_path, "--version") == f"fwai {__version__}\n"


@pytest.mark.parametrize("command", ["call", "jobs"])
async def test_no_server_is_one_clear_line(command: str, tmp_path: Path) -> None:
    words = [command, "--to", PERSON] if command == "call" else [command]

    assert await run(tmp_path, *words, expect=1, values={"PORT": str(free_port())}) == ""
