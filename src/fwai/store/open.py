"""Opens and closes the whole store, in the one order that loses nothing."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import structlog

from fwai.domain.call import Call, CallEnding, CallId, CallState
from fwai.domain.failure import UNWATCHED
from fwai.domain.instance import InstanceStatus, Owner
from fwai.domain.job import Job, JobState, NewJob
from fwai.interfaces.failures import Failures
from fwai.interfaces.store import BookingNotices
from fwai.store import voice_messages
from fwai.store.audit import AuditList
from fwai.store.batch_writer import BatchWriter
from fwai.store.bookings import Bookings
from fwai.store.call_log import FollowTool, follow_no_tool
from fwai.store.call_permissions import CallPermissions
from fwai.store.callbacks import Callbacks
from fwai.store.calls import Calls, tell_nobody
from fwai.store.clock_witness import ClockWitness, file_written_at
from fwai.store.contacts import Contacts
from fwai.store.crash_recovery import (
    Adopted,
    CrashRecovery,
    Folders,
    Follow,
    adopt_silently,
    follow_nothing,
)
from fwai.store.database import Database
from fwai.store.database_watch import DatabaseWatch
from fwai.store.demo_guard import claim
from fwai.store.erasing_again import ErasingAgain
from fwai.store.erasure import Erasure
from fwai.store.erasure_list import ErasureList
from fwai.store.file_writer import FileWriter
from fwai.store.folders import close_to_others
from fwai.store.idempotency_keys import IdempotencyKeys
from fwai.store.instances import Instances
from fwai.store.job_writer import OnNew, wake_nobody
from fwai.store.jobs import Jobs, follow_no_job
from fwai.store.keeping import Keeping
from fwai.store.membership import CONTACT_S, Membership
from fwai.store.migrate import ensure_schema
from fwai.store.nonces import Nonces
from fwai.store.process_identity import this_process
from fwai.store.quota_counts import QuotaCounts
from fwai.store.recording import WavRecorder
from fwai.store.sent_messages import SentMessages, TellStatus, tell_no_status
from fwai.store.storage_watch import StorageWatch
from fwai.store.voice_messages import VoiceMessages
from fwai.tasks import start_enduring

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """How to open the store.

    Attributes:
        url: ``DATABASE_URL``.
        zone: Days and times of transcript files.
        transcripts_dir: None keeps no words anywhere.
        recordings_dir: None records nothing.
        old_transcripts_dir: Where transcripts of earlier times are, to be removed in the end, also
            when none are kept now; None is ``transcripts_dir``.
        old_recordings_dir: The same for recordings.
        data_dir: Where it is kept who was erased; None does not keep that.
        keep: States of outbound calls that survive their process: something still acts on them.
        adopted: What is to be done about such a call when its process died.
        status: What this process tells its siblings of itself.
        follow: What is to be done when a call reaches a state.
        follow_tool: What is to be done when a tool has run.
        follow_job: What is to be done once a job is over or put off.
        tell_status: Who is to be told how a message fares.
        failures: Who hears of a database or a folder that cannot be written.
        on_new_jobs: Told that jobs were committed.
        on_canceled: Told of a call that was canceled before it was dialled; must not block.
        booking_notices: The messages that go out about bookings.
        demo: Whether everything is simulated, and is to be marked so.
    """

    url: str
    zone: ZoneInfo
    transcripts_dir: Path | None
    recordings_dir: Path | None = None
    old_transcripts_dir: Path | None = None
    old_recordings_dir: Path | None = None
    data_dir: Path | None = None
    keep: Collection[CallState] = ()
    adopted: Adopted = adopt_silently
    status: InstanceStatus = field(default_factory=InstanceStatus)
    follow: Follow = follow_nothing
    follow_tool: FollowTool = follow_no_tool
    follow_job: Callable[[Job, JobState], Iterable[NewJob]] = follow_no_job
    tell_status: TellStatus = tell_no_status
    failures: Failures = UNWATCHED
    on_new_jobs: OnNew = wake_nobody
    on_canceled: Callable[[CallId, CallEnding, float], None] = tell_nobody
    booking_notices: BookingNotices | None = None
    demo: bool = False


@dataclass(frozen=True, slots=True)
class Store:
    """An open store: one object per thing that is kept."""

    database: Database
    membership: Membership
    writer: BatchWriter
    files: FileWriter
    storage: StorageWatch
    calls: Calls
    jobs: Jobs
    callbacks: Callbacks
    bookings: Bookings
    contacts: Contacts
    call_permissions: CallPermissions
    idempotency_keys: IdempotencyKeys
    nonces: Nonces
    sent_messages: SentMessages
    audit: AuditList
    erasure: Erasure
    keeping: Keeping
    witness: ClockWitness
    quota_counts: QuotaCounts
    voice_messages: VoiceMessages
    options: StoreOptions

    def recorder(
        self, call: Call, sample_rate: int, started_at: float
    ) -> tuple[WavRecorder, Path] | None:
        """Begin to record a call; return None when recording is off.

        Args:
            call: Whose sound it is.
            sample_rate: Of the caller's leg, in Hz.
            started_at: The session clock's time now, in seconds.

        Returns:
            The recorder, and its file relative to the recordings' directory.
        """
        if self.options.recordings_dir is None:
            return None
        path = self.calls.recording_path(call)
        whole = self.options.recordings_dir / path
        return WavRecorder(whole, sample_rate, started_at, self.files), path


@asynccontextmanager
async def open_store(options: StoreOptions) -> AsyncIterator[Store]:
    """Bring the schema up to date, close what a crash left open, and run the two writers.

    At the end of the block, when no call runs any more, everything is written and closed.

    Raises:
        StoreError: The database cannot be used, or is a demo's and this is none, or the reverse;
            the text says what to do.
    """
    for folder in (options.data_dir, options.transcripts_dir, options.recordings_dir):
        if folder is not None:
            close_to_others(folder)
    file_written = await file_written_at(options.url)
    await ensure_schema(options.url)
    watch = DatabaseWatch(options.failures)
    database = await Database.open(options.url, watch=watch, demo=options.demo)
    contact = database
    if database.engine.dialect.name != "sqlite":
        # A heartbeat must not wait for a connection while others wait for a lock.
        contact = Database(options.url, command_s=CONTACT_S, pool_size=1, watch=watch)
    try:
        await claim(database)
        store = _build(database, contact, options)
        await store.witness.look(file_written)
        try:
            closed = await store.membership.open()
            await store.storage.try_folders()
            _log.info("store_opened", database=database.place, dangling_calls_closed=closed)
            async with _running(store):
                yield store
        finally:
            await store.membership.stop()
    finally:
        await contact.close()
        await database.close()


def _build(database: Database, contact: Database, options: StoreOptions) -> Store:
    """Build one object per thing that is kept."""

    def written(tables: Collection[str]) -> None:
        if "jobs" in tables:
            options.on_new_jobs(None, None)

    writer = BatchWriter(database, on_written=written)
    messages_dir = None if options.data_dir is None else options.data_dir / voice_messages.FOLDER
    storage = _storage_watch(options, messages_dir)
    files = FileWriter(on_flushed=storage.flushed)
    owner = Owner(secrets.token_hex(6))
    jobs = Jobs(
        database,
        owner=owner,
        on_new=options.on_new_jobs,
        follows=options.follow_job,
    )
    calls = Calls(
        database,
        writer,
        files,
        transcripts_dir=options.transcripts_dir,
        recordings_dir=options.recordings_dir,
        zone=options.zone,
        owner=owner,
        jobs=jobs,
        follow=options.follow,
        follow_tool=options.follow_tool,
        on_canceled=options.on_canceled,
    )

    folders = Folders(options.transcripts_dir, options.recordings_dir, options.zone)
    recovery = CrashRecovery(database, folders, jobs, options.follow, options.keep, options.adopted)
    membership = Membership(
        Instances(contact),
        recovery,
        jobs,
        owner,
        this_process(),
        options.status,
        single_host=database.engine.dialect.name == "sqlite",
        watch=database.watch,
    )

    kept = Folders(
        options.old_transcripts_dir or options.transcripts_dir,
        options.old_recordings_dir or options.recordings_dir,
        options.zone,
        messages_dir,
    )

    async def flush() -> None:
        await files.flush()
        await writer.flush()

    return Store(
        database,
        membership,
        writer,
        files,
        storage,
        calls,
        jobs,
        Callbacks(database, jobs, calls),
        Bookings(database, jobs, options.booking_notices),
        Contacts(database),
        CallPermissions(database),
        IdempotencyKeys(database),
        Nonces(database),
        SentMessages(database, jobs, options.tell_status),
        AuditList(database, writer),
        _erasure(database, kept, flush, options.data_dir),
        Keeping(database, kept, flush),
        ClockWitness(database),
        QuotaCounts(database),
        VoiceMessages(messages_dir, storage.flushed),
        options,
    )


def _erasure(
    database: Database, kept: Folders, flush: Callable[[], Awaitable[object]], folder: Path | None
) -> Erasure:
    noted = None if folder is None else ErasureList(database, folder)
    return Erasure(
        database, kept.transcripts, kept.recordings, flush, noted, messages_dir=kept.messages
    )


def _storage_watch(options: StoreOptions, messages_dir: Path | None) -> StorageWatch:
    folders: dict[str, tuple[Path, str]] = {}
    if options.recordings_dir is not None:
        folders["recordings"] = options.recordings_dir, "DATA_DIR/recordings"
    if options.transcripts_dir is not None:
        folders["transcripts"] = options.transcripts_dir, "TRANSCRIPTS_DIR"
    rarely = {}
    if messages_dir is not None:
        rarely["voice messages"] = messages_dir, f"DATA_DIR/{voice_messages.FOLDER}"
    return StorageWatch(options.failures, folders, rarely=rarely)


@asynccontextmanager
async def _running(store: Store) -> AsyncIterator[None]:
    """Run the writers; an error of the block is not wrapped, and both write the rest first."""
    tasks = asyncio.TaskGroup()
    await tasks.__aenter__()
    failures = store.options.failures
    again = ErasingAgain(store.erasure, failures)

    def start(run: Callable[[], Coroutine[Any, Any, None]], name: str) -> asyncio.Task[None]:
        return start_enduring(tasks, run, name, failures)

    start(store.files.run, "file_writer")
    start(store.writer.run, "database_writer")
    others = [
        start(store.database.keep_small, "database_log"),
        start(store.membership.run, "membership"),
        start(lambda: store.storage.run(store.files), "storage_watch"),
        start(again.run, "erasing_again"),
    ]
    try:
        await again.wait()
        yield
    finally:
        for task in others:
            task.cancel()
        store.files.stop()
        store.writer.stop()
        await tasks.__aexit__(None, None, None)
