"""Idempotency-Key: runs a request once per key and replays its stored response.

Theory of operation. A key is claimed in the database before the work and gets its answer after it.
Of two that come at once to this process the second waits for the first; another process's is told
to ask again. A claim without an answer is what a crash leaves (or a database that failed): the work
is done again, under names derived from the claim, so that what was done already is not done twice.
A claim that this process gave up is done again at once, any other one once it is a minute old.
"""

import asyncio
import hashlib
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import structlog
from fastapi import Header, Request, Response

from fwai.domain.idempotency import Claim
from fwai.domain.wall_clock import Patience, WallClock
from fwai.errors import FieldError, RefusedError, StoreError
from fwai.http.access import Client
from fwai.http.problem import ProblemError
from fwai.interfaces.store import IdempotencyStore
from fwai.web.errors import conflict, invalid_field, to_problem
from fwai.web.responses import json_response
from fwai.web.values import canonical_json

WAIT_S: Final = 10.0
ABANDONED: Final = timedelta(seconds=60)
MAX_GIVEN_UP: Final = 1_000
MAX_KEY: Final = 255
_PRINTABLE: Final = re.compile(r"[\x20-\x7e]{1,255}")

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="The same key with the same body has one effect, and the same answer for 24 h.",
        max_length=MAX_KEY,
    ),
]

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class KeyUse:
    """One use of an Idempotency-Key, or a request without a key.

    Attributes:
        id: The same whenever this use is worked on again; empty without a key.
        at: When it began.
    """

    id: str
    at: datetime

    def name(self, *parts: str) -> str:
        """Derive a stable name from this use: 16 hexadecimal digits."""
        return hashlib.sha256("\x00".join((*parts, self.id)).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Reply:
    """A response that can be stored and replayed."""

    body: Any
    status: int = 200
    location: str = ""


Work = Callable[[KeyUse], Awaitable[Reply]]


class Idempotency:
    """Runs work once per Idempotency-Key.

    Args:
        requests: Stores keys and their responses.
        clock: The time now, aware.
        wall: Tells how the clock was set; None is the system's.
    """

    def __init__(
        self,
        requests: IdempotencyStore,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        wall: WallClock | None = None,
    ) -> None:
        self._requests = requests
        self._clock = clock
        self._patience = Patience(clock, wall or WallClock(time.time, time.monotonic))
        self._in_flight: dict[tuple[str, str], asyncio.Event] = {}
        self._given_up: dict[str, None] = {}

    async def run_once(
        self,
        request: Request,
        key: str | None,
        route: str,
        body: Any,  # noqa: ANN401 - JSON
        work: Work,
    ) -> Response:
        """Run the work, or replay the response that it had.

        Args:
            request: Whose key it is.
            key: Of the header.
            route: Keys of different routes are different keys.
            body: What makes the request the same, as JSON.
            work: Does it. A refusal that it raises is stored too, unless its status is 5xx.

        Raises:
            ProblemError: The key cannot be right, was used for something else, or is in use.
            StoreError: The database failed.
        """
        if key is None:
            return _response(await work(KeyUse("", self._clock())))
        if not _PRINTABLE.fullmatch(key):
            raise invalid_field(
                "Idempotency-Key", f"send 1 to {MAX_KEY} printable ASCII characters"
            )
        client: Client = request.state.client
        scoped_key = (_scope(route, client.id), key)
        await self._wait_for_in_flight(scoped_key)
        finished = self._in_flight[scoped_key] = asyncio.Event()
        try:
            return await self._run_claimed(scoped_key, canonical_json(body), work)
        finally:
            del self._in_flight[scoped_key]
            finished.set()

    async def _wait_for_in_flight(self, scoped_key: tuple[str, str]) -> None:
        """Wait until no request of this process works on the key."""
        try:
            async with asyncio.timeout(WAIT_S):
                while (in_flight := self._in_flight.get(scoped_key)) is not None:
                    await in_flight.wait()
        except TimeoutError:
            raise _in_progress() from None

    async def _run_claimed(self, scoped_key: tuple[str, str], body: bytes, work: Work) -> Response:
        claim = await self._requests.claim(*scoped_key, hashlib.sha256(body).hexdigest())
        if not claim.same:
            raise ProblemError(
                "idempotency-key-reused",
                "The key was used before",
                422,
                "This Idempotency-Key came with another body; use a new one.",
                "Idempotency-Key",
            )
        if claim.status is not None:
            return _stored_response(claim)
        if not claim.mine and not self._may_take_over(claim):
            raise _in_progress()
        return await self._work(scoped_key, claim, work)

    def _may_take_over(self, claim: Claim) -> bool:
        if claim.generation in self._given_up:
            return True
        patience_s = ABANDONED.total_seconds()
        return self._patience.until(claim.generation, claim.claimed_at, patience_s) is None

    async def _work(self, scoped_key: tuple[str, str], claim: Claim, work: Work) -> Response:
        use = KeyUse(f"{scoped_key[0]}:{scoped_key[1]}:{claim.generation}", claim.claimed_at)
        self._give_up(claim.generation)  # until it is answered
        try:
            reply = await work(use)
        except (FieldError, RefusedError, ProblemError) as exc:
            refusal = to_problem(exc)
            response = refusal.response()
            if refusal.status >= 500:
                return response
        else:
            response = _response(reply)
        await self._store_response(scoped_key, claim, response)
        return response

    async def _store_response(
        self, scoped_key: tuple[str, str], claim: Claim, response: Response
    ) -> None:
        body = {
            "text": bytes(response.body).decode(),
            "type": response.headers["content-type"],
            "location": response.headers.get("location", ""),
        }
        try:
            await self._requests.answer(*scoped_key, claim.generation, response.status_code, body)
        except StoreError as exc:  # it is done all the same; asking again finds it done
            _log.warning("idempotent_answer_not_kept", error=str(exc))
        else:
            self._given_up.pop(claim.generation, None)

    def _give_up(self, generation: str) -> None:
        self._given_up[generation] = None
        if len(self._given_up) > MAX_GIVEN_UP:
            del self._given_up[next(iter(self._given_up))]


def _scope(route: str, client_id: str) -> str:
    """Return the namespace of a client's keys on a route, in at most 64 characters."""
    return f"api:{hashlib.sha256(f'{route} {client_id}'.encode()).hexdigest()[:32]}"


def _response(reply: Reply) -> Response:
    return json_response(reply.body, reply.status, reply.location)


def _stored_response(claim: Claim) -> Response:
    headers = {"Cache-Control": "no-store", "Idempotency-Replayed": "true"}
    if claim.body["location"]:
        headers["Location"] = claim.body["location"]
    return Response(claim.body["text"], claim.status or 200, headers, claim.body["type"])


def _in_progress() -> ProblemError:
    problem = conflict(
        "in-progress",
        "In progress",
        "A request with this Idempotency-Key is being worked on; ask again in a moment.",
    )
    problem.headers["Retry-After"] = "5"
    return problem
