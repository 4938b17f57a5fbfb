"""Authenticates HTTP clients: an API key, a session cookie that a key began, or loopback.

Theory of operation. Loopback alone proves nothing, since a reverse proxy on this machine makes
every stranger come from there; wiring trusts it only where nobody outside is meant to reach this
server, and even then only when nothing forwarded the request and it names this machine as the host:
a web site whose name was pointed at 127.0.0.1 is a stranger. Commands on this machine prove
themselves by a secret in a file that only the service's user can read. A page cannot send a key
with an event stream, so it trades the key for a cookie: an expiry, a random name and the key's mark
under a signature. The cookie is renewed while it is used (`SessionRenewal`), and ends when its key
is no longer one of ours. What a browser sends by itself (cookie, loopback address) counts only for
requests from our own page.
"""

import hashlib
import hmac
import ipaddress
import math
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from fastapi import Request, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fwai.domain.api_key import GRANTS, LOCAL_KEY, LOOPBACK, ApiKey, Permission, Role, roles_with
from fwai.domain.wall_clock import WallClock
from fwai.http.problem import ProblemError
from fwai.http.wrong_keys import WrongKeys
from fwai.secret_file import SessionSecret

COOKIE: Final = "fwai_session"
SESSION_S: Final = 8 * 3600
RENEW_AFTER_S: Final = 600
_RENEWED: Final = "fwai_renewed_session"
_FORWARDED: Final = ("forwarded", "via", "x-real-ip")
_LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "::1")
_SAME_SITE: Final = ("same-origin", "none")
_SIGN_IN: Final = "Sign in on the page, or send the key as Authorization: Bearer."
_OFF: Final = (
    "The API and the console are off, because no key is set. Put API_KEYS into .env (make one "
    "with: openssl rand -hex 24) and start the server again."
)


@dataclass(frozen=True, slots=True)
class Client:
    """An authenticated client.

    Attributes:
        id: Tells clients apart; only the one that began a call may follow and end it.
        local: It runs on this machine, so its media may use loopback.
        name: Of its key, for the audit list.
        role: Of its key.
    """

    id: str
    local: bool
    name: str
    role: Role

    def may(self, permission: Permission) -> bool:
        """Whether it may use routes that need ``permission``."""
        return permission in GRANTS[self.role]

    def require(self, permission: Permission) -> None:
        """Refuse the client unless it may use routes that need ``permission``.

        Raises:
            ProblemError: 403, which names the roles that may.
        """
        if not self.may(permission):
            raise _role_needed(self.name, self.role, permission)


@dataclass(frozen=True, slots=True)
class _Known:
    """A key that opens, by its digest."""

    key: ApiKey
    digest: bytes


class Access:
    """Authenticates requests by API key, session cookie or loopback address.

    Args:
        keys: Valid API keys.
        loopback: Clients on this machine need no key.
        secure_cookies: The pages are reached over https.
        what: Subject of the 403 that is answered while there are no keys.
        local_key: The secret of commands on this machine; empty is none.
        secret: Signs the cookies; None makes one that dies with the process.
        clock: Unix time in seconds.
        wall: Tells how the clock was set, which ends no session; None is the system's.

    Attributes:
        wrong_keys: What is counted of them.
    """

    def __init__(
        self,
        keys: Sequence[ApiKey],
        *,
        loopback: bool,
        secure_cookies: bool,
        what: str = "calls from the browser are",
        local_key: str = "",
        secret: SessionSecret | None = None,
        clock: Callable[[], float] = time.time,
        wall: WallClock | None = None,
    ) -> None:
        self._known = [_Known(key, _digest(key.secret)) for key in keys]
        self._has_keys = bool(self._known)
        if local_key:
            own = ApiKey(LOCAL_KEY, Role.ADMIN, local_key)
            self._known.append(_Known(own, _digest(local_key)))
        self._loopback = loopback
        self._secure_cookies = secure_cookies
        self._what = what
        self._secret = secret or SessionSecret()
        self._clock = clock
        self._wall = wall or WallClock(time.time, time.monotonic)
        self.wrong_keys = WrongKeys()

    async def admit(self, request: Request, permission: Permission | None = None) -> Client:
        """Authenticate a request and return its client; the answer to a wrong key may wait.

        Args:
            request: Whose client it is.
            permission: What the client's role must have; None takes every role.

        Raises:
            ProblemError: 401, 403 or 429.
        """
        given = _given_key(request)
        local = is_local(request)
        if given is not None:
            known = await self._verify(request, given)
            found = Client(f"key:{_mark(known)}", local, known.key.name, known.key.role)
        else:
            found = self._without_key(request, local)
        if permission is not None:
            found.require(permission)
        return found

    def refuse_when_off(self, request: Request) -> None:
        """Refuse a page where no key and no address could open anything.

        Raises:
            ProblemError: 403, with the fix.
        """
        local = is_local(request)
        if not self._has_keys and not (self._loopback and local):
            raise self._no_keys(local)

    def requires(self, permission: Permission) -> Callable[[Request], Awaitable[Client]]:
        """Return the dependency of routes whose clients need ``permission``."""

        async def admitted(request: Request) -> Client:
            return await self.admit(request, permission)

        return admitted

    async def begin_session(
        self, request: Request, response: Response, typed: str | None = None
    ) -> Client:
        """Exchange an API key for a session cookie.

        Args:
            request: Has the key in its headers, or a form in its body.
            response: Gets the cookie.
            typed: The key of the form; None when the headers have it.

        Raises:
            ProblemError: The key is not good, or its role has no pages.
        """
        if typed is not None:  # what a browser sends by itself, another site can have it send
            _refuse_cross_site(request)
        if not self._has_keys:
            raise self._no_keys(is_local(request))
        if typed == "":
            raise _key_needed("Type the key.")
        given = typed if typed is not None else _given_key(request)
        if given is None:
            raise _key_needed("Send the key as Authorization: Bearer.")
        known = await self._verify(request, given)
        name = secrets.token_hex(8)
        client = Client(f"session:{name}", is_local(request), known.key.name, known.key.role)
        client.require(Permission.CONSOLE)
        response.headers.append("set-cookie", self._cookie(name, known))
        return client

    def _without_key(self, request: Request, local: bool) -> Client:
        """Return the client that a cookie or the address proves."""
        _refuse_cross_site(request)
        session = self._session(request.cookies.get(COOKIE, ""))
        if session is not None:
            name, known, left_s = session
            if left_s < SESSION_S - RENEW_AFTER_S:
                setattr(request.state, _RENEWED, self._cookie(name, known).encode())
            return Client(f"session:{name}", local, known.key.name, known.key.role)
        if local and self._loopback:
            return Client("loopback", local, LOOPBACK, Role.ADMIN)
        if not self._has_keys:
            raise self._no_keys(local)
        raise _key_needed(_SIGN_IN)

    def _no_keys(self, local: bool) -> ProblemError:
        detail = _OFF
        if self._loopback and not local:
            detail = f"Without API_KEYS, {self._what} open only to this machine itself."
        return ProblemError("not-allowed", "Not allowed", 403, detail)

    async def _verify(self, request: Request, given: str) -> _Known:
        """Return the key that was given; all are compared, so that timing tells nothing."""
        address = client_address(request)
        digest = _digest(given)
        found = [known for known in self._known if hmac.compare_digest(digest, known.digest)]
        if found:
            self.wrong_keys.right(address)
            return found[0]
        wait_s = await self.wrong_keys.wrong(address)
        if wait_s:
            raise _too_many_wrong(wait_s)
        if not self._has_keys:
            raise self._no_keys(is_local(request))
        raise _key_needed("This key is not one of API_KEYS.", wrong=True)

    def _cookie(self, name: str, known: _Known) -> str:
        """Return the header that sets a session's cookie, good for `SESSION_S` from now."""
        body = f"{int(self._clock()) + SESSION_S}.{name}.{_mark(known)}"
        response = Response()
        response.set_cookie(
            COOKIE,
            f"{body}.{self._sign(body)}",
            max_age=SESSION_S,
            path="/",  # whatever prefix a proxy takes away
            secure=self._secure_cookies,
            httponly=True,
            samesite="strict",
        )
        return response.headers["set-cookie"]

    def _session(self, cookie: str) -> tuple[str, _Known, float] | None:
        """Return a session's name, its key and how many seconds are left; None without one."""
        body, _, signature = cookie.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(body).encode()):
            return None
        until, name, mark = body.split(".")
        known = next((one for one in self._known if _mark(one) == mark), None)
        left_s = int(until) - (self._clock() - self._wall.forward_s(SESSION_S))
        return None if known is None or left_s <= 0 else (name, known, left_s)

    def _sign(self, body: str) -> str:
        secret = self._secret.value.encode()
        return hmac.new(secret, f"session:{body}".encode(), hashlib.sha256).hexdigest()


class SessionRenewal:
    """ASGI middleware: answers a request of a session with its renewed cookie, now and then."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; WebSockets go through as they are."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state: dict[str, Any] = scope.setdefault("state", {})

        async def renewing(message: Message) -> None:
            cookie = state.get(_RENEWED)
            if cookie is not None and message["type"] == "http.response.start":
                headers = [*message.get("headers", ()), (b"set-cookie", cookie)]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, renewing)


def client_address(request: Request) -> str:
    """Return the client's address: past our proxies, where they tell it; else its connection's."""
    proven: str = getattr(request.state, "client_address", "")
    return proven or (request.client.host if request.client else "")


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


def presented(request: Request) -> str:
    """Return what a request shows to be let in, good or not; empty for nothing.

    The same key is the same text, in whichever header it comes.
    """
    given = _given_key(request)
    return given if given is not None else request.cookies.get(COOKIE, "")


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


def _role_needed(name: str, role: Role, permission: Permission) -> ProblemError:
    needed = " or ".join(roles_with(permission))
    detail = (
        f"The key {name} has the role {role}; this needs {needed}. Use a key of such a role, or "
        "change this one's in API_KEYS."
    )
    return ProblemError("role-needed", "Another role is needed", 403, detail)


def _too_many_wrong(wait_s: float) -> ProblemError:
    headers = {"Retry-After": str(math.ceil(wait_s))}
    detail = "Too many wrong keys came at once. A right key is answered at any time."
    return ProblemError("too-many-wrong-keys", "Too many wrong keys", 429, detail, headers=headers)


def _mark(known: _Known) -> str:
    """Return a short id of a key that does not tell it."""
    return known.digest.hex()[:16]


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="surrogatepass")).digest()
