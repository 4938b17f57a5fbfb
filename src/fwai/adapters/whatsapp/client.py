"""Client of Meta's Graph API: call actions, call permissions, messages, settings.

The token is read for each request, so that a refreshed one is used at once. Actions on an existing
call (pre_accept, accept, reject, terminate) are idempotent and retried once after a server error;
connect and messages are retried only when Meta cannot have received them.

Source: Meta's Calling API reference and Cloud API pages, 2026-06; read 2026-11-22.
"""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, Protocol
from urllib.parse import quote

import httpx
import structlog

from fwai.adapters.whatsapp.codes import AUTH, TOKEN, Meaning, Retry, meaning
from fwai.adapters.whatsapp.events import Party, Problem
from fwai.adapters.whatsapp.webhook import read_problem
from fwai.errors import ApiAuthError, ApiError, ApiUnknownError
from fwai.http.api_watch import UNREACHABLE, ApiWatch, unwatched

META_GRAPH_URL: Final = "https://graph.facebook.com"
META_GRAPH_VERSION: Final = "v25.0"
REQUEST_S: Final = 10.0  # with its second try
_ATTEMPT_TIMEOUT: Final = httpx.Timeout(6.0, connect=3.0)
_NAME: Final = "whatsapp"
_PRODUCT: Final = "whatsapp"

_log = structlog.get_logger()

Json = Mapping[str, Any]


class Tokens(Protocol):
    """Source of access tokens."""

    def current(self) -> str:
        """Return the token to use now."""
        ...

    async def renew(self, refused: str) -> str | None:
        """Return a token other than ``refused``, which Meta rejected, or None."""
        ...


class GraphError(ApiError):
    """Meta refused a request.

    Attributes:
        code: Meta's, or None when it gave none.
        meaning: In words, with whether to try again.
    """

    def __init__(self, problem: Problem | None, status: int) -> None:
        self.code = problem.code if problem is not None else None
        self.meaning: Meaning = meaning(self.code, status)
        what = f"{self.meaning.words} (code {self.code}, HTTP {status})"
        super().__init__(
            _NAME, what, status=status, retryable=self.meaning.retry is not Retry.NEVER
        )


class WhatsAppClient:
    """Client of one number's Graph API.

    Args:
        http: Shared client; not closed here.
        phone_number_id: Of our number.
        tokens: Where the access token comes from.
        base_url: Where the API is.
        version: Such as ``v25.0``.
        watch: Hears whether the API can be used.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        phone_number_id: str,
        tokens: Tokens,
        base_url: str = META_GRAPH_URL,
        version: str = META_GRAPH_VERSION,
        watch: ApiWatch | None = None,
    ) -> None:
        self._watch = watch or unwatched(_NAME)
        self._http = http
        self._tokens = tokens
        self._url = f"{base_url.rstrip('/')}/{version}/{quote(phone_number_id, safe='')}"

    # ---- calls ----------------------------------------------------------------------------------

    async def pre_accept(self, call_id: str, sdp: str) -> None:
        """Connect the media before the call is answered.

        Raises:
            ApiError: Meta refused; ``ApiUnknownError`` when that cannot be known.
        """
        await self._act("pre_accept", call_id, {"session": _answer_session(sdp)})

    async def accept(self, call_id: str, sdp: str) -> None:
        """Answer a call with the same SDP as `pre_accept`; errors as there."""
        await self._act("accept", call_id, {"session": _answer_session(sdp)})

    async def reject(self, call_id: str) -> None:
        """Reject a call that was not accepted; one that is already over is no error."""
        await self._end("reject", call_id)

    async def terminate(self, call_id: str) -> None:
        """End a call; one that is already over is no error.

        Raises:
            ApiError: Meta did not do it.
        """
        await self._end("terminate", call_id)

    async def connect(self, to: Party, sdp: str, reference: str) -> str:
        """Call a user and return Meta's id; the answer comes by webhook, maybe before this returns.

        Args:
            to: Number or user id; the number counts more.
            sdp: Our offer.
            reference: Comes back with statuses and the end; at most 512 characters.

        Raises:
            ApiError: It was not placed; ``ApiUnknownError`` when that cannot be known.
        """
        body = {
            **_recipient(to),
            "action": "connect",
            "session": {"sdp_type": "offer", "sdp": sdp},
            "biz_opaque_callback_data": reference,
        }
        reply = await self._request("POST", "/calls", body, repeatable=False)
        return _first_id(reply, "calls")

    async def permission(self, user: Party) -> Json:
        """Fetch the call permission of ``user``; at most five requests per second.

        Raises:
            ApiError: It did not say.
        """
        query = (
            {"user_wa_id": user.number.lstrip("+")} if user.number else {"recipient": user.user_id}
        )
        return await self._request("GET", "/call_permissions", query=query)

    # ---- messages -------------------------------------------------------------------------------

    async def send(self, to: Party, kind: str, content: Json, reference: str = "") -> str:
        """Send a message and return its id; accepted is not yet delivered.

        Args:
            to: Number or user id; the number counts more.
            kind: ``text``, ``template`` or ``interactive``.
            content: What belongs under that name.
            reference: Comes back with statuses; at most 512 characters.

        Raises:
            ApiError: It was not accepted; ``ApiUnknownError`` when that cannot be known.
        """
        body = {"recipient_type": "individual", **_recipient(to), "type": kind, kind: content}
        if reference:
            body["biz_opaque_callback_data"] = reference
        return _first_id(await self._request("POST", "/messages", body, repeatable=False), kind)

    async def settings(self) -> Json:
        """Fetch the number's settings; calling must be ``ENABLED``, SIP must not.

        Raises:
            ApiError: Meta did not say.
        """
        return await self._request("GET", "/settings")

    # ---- one request ----------------------------------------------------------------------------

    async def _act(self, action: str, call_id: str, more: Json) -> None:
        body = {"call_id": call_id, "action": action, **more}
        reply = await self._request("POST", "/calls", body)
        if reply.get("success") is not True:
            raise ApiUnknownError(_NAME, f"{action}: the answer does not say that it was done")

    async def _end(self, action: str, call_id: str) -> None:
        try:
            await self._act(action, call_id, {})
        except GraphError as exc:
            if exc.retryable or exc.status not in (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND):
                raise
            # Meta has no certain code for "it is over already".
            _log.info("whatsapp_call_was_over", action=action, code=exc.code)

    async def _request(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        query: Mapping[str, str] | None = None,
        repeatable: bool = True,
    ) -> Json:
        if body is not None:
            body = {"messaging_product": _PRODUCT, **body}
        request = self._http.build_request(
            method, self._url + path, json=body, params=query, timeout=_ATTEMPT_TIMEOUT
        )
        with self._watch.watched():
            try:
                async with asyncio.timeout(REQUEST_S):
                    return await self._send_with_retry(request, repeatable=repeatable)
            except TimeoutError:
                raise ApiUnknownError(_NAME, "no answer in time") from None

    async def _send_with_retry(self, request: httpx.Request, *, repeatable: bool) -> Json:
        """Send a request; retry once if that is safe, and once with a renewed token."""
        may_retry = renewable = True
        while True:
            token = self._tokens.current()
            try:
                return await self._send(request, token)
            except _RefusedTokenError as exc:
                renewed = await self._tokens.renew(token) if renewable else None
                if renewed is None:
                    raise ApiAuthError(_NAME, meaning(TOKEN).words, status=exc.status) from exc
                renewable = False
            except ApiError as exc:
                if not may_retry or not _should_retry(exc, repeatable=repeatable):
                    raise
                may_retry = False

    async def _send(self, request: httpx.Request, token: str) -> Json:
        request.headers["Authorization"] = f"Bearer {token}"
        try:
            response = await self._http.send(request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as exc:
            raise ApiError(_NAME, UNREACHABLE, retryable=True) from exc
        except httpx.HTTPError as exc:
            raise ApiUnknownError(_NAME, f"no answer ({type(exc).__name__})") from exc
        status, body = response.status_code, _json(response)
        error = body.get("error")
        if response.is_success and not error:
            return body
        problem = read_problem(error) if isinstance(error, dict) else None
        _log.warning(
            "whatsapp_refused",
            status=status,
            code=problem.code if problem else None,
            trace=_trace(error),
        )
        raise _error_of(problem, status)


class _RefusedTokenError(ApiError):
    """Meta rejected the access token."""


def _should_retry(exc: ApiError, *, repeatable: bool) -> bool:
    """Whether an immediate retry can succeed without being executed twice."""
    match exc:
        case ApiUnknownError():
            return repeatable
        case GraphError():
            return exc.meaning.retry is Retry.ONCE
        case _:
            return exc.retryable


def _error_of(problem: Problem | None, status: int) -> ApiError:
    code = problem.code if problem is not None else None
    if code == TOKEN:
        return _RefusedTokenError(_NAME, meaning(code).words, status=status)
    if code in AUTH or (problem is None and status in (401, 403)):
        words = meaning(code, status).words
        return ApiAuthError(_NAME, f"{words} (code {code}, HTTP {status})", status=status)
    if problem is None and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ApiUnknownError(_NAME, f"server error (HTTP {status})", status=status)
    unknown = problem is not None and meaning(code, None).words == "Meta refused it"
    if unknown and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ApiUnknownError(_NAME, f"server error {code} (HTTP {status})", status=status)
    return GraphError(problem, status)


def _json(response: httpx.Response) -> Json:
    try:
        body = response.json()
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _trace(error: object) -> str:
    trace = error.get("fbtrace_id") if isinstance(error, dict) else None
    return trace[:60] if isinstance(trace, str) else ""


def _answer_session(sdp: str) -> Json:
    return {"sdp_type": "answer", "sdp": sdp}


def _recipient(to: Party) -> Json:
    if to.number:
        return {"to": to.number.lstrip("+")}
    if to.user_id:
        return {"recipient": to.user_id}
    raise ApiError(_NAME, "neither number nor user id is known")


def _first_id(reply: Json, kind: str) -> str:
    items = reply.get("calls" if kind == "calls" else "messages")
    first = items[0] if isinstance(items, list) and items else None
    found = first.get("id") if isinstance(first, dict) else None
    if not isinstance(found, str) or not found:
        raise ApiUnknownError(_NAME, "the answer names no id")
    return found
