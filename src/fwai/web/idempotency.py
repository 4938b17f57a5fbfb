"""Requests with an Idempotency-Key: the same key is the same request, and has the same answer.

Theory of operation. A key is claimed in the database before the work and gets its answer after it.
Of two that come at once to this process the second waits for the first; another process's is told
to ask again. A claim without an answer is what a crash leaves (or a database that failed): the work
is done again, under names derived from the claim, so that what was done already is not done twice.
A claim that this process gave up is done again at once, any other one once it is a minute old.
"""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import structlog
from fastapi import Header, Request, Response

from fwai.domain.idempotency import Claim
from fwai.errors import FieldError, RefusedError, StoreError
from fwai.http.access import Client
from fwai.http.problem import ProblemError
from fwai.interfaces.store import IdempotencyStore
from fwai.web.errors import conflict, invalid, problem_of
from fwai.web.responses import answer
from fwai.web.values import canonical

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
class Use:
    """One use of a key, or a request without one.

    Attributes:
        id: The same whenever this use is worked on again; empty without a key.
        at: When it began.
    """

    id: str
    at: datetime

    def name(self, *parts: str) -> str:
        """Return 16 hexadecimal digits that belong to this use."""
        return hashlib.sha256("\x00".join((*parts, self.id)).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that can be kept."""

    body: Any
    status: int = 200
    location: str = ""


Work = Callable[[Use], Awaitable[Reply]]


class Idempotency:
    """Lets work be done once per key.

    Args:
        requests: Who was first with a key.
        clock: The time now, aware.
    """

    def __init__(
        self, requests: IdempotencyStore, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._requests = requests
        self._clock = clock
        self._flying: dict[tuple[str, str], asyncio.Event] = {}
        self._given_up: dict[str, None] = {}

    async def once(
        self,
        request: Request,
        key: str | None,
        route: str,
        body: Any,  # noqa: ANN401 - JSON
        work: Work,
    ) -> Response:
        """Do the work, or answer as it was answered.

        Args:
            request: Whose key it is.
            key: Of the header.
            route: Keys of different routes are different keys.
            body: What makes the request the same, as JSON.
            work: Does it. What it raises is kept as its answer when asking again cannot help.

        Raises:
            ProblemError: The key cannot be right, was used for something else, or is in use.
            StoreError: The database failed.
        """
        if key is None:
            return _response(await work(Use("", self._clock())))
        if not _PRINTABLE.fullmatch(key):
            raise invalid("Idempotency-Key", f"send 1 to {MAX_KEY} printable ASCII characters")
        client: Client = request.state.client
        place = (_scope(route, client.id), key)
        await self._landed(place)
        landed = self._flying[place] = asyncio.Event()
        try:
            return await self._claimed(place, canonical(body), work)
        finally:
            del self._flying[place]
            landed.set()

    async def _landed(self, place: tuple[str, str]) -> None:
        """Wait until nobody in this process works on the key."""
        try:
            async with asyncio.timeout(WAIT_S):
                while (flying := self._flying.get(place)) is not None:
                    await flying.wait()
        except TimeoutError:
            raise _in_progress() from None

    async def _claimed(self, place: tuple[str, str], body: bytes, work: Work) -> Response:
        claim = await self._requests.claim(*place, hashlib.sha256(body).hexdigest())
        if not claim.same:
            raise ProblemError(
                "idempotency-key-reused",
                "The key was used before",
                422,
                "This Idempotency-Key came with another body; use a new one.",
                "Idempotency-Key",
            )
        if claim.status is not None:
            return _kept(claim)
        if not claim.mine and not self._may_take_over(claim):
            raise _in_progress()
        return await self._work(place, claim, work)

    def _may_take_over(self, claim: Claim) -> bool:
        return claim.generation in self._given_up or self._clock() >= claim.claimed_at + ABANDONED

    async def _work(self, place: tuple[str, str], claim: Claim, work: Work) -> Response:
        use = Use(f"{place[0]}:{place[1]}:{claim.generation}", claim.claimed_at)
        self._give_up(claim.generation)  # until it is answered
        try:
            reply = await work(use)
        except (FieldError, RefusedError, ProblemError) as exc:
            refusal = problem_of(exc)
            response = refusal.response()
            if refusal.status >= 500:
                return response
        else:
            response = _response(reply)
        await self._keep(place, claim, response)
        return response

    async def _keep(self, place: tuple[str, str], claim: Claim, response: Response) -> None:
        body = {
            "text": bytes(response.body).decode(),
            "type": response.headers["content-type"],
            "location": response.headers.get("location", ""),
        }
        try:
            await self._requests.answer(*place, claim.generation, response.status_code, body)
        except StoreError as exc:  # it is done all the same; asking again finds it done
            _log.warning("idempotent_answer_not_kept", error=str(exc))
        else:
            self._given_up.pop(claim.generation, None)

    def _give_up(self, generation: str) -> None:
        self._given_up[generation] = None
        if len(self._given_up) > MAX_GIVEN_UP:
            del self._given_up[next(iter(self._given_up))]


def _scope(route: str, client_id: str) -> str:
    """Return whose keys they are, in at most 64 characters."""
    return f"api:{hashlib.sha256(f'{route} {client_id}'.encode()).hexdigest()[:32]}"


def _response(reply: Reply) -> Response:
    return answer(reply.body, reply.status, reply.location)


def _kept(claim: Claim) -> Response:
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
