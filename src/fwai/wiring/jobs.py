"""Background jobs: the handler of every kind, the workers, and what a start writes down.

Each worker is a lane: what is done in it waits for the same others. Calls have a lane per provider,
messages one per channel; a server that hangs delays what is meant for it and nothing else.
"""

import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
import structlog

from fwai.calls.after_call import AfterCall
from fwai.calls.daily_cap import DailyCap
from fwai.calls.dial_cleanup import close_call_job
from fwai.calls.dialer import CallbackDialer, Dialer, DialLimits
from fwai.calls.hang_up import CarrierHangUp
from fwai.config.settings import Settings
from fwai.domain.agent import AgentProfile
from fwai.domain.call import Call, CallEnding, CallState, EndReason
from fwai.domain.call_event import CALLBACK_MISSED
from fwai.domain.callback import Callback, CallbackPolicy
from fwai.domain.demo import DEMO_LINE
from fwai.domain.failure import UNWATCHED, Area
from fwai.domain.hours import CallingHours
from fwai.domain.job import (
    ASK_CALL_PERMISSION,
    CALLBACK,
    DIAL,
    EVENT,
    FOLLOW_UP,
    HANG_UP,
    HOUSEKEEPING,
    SEND_WHATSAPP,
    SUMMARY,
    WATCH_CALL,
    Job,
    JobHandler,
    JobState,
    NewJob,
)
from fwai.domain.outbound import AcceptedCall, CallRequest, DialRules
from fwai.domain.record import CallRecord
from fwai.gemini.text import TextModel
from fwai.http.api_watch import ApiWatch
from fwai.interfaces.calls import CallPlacer, OutboundLine
from fwai.interfaces.failures import Failures
from fwai.interfaces.limits import UNHEARD, LimitAlarms
from fwai.interfaces.store import CallArchive
from fwai.jobs.call_follow_ups import CallFollowUps
from fwai.jobs.clock_watch import ClockWatch
from fwai.jobs.events import Events
from fwai.jobs.housekeeping import Housekeeping
from fwai.jobs.signals import JobSignals
from fwai.jobs.unconfigured import Unconfigured
from fwai.jobs.worker import Worker
from fwai.store.callback_import import import_once
from fwai.store.demo_guard import OlderDemo
from fwai.store.membership import Membership
from fwai.store.open import Store
from fwai.store.provider_jobs import ProviderJobs, last_dialled
from fwai.wiring.keeping import OwnersExpiry
from fwai.wiring.webhooks import announcer, callback_event

DELIVERY_CONCURRENCY: Final = 4
HANG_UP_CONCURRENCY: Final = 8
MESSAGE_CONCURRENCY: Final = 4
HOUSE_CONCURRENCY: Final = 4
MAX_DIALS: Final = 32  # that a provider is asked for at once and has not answered yet
SHARED_POLL_S: Final = 5.0  # where other machines write jobs, too

FollowJob = Callable[[Job, JobState], Iterable[NewJob]]

SURVIVES_RESTART: Final = frozenset(
    {CallState.QUEUED, CallState.SCHEDULED, CallState.DIALING, CallState.RINGING}
)
"""States of outbound calls that a restart leaves open: a job still acts on them."""

_log = structlog.get_logger()


class OurNumbers(Mapping[str, str]):
    """Our number at each provider, asked for each time: WhatsApp tells it only later."""

    def __init__(self, lines: Mapping[str, OutboundLine]) -> None:
        self._lines = lines

    def __getitem__(self, name: str) -> str:
        return self._lines[name].number

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)


def dial_rules(
    settings: Settings, agents: Mapping[str, AgentProfile], lines: Mapping[str, OutboundLine]
) -> DialRules:
    """Build the rules of outbound calls; ``lines`` are the providers that can place them."""
    return DialRules(
        providers=OurNumbers(lines),
        agents=tuple(agents),
        hours=CallingHours.parse(settings.calling_hours),
        zone=settings.zone,
        reach=settings.reach,
    )


async def background_jobs(
    settings: Settings,
    agents: Mapping[str, AgentProfile],
    store: Store,
    signals: JobSignals,
    events: Events,
    rules: DialRules,
    lines: Mapping[str, OutboundLine],
    archive: CallArchive,
    calls: CallPlacer,
    place: Callable[[CallRequest], Awaitable[AcceptedCall]],
    messages: Mapping[str, JobHandler],
    http: httpx.AsyncClient,
    failures: Failures = UNWATCHED,
    alarms: LimitAlarms = UNHEARD,
    away_s: Callable[[Call], float | None] = lambda _: None,
) -> Sequence[Worker]:
    """Build the handler of every kind of job, and the workers.

    Args:
        settings: Those of the process.
        agents: By id.
        store: Where jobs are.
        signals: Wakes the workers.
        events: Tells others.
        rules: When and whom this server may call.
        lines: Who places calls, by provider.
        archive: What the dialer closes goes through it, so that subscribers hear of it.
        calls: Places and carries calls.
        place: Accepts a call to be dialled, for callbacks.
        messages: The handlers of messages, by kind.
        http: For the text model; not closed here.
        failures: Told when the text model cannot be used.
        alarms: Told when a limit was reached.
        away_s: In how many seconds to ask again for a call whose agent cannot be had now, or None.

    Raises:
        StoreError: The database failed.
    """
    policy = CallbackPolicy(
        attempts=settings.callback_attempts,
        gap_s=settings.callback_retry_minutes * 60.0,
        window_s=settings.callback_window_minutes * 60.0,
    )
    limits = DialLimits(
        at_once=settings.outbound_calls_at_once,
        per_second=settings.outbound_calls_per_second,
        ring_s=settings.ring_seconds,
        max_s=settings.max_call_seconds + 60,
    )
    daily = DailyCap(
        settings.outbound_calls_per_day,
        store.calls.outbound_since,
        settings.zone,
        lambda: datetime.now(UTC),
        alarms,
    )
    elsewhere = _elsewhere(store.membership)
    dialer = Dialer(
        rules, limits, lines, archive, calls, store.contacts, elsewhere, daily=daily, away_s=away_s
    )
    for provider in lines:
        if (begun_at := await last_dialled(store.database, provider)) is not None:
            dialer.resume(provider, begun_at)
    missed = callback_event(events, CALLBACK_MISSED, settings.zone)
    house: dict[str, JobHandler] = {
        CALLBACK: CallbackDialer(rules, policy, store.callbacks, place, missed),
        FOLLOW_UP: _follow_ups(settings, agents, store, events, policy, missed),
        HOUSEKEEPING: Housekeeping(
            store.jobs,
            store.idempotency_keys,
            store.membership.instances,
            store.sent_messages,
            OwnersExpiry(settings, store),
            ClockWatch(store.witness),
            nonces=store.nonces,
            keep_words=settings.enable_transcripts,
        ),
    }
    deliveries: dict[str, JobHandler] = {
        EVENT: events.deliver,
        SUMMARY: _summaries(settings, agents, store, events, http, failures),
    }
    shared = not settings.database_url.startswith("sqlite")

    def poll_s() -> float | None:
        return SHARED_POLL_S if shared or store.membership.siblings else None

    def lane(handlers: Mapping[str, JobHandler], concurrency: int) -> Worker:
        return Worker(store.jobs, handlers, signals, concurrency=concurrency, poll_s=poll_s)

    def dials(provider: str) -> Worker:
        return Worker(
            ProviderJobs(store.jobs, provider, lines),
            {DIAL: dialer.dial},
            signals,
            concurrency=min(settings.outbound_calls_at_once, MAX_DIALS),
            poll_s=poll_s,
            gate=(lambda: dialer.gate_s(provider)) if provider else None,
        )

    hang_ups: dict[str, JobHandler] = {HANG_UP: CarrierHangUp(lines), WATCH_CALL: dialer.watch}
    return [
        *map(dials, [*lines, ""]),
        lane(hang_ups, HANG_UP_CONCURRENCY),
        *(lane(each, MESSAGE_CONCURRENCY) for each in _channels(messages)),
        lane(house, HOUSE_CONCURRENCY),
        lane(deliveries, DELIVERY_CONCURRENCY),
    ]


def _channels(messages: Mapping[str, JobHandler]) -> Sequence[Mapping[str, JobHandler]]:
    """Return the handlers of messages, those that go through the same server together."""
    meta = (SEND_WHATSAPP, ASK_CALL_PERMISSION)
    together = {kind: handler for kind, handler in messages.items() if kind in meta}
    alone = [{kind: handler} for kind, handler in messages.items() if kind not in meta]
    return [each for each in (together, *alone) if each]


def follow_each(*follows: FollowJob) -> FollowJob:
    """Return what names all the jobs that follow a job's reaching a state."""

    def follow(job: Job, state: JobState) -> Sequence[NewJob]:
        return [new for one in follows for new in one(job, state)]

    return follow


async def write_start_jobs(
    settings: Settings, agents: Mapping[str, AgentProfile], store: Store, rules: DialRules
) -> None:
    """Write down what a start has to do; to be called once before the workers run.

    Raises:
        StoreError: The database failed.
    """
    if not store.options.demo:  # which must not swallow what the business has promised
        await import_once(
            settings.data_dir / "callbacks.json",
            store.callbacks,
            zone=settings.zone,
            default_agent=next(iter(agents)),
        )
        await _give_up_older_demo(store, rules)
    for dial in await store.jobs.stranded(DIAL):
        await store.jobs.enqueue(close_call_job(dial, datetime.now(UTC)))
    await OwnersExpiry(settings, store).warn()
    await store.jobs.enqueue(Housekeeping.next(datetime.now(UTC) + timedelta(hours=1)))


async def _give_up_older_demo(store: Store, rules: DialRules) -> None:
    """Call nobody whom the demo mode of an older version was to call (see `OlderDemo`)."""
    if DEMO_LINE in rules.providers.values():
        return  # somebody's own number, then
    older = OlderDemo(store.database)
    calls, callbacks = await older.waiting_calls(DEMO_LINE), await older.open_callbacks(DEMO_LINE)
    ending = CallEnding(CallState.CANCELED, EndReason.NOT_DIALED, cause="placed in demo mode")
    for call_id in calls:
        record = await store.calls.get(call_id)
        if record is not None:
            await store.calls.end(record.call, ending, time.time())
    for callback_id in callbacks:
        await store.callbacks.cancel(callback_id)
    if calls or callbacks:
        _log.warning("older_demo_given_up", calls=len(calls), callbacks=len(callbacks))


def _elsewhere(membership: Membership) -> Callable[[CallRecord], bool]:
    """Return whether another process that lives carries a call."""

    def carried(record: CallRecord) -> bool:
        return record.state.on_line and membership.lives_elsewhere(record.instance, record.epoch)

    return carried


def _follow_ups(
    settings: Settings,
    agents: Mapping[str, AgentProfile],
    store: Store,
    events: Events,
    policy: CallbackPolicy,
    on_missed: Callable[[Callback], Sequence[NewJob]],
) -> CallFollowUps:
    def sums_up(agent: str) -> bool:
        profile = agents.get(agent)
        return bool(settings.gemini_text_model) and profile is not None and profile.sums_up

    return CallFollowUps(
        store.calls,
        store.jobs,
        events,
        store.contacts,
        store.callbacks,
        policy,
        remembers=_remembering(agents),
        sums_up=sums_up,
        on_missed=on_missed,
    )


def _summaries(
    settings: Settings,
    agents: Mapping[str, AgentProfile],
    store: Store,
    events: Events,
    http: httpx.AsyncClient,
    failures: Failures,
) -> JobHandler:
    if not settings.gemini_text_model:
        return Unconfigured("GEMINI_TEXT_MODEL")
    announce = announcer(events)

    async def tell(kind: str, record: CallRecord, data: Mapping[str, Any]) -> None:
        call = record.call
        for job in announce(kind, call.id, data, call):
            await store.jobs.enqueue(job)

    model = TextModel(
        http,
        settings.google_api_key.get_secret_value(),
        settings.gemini_text_model,
        settings.gemini_text_url,
        watch=ApiWatch(
            failures,
            Area.MODEL,
            "text model",
            "check GOOGLE_API_KEY, and that its project may use GEMINI_TEXT_MODEL",
            "check the network and GEMINI_TEXT_URL; look at Google's status page",
        ),
    )
    return AfterCall(
        store.calls,
        model,
        store.contacts,
        lambda agent: profile.extract if (profile := agents.get(agent)) else {},
        _remembering(agents),
        tell,
    )


def _remembering(agents: Mapping[str, AgentProfile]) -> Callable[[str], bool]:
    """Return whether an agent, by its id, keeps a memory of people."""
    return lambda agent: (profile := agents.get(agent)) is not None and profile.memory
