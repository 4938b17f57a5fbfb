"""A signature is used once: the same nonce comes with the same bytes, or is refused.

Theory of operation. A signature may cover less than a request says (Plivo's V2 signs no body) or
read in several ways (its V3 joins fields without separators): whoever has seen one request could
make others of it. So the first request with a nonce decides what that nonce says. The same bytes
again are the provider trying again: handlers give the same answer. This process remembers in
memory, at once; all of them and a restart in the database, which a call waits for only so long:
while it is slow or away, memory alone decides, and the database is left alone for a while.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from typing import Final

import structlog

from fwai.domain.failure import UNWATCHED, Area, Trouble
from fwai.errors import SignatureError, StoreError
from fwai.interfaces.failures import Failures
from fwai.interfaces.nonces import BoundedWaits, NonceLog

MAX_REMEMBERED: Final = 20_000
WAIT_S: Final = 0.5
LEAVE_ALONE_S: Final = 5.0
WHAT: Final = "signed webhooks"

_log = structlog.get_logger()


class SignedOnce:
    """Remembers which signed requests were taken.

    Args:
        log: What all processes know, or None: this process alone.
        waits: Waits for it only so long; needed with ``log``.
        failures: Told when it cannot be asked.
        now: Monotonic time in seconds.
    """

    def __init__(
        self,
        log: NonceLog | None = None,
        waits: BoundedWaits | None = None,
        failures: Failures = UNWATCHED,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._waits = waits
        self._failures = failures
        self._now = now
        self._here: OrderedDict[str, str] = OrderedDict()
        self._ask_again_at = 0.0

    async def check(self, kind: str, nonce: str, *content: bytes) -> None:
        """Take a request whose signature is right.

        Args:
            kind: Of the signature; nonces of two kinds are apart.
            nonce: As it came.
            content: All that the request says: method, path, query and body as they came.

        Raises:
            SignatureError: The nonce came with other content before.
        """
        name = sha256(f"{kind}:{nonce}".encode(errors="replace")).hexdigest()
        said = _digest(content)
        first = self._here.get(name)
        if first is None:
            # Before anything is waited for: of two at once the second one finds it.
            self._here[name] = said
            if len(self._here) > MAX_REMEMBERED:
                self._here.popitem(last=False)
            first = await self._first_of_all(name, said)
            self._here[name] = first
        if first != said:
            raise SignatureError(f"{kind}: the nonce was used for another request")

    async def _first_of_all(self, name: str, said: str) -> str:
        if self._log is None or self._waits is None or self._now() < self._ask_again_at:
            return said
        try:
            first = await self._waits.within(self._log.first(name, said), WAIT_S)
        except (StoreError, TimeoutError) as exc:
            self._ask_again_at = self._now() + LEAVE_ALONE_S
            _log.warning("nonces_not_shared", error=type(exc).__name__)
            self._failures.seen(
                Trouble(
                    Area.DATABASE,
                    WHAT,
                    "which signed webhooks were taken is known to this process alone",
                    "look at the database; calls go on",
                )
            )
            return said
        self._failures.mended(Area.DATABASE, WHAT)
        return first


def _digest(parts: tuple[bytes, ...]) -> str:
    """Hash parts so that no other cut between them has the same hash."""
    found = sha256()
    for part in parts:
        found.update(b"%d:" % len(part))
        found.update(part)
    return found.hexdigest()
