"""Refuses requests of which there are too many: 429, and when to ask again.

Theory of operation. A request costs a stranger nothing, so what is refused without a look must cost
us next to nothing: the limit is checked before the body is read and before anybody looks at a
signature or a key. A provider's request that is refused is a lost call, and a provider may share
its address with whoever attacks: with strangers behind one proxy, or with another customer of the
same provider, whose own signed requests reach us from the provider's own addresses. So a request
to a webhook is refused early only when it cannot be the provider's at all (it claims no signature)
and comes from an address of which we know that it is the client's own. Whatever bears a signature
is looked at, always, and a verified request is answered as if there were no limits here; what it
may begin is bounded elsewhere (`calls/admission`).

A handshake of a WebSocket is a request like any other: refused, it counts, and one that cannot be a
provider's media stream is told to wait where its address is.

Everybody else has a limit per address and per key, and one on what was refused: keys that were
tried, pages that are not there. An address that is not proven (`client_address`) has none: it may
be everybody's.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from fastapi import Request
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fwai.http.access import presented
from fwai.http.client_address import ClientAddresses
from fwai.http.problem import ProblemError
from fwai.rates import Rate, Rates

REPORT_S: Final = 60.0
# What an answer with one of these says: somebody asked who may not, or for what is not there.
_REFUSALS: Final = frozenset({400, 401, 403, 404, 405, 408, 411, 413, 414, 415, 422, 431})
_REFUSALS_OF_KEYS: Final = frozenset({401, 403})
# Where whoever has a key may well ask for what is not there.
_WITH_KEYS: Final = ("/api", "/console")

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Webhook:
    """A provider's addresses.

    Attributes:
        path: What they begin with.
        claims: Whether a request says that it is the provider's: it has a signature, good or not;
            a handshake of a WebSocket may have a token instead.
    """

    path: str
    claims: Callable[[HTTPConnection], bool]


@dataclass(frozen=True, slots=True)
class RateLimits:
    """How many requests there may be.

    Attributes:
        requests: To the API and the pages: per key, and per address.
        refused: Refused ones of an address, before the next ones are refused unseen.
        acts: Further ones, by method and path, per key or else per address.
        webhooks: Where requests of providers come in.
    """

    requests: Rate
    refused: Rate
    acts: Mapping[tuple[str, str], Rate]
    webhooks: Sequence[Webhook] = ()


class RateLimiter:
    """ASGI middleware that answers 429.

    Args:
        app: The routes.
        limits: How many there may be.
        addresses: Tells whose a request is.
        clock: Monotonic time in seconds.

    Attributes:
        refused: How many requests were refused, by reason.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: RateLimits,
        addresses: ClientAddresses,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._limits = limits
        self._addresses = addresses
        self._clock = clock
        self._rates = Rates(clock)
        self._reported: dict[str, float] = {}
        self.refused: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        address = self._addresses.of(scope)
        scope.setdefault("state", {})["client_address"] = address
        if scope["type"] == "websocket":
            problem = self._refusal_of_handshake(HTTPConnection(scope), address)
        else:
            problem = self._refusal(Request(scope), address)
        if problem is not None:
            await problem.response()(scope, receive, send)
            return
        refusals = _REFUSALS_OF_KEYS if scope["path"].startswith(_WITH_KEYS) else _REFUSALS

        async def watched(message: Message) -> None:
            if _refuses(message, refusals):
                self._rates.count(self._limits.refused, address)
            await send(message)

        await self._app(scope, receive, watched if address else send)

    def _refusal_of_handshake(self, handshake: HTTPConnection, address: str) -> ProblemError | None:
        """Return why a WebSocket is refused unseen; None when it is passed on."""
        if not address or any(
            handshake.scope["path"].startswith(webhook.path) and webhook.claims(handshake)
            for webhook in self._limits.webhooks
        ):
            return None
        refused = self._limits.refused
        return self._problem(refused, self._rates.full(refused, address))

    def _refusal(self, request: Request, address: str) -> ProblemError | None:
        """Return why a request is refused; None when it is passed on."""
        limits = self._limits
        path = request.scope["path"]
        for webhook in limits.webhooks:
            if path.startswith(webhook.path):
                if not address or webhook.claims(request):
                    return None
                return self._problem(limits.refused, self._rates.full(limits.refused, address))
        if address and (wait_s := self._rates.full(limits.refused, address)):
            return self._problem(limits.refused, wait_s)
        asks = [(limits.requests, f"address {address}")] if address else []
        key = presented(request)
        if key:
            # Not the key itself: what is kept in memory may be dumped.
            whose = f"key {hashlib.sha256(key.encode()).hexdigest()[:32]}"
            asks.append((limits.requests, whose))
        else:
            whose = f"address {address}" if address else ""
        act = limits.acts.get((request.method, path.rstrip("/")))
        if act is not None and whose:
            asks.append((act, whose))
        for rate, name in asks:
            if wait_s := self._rates.count(rate, name):
                return self._problem(rate, wait_s)
        return None

    def _problem(self, rate: Rate, wait_s: int) -> ProblemError | None:
        if not wait_s:
            return None
        self._report(rate.what)
        return ProblemError(
            "too-many-requests",
            "Too many requests",
            429,
            f"More than {rate.most} {rate.what} in {rate.per_s} s. Ask again in {wait_s} s.",
            headers={"Retry-After": str(wait_s)},
        )

    def _report(self, reason: str) -> None:
        """Count a refusal, and log each reason at most once a minute."""
        self.refused[reason] += 1
        now = self._clock()
        if now - self._reported.get(reason, -REPORT_S) >= REPORT_S:
            self._reported[reason] = now
            _log.warning("requests_limited", reason=reason, refused=self.refused[reason])


def _refuses(message: Message, refusals: Collection[int]) -> bool:
    """Whether an application's message refuses the request or the handshake."""
    kind = message["type"]
    if kind == "websocket.close":  # what was accepted is closed by picows, past this place
        return True
    return kind.endswith("http.response.start") and message["status"] in refusals
