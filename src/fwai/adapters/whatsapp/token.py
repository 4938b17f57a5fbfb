"""Manages Meta's access token: inspects it at start, refreshes and caches it.

Theory of operation. The token of the environment is inspected with ``debug_token``. A system user's
token, and any that never expires, is used as it stands. Another is exchanged for a long-lived one
and again when less than a week is left; what Meta gives is cached in a file of mode 0600 together
with a hash of the environment's token it came from, so that a newly supplied one beats the cache.
Clients ask `current` with every request. An expired token cannot be exchanged: a person must act,
and the log says so.

Source: Meta "Long-lived access tokens" and "Debug access tokens"; read 2026-11-22.
"""

import asyncio
import contextlib
import hashlib
import json
import math
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import structlog

from fwai.adapters.whatsapp.client import META_GRAPH_URL, META_GRAPH_VERSION
from fwai.domain.failure import UNWATCHED, Area, Trouble, storage_words
from fwai.errors import ApiError
from fwai.interfaces.failures import Failures

REFRESH_LEFT_S: Final = 7 * 86_400.0
CHECK_S: Final = 86_400.0
BACK_OFF_S: Final = 3_600.0
JITTER_S: Final = 600
REQUEST_S: Final = 10.0
RENEW_S: Final = 60.0  # between two renewals that clients ask for
_NAME: Final = "whatsapp"
_ACCESS: Final = "whatsapp token"
_CACHE: Final = "whatsapp token cache"

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """A token's validity and expiry.

    Attributes:
        expires_at: Unix time; 0 never expires, None is not known.
        kind: Such as ``SYSTEM_USER`` or ``USER``; empty when not known.
    """

    valid: bool = True
    expires_at: float | None = None
    kind: str = ""

    @property
    def never_expires(self) -> bool:
        """Whether the token needs no refresh."""
        return self.kind == "SYSTEM_USER" or self.expires_at == 0

    def left_s(self, now: float) -> float:
        """Return the remaining lifetime in seconds."""
        return math.inf if not self.expires_at else self.expires_at - now


@dataclass(frozen=True, slots=True)
class AppKeys:
    """Credentials of our Meta app; without both no token can be inspected or exchanged."""

    app_id: str = ""
    app_secret: str = field(default="", repr=False)


class TokenManager:
    """Inspects, refreshes and caches one access token. Implements ``Tokens``.

    Args:
        http: Shared client; not closed here.
        token: The configured token.
        cache: File of an exchanged token; its folder must exist.
        clock: Unix time in seconds.
        failures: Told of a token that needs a person, and of a cache that cannot be written.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        token: str,
        keys: AppKeys,
        cache: Path,
        clock: Callable[[], float],
        base_url: str = META_GRAPH_URL,
        version: str = META_GRAPH_VERSION,
        failures: Failures = UNWATCHED,
    ) -> None:
        self._failures = failures
        self._http = http
        self._configured_token = token
        self._token = token
        self._keys = keys
        self._cache = cache
        self._clock = clock
        self._url = f"{base_url.rstrip('/')}/{version}"
        self._lock = asyncio.Lock()
        self._renewed_at = -math.inf
        self.info = TokenInfo()
        self.problem = ""

    def current(self) -> str:
        """Return the token to use now."""
        return self._token

    async def renew(self, refused: str) -> str | None:
        """Return a token other than ``refused``, or None when there is none."""
        async with self._lock:
            if self._token != refused:
                return self._token
            if (
                self._token != self._configured_token
            ):  # the cached one went bad: the environment's may be good
                self._token = self._configured_token
                return self._token
            now = asyncio.get_running_loop().time()
            if now - self._renewed_at < RENEW_S:
                return None
            self._renewed_at = now
            await self._exchange()
            if self._token != refused:
                return self._token
            self._report_problem("the token was refused; issue a new one and set META_ACCESS_TOKEN")
            return None

    async def open(self) -> None:
        """Load the cache and inspect the token; a failed inspection is retried later."""
        async with self._lock:
            await self._load()
            await self._check()

    async def run(self) -> None:
        """Inspect the token daily, and an hour after a failure; runs for the server's life."""
        due = asyncio.get_running_loop().time()
        while True:
            pause = BACK_OFF_S if self.problem else CHECK_S
            due += pause + secrets.randbelow(JITTER_S)
            await asyncio.sleep(max(due - asyncio.get_running_loop().time(), 0.0))
            async with self._lock:
                await self._check_quietly()

    # ---- inside, under the lock -----------------------------------------------------------------

    async def _check_quietly(self) -> None:
        """Inspect the token; a fault of ours is a problem like any other."""
        try:
            await self._check()
        except Exception as exc:  # noqa: BLE001 - the next look may go well
            _log.exception("whatsapp_token_check_broken", error=type(exc).__name__)
            self.problem = f"a fault of this server ({type(exc).__name__})"

    async def _check(self) -> None:
        """Inspect the token, and exchange it when it expires soon."""
        if not (self._keys.app_id and self._keys.app_secret):
            _log.info("whatsapp_token_not_inspected", reason="META_APP_ID or META_APP_SECRET")
            return
        self.problem = ""
        try:
            self.info = await self._inspect(self._token)
            if not self.info.valid and self._token != self._configured_token:
                self._token = self._configured_token
                self.info = await self._inspect(self._token)
        except ApiError as exc:
            self.problem = str(exc)
            _log.warning("whatsapp_token_not_inspected", reason=str(exc))
            return
        if not self.info.valid:
            self._report_problem(
                "the token is not valid; issue a new one and set META_ACCESS_TOKEN"
            )
        elif not self.info.never_expires and self.info.left_s(self._clock()) < REFRESH_LEFT_S:
            await self._exchange()
        else:
            self._failures.mended(Area.PROVIDER, _ACCESS)
            _log.info("whatsapp_token_good", kind=self.info.kind, days=self._days())

    async def _exchange(self) -> None:
        """Exchange the token for a longer-lived one; keeps the old one on failure."""
        before = self.info.expires_at
        if not (self._keys.app_id and self._keys.app_secret):
            return
        try:
            reply = await self._get(
                "/oauth/access_token",
                {
                    "grant_type": "fb_exchange_token",
                    "client_id": self._keys.app_id,
                    "client_secret": self._keys.app_secret,
                    "fb_exchange_token": self._token,
                },
            )
            token = _token(reply)
            info = await self._token_info(token, reply.get("expires_in"))
        except ApiError as exc:
            self._report_problem(f"the token was not exchanged: {exc}")
            return
        if token == self._token or (before and info.expires_at and info.expires_at <= before):
            self._report_problem("the exchange did not prolong the token; issue a new one")
            return
        self._token, self.info = token, info
        self._failures.mended(Area.PROVIDER, _ACCESS)
        await self._keep()
        _log.info("whatsapp_token_refreshed", days=self._days())

    async def _token_info(self, token: str, expires_in: object) -> TokenInfo:
        if isinstance(expires_in, int | float) and expires_in > 0:
            return TokenInfo(expires_at=self._clock() + expires_in, kind=self.info.kind)
        return await self._inspect(token)

    async def _inspect(self, token: str) -> TokenInfo:
        keys = f"{self._keys.app_id}|{self._keys.app_secret}"
        reply = await self._get("/debug_token", {"input_token": token, "access_token": keys})
        data = reply.get("data")
        if not isinstance(data, dict):
            raise ApiError(_NAME, "debug_token says nothing")
        expires_at, kind = data.get("expires_at"), data.get("type")
        return TokenInfo(
            valid=data.get("is_valid") is True,
            expires_at=float(expires_at) if isinstance(expires_at, int | float) else None,
            kind=kind if isinstance(kind, str) else "",
        )

    async def _get(self, path: str, query: Mapping[str, str]) -> Mapping[str, Any]:
        try:
            async with asyncio.timeout(REQUEST_S):
                response = await self._http.get(self._url + path, params=query, timeout=REQUEST_S)
        except (httpx.HTTPError, TimeoutError) as exc:
            # `from None`: the text of the cause may hold the URL, and the URL holds the token.
            raise ApiError(_NAME, f"no answer ({type(exc).__name__})", retryable=True) from None
        if not response.is_success:
            raise ApiError(_NAME, f"HTTP {response.status_code}", status=response.status_code)
        with contextlib.suppress(ValueError, RecursionError):
            body = response.json()
            if isinstance(body, dict):
                return body
        raise ApiError(_NAME, "the answer is no JSON object")

    def _report_problem(self, text: str) -> None:
        self.problem = text
        fix = "issue a new token in Meta's Business settings, set META_ACCESS_TOKEN and restart"
        self._failures.seen(Trouble(Area.PROVIDER, _ACCESS, text.partition(";")[0], fix))
        _log.error("whatsapp_token_needs_attention", reason=text, days=self._days())

    def _days(self) -> float | None:
        left = self.info.left_s(self._clock())
        return None if math.isinf(left) else round(left / 86_400, 1)

    # ---- the cache ------------------------------------------------------------------------------

    async def _load(self) -> None:
        kept = await asyncio.to_thread(self._read)
        if kept.get("source") != _hash(self._configured_token):
            return  # none, or the environment's token is a new one
        token, expires_at = kept.get("token"), kept.get("expires_at")
        if isinstance(token, str) and token:
            known = float(expires_at) if isinstance(expires_at, int | float) else None
            if known is None or known == 0 or known > self._clock():
                self._token, self.info = token, TokenInfo(expires_at=known)

    def _read(self) -> Mapping[str, Any]:
        try:
            kept = json.loads(self._cache.read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return kept if isinstance(kept, dict) else {}

    async def _keep(self) -> None:
        error = await asyncio.to_thread(self._save)
        if error is None:
            self._failures.mended(Area.STORAGE, _CACHE)
            return
        _log.warning("whatsapp_token_not_cached", reason=error.strerror)
        cause, fix = storage_words(error, "DATA_DIR")
        self._failures.seen(Trouble(Area.STORAGE, _CACHE, cause, fix))

    def _save(self) -> OSError | None:
        """Write the cache atomically, readable by the owner only; return what went wrong."""
        kept = {
            "source": _hash(self._configured_token),
            "token": self._token,
            "expires_at": self.info.expires_at,
        }
        scratch = self._cache.with_name(f".{self._cache.name}.{secrets.token_hex(4)}")
        try:
            file = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(file, "w", encoding="utf-8") as out:
                json.dump(kept, out)
                out.flush()
                os.fsync(out.fileno())
            scratch.replace(self._cache)
        except OSError as exc:
            with contextlib.suppress(OSError):
                scratch.unlink()
            return exc
        return None


def _token(reply: Mapping[str, Any]) -> str:
    token = reply.get("access_token")
    if not isinstance(token, str) or not token:
        raise ApiError(_NAME, "the exchange gave no token")
    return token


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
