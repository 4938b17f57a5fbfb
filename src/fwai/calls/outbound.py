"""Takes in what is to be called: checks it, keeps it, and leaves it to the dialer.

Nothing is dialled here. A call that is accepted is a row and a job of one transaction; the job
dials it when it may be dialled (see `dialer`).
"""

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from fwai.calls.live_call import new_call_id
from fwai.domain import phone
from fwai.domain.call import Call, CallState, Direction
from fwai.domain.field_faults import FieldFaults
from fwai.domain.job import DIAL, NewJob
from fwai.domain.outbound import AcceptedCall, CallRequest, DialRules
from fwai.errors import FieldError, RefusedError
from fwai.interfaces.store import DoNotCallList, OutboundCallStore

MAX_CONTEXT: Final = 40
MAX_CONTEXT_NAME: Final = 64
MAX_CONTEXT_VALUE: Final = 2_000
HORIZON_DAYS: Final = 366
WORTH_DIALLING: Final = timedelta(days=1)


class OutboundCalls:
    """Accepts outbound calls: checks them, keeps them, leaves them to the dialer.

    Args:
        may_post: Raises ``ValueError`` with the fix when events may not go to a URL.
        clock: The time now, aware.
    """

    def __init__(
        self,
        rules: DialRules,
        archive: OutboundCallStore,
        people: DoNotCallList,
        may_post: Callable[[str], None],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._rules = rules
        self._archive = archive
        self._people = people
        self._may_post = may_post
        self._clock = clock

    async def place(self, request: CallRequest) -> AcceptedCall:
        """Accept a call; it is dialled at once, or when it is time.

        Raises:
            FieldError: A value cannot be right.
            RefusedError: The person must not be called.
            StoreError: The database failed; nothing was accepted.
        """
        now = self._clock()
        call, not_before = self._checked(request, now)
        if await self._people.do_not_call(call.caller):
            raise RefusedError("do-not-call", "This person is on the do-not-call list.")
        due_at = self._rules.hours.next_open(max(not_before or now, now), self._rules.zone)
        state = CallState.SCHEDULED if due_at > now else CallState.QUEUED
        until = request.until or due_at + WORTH_DIALLING
        job = NewJob(
            DIAL,
            f"{DIAL}:{call.id}",
            {"call_id": call.id, "until": until.isoformat()},
            run_at=due_at,
            call_id=call.id,
            phone=call.caller,
        )
        at = now.timestamp()
        new = await self._archive.place(call, state, at, not_before=not_before, jobs=[job])
        return AcceptedCall(call, state, due_at, new)

    def _checked(self, request: CallRequest, now: datetime) -> tuple[Call, datetime | None]:
        faults = FieldFaults()
        provider = request.provider or next(iter(self._rules.providers), "")
        with faults.of_field():
            _one_of("provider", provider, self._rules.providers, "CALL_PROVIDER")
        agent = request.agent or self._rules.agents[0]
        with faults.of_field():
            _one_of("agent", agent, self._rules.agents, "prompts.json")
        with faults.of_field():
            _check_context(request.context)
        with faults.of_field():
            self._check_url(request.webhook_url)
        line = self._rules.providers.get(provider, "")
        number, not_before = request.to, request.not_before
        with faults.of_field():
            number = self._checked_number(request.to, provider, line)
        with faults.of_field():
            not_before = _not_before(request.not_before, now)
        faults.check()
        call = Call(
            id=request.call_id or new_call_id(now.astimezone(self._rules.zone)),
            provider=provider,
            direction=Direction.OUTBOUND,
            caller=number,
            line=line,
            agent=agent,
            context=dict(request.context),
            callback_id=request.callback_id,
            webhook_url=request.webhook_url,
        )
        return call, not_before

    def _checked_number(self, to: str, provider: str, line: str) -> str:
        number = _number(to)
        self._rules.check_reach(number, provider)
        if number == line:
            raise FieldError("to", "this is our own number; name the person to call")
        return number

    def _check_url(self, url: str) -> None:
        if url:
            try:
                self._may_post(url)
            except ValueError as exc:
                raise FieldError("webhook_url", str(exc)) from None


def _number(to: str) -> str:
    try:
        return phone.dialable(to)
    except ValueError as exc:
        raise FieldError("to", str(exc)) from None


def _one_of(field_name: str, value: str, known: Collection[str], where: str) -> None:
    if value not in known:
        names = ", ".join(known) or "nothing"
        raise FieldError(field_name, f"unknown {field_name}; {where} has: {names}")


def _check_context(context: Mapping[str, str]) -> None:
    if len(context) > MAX_CONTEXT:
        raise FieldError("context", f"give at most {MAX_CONTEXT} values")
    for name, value in context.items():
        if len(name) > MAX_CONTEXT_NAME or len(value) > MAX_CONTEXT_VALUE:
            fix = f"names have at most {MAX_CONTEXT_NAME} characters, values {MAX_CONTEXT_VALUE}"
            raise FieldError("context", fix)


def _not_before(not_before: datetime | None, now: datetime) -> datetime | None:
    if not_before is None:
        return None
    if not_before.tzinfo is None:
        raise FieldError("not_before", "add the offset, as in 2026-11-23T10:00:00+05:30")
    if (not_before - now).days >= HORIZON_DAYS:
        raise FieldError("not_before", f"at most {HORIZON_DAYS} days ahead")
    return not_before
