"""The server as a process: how it starts, refuses to start, dies and comes back."""

import asyncio
import json
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from e2e.process import ROOT, environment, free_port, ready, server, world
from fwai.simulator.common.caller import AwaitHangUp, HangUp, Hear, Wait
from gaps import assert_satisfied

LIVE = {
    "CALL_PROVIDER": "plivo",
    "GOOGLE_API_KEY": "key-that-must-not-show",
    "PLIVO_AUTH_ID": "MATEST00000000000000",
    "PLIVO_AUTH_TOKEN": "token-that-must-not-show",
    "PLIVO_PHONE_NUMBER": "+918888800000",
    "PUBLIC_URL": "https://voice.example.com",
}


def start_and_fail(folder: Path, **values: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "run.py")],
        cwd=folder, env=environment(folder, **values), capture_output=True, text=True, timeout=30,
        check=False,
    )  # fmt: skip


# ---- starting -----------------------------------------------------------------------------


def test_everything_that_is_missing_is_named_at_once_with_its_fix(tmp_path: Path) -> None:
    result = start_and_fail(tmp_path, CALL_PROVIDER="plivo", PLIVO_AUTH_TOKEN="secret-token")

    assert result.returncode == 2
    for name in ("GOOGLE_API_KEY", "PLIVO_AUTH_ID", "PLIVO_PHONE_NUMBER", "PUBLIC_URL"):
        assert name in result.stderr
    assert "secret-token" not in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("prompts", "named"),
    [
        ("{not json", "line 1"),
        ('{"A": {"name": "A", "prompt": "Hi {{nobody}}"}}', "nobody"),
        ('{"A": {"name": "A", "prompt": "Hi", "voice": "puck"}}', "Puck"),
        ('{"A": {"name": "A", "prompt": "Hi", "tools": ["fly"]}}', "fly"),
    ],
)
def test_broken_prompts_are_a_start_up_error_with_file_key_and_fix(
    tmp_path: Path, prompts: str, named: str
) -> None:
    (tmp_path / "prompts.json").write_text(prompts)

    result = start_and_fail(tmp_path, **LIVE, PROMPTS_FILE="prompts.json")

    assert result.returncode == 2
    assert "prompts.json" in result.stderr
    assert named in result.stderr
    assert "Traceback" not in result.stderr


def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = start_and_fail(tmp_path, **LIVE, PORT=str(taken.getsockname()[1]))

    assert result.returncode == 2
    assert "PORT" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_unwritable_directory_is_one_clear_line(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")

    result = start_and_fail(
        tmp_path, **LIVE, DATABASE_URL=f"sqlite+aiosqlite:///{blocked / 'fwai.db'}"
    )

    assert result.returncode != 0
    assert str(blocked) in result.stderr
    assert "Traceback" not in result.stderr


async def test_nothing_configured_starts_in_demo_mode_and_says_how_to_go_live(
    tmp_path: Path,
) -> None:
    port = free_port()
    with server(tmp_path, port):
        await ready(port)
        async with httpx.AsyncClient() as client:
            body = (await client.get(f"http://127.0.0.1:{port}/")).text

    assert json.loads(body) == {
        "status": "ok",
        "service": "WhatsApp Voice Calling with Gemini Live",
        "version": "1.0.0",
    }
    assert "make demo" in (tmp_path / "server.log").read_text()


# ---- dying --------------------------------------------------------------------------------


async def test_kill_9_in_mid_call_keeps_what_was_said_and_the_next_start_closes_the_call(
    tmp_path: Path,
) -> None:
    port = free_port()
    async with world(port) as (outside, values), asyncio.TaskGroup() as tasks:
        with server(tmp_path, port, **values) as process:
            await ready(port)
            tasks.create_task(outside.phone().call([Hear("greeting"), Wait(6000)]))
            await asyncio.sleep(5.5)
            process.kill()
        with server(tmp_path, port, **values):
            await ready(port)

    (transcript,) = tmp_path.rglob("*.jsonl")
    lines = [json.loads(line) for line in transcript.read_text().splitlines()]
    said = " ".join(line["text"] for line in lines if line.get("role") == "agent")
    assert said.startswith("Hello, this is Asha, the AI assistant of FWAI Academy.")
    assert lines[-1]["end_reason"] == "server_crashed"
    with sqlite3.connect(tmp_path / "fwai.db") as database:
        rows = database.execute("select state, end_reason from calls").fetchall()
    database.close()
    assert rows == [("failed", "server_crashed")]


async def test_sigterm_lets_the_call_finish_and_admits_no_other(tmp_path: Path) -> None:
    port = free_port()
    async with world(port) as (outside, values):
        with server(tmp_path, port, **values) as process:
            await ready(port)
            async with asyncio.TaskGroup() as tasks:
                call = tasks.create_task(
                    outside.phone().call([Hear("greeting"), Wait(1500), HangUp()])
                )
                await asyncio.sleep(2.0)
                process.send_signal(signal.SIGTERM)
                await asyncio.sleep(0.4)
                late = tasks.create_task(outside.phone(number="+919999900002").call([Wait(100)]))
            began = time.monotonic()
            code = await asyncio.to_thread(process.wait, 15)

    assert_satisfied(call.result())
    assert not late.result().answered
    assert code == 0
    assert time.monotonic() - began < 5.0


async def test_no_number_word_or_secret_of_a_call_reaches_the_log(tmp_path: Path) -> None:
    port = free_port()
    async with world(port) as (outside, values):
        everywhere = {"HOST": "0.0.0.0"}  # noqa: S104 - as it is by default
        with server(tmp_path, port, LOG_LEVEL="DEBUG", **values | everywhere):
            await ready(port)
            await outside.phone().call([Hear("greeting"), Wait(300), HangUp()])
            async with httpx.AsyncClient() as client:
                await client.post(
                    f"http://127.0.0.1:{port}/plivo/answer", data={"From": "+919999900001"}
                )
            await asyncio.sleep(1.5)
        secrets = (values["PLIVO_AUTH_TOKEN"], "9999900001", "8888800000", "Asha", "Hello", "?t=")
        log = (tmp_path / "server.log").read_text()

    for secret in (*secrets, "&t=", "You are"):
        assert secret not in log, f"{secret!r} is in the log"
    events = [json.loads(line)["event"] for line in log.splitlines()]
    assert {"server_ready", "call_offered", "call_answered", "call_ended", "webhook_refused"} <= (
        set(events)
    )
    told = [json.loads(line) for line in log.splitlines() if "listens_on_every_address" in line]
    assert ["HOST=127.0.0.1" in one["fix"] for one in told] == [True]


async def test_a_second_signal_ends_calls_that_still_run(tmp_path: Path) -> None:
    port = free_port()
    async with world(port) as (outside, values):
        with server(tmp_path, port, **values) as process:
            await ready(port)
            async with asyncio.TaskGroup() as tasks:
                call = tasks.create_task(outside.phone().call([AwaitHangUp(30)]))
                await asyncio.sleep(2.0)
                process.send_signal(signal.SIGTERM)
                await asyncio.sleep(0.5)
                process.send_signal(signal.SIGTERM)
            code = await asyncio.to_thread(process.wait, 10)

    assert code == 0
    assert call.result().ended_by in ("api", "agent")
    assert '"reason": "server_stopped"' in (tmp_path / "server.log").read_text()
