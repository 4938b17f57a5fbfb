"""Delivers signed webhooks, and schedules their retries.

A message may arrive twice (its id stays the same), so every error that a retry may cure is
retryable. Errors name the host alone: path and query of a webhook are secrets.
"""

import asyncio
import contextlib
import email.utils
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final

import httpx

from fwai.errors import ApiError, ApiUnknownError
from fwai.integrations.signing import Signer
from fwai.integrations.url_guard import PinnedUrl, UrlGuard

GIVE_UP_S: Final = 86_400.0
MAX_RESPONSE_BYTES: Final = 64 * 1024
_NAME: Final = "webhook"
_CONNECT_S: Final = 5.0  # for TCP, and again for TLS, over all addresses of a host
_LEAST_CONNECT_S: Final = 0.02  # less is no try
_DRAIN_S: Final = 1.0
# Seconds after the first failure, the second, ...; the last one from there on.
_BACKOFF_S: Final = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 7200.0, 10_800.0)


class DeliveryError(ApiError):
    """The receiver answered with an error status.

    Attributes:
        retry_after_s: ``Retry-After`` of the response, in seconds, or None.
    """

    def __init__(
        self, message: str, *, status: int, retryable: bool, retry_after_s: float | None
    ) -> None:
        super().__init__(_NAME, message, status=status, retryable=retryable)
        self.retry_after_s = retry_after_s


class _NotConnectedError(ApiError):
    """One address did not take a connection, so nothing was sent there."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A delivered message.

    Attributes:
        status: HTTP status, 2xx.
        retry_after_s: ``Retry-After`` of the response, in seconds, or None.
    """

    status: int
    retry_after_s: float | None


@dataclass(frozen=True, slots=True)
class WebhookResponse:
    """The response to a signed POST.

    Attributes:
        host: The receiver's host.
        status: HTTP status.
        headers: Response headers.
        retry_after_s: ``Retry-After`` in seconds, or None.
        body: At most `MAX_RESPONSE_BYTES`; empty if it was not asked for.
        whole: Whether ``body`` is all there was.
    """

    host: str
    status: int
    headers: httpx.Headers
    retry_after_s: float | None
    body: bytes
    complete: bool


def backoff(attempt: int, jitter: float) -> float:
    """Return the delay after failed attempt number ``attempt``, in seconds.

    5 s, 30 s, 2 min, 10 min, 30 min, 1 h, 2 h, then 3 h each: 14 of them last 24.7 h.

    Args:
        attempt: 1 for the first.
        jitter: 0 to 1, random; spreads the result over 80 to 120 %, so that what failed together
            is not retried together.
    """
    gap = _BACKOFF_S[min(max(attempt, 1), len(_BACKOFF_S)) - 1]
    return gap * (0.8 + 0.4 * jitter)


def retry_gap_s(attempt: int, jitter: float, retry_after_s: float | None = None) -> float:
    """Return the delay of `backoff`, or the receiver's ``Retry-After`` if that is longer.

    At most the longest delay.
    """
    asked = min(retry_after_s or 0.0, _BACKOFF_S[-1])
    return max(backoff(attempt, jitter), asked)


def webhook_http(tls: ssl.SSLContext | bool = True) -> httpx.AsyncClient:
    """Build an HTTP client for untrusted servers; the caller closes it.

    No proxy of the environment (it would look names up itself), no connection kept, no cookie
    taken, no redirection followed.
    """
    return httpx.AsyncClient(
        verify=tls,
        trust_env=False,
        follow_redirects=False,
        limits=httpx.Limits(max_connections=32, max_keepalive_connections=0),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    )


class SignedPoster:
    """Sends one signed POST to the first address of a host that takes the connection.

    The next address is tried only when nothing was sent: a workflow need not be idempotent.

    Args:
        http: A client of its own, as `webhook_http` makes it; not closed here.
        signer: Signs every message.
        guard: Decides where it may go.
        now: Seconds since 1970.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        signer: Signer,
        guard: UrlGuard,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._http = http
        self._signer = signer
        self._guard = guard
        self._now = now

    async def send(
        self, url: str, message_id: str, body: bytes, *, timeout_s: float, read: bool
    ) -> WebhookResponse:
        """Post JSON and return the response, whatever its status.

        Args:
            url: Where to.
            message_id: The same for every retry.
            body: JSON, UTF-8.
            timeout_s: For everything together, DNS included.
            read: Whether to return the response's body.

        Raises:
            ApiError: Nothing was sent, to no address of the host; retryable unless it may never be
                sent there.
            ApiUnknownError: It was sent, or a part of it, and no complete response came.
        """
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + timeout_s
        try:
            async with asyncio.timeout_at(ends_at):
                pinned = await self._pin(url)
        except TimeoutError:
            raise ApiError(_NAME, "no answer from the DNS in time", retryable=True) from None
        try:
            async with asyncio.timeout_at(ends_at):
                return await self._try_each(pinned, message_id, body, ends_at, read=read)
        except TimeoutError:
            raise ApiUnknownError(_NAME, f"{pinned.name}: no answer in time") from None

    async def _try_each(
        self, pinned: PinnedUrl, message_id: str, body: bytes, ends_at: float, *, read: bool
    ) -> WebhookResponse:
        """Post to one address after the other until a connection is made.

        Waiting for a place (once) and connecting (TCP, then TLS) end before the whole does: so
        whatever ends with the whole was sent, and no handshake is cancelled from outside, which
        would leave its socket to the garbage collector.
        """
        now = asyncio.get_running_loop().time
        whole_s = max(ends_at - now(), 0.0)
        connects_until = now() + min(2 * _CONNECT_S, 0.8 * whole_s)
        failure: ApiError | None = None
        for index, url in enumerate(pinned.urls):
            tries_left = len(pinned.urls) - index
            connect_s = max(connects_until - now(), 0.0) / (2 * tries_left)
            if failure is not None and connect_s < _LEAST_CONNECT_S:
                break
            timeout = httpx.Timeout(ends_at - now(), pool=0.1 * whole_s, connect=connect_s)
            request = self._request(pinned, url, message_id, body, timeout)
            try:
                return await self._exchange(request, pinned.name, read=read)
            except _NotConnectedError as exc:
                failure = exc
        raise failure or ApiError(_NAME, f"{pinned.name}: has no address", retryable=True)

    async def _pin(self, url: str) -> PinnedUrl:
        try:
            return await self._guard.pin(url)
        except ValueError as exc:
            raise ApiError(_NAME, str(exc)) from exc

    def _request(
        self,
        pinned: PinnedUrl,
        url: httpx.URL,
        message_id: str,
        body: bytes,
        timeout: httpx.Timeout,
    ) -> httpx.Request:
        # Not the client's build_request: its default headers are for its other users.
        return httpx.Request(
            "POST",
            url,
            headers={
                "Host": pinned.host,
                "Content-Type": "application/json",
                "Accept-Encoding": "identity",  # what is read is bounded before it is unpacked
                "User-Agent": "fwai",
                "Connection": "close",
                **self._signer.headers(message_id, int(self._now()), body),
            },
            content=body,
            extensions={
                "sni_hostname": pinned.name,
                "timeout": timeout.as_dict(),
            },
        )

    async def _exchange(self, request: httpx.Request, host: str, *, read: bool) -> WebhookResponse:
        try:
            response = await self._http.send(
                request, stream=True, auth=None, follow_redirects=False
            )
            try:
                body, complete = await (_read(response) if read else _drain(response))
            finally:
                await response.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout) as exc:
            why = type(exc).__name__
            if "CERTIFICATE_VERIFY_FAILED" in str(exc):
                why = "its certificate is not valid"
            raise _NotConnectedError(
                _NAME, f"{host}: cannot connect ({why})", retryable=True
            ) from exc
        except httpx.PoolTimeout as exc:
            words = f"{host}: cannot connect ({type(exc).__name__})"
            raise ApiError(_NAME, words, retryable=True) from exc
        except httpx.HTTPError as exc:
            raise ApiUnknownError(_NAME, f"{host}: no answer ({type(exc).__name__})") from exc
        headers = response.headers
        asked = _retry_after_s(headers.get("retry-after", ""), self._now())
        return WebhookResponse(host, response.status_code, headers, asked, body, complete)


class WebhookClient:
    """Delivers messages to webhooks, one attempt each.

    Args:
        http: A client of its own, as `webhook_http` makes it; not closed here.
        signer: Signs every message.
        guard: Decides where it may go.
        now: Seconds since 1970.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        signer: Signer,
        guard: UrlGuard,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._poster = SignedPoster(http, signer, guard, now)

    async def post(
        self, url: str, message_id: str, body: bytes, *, timeout_s: float = 10.0
    ) -> Delivered:
        """Deliver ``body``, which is JSON; any 2xx counts as delivered.

        Raises:
            ApiError: It was not delivered, or that is unknown. ``retryable`` says whether to retry,
                with the same id; a ``DeliveryError`` also when.
        """
        try:
            answer = await self._poster.send(url, message_id, body, timeout_s=timeout_s, read=False)
        except ApiUnknownError as exc:
            # Receivers know a repeated message by its id.
            raise ApiError(_NAME, _strip_provider(exc), retryable=True) from exc
        if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return Delivered(answer.status, answer.retry_after_s)
        raise _delivery_error(answer)


def _delivery_error(answer: WebhookResponse) -> DeliveryError:
    status = answer.status
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        words = f"redirects (HTTP {status}); give the final URL"
    else:
        words = f"refused (HTTP {status})"
    return DeliveryError(
        f"{answer.host}: {words}",
        status=status,
        # A workflow that is published anew answers 404 for a while, and a wrong token or address
        # may be put right: only "gone" is said for good.
        retryable=status != HTTPStatus.GONE,
        retry_after_s=answer.retry_after_s,
    )


async def _read(response: httpx.Response) -> tuple[bytes, bool]:
    body = bytearray()
    async for part in response.aiter_raw(16 * 1024):
        body += part
        if len(body) > MAX_RESPONSE_BYTES:
            return bytes(body[:MAX_RESPONSE_BYTES]), False
    return bytes(body), True


async def _drain(response: httpx.Response) -> tuple[bytes, bool]:
    """Read and discard the body, within limits."""
    with contextlib.suppress(httpx.HTTPError, TimeoutError):
        async with asyncio.timeout(_DRAIN_S):
            await _read(response)
    return b"", False


def _retry_after_s(text: str, now: float) -> float | None:
    """Parse ``Retry-After``, seconds or a date, to 0 s to a day; None when it is invalid."""
    if text.isascii() and text.isdigit():
        return float(min(int(text[:9]), int(GIVE_UP_S)))
    try:
        date = email.utils.parsedate_to_datetime(text)
        wait_s = date.replace(tzinfo=date.tzinfo or UTC).timestamp() - now
    except (ValueError, OverflowError):
        return None
    return min(max(wait_s, 0.0), GIVE_UP_S)


def _strip_provider(exc: ApiError) -> str:
    return str(exc).removeprefix(f"{exc.provider}: ")
