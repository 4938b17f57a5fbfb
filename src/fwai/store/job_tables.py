"""The tables of what is to be done and of who is known; `tables` has those of calls."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    String,
    Table,
    Text,
    TypedColumns,
)

from fwai.store.tables import Instant, demo_column
from fwai.store.tables import metadata as metadata  # noqa: PLC0414 - the whole, once these are in it


class JobColumns(TypedColumns):
    """One row per job.

    ``run_at`` is when it was asked for. ``next_at`` is when a worker must look at it: the next try,
    or the end of the lease of whoever works on it; null when it is finished.
    """

    id = Column(String(40), primary_key=True)
    kind = Column(String(32), nullable=False)
    key = Column(String(160), nullable=False, unique=True)
    payload = Column(JSON, nullable=False)
    state = Column(String(16), nullable=False)
    run_at = Column(Instant, nullable=False)
    next_at = Column(Instant)
    attempts = Column(Integer, nullable=False)
    begun_at = Column(Instant)
    leased_by = Column(String(64), nullable=False)
    call_id = Column(String(64), nullable=False)
    phone = Column(String(64), nullable=False)
    ref = Column(String(255), nullable=False)
    result = Column(JSON(none_as_null=True))
    error = Column(Text)
    confirmation = Column(JSON(none_as_null=True))
    created_at = Column(Instant, nullable=False)
    finished_at = Column(Instant)
    demo = demo_column()


class CallbackColumns(TypedColumns):
    """One row per promise to call somebody back."""

    id = Column(String(40), primary_key=True)
    key = Column(String(160), nullable=False, unique=True)
    phone = Column(String(64), nullable=False)
    provider = Column(String(16), nullable=False)
    agent = Column(String(128), nullable=False)
    due_at = Column(Instant, nullable=False)
    note = Column(Text, nullable=False)
    state = Column(String(16), nullable=False)
    attempts = Column(Integer, nullable=False)
    source_call_id = Column(String(64), nullable=False)
    last_call_id = Column(String(64), nullable=False)
    created_at = Column(Instant, nullable=False)
    written_at = Column(Instant, nullable=False)
    demo = demo_column()


class BookingColumns(TypedColumns):
    """One row per booked demo.

    ``invited_at`` is when an invitation was handed to the mail server; null when none was.
    """

    id = Column(String(40), primary_key=True)
    key = Column(String(160), nullable=False, unique=True)
    phone = Column(String(64), nullable=False)
    name = Column(String(200), nullable=False)
    interest = Column(Text, nullable=False)
    email = Column(String(254), nullable=False)
    starts_at = Column(Instant, nullable=False)
    minutes = Column(Integer, nullable=False)
    call_id = Column(String(64), nullable=False)
    state = Column(String(16), nullable=False)
    created_at = Column(Instant, nullable=False)
    invited_at = Column(Instant)
    demo = demo_column()


class ContactColumns(TypedColumns):
    """One row per person: what is remembered, and whether they may be called."""

    phone = Column(String(64), primary_key=True)
    memory = Column(JSON, nullable=False)
    do_not_call = Column(Boolean, nullable=False)
    reason = Column(String(200), nullable=False)
    written_at = Column(Instant, nullable=False)
    demo = demo_column()


class CallPermissionColumns(TypedColumns):
    """One row per WhatsApp user; times are Unix time, 0 is never (see `domain.call_permission`)."""

    user = Column(String(128), primary_key=True)
    grant = Column(String(16), nullable=False)
    expires_at = Column(Float, nullable=False)
    asked_at = Column(JSON, nullable=False)
    unanswered = Column(Integer, nullable=False)
    user_at = Column(Float, nullable=False)
    checked_at = Column(Float, nullable=False)
    replied_at = Column(Float, nullable=False, server_default="0")
    demo = demo_column()


class InstanceColumns(TypedColumns):
    """One row per server process that shares the database; times are the database's.

    ``epoch`` counts its lives: one that was declared dead begins a new one. ``seen_at`` is its last
    heartbeat. ``host``, ``boot_id``, ``pid`` and ``pid_started`` tell others on the same machine
    whether the process still runs.
    """

    id = Column(String(64), primary_key=True)
    epoch = Column(Integer, nullable=False)
    url = Column(Text, nullable=False)
    host = Column(String(128), nullable=False)
    boot_id = Column(String(64), nullable=False)
    pid = Column(Integer, nullable=False)
    pid_started = Column(BigInteger, nullable=False)
    state = Column(String(16), nullable=False)
    calls = Column(Integer, nullable=False)
    seen_at = Column(Instant, nullable=False)


class RequestColumns(TypedColumns):
    """One row per request that named an Idempotency-Key; kept for a day.

    ``generation`` is new each time the key is used again after that day. ``status`` and ``body``
    are the answer, null while it is being worked on.
    """

    scope = Column(String(64), primary_key=True)
    key = Column(String(255), primary_key=True)
    fingerprint = Column(String(64), nullable=False)
    generation = Column(String(40), nullable=False)
    claimed_at = Column(Instant, nullable=False)
    status = Column(Integer)
    body = Column(JSON(none_as_null=True))
    demo = demo_column()


class SentMessageColumns(TypedColumns):
    """One row per message that a provider took, and the furthest that its reports say.

    ``rank`` orders the provider's words for that: a lower one that comes later changes nothing.
    ``job_id`` is the job that sent it, empty when that is not known (yet); ``fallback`` the
    template that goes out if the text is refused, null once it went or when there is none.
    """

    provider = Column(String(16), primary_key=True)
    message_id = Column(String(255), primary_key=True)
    job_id = Column(String(40), nullable=False)
    recipient = Column(String(128), nullable=False)
    status = Column(String(60), nullable=False)
    rank = Column(Integer, nullable=False)
    error = Column(String(60))
    fallback = Column(JSON(none_as_null=True))
    written_at = Column(Instant, nullable=False)
    demo = demo_column()


class DailyCountColumns(TypedColumns):
    """One row per day and limit: how many were sent on behalf of callers."""

    day = Column(String(10), primary_key=True)
    name = Column(String(32), primary_key=True)
    used = Column(Integer, nullable=False)


class RecipientColumns(TypedColumns):
    """One row per recipient whom a caller dictated, as keyed digests (see `quota_counts`)."""

    digest = Column(String(64), primary_key=True)
    asked_by = Column(String(64), nullable=False)
    first_at = Column(Instant, nullable=False)


class AuditColumns(TypedColumns):
    """One row per request that changed something (see `domain.audit`)."""

    id = Column(String(40), primary_key=True)
    at = Column(Instant, nullable=False)
    key = Column(String(40), nullable=False)
    role = Column(String(16), nullable=False)
    address = Column(String(64), nullable=False)
    action = Column(String(40), nullable=False)
    object = Column(String(64), nullable=False)
    status = Column(Integer, nullable=False)


class InstallationColumns(TypedColumns):
    """One row per thing that is known of the installation itself, by its name."""

    name = Column(String(64), primary_key=True)
    value = Column(JSON, nullable=False)
    written_at = Column(Instant, nullable=False)


class ErasureColumns(TypedColumns):
    """One row per person who was erased from this database: a keyed digest of their number."""

    digest = Column(String(64), primary_key=True)
    erased_at = Column(Instant, nullable=False)


class NonceColumns(TypedColumns):
    """One row per signed webhook that was taken; both values are SHA-256.

    ``nonce`` is of its nonce and the kind of its signature, ``content`` of all that it says.
    """

    nonce = Column(String(64), primary_key=True)
    content = Column(String(64), nullable=False)
    seen_at = Column(Instant, nullable=False)


jobs = Table(
    "jobs",
    metadata,
    JobColumns,
    Index(None, "next_at"),
    Index(None, "state", "created_at"),
    Index(None, "ref"),
    Index(None, "phone"),
    Index(None, "call_id"),
)
callbacks = Table(
    "callbacks", metadata, CallbackColumns, Index(None, "state", "due_at"), Index(None, "phone")
)
bookings = Table("bookings", metadata, BookingColumns, Index(None, "starts_at"))
contacts = Table("contacts", metadata, ContactColumns)
instances = Table("instances", metadata, InstanceColumns)
standings = Table("standings", metadata, CallPermissionColumns)
requests = Table("requests", metadata, RequestColumns, Index(None, "claimed_at"))
sent_messages = Table(
    "sent_messages",
    metadata,
    SentMessageColumns,
    Index(None, "written_at"),
    Index(None, "recipient"),
)
installation = Table("installation", metadata, InstallationColumns)
erasures = Table("erasures", metadata, ErasureColumns)
daily_counts = Table("daily_counts", metadata, DailyCountColumns)
recipients = Table(
    "recipients", metadata, RecipientColumns, Index(None, "asked_by"), Index(None, "first_at")
)
nonces = Table("nonces", metadata, NonceColumns, Index(None, "seen_at"))
audit = Table("audit", metadata, AuditColumns, Index(None, "at", "id"), Index(None, "object"))
