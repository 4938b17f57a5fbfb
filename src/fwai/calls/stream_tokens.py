"""Single-use tokens that admit one media stream of one call.

A media socket without one would let strangers spend the API key. The signed answer webhook mints a
token, bound to the provider, the call and the carrier's id of it; it lives for a minute and is used
up only by a stream that names the same call, so that a carrier may retry its connection.

One connection at a time may have it: who has a token could otherwise open connections without end,
each of which waits for its first message. A carrier tries again when its connection is gone, and
what was lost on the way without a word is given up here before any carrier does so.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from fwai.domain.call import CallId

LIFE_S: Final = 60.0
MOST: Final = 10_000


@dataclass(slots=True)
class _Grant:
    call_id: CallId
    provider: str
    provider_call_id: str
    expires_at: float
    held: bool = False


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

        Yields:
            False when it may not be redeemed: it is unknown, used up or too old, it is another
            provider's, or another connection holds it.
        """
        grant = self._grants.get(token)
        if (
            grant is None
            or grant.held
            or grant.provider != provider
            or self._clock() >= grant.expires_at
        ):
            yield False
            return
        grant.held = True
        try:
            yield True
        finally:
            grant.held = False

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
