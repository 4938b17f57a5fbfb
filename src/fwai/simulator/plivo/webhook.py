"""Sends Plivo's webhooks: signed, form-encoded, bounded in time and size.

Source: https://www.plivo.com/docs/voice/xml/request and "Callback configurations" (read
2026-11-22).
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qsl, urlencode

import httpx

from fwai.simulator.common.tls import default_tls
from fwai.simulator.plivo.signature import FormValue
from fwai.simulator.plivo.xml import MAX_BODY_BYTES

ANSWER_LIMIT_S = 15.0
CONNECT_LIMIT_S = 5.0
DEFAULT_RETRIES = 1
MAX_RETRIES = 5
Sign = Callable[[str, str, Mapping[str, FormValue] | None], dict[str, str]]
OK = 200
NOT_OK = 300


@dataclass(frozen=True, slots=True)
class WebhookResult:
    """The outcome of one webhook.

    Attributes:
        kind: ``answer``, ``ring``, ``hangup``, ``redirect``, or a stream event's name.
        status: HTTP status, or None when no answer came.
        elapsed_ms: Until the whole answer was there.
        content_type: As answered.
        body: As answered, cut at 100 KB.
        error: Kind of failure when no answer came.
    """

    kind: str
    status: int | None
    elapsed_ms: float
    content_type: str = ""
    body: bytes = b""
    error: str = ""

    @property
    def ok(self) -> bool:
        """Whether the server took it."""
        return self.status is not None and OK <= self.status < NOT_OK


class Webhooks:
    """Sends an account's webhooks; use as an async context manager.

    Args:
        sign: Makes the signature headers: ``PlivoSigner.voice`` or ``PlivoSigner.message``.
        tls: Trust for ``https://``; the machine's by default.
    """

    def __init__(self, sign: Sign, tls: ssl.SSLContext | None = None) -> None:
        self._sign = sign
        self._client = httpx.AsyncClient(
            verify=tls or default_tls(),
            trust_env=False,
            limits=httpx.Limits(max_connections=4, max_keepalive_connections=2),
            headers={"User-Agent": "plivo-simulator"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def send(
        self,
        kind: str,
        url: str,
        fields: Mapping[str, str],
        method: str = "POST",
        limit_s: float = ANSWER_LIMIT_S,
    ) -> WebhookResult:
        """Deliver ``fields``, again when no connection could be made; never raises for the network.

        A fragment such as ``#rc=0&rt=5000`` sets retries and read limit and is not sent.
        """
        address, _, fragment = url.partition("#")
        tuning = {key: int(text) for key, text in parse_qsl(fragment) if text.isdecimal()}
        retries = min(tuning.get("rc", DEFAULT_RETRIES), MAX_RETRIES)
        limit_s = min(limit_s, tuning.get("rt", 40_000) / 1000)
        result = await self._try(kind, address, fields, method, limit_s)
        for _ in range(retries):
            if not result.error.startswith("Connect"):
                break
            result = await self._try(kind, address, fields, method, limit_s)
        return result

    async def _try(
        self, kind: str, url: str, fields: Mapping[str, str], method: str, limit_s: float
    ) -> WebhookResult:
        began = asyncio.get_running_loop().time()

        def elapsed_ms() -> float:
            return (asyncio.get_running_loop().time() - began) * 1000

        try:
            async with asyncio.timeout(limit_s):
                response = await self._request(url, fields, method, limit_s)
                async with contextlib.aclosing(response):
                    body = await _read(response)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, TimeoutError) as exc:
            return WebhookResult(kind, None, elapsed_ms(), error=type(exc).__name__)
        content_type = response.headers.get("content-type", "")
        return WebhookResult(kind, response.status_code, elapsed_ms(), content_type, body)

    async def _request(
        self, url: str, fields: Mapping[str, str], method: str, limit_s: float
    ) -> httpx.Response:
        timeout = httpx.Timeout(limit_s, connect=min(CONNECT_LIMIT_S, limit_s))
        if method == "GET":
            url += ("&" if "?" in url else "?") + urlencode(fields)
            request = self._client.build_request(
                "GET", url, headers=self._sign("GET", url, None), timeout=timeout
            )
        else:
            request = self._client.build_request(
                "POST",
                url,
                data=dict(fields),
                headers=self._sign("POST", url, fields),
                timeout=timeout,
            )
        return await self._client.send(request, stream=True)


async def _read(response: httpx.Response) -> bytes:
    body = b""
    async for part in response.aiter_bytes():
        body += part
        if len(body) >= MAX_BODY_BYTES:
            break
    return body
