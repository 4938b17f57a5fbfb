"""An exception at any await of any task of the process: it goes on with its work, and so do calls.

Each task is struck once, at every await in turn, while it has something to do; what comes after
must be done as if nothing had been, and the group that it shares with all calls must live.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from datetime import UTC
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, insert, select
from structlog.testing import capture_logs

import virtual_time
from fakes import FakeArchive, InMemoryCallPermissions, SeenFailures
from fault_injection import Plan, faults
from fwai import tasks
from fwai.adapters.whatsapp.permissions import PermissionUpdates
from fwai.adapters.whatsapp.token import AppKeys, TokenManager
from fwai.calls.call_records import CallRecords
from fwai.calls.sentence_clips import SentenceClips, ShippedSentences
from fwai.domain.agent_voice import AgentVoice, Wording, clip_name
from fwai.domain.call import Call, CallState
from fwai.domain.failure import Area, Trouble
from fwai.domain.job import Done, Job, JobOutcome, NewJob
from fwai.domain.sentence import SpokenSentence
from fwai.gemini import faults as live_faults
from fwai.gemini.connection import LiveConnection, LiveEndpoint
from fwai.gemini.model_watch import ModelWatch
from fwai.jobs.delivery_reports import DeliveryReports
from fwai.jobs.events import Events
from fwai.jobs.failures import FailureRegistry
from fwai.jobs.limit_alarms import LimitAlarm
from fwai.jobs.signals import JobSignals
from fwai.jobs.worker import Worker
from fwai.secret_file import SessionSecret
from fwai.store import database as database_module
from fwai.store.batch_writer import BatchWriter
from fwai.store.clip_files import ClipFiles
from fwai.store.database import Database
from fwai.store.file_writer import FileWriter
from fwai.store.storage_watch import StorageWatch
from fwai.store.tables import calls, turns
from fwai.wiring.sentences import SentenceMaker
from unit.gemini.test_model_watch import MODEL, refusal
from unit.jobs.kit import Begin, MemoryJobs, loop_clock
from unit.jobs.test_delivery_reports import Book
from unit.store.kit import a_call
from unit.store.test_batch_writer import turn
from unit.store.test_membership import Node, Table
from unit.store.test_tables import call_row
from unit.test_task_sites import ENDURING

Run = Callable[[], Coroutine[Any, Any, None]]


class Service:
    """A task of the process with its world.

    Attributes:
        virtual: It runs on a clock that jumps; else it has threads or files.
        most_awaits: Of what goes round and round, or ends within a driver that closes.
        loses: What one piece of work raises is its own: it may be lost with it.
        run: Its work.
        stop: Lets it end; None cancels it.
    """

    virtual = True
    loses = True
    most_awaits = 40
    run: Run
    stop: Callable[[], None] | None = None

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.failures = SeenFailures()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        yield

    async def ask(self, number: int) -> None:
        """Give it something to do."""
        raise NotImplementedError

    async def done(self, number: int) -> bool:
        """Whether it did that."""
        raise NotImplementedError


class Reports(Service):
    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        self.book = Book()
        self.book.slow_s = 0.01
        self.reports = DeliveryReports(self.book)
        self.run, self.stop = self.reports.run, self.reports.stop
        yield

    async def ask(self, number: int) -> None:
        asyncio.ensure_future(self.reports.reported("plivo", f"m-{number}", "sent"))  # noqa: RUF006

    async def done(self, number: int) -> bool:
        return f"m-{number}" in {one.message_id for one in self.book.kept}


class SlowJobs(MemoryJobs):
    """A queue that lets others run in the middle of each request."""

    async def enqueue(self, new: NewJob) -> Job:
        await asyncio.sleep(0.01)
        return await super().enqueue(new)

    async def lease(self, *args: Any, **more: Any) -> Any:  # noqa: ANN401 - as the queue's
        await asyncio.sleep(0.01)
        return await super().lease(*args, **more)

    async def next_at(self, *args: Any) -> Any:  # noqa: ANN401 - as the queue's
        await asyncio.sleep(0.01)
        return await super().next_at(*args)


class Notices(Service):
    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        clock = loop_clock()
        self.queue = SlowJobs(clock)
        registry = self.registry = FailureRegistry(clock)
        events = Events("https://n8n.example.com", None, None)  # type: ignore[arg-type]
        self.run, self.stop = lambda: registry.run(self.queue, events), registry.stop
        yield

    async def ask(self, number: int) -> None:
        self.registry.seen(Trouble(Area.MAIL, f"smtp-{number}", "away", "look"))

    async def done(self, number: int) -> bool:
        told = {job.payload["body"]["data"]["what"] for job in self.queue.rows.values()}
        return f"smtp-{number}" in told


class Lane(Service):
    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        clock = loop_clock()
        self.queue = SlowJobs(clock)
        self.worked: set[str] = set()
        signals = JobSignals()
        worker = Worker(self.queue, {"sms": self.handle}, signals, clock=clock)
        self.queue.on_new = signals.written
        self.run, self.stop = worker.run, worker.stop
        yield

    async def handle(self, job: Job, begin: Begin) -> JobOutcome:
        await begin()
        await asyncio.sleep(0.01)
        self.worked.add(job.key)
        return Done()

    async def ask(self, number: int) -> None:
        await self.queue.enqueue(NewJob("sms", f"sms-{number}"))

    async def done(self, number: int) -> bool:
        return f"sms-{number}" in self.worked


class Contacts(Service):
    class Store(InMemoryCallPermissions):
        async def change(self, user: str, change: Any) -> Any:  # noqa: ANN401
            await asyncio.sleep(0.01)
            return await super().change(user, change)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        self.store = self.Store()
        self.updates = PermissionUpdates(self.store)
        self.run = self.updates.run
        yield

    async def ask(self, number: int) -> None:
        self.updates.enqueue(f"user-{number}", lambda kept: kept)

    async def done(self, number: int) -> bool:
        return f"user-{number}" in self.store._kept


class Token(Service):
    loses = False

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        self.asked: list[float] = []
        self.expected = 1

        async def meta(_: httpx.Request) -> httpx.Response:
            await asyncio.sleep(0.01)
            self.asked.append(asyncio.get_running_loop().time())
            data = {"is_valid": True, "expires_at": 0, "type": "USER"}
            return httpx.Response(200, json={"data": data})

        async with httpx.AsyncClient(transport=httpx.MockTransport(meta)) as http:
            keys = AppKeys("app", "s3cret")
            manager = TokenManager(
                http, "given", keys, self.folder / "t.json", lambda: 0.0, "https://g"
            )
            self.run = manager.run
            yield

    async def ask(self, number: int) -> None:
        self.expected = len(self.asked) + 1
        await asyncio.sleep(2 * 86_400)

    async def done(self, number: int) -> bool:
        return len(self.asked) >= self.expected


class Records(Service):
    class Archive(FakeArchive):
        async def open(self, call: Call, state: CallState, at: float) -> None:
            await asyncio.sleep(0.01)
            await super().open(call, state, at)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        self.archive = self.Archive()
        records = self.records = CallRecords(self.archive)
        self.run, self.stop = records.run, records.stop
        yield

    async def ask(self, number: int) -> None:
        await self.records.open(a_call(f"c-{number}"))

    async def done(self, number: int) -> bool:
        return self.archive.states.get(f"c-{number}") is CallState.RINGING  # type: ignore[call-overload]


class Model(Service):
    loses = False

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        self.looked = 0

        class Connection:
            def close(self) -> None:
                pass

        async def opened(*_: object) -> Connection:
            await asyncio.sleep(0.01)
            self.looked += 1
            return Connection()

        endpoint = LiveEndpoint("ws://127.0.0.1:9", "K", 5.0)
        watch = self.watch = ModelWatch(self.failures, endpoint, (MODEL,), lambda _: b"")
        self.run, self.stop = watch.run, watch.stop
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(LiveConnection, "open", opened)
            yield

    async def ask(self, number: int) -> None:
        self.watch.failed(MODEL, refusal(live_faults.KEY))
        await asyncio.sleep(100)

    async def done(self, number: int) -> bool:
        return (Area.MODEL, "gemini") not in self.failures.standing


class Siblings(Service):
    loses = False

    class Table(Table):
        async def _ask(self) -> None:
            await asyncio.sleep(0.01)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        self.table = self.Table()
        self.node, self.other = Node(self.table, "a"), Node(self.table, "b")
        await self.node.membership.open()
        self.run = self.node.membership.run
        yield

    async def ask(self, number: int) -> None:
        await self.other.membership.open()  # another that lives and does not beat
        await asyncio.sleep(60)

    async def done(self, number: int) -> bool:
        fresh = (self.table.now - self.table.rows["a"].seen_at).total_seconds() < 10
        return fresh and len(self.node.taken) >= number


class WithDatabase(Service):
    virtual = False

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        self.database = await Database.open(f"sqlite+aiosqlite:///{self.folder / 'fwai.db'}")
        try:
            async with self.database.write() as connection:
                await connection.run_sync(turns.metadata.drop_all)
                await connection.run_sync(turns.metadata.create_all)
                await connection.execute(insert(calls).values(call_row()))
            self.prepare()
            yield
        finally:
            await self.database.close()

    def prepare(self) -> None:
        raise NotImplementedError


class Rows(WithDatabase):
    def prepare(self) -> None:
        self.writer = BatchWriter(self.database, flush_s=0.005)
        self.run, self.stop = self.writer.run, self.writer.stop

    async def ask(self, number: int) -> None:
        self.writer.add(turns, turn(number))

    async def done(self, number: int) -> bool:
        async with self.database.read() as connection:
            found = await connection.scalar(
                select(func.count()).select_from(turns).where(turns.c.seq == number)
            )
        return bool(found)


class Log(WithDatabase):
    most_awaits = 18

    def prepare(self) -> None:
        self.run = self.database.keep_small

    async def ask(self, number: int) -> None:
        async with self.database.write() as connection:
            await connection.execute(insert(turns).values(turn(number)))

    async def done(self, number: int) -> bool:
        return self.database._written == 0


class Files(Service):
    virtual = loses = False

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        for path in self.folder.glob("line-*"):
            path.unlink()
        self.files = FileWriter(flush_s=0.005)
        self.run, self.stop = self.files.run, self.files.stop
        yield

    async def ask(self, number: int) -> None:
        self.files.append(self.folder / f"line-{number}", b"x")

    async def done(self, number: int) -> bool:
        return (self.folder / f"line-{number}").exists()


class Folders(Service):
    virtual = loses = False

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        folder = self.folder / "recordings"
        self.watch = StorageWatch(self.failures, {"recordings": (folder, "DATA_DIR")}, look_s=0.005)
        files = FileWriter()
        self.run = lambda: self.watch.run(files)
        yield

    async def ask(self, number: int) -> None:
        self.watch._failed("recordings", OSError(28, "full"))

    async def done(self, number: int) -> bool:
        return (Area.STORAGE, "recordings") not in self.failures.standing


class Alarms(Service):
    loses = False

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        clock = loop_clock()
        self.queue = SlowJobs(clock)
        alarm = self.alarm = LimitAlarm(UTC, clock)
        events = Events("https://n8n.example.com", None, None)  # type: ignore[arg-type]
        self.run, self.stop = lambda: alarm.run(self.queue, events), alarm.stop
        yield

    async def ask(self, number: int) -> None:
        self.alarm.reached(f"CALLS_{number}", number)

    async def done(self, number: int) -> bool:
        told = {job.payload["body"]["data"]["setting"] for job in self.queue.rows.values()}
        return f"CALLS_{number}" in told


class Cookies(Service):
    virtual = loses = False

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        self.path = self.folder / "session_secret"
        self.secret = SessionSecret(self.path, look_s=0.005)
        self.run = self.secret.run
        yield

    async def ask(self, number: int) -> None:
        self.path.write_text(f"{number:064x}\n")

    async def done(self, number: int) -> bool:
        return self.secret.value == f"{number:064x}"


class Sentences(Service):
    virtual = loses = False

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        self.voices: dict[str, AgentVoice] = {}
        self.clips = SentenceClips(self.voices, ShippedSentences.load())
        self.files = ClipFiles(self.folder / "clips")

        async def speak(_: AgentVoice, wording: Wording) -> SpokenSentence:
            await asyncio.sleep(0)
            return SpokenSentence(wording.text, b"\1\0")

        self.run = SentenceMaker(
            self.clips, self.files, speak, lambda: False, pauses_s=(0.005,), look_s=0.005
        ).run
        yield

    async def ask(self, number: int) -> None:
        self.voices[f"agent-{number}"] = AgentVoice(MODEL, f"voice-{number}", "en-IN")

    async def done(self, number: int) -> bool:
        voice = self.voices[f"agent-{number}"]
        return all(
            self.files.read(clip_name(voice, wording.text)) is not None
            for one, _, wording in self.clips.wanted()
            if one is voice
        )


SERVICES: Mapping[str, type[Service]] = {
    "call_records": Records,
    "database_log": Log,
    "database_writer": Rows,
    "failures": Notices,
    "limit_alarms": Alarms,
    "file_writer": Files,
    "membership": Siblings,
    "message_reports": Reports,
    "model_watch": Model,
    "sentence_clips": Sentences,
    "session_secret": Cookies,
    "storage_watch": Folders,
    "whatsapp_contacts": Contacts,
    "whatsapp_token": Token,
    "worker": Lane,
}
# What ends when it is done, and is struck by tests of its own: store/test_erasing_again.py.
ONCE = {"erasing_again"}
# Tasks within one of them, or of one piece of its work.
INNER = {"heartbeat": Siblings, "look_at_siblings": Siblings, "job:": Lane, "records:": Records}
# That of membership itself waits for nothing but its group of tasks, where only asyncio can raise.
STRUCK = {**SERVICES, **INNER}
del STRUCK["membership"]


def test_every_task_of_the_process_is_struck() -> None:
    assert SERVICES.keys() | ONCE == set().union(*ENDURING.values())


async def story(service: Service, name: str, task: str, step: int) -> list[str]:
    """Strike once, then see that the work goes on; return who was struck."""
    async with service.open(), asyncio.TaskGroup() as group:
        neighbour = group.create_task(asyncio.sleep(1e9), name="neighbour")
        with faults(lambda found: found.startswith(task), step) as plan:
            running = tasks.start_enduring(group, service.run, name, service.failures)
            await asyncio.sleep(0)
            for number in (1, 2, 3):
                struck = bool(plan.struck)
                await service.ask(number)
                await until_done(service, number, plan if service.loses and not struck else None)
                if struck:
                    break
        assert not neighbour.done()
        assert not running.done()
        neighbour.cancel()
        if service.stop is None:
            running.cancel()
        else:
            service.stop()
    return plan.struck


async def until_done(service: Service, number: int, may_lose: Plan | None) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + (10_000.0 if service.virtual else 5.0)
    while not await service.done(number) and not (may_lose and may_lose.struck):
        assert loop.time() < deadline, "it does nothing more"
        await asyncio.sleep(0.5 if service.virtual else 0.002)


@pytest.mark.parametrize(("task", "of"), STRUCK.items(), ids=STRUCK)
def test_it_goes_on_with_its_work(
    task: str, of: type[Service], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = task if task in SERVICES else "service"
    monkeypatch.setattr(database_module, "CHECKPOINT_WRITES", 1)
    if not of.virtual:
        monkeypatch.setattr(tasks, "PAUSES_S", (0.0,))
    run = virtual_time.run if of.virtual else asyncio.run
    for step in range(1, of.most_awaits):
        with capture_logs():  # a traceback takes half a second to draw
            if not run(story(of(tmp_path), name, task, step)):  # it has no further await
                break
    assert step > 1, f"no task {task} was struck at all"
