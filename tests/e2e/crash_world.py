"""A simulated world that outlives its server, and counts what the server did to it."""

import asyncio
import itertools
import json
import os
import secrets
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from pydantic import SecretStr

from children import environment as python_environment
from e2e.process import ROOT, environment, free_port
from fwai.config.settings import Settings
from fwai.demo.world import SimulatedWorld, open_simulated_world
from fwai.simulator.common.fate import MessageFate
from fwai.simulator.mail.server import Mailbox
from fwai.simulator.meta.messages import MessageFate as MetaFate

SMS: Final = {"text": "Fees: 4000 a month."}
MAIL: Final = {"subject": "Fees", "body": "4000 a month.", "confirmed": True}
TEMPLATE: Final = {
    "template": "callback_scheduled",
    "parameters": [{"name": "name", "value": "Asha"}, {"name": "when", "value": "Monday, 5 PM"}],
}
# Reports go on for longer than a restart takes.
SLOW: Final = MessageFate(statuses=("queued", *["sent"] * 12, "delivered"), gap_s=0.8)
SLOW_META: Final = MetaFate((*["sent"] * 12, "delivered"), after_s=0.8)
SILENT: Final = MessageFate(statuses=())
RINGS_S: Final = 3.0  # longer than a restart takes
SOON_S: Final = 1.5
AFTER_RESTART_S: Final = 5.0

ROW: Final = "row"
API: Final = ("claim:after", "answer:before", "answer:after")
WRITTEN: Final = ("enqueue:before_commit", "enqueue:after_commit")
SENT: Final = ("request:before", "request:after", "settle:before", "settle:after")
DONE_ONCE: Final = ("lease:after", "begin:before", "begin:after", *SENT)
DONE_AGAIN: Final = ("lease:after", *SENT)  # what may be repeated bears no mark

START_S: Final = 20.0
DEATH_S: Final = 15.0
SETTLED_S: Final = 25.0
ALWAYS: Final = {day: ["00:00-24:00"] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
# What is left to be done for a person; a watch only ends calls that were lost.
_OPEN: Final = """
    select (select count(*) from jobs
            where phone = ? and kind != 'watch_call' and state in ('waiting', 'running'))
         + (select count(*) from callbacks where phone = ? and state in ('scheduled', 'calling'))
"""


@dataclass(frozen=True)
class Effects:
    """What became of a person.

    Attributes:
        mails: Messages to them; those with one Message-ID are one to every receiver.
        calls: That were placed at the provider.
    """

    sms: int = 0
    mails: int = 0
    whatsapp: int = 0
    callbacks: int = 0
    calls: int = 0
    bookings: int = 0


class CrashWorld:
    """The world, one server that may die at any time, and the database it leaves behind."""

    def __init__(self, world: SimulatedWorld, box: Mailbox, folder: Path) -> None:
        self.world = world
        self.box = box
        self.folder = folder
        self._key = secrets.token_hex(16)
        headers = {"X-API-Key": self._key}
        url = world.settings.base_url
        self.http = httpx.AsyncClient(base_url=url, headers=headers, timeout=20)
        self._providers = ""
        self._forge: subprocess.Popen[str] | None = None
        self._pid = 0
        self._numbers = itertools.count(1)
        self._armed = folder / "armed"

    # ---- the server -------------------------------------------------------------------------

    async def serve(self, providers: str = "plivo") -> None:
        """Let a server run with these providers, the one that runs if it has them."""
        if self.alive and self._providers == providers:
            return
        self.kill()
        self.disarm()
        self._providers = providers
        values = {
            **_environment(self.world.settings),
            "API_KEYS": self._key,
            "CALL_PROVIDER": providers,
            "CRASH_FILE": str(self._armed),
        }
        forge = self._open_forge()
        assert forge.stdin is not None
        forge.stdin.write(f"{json.dumps(environment(self.folder, **values))}\n")
        forge.stdin.flush()
        self._pid = int(self._said())
        async with asyncio.timeout(START_S):
            while not await self._ready():
                assert self.alive, self.log()[-3000:]
                await asyncio.sleep(0.05)

    def _open_forge(self) -> subprocess.Popen[str]:
        if self._forge is None:
            with (self.folder / "server.log").open("a") as log:
                self._forge = subprocess.Popen(
                    [sys.executable, str(ROOT / "tests/e2e/crashing.py")],
                    cwd=self.folder, env=python_environment() | {"OPENBLAS_NUM_THREADS": "1"},
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                )  # fmt: skip
        return self._forge

    def _said(self) -> str:
        """Return what the forge says; it says it at once."""
        assert self._forge is not None
        assert self._forge.stdout is not None
        return self._forge.stdout.readline()

    @property
    def alive(self) -> bool:
        """Whether the server runs; once it is over its forge has put it away."""
        with suppress(ProcessLookupError):
            os.kill(self._pid, 0) if self._pid else None
            return self._pid != 0
        return False

    async def _ready(self) -> bool:
        try:
            return (await self.http.get("/readyz")).status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """Kill -9 the server from outside."""
        if self._pid:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            self._over()

    def _over(self) -> int:
        """Return the exit code of the server that is over."""
        self._pid = 0
        return int(self._said())

    def close(self) -> None:
        """End the server and its forge."""
        self.kill()
        if self._forge is not None:
            self._forge.communicate(timeout=10)

    def log(self) -> str:
        return (self.folder / "server.log").read_text()

    def arm(self, point: str, kind: str) -> None:
        """Let the server die where it passes this point."""
        waiting = self._armed.with_suffix(".new")
        waiting.write_text(f"{point} {kind}")
        waiting.rename(self._armed)

    def disarm(self) -> None:
        self._armed.unlink(missing_ok=True)

    async def died(self, within_s: float = DEATH_S) -> None:
        """Wait until the server has killed itself; fail when it did not pass the point."""
        try:
            async with asyncio.timeout(within_s):
                while self.alive:  # noqa: ASYNC110 - a process has no event
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"never passed {self._armed.read_text()}") from None
        finally:
            self.disarm()
        assert self._over() == -signal.SIGKILL, self.log()[-3000:]

    # ---- asking it --------------------------------------------------------------------------

    def person(self) -> str:
        """Return a number that nobody had before."""
        return f"+9199999{next(self._numbers):05d}"

    async def order(
        self, tool: str, arguments: Mapping[str, Any], to: str, key: str
    ) -> httpx.Response | None:
        """Run a tool; None when the server was gone before it answered."""
        body = {"arguments": dict(arguments), "to": to}
        try:
            return await self.http.post(
                f"/api/tools/{tool}", json=body, headers={"Idempotency-Key": key}
            )
        except httpx.TransportError:
            return None

    async def repeat(
        self, tool: str, arguments: Mapping[str, Any], to: str, key: str
    ) -> Mapping[str, Any]:
        """Run a tool as a client does that lost its connection: until there is an answer."""
        async with asyncio.timeout(15):
            while True:
                response = await self.order(tool, arguments, to, key)
                if response is not None and response.status_code != 409:
                    assert response.status_code == 200, response.text
                    answer: Mapping[str, Any] = response.json()
                    return answer
                await asyncio.sleep(0.2)

    async def jobs(self, **query: str) -> list[Mapping[str, Any]]:
        response = await self.http.get("/api/jobs", params=query)
        assert response.status_code == 200, response.text
        listed: list[Mapping[str, Any]] = response.json()["jobs"]
        return listed

    # ---- looking at it ----------------------------------------------------------------------

    def rows(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.folder / "fwai.db", timeout=10)) as database:
            return database.execute(query, values).fetchall()

    def states(self, phone: str) -> dict[str, str]:
        """Return how the jobs for a person stand, by kind; of several the newest."""
        query = "select kind, state from jobs where phone = ? order by created_at"
        return dict(self.rows(query, phone))

    async def settled(self, phone: str, within_s: float = SETTLED_S) -> dict[str, str]:
        """Wait until nothing is left to be done for a person, and no call with them goes on."""
        try:
            async with asyncio.timeout(within_s):
                while self.rows(_OPEN, phone, phone)[0][0]:  # noqa: ASYNC110 - it is a database
                    await asyncio.sleep(0.05)
        except TimeoutError:
            found = f"not settled: {self.states(phone)}"
            raise AssertionError(f"{found}\n{self.log()[-3000:]}") from None
        return self.states(phone)

    def effects(self, phone: str, mail: str = "") -> Effects:
        """Count everything that happened to a person."""
        world, ten = self.world, phone[-10:]
        assert world.exotel is not None
        assert world.meta is not None
        callbacks = self.rows("select count(*) from callbacks where phone = ?", phone)
        bookings = self.rows("select count(*) from bookings where phone = ?", phone)
        return Effects(
            sms=sum(to[-10:] == ten for to, _ in world.messages),
            mails=len(set(self.letters(mail))),
            whatsapp=sum(to[-10:] == ten for to, _ in world.whatsapp_messages),
            callbacks=callbacks[0][0],
            calls=sum(one.to_number[-10:] == ten for one in world.provider.calls),
            bookings=bookings[0][0],
        )

    def letters(self, mail: str) -> list[str]:
        """Return the Message-ID of each mail that came for an address."""
        return [
            str(one.message["Message-ID"]) for one in self.box.messages if mail in one.recipients
        ]


def _environment(settings: Settings) -> dict[str, str]:
    """Return settings as the environment of a process."""
    return {
        name.upper(): _text(getattr(settings, name))
        for name in settings.model_fields_set
        if name not in ("data_dir", "database_url", "transcripts_dir")
    }


def _text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple):
        return ",".join(_text(one) for one in value)
    return str(value)


def address_of(phone: str) -> str:
    return f"p{phone[-6:]}@example.com"


def at(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def cases(*groups: tuple[str, tuple[str, ...]]) -> list[Any]:
    """Return a parameter for each kind and point, named by both."""
    return [
        pytest.param(point, kind, id=f"{kind}-{point}")
        for kind, points in groups
        for point in points
    ]


@asynccontextmanager
async def crash_world(folder: Path) -> AsyncIterator[CrashWorld]:
    """Open a world of all providers and a mailbox; its server is started when it is needed."""
    rules = {"working_hours": ALWAYS, "capacity": 1000, "notice_minutes": 0}
    (folder / "availability.json").write_text(json.dumps(rules))
    async with Mailbox() as box:
        settings = {
            "call_provider": "plivo,exotel,whatsapp",
            "smtp_host": "127.0.0.1",
            "smtp_port": box.port,
            "smtp_security": "none",
            "smtp_sender": "desk@example.com",
            "calling_hours": "00:00-24:00",
            "ring_seconds": 10,
            "outbound_calls_per_second": 50,
        }
        async with open_simulated_world(free_port(), settings) as outside:
            world = CrashWorld(outside, box, folder)
            try:
                yield world
            finally:
                world.close()
                await world.http.aclose()
