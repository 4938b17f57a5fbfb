"""Single-use tokens that admit one media stream of one call.

A media socket without one would let strangers spend the API key. The signed answer webhook mints a
token, bound to the provider, the call and the carrier's id of it; it lives for a minute and is used
up only by a stream that names the same call, so that a carrier may retry its connection.

One connection at a time may have it: who has a token could otherwise open connections without end,
each of which waits for its first message. A carrier tries again when its connection is gone. When
that was lost on the way without a word (no FIN), it still waits here, and the retry must not wait
for it: a carrier says which call it brings within milliseconds of its handshake, so a connection
that has said nothing for `TAKE_OVER_S` gives way to a newer one with the same token. It is ended
before the newer one is admitted: its task is cancelled, as ``asyncio.timeout`` does it, so that it
can read, redeem and carry nothing any more, even if its first message comes in that very moment.
A token that is used up has no connection that waits, so a call that runs is never taken over.
Whoever has a token gains nothing by it that redeeming the token would not give them.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import structlog

from fwai.domain.call import CallId

LIFE_S: Final = 60.0
MOST: Final = 10_000
TAKE_OVER_S: Final = 1.0

_log = structlog.get_logger()


@dataclass(eq=False, slots=True)
class _Hold:
    """A connection's hold of a token.

    Attributes:
        since: When it began.
        task: What waits for the connection's first message; None cannot be ended.
        ended: A newer connection has taken the token over.
    """

    since: float
    task: asyncio.Task[Any] | None
    ended: bool = False


@dataclass(slots=True)
class _Grant:
    call_id: CallId
    provider: str
    provider_call_id: str
    expires_at: float
    hold: _Hold | None = None


class StreamTokens:
    """All tokens that are out.

    Args:
        clock: Monotonic time in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._grants: dict[str, _Grant] = {}

    def mint(
        self, call_id: CallId, provider: str, provider_call_id: str, life_s: float = LIFE_S
    ) -> str:
        """Return a new token; it is safe in a URL.

        Without a provider's id of the call, which is only being placed then, it fits whatever
        stream of that provider brings it.
        """
        self._forget_expired()
        token = secrets.token_urlsafe(24)
        self._grants[token] = _Grant(call_id, provider, provider_call_id, self._clock() + life_s)
        if len(self._grants) > MOST:
            del self._grants[next(iter(self._grants))]
        return token

    @contextmanager
    def admission(self, provider: str, token: str) -> Iterator[bool]:
        """Hold ``token`` for one connection of ``provider``, as long as the block runs.

        The block ends early, as if it had returned, when a newer connection takes the token over:
        what it awaits then is cancelled.

        Yields:
            False when it may not be redeemed: it is unknown, used up or too old, it is another
            provider's, or another connection has held it for less than `TAKE_OVER_S`.
        """
        grant = self._grants.get(token)
        now = self._clock()
        if (
            grant is None
            or grant.provider != provider
            or now >= grant.expires_at
            or not _free(grant, now)
        ):
            yield False
            return
        hold = grant.hold = _Hold(now, _current_task())
        try:
            yield True
        except asyncio.CancelledError:
            if not hold.ended or hold.task is None or hold.task.uncancel() > 0:
                raise
        finally:
            if grant.hold is hold:
                grant.hold = None

    def redeem(self, token: str, provider_call_id: str) -> CallId | None:
        """Use ``token`` up for the stream of ``provider_call_id``; None when it does not fit.

        A stream that does not say its call (empty) is of the call that its token was minted for;
        one that says another does not fit.
        """
        grant = self._grants.get(token)
        if (
            grant is None
            or self._clock() >= grant.expires_at
            or (provider_call_id and grant.provider_call_id not in ("", provider_call_id))
        ):
            return None
        self.revoke(grant.call_id)
        return grant.call_id

    def revoke(self, call_id: CallId) -> None:
        """Make every token of a call worthless."""
        for token in [t for t, grant in self._grants.items() if grant.call_id == call_id]:
            del self._grants[token]

    def _forget_expired(self) -> None:
        now = self._clock()
        for token in [t for t, grant in self._grants.items() if now >= grant.expires_at]:
            del self._grants[token]


def _free(grant: _Grant, now: float) -> bool:
    """Whether a connection may hold a grant now; ends the one that said nothing for too long."""
    hold = grant.hold
    if hold is None:
        return True
    if hold.task is None or now - hold.since < TAKE_OVER_S:
        return False
    hold.ended = True
    hold.task.cancel()
    _log.warning("stream_taken_over", call_id=grant.call_id, provider=grant.provider)
    return True


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no loop runs
        return None
