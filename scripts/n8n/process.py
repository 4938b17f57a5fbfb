"""A real n8n of our own on loopback: a fresh folder, our credentials and flows, published, started.

Source: n8n 2.41's command line, run on Node 24.21 (2026-11-22).
"""

import asyncio
import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from scripts.n8n.build import texts
from scripts.n8n.credentials import credentials, write

OLDEST_NODE: Final = 24
COMMAND_LIMIT_S: Final = 180.0
START_LIMIT_S: Final = 120.0
READY: Final = b"Editor is now accessible"
SETUP: Final = "fwaiSetup"


class NoN8nError(Exception):
    """n8n cannot be run here; the text says why."""


class N8nFailedError(Exception):
    """n8n is here and did not do what it should; the text says what, with its last lines."""


def find(command: str = "") -> list[str]:
    """Return the command that runs n8n.

    Raises:
        NoN8nError: Node is missing or too old, or there is no n8n.
    """
    node = shutil.which("node")
    if node is None:
        raise NoN8nError(f"node is not installed (n8n needs {OLDEST_NODE} or newer)")
    said = _said([node, "--version"])
    if int(said.lstrip("v").split(".")[0] or 0) < OLDEST_NODE:
        raise NoN8nError(f"node is {said}; n8n needs {OLDEST_NODE} or newer")
    if command:
        return command.split()
    if (found := shutil.which("n8n")) is not None:
        return [found]
    npx = shutil.which("npx")
    if npx is not None and _said([npx, "--no-install", "n8n", "--version"]):
        return [npx, "--no-install", "n8n"]
    raise NoN8nError("n8n is not installed: npm install --global n8n (2.7 GB, several minutes)")


def _said(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - node's own tools
            command, capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def filled_in(text: str, values: Mapping[str, str]) -> str:
    """Return a flow's text with values in its Settings, as a user would type them."""
    flow = json.loads(text)
    for node in flow["nodes"]:
        if node["name"] != "Settings":
            continue
        for field in node["parameters"]["assignments"]["assignments"]:
            field["value"] = values.get(field["name"], field["value"])
    return json.dumps(flow)


class N8n:
    """An n8n in a folder of its own.

    Args:
        command: As `find` returns it.
        folder: An empty one.
        port: Where it will listen on loopback.
    """

    def __init__(self, command: Sequence[str], folder: Path, port: int) -> None:
        self.form_key = secrets.token_urlsafe(16)
        self._command = list(command)
        self._folder = folder
        self._port = port

    def address(self, path: str) -> str:
        """Return a webhook's production address."""
        return f"http://127.0.0.1:{self._port}/webhook/{path}"

    async def fill(self, api_key: str, secret: str, settings: Mapping[str, str]) -> None:
        """Import credentials and flows, make the tables, publish everything.

        Raises:
            N8nFailedError: A command failed.
        """
        flows = self._folder / "flows"
        flows.mkdir()
        ids = []
        for name, text in texts().items():
            (flows / name).write_text(filled_in(text, settings), encoding="utf-8")
            ids.append(str(json.loads(text)["id"]))
        keys = self._folder / "credentials.json"
        write(keys, credentials(api_key, secret, lambda: self.form_key))
        await self._run("import:credentials", f"--input={keys}")
        keys.unlink()
        await self._run("import:workflow", "--separate", f"--input={flows}")
        await self._run("execute", f"--id={SETUP}")
        for one in ids:
            if one != SETUP:  # nothing in it begins by itself
                await self._run("publish:workflow", f"--id={one}")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start it, and end it when the block is left.

        Raises:
            N8nFailedError: It did not become ready.
        """
        log = self._folder / "n8n.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *self._command, "start", env=self._environment(), stdout=output, stderr=output
            )
        try:
            await self._wait_ready(process, log)
            yield
        finally:
            await self._end(process)

    @staticmethod
    async def _wait_ready(process: asyncio.subprocess.Process, log: Path) -> None:
        due = time.monotonic() + START_LIMIT_S
        while READY not in (said := log.read_bytes()):
            if process.returncode is not None or time.monotonic() > due:
                how = "ended" if process.returncode is not None else "was not ready in time"
                raise N8nFailedError(f"n8n {how}: {said[-2000:].decode(errors='replace')}")
            await asyncio.sleep(0.2)

    @staticmethod
    async def _end(process: asyncio.subprocess.Process) -> None:
        if process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(20):
                await process.wait()
        except TimeoutError:
            process.kill()

    async def _run(self, *arguments: str) -> None:
        process = await asyncio.create_subprocess_exec(
            *self._command,
            *arguments,
            env=self._environment(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(COMMAND_LIMIT_S):
                said, _ = await process.communicate()
        except TimeoutError as exc:
            process.kill()
            raise N8nFailedError(f"n8n {arguments[0]} took too long") from exc
        if process.returncode != 0:
            text = said[-2000:].decode(errors="replace")
            raise N8nFailedError(f"n8n {' '.join(arguments)}: {text}")

    def _environment(self) -> dict[str, Any]:
        off = ("DIAGNOSTICS", "VERSION_NOTIFICATIONS", "TEMPLATES", "PERSONALIZATION")
        return {
            **os.environ,
            **{f"N8N_{name}_ENABLED": "false" for name in off},
            "N8N_USER_FOLDER": str(self._folder),
            "N8N_LISTEN_ADDRESS": "127.0.0.1",
            "N8N_PORT": str(self._port),
            "N8N_RUNNERS_BROKER_PORT": str(self._port + 1),
            "N8N_ENCRYPTION_KEY": "only-for-this-check",
            "GENERIC_TIMEZONE": "Asia/Kolkata",
        }
