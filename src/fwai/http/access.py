"""Authenticates HTTP clients: loopback, an API key, or a session cookie that a key began.

Theory of operation. A loopback client is trusted only when nothing forwarded its request and it
names this machine as the host: a reverse proxy on this machine and a web site whose name was
pointed at 127.0.0.1 are strangers. A page cannot send a key with an event stream, so it trades the
key for a cookie: an expiry and a random name under a signature whose secret dies with the process.
What a browser sends by itself (cookie, loopback address) counts only for requests from our own
page.
"""

import hashlib
import hmac
import ipaddress
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from fastapi import Request, Response

from fwai.domain.wall_clock import WallClock
from fwai.http.problem import ProblemError

COOKIE: Final = "fwai_talk"
SESSION_S: Final = 3600
_FORWARDED: Final = ("forwarded", "via", "x-real-ip")
_LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "::1")
_SAME_SITE: Final = ("same-origin", "none")


@dataclass(frozen=True, slots=True)
class Client:
    """An authenticated client.

    Attributes:
        id: Tells clients apart; only the one that began a call may follow and end it.
        local: It runs on this machine, so its media may use loopback.
    """

    id: str
    local: bool


class Access:
    """Authenticates requests by loopback address, API key or session cookie.

    Args:
        keys: Valid API keys.
        loopback: Clients on this machine need no key.
        secure_cookies: The page is reached over https.
        what: Subject of the 403 that is answered while there are no keys.
        clock: Unix time in seconds.
        wall: Tells how the clock was set, which ends no session; None is the system's.
    """

    def __init__(
        self,
        keys: tuple[str, ...],
        *,
        loopback: bool,
        secure_cookies: bool,
        what: str = "calls from the browser are",
        clock: Callable[[], float] = time.time,
        wall: WallClock | None = None,
    ) -> None:
        self._keys = tuple(_digest(key) for key in keys if key)
        self._loopback = loopback
        self._secure_cookies = secure_cookies
        self._what = what
        self._clock = clock
        self._wall = wall or WallClock(time.time, time.monotonic)
        self._secret = secrets.token_bytes(32)

    def client(self, request: Request) -> Client:
        """Authenticate a request and return its client.

        Raises:
            ProblemError: 401 or 403.
        """
        local = is_local(request)
        given = _given_key(request)
        if given is not None:
            return Client(f"key:{self._verify_key(given)}", local)
        _refuse_cross_site(request)
        session = self._session(request.cookies.get(COOKIE, ""))
        if session is not None:
            return Client(f"session:{session}", local)
        if local and self._loopback:
            return Client("loopback", local)
        if not self._keys:
            raise self._loopback_only()
        raise _key_needed("Sign in on the page, or send the key as Authorization: Bearer.")

    def begin_session(self, request: Request, response: Response) -> None:
        """Exchange the request's API key for a session cookie.

        Raises:
            ProblemError: The key is not good.
        """
        if not self._keys:
            raise self._loopback_only()
        given = _given_key(request)
        if given is None:
            raise _key_needed("Send the key as Authorization: Bearer.")
        self._verify_key(given)
        body = f"{int(self._clock()) + SESSION_S}.{secrets.token_hex(8)}"
        response.set_cookie(
            COOKIE,
            f"{body}.{self._sign(body)}",
            max_age=SESSION_S,
            path="/",  # whatever prefix a proxy takes away
            secure=self._secure_cookies,
            httponly=True,
            samesite="strict",
        )

    def _loopback_only(self) -> ProblemError:
        detail = f"Without API_KEYS, {self._what} open only to this machine itself."
        return ProblemError("not-allowed", "Not allowed", 403, detail)

    def _verify_key(self, given: str) -> str:
        """Return a short id of a valid key; every key is compared, so that timing tells nothing."""
        digest = _digest(given)
        found = [hmac.compare_digest(digest, key) for key in self._keys]
        if not any(found):
            raise _key_needed("This key is not one of API_KEYS.", wrong=True)
        return digest.hex()[:16]

    def _session(self, cookie: str) -> str | None:
        body, _, signature = cookie.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(body).encode()):
            return None
        until, _, name = body.partition(".")
        now = self._clock() - self._wall.forward_s(SESSION_S)
        return name if now < int(until) else None

    def _sign(self, body: str) -> str:
        return hmac.new(self._secret, body.encode(), hashlib.sha256).hexdigest()


def is_local(request: Request) -> bool:
    """Whether a request comes from loopback, unproxied, with a loopback host name."""
    headers = request.headers
    if any(name.startswith("x-forwarded-") or name in _FORWARDED for name in headers):
        return False
    name = _host_name(f"//{headers.get('host', '')}")
    if name not in _LOOPBACK_NAMES and not name.endswith(".localhost"):
        return False
    try:
        address = ipaddress.ip_address(request.client.host if request.client else "")
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _host_name(url: str) -> str:
    """Return the host of a URL; empty when it cannot be read."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _authority(origin: str) -> str:
    """Return host and port of an origin; empty when it cannot be read."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _given_key(request: Request) -> str | None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return key.strip()
    return request.headers.get("x-api-key")


def _refuse_cross_site(request: Request) -> None:
    """Refuse cross-site requests (CSRF)."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        cross_site = site not in _SAME_SITE
    else:
        ours = _authority(origin or "") or None
        cross_site = origin is not None and (ours is None or ours != request.headers.get("host"))
    if cross_site:
        raise ProblemError(
            "not-allowed", "Not allowed", 403, "The request comes from the page of another site."
        )


def _key_needed(detail: str, *, wrong: bool = False) -> ProblemError:
    kind, title = ("key-wrong", "Wrong key") if wrong else ("key-needed", "A key is needed")
    return ProblemError(kind, title, 401, detail, "Authorization", {"WWW-Authenticate": "Bearer"})


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
