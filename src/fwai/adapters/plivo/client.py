"""Client of Plivo's REST API: dial, hang up, transfer, send SMS.

Ours rather than the SDK's client, which is synchronous and retries a POST on a server error: a
second phone call. Here a POST is sent once; when no answer came, an error says so.

Source: Plivo's API pages and SDK 4.63.0, read 2026-11-22.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import httpx

from fwai.errors import ApiAuthError, ApiError, ApiUnknownError, BusyError
from fwai.http.api_watch import UNREACHABLE, ApiWatch, unwatched

PLIVO_API_URL: Final = "https://api.plivo.com"
_TIMEOUT: Final = httpx.Timeout(8.0, connect=3.0)
_NAME: Final = "plivo"
_DLT: Final[Mapping[str, str]] = {
    "entity_id": "dlt_entity_id",
    "template_id": "dlt_template_id",
    "category": "dlt_template_category",
}
# A person answers in a word or two, a machine with a sentence. Silence proves neither: callers wait
# for the other side to speak, so it takes longer to count than the whole detection does.
DETECTION: Final[Mapping[str, Any]] = {
    "machine_detection": "true",
    "machine_detection_method": "POST",
    "machine_detection_time": 5_000,
    "machine_detection_maximum_speech_length": 3_500,
    "machine_detection_initial_silence": 10_000,
}


class PlivoClient:
    """Client of one account's REST API. Implements ``CallControl``.

    Args:
        http: Shared client; not closed here.
        auth_id: 20 characters, ``MA...`` or ``SA...``.
        auth_token: Its token.
        number: The line calls and messages come from, E.164.
        base_url: Where the API is.
        dlt: India's registration of text messages: ``entity_id``, ``template_id`` and
            ``template_category``, as far as they are known.
        watch: Hears whether the API can be used.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        auth_id: str,
        auth_token: str,
        number: str,
        base_url: str = PLIVO_API_URL,
        *,
        dlt: Mapping[str, str] | None = None,
        watch: ApiWatch | None = None,
    ) -> None:
        self._http = http
        self._watch = watch or unwatched(_NAME)
        self._auth = (auth_id, auth_token)
        self._number = number
        self._dlt = {f"dlt_{name}": value for name, value in (dlt or {}).items() if value}
        self._account_url = f"{base_url.rstrip('/')}/v1/Account/{auth_id}"

    async def dial(
        self,
        to: str,
        *,
        answer_url: str,
        hangup_url: str,
        ring_url: str,
        machine_url: str = "",
        ring_timeout_s: int = 45,
        time_limit_s: int = 3600,
    ) -> str:
        """Start an outbound call and return Plivo's request id; accepted is not yet ringing.

        With ``machine_url`` Plivo listens for a machine while the call goes on, and says so there.

        Raises:
            ApiError: It was not accepted; ``ApiUnknownError`` when that cannot be known.
            BusyError: The account has as many calls as it may.
        """
        body: dict[str, Any] = {
            "from": _digits(self._number),
            "to": _digits(to),
            "answer_url": answer_url,
            "answer_method": "POST",
            "hangup_url": hangup_url,
            "hangup_method": "POST",
            "ring_url": ring_url,
            "ring_method": "POST",
            "ring_timeout": ring_timeout_s,
            "time_limit": time_limit_s,
        }
        if machine_url:
            body |= {**DETECTION, "machine_detection_url": machine_url}
        reply = await self._request("POST", "/Call/", body, places_a_call=True)
        return _id(reply.get("request_uuid"))

    async def hang_up(self, provider_call_id: str) -> None:
        """End a call; one that is already over is no error.

        Raises:
            ApiError: Plivo did not do it.
        """
        await self.end(provider_call_id)

    async def end(self, provider_call_id: str) -> bool:
        """End a call; False when Plivo knows no such call, so that it is over or did not begin.

        Raises:
            ApiError: Plivo did not do it.
        """
        return await self._delete("Call", provider_call_id)

    async def cancel(self, request_id: str) -> None:
        """Cancel a call that still waits to be placed; one that does not is no error.

        Raises:
            ApiError: Plivo did not do it.
        """
        await self._delete("Request", request_id)

    async def transfer(self, provider_call_id: str, xml_url: str) -> None:
        """Transfer a call: Plivo fetches ``xml_url`` and runs it once the stream has ended.

        Raises:
            ApiError: Plivo did not do it.
        """
        body = {"legs": "aleg", "aleg_url": xml_url, "aleg_method": "POST"}
        await self._request("POST", _path("Call", provider_call_id), body)

    async def send_sms(
        self, to: str, text: str, *, report_url: str = "", dlt: Mapping[str, str] | None = None
    ) -> str:
        """Send ``text`` and return Plivo's message id; queued is not yet delivered.

        ``dlt`` replaces what the client knows of the registration of this text: ``entity_id``,
        ``template_id``, ``category``, and the ``sender`` that it comes from.

        Raises:
            ApiError: It was not accepted; ``ApiUnknownError`` when that cannot be known.
        """
        known = dlt or {}
        source = known.get("sender") or _digits(self._number)
        body = {"src": source, "dst": _digits(to), "text": text, "type": "sms"}
        body |= self._dlt | {_DLT[key]: value for key, value in known.items() if key in _DLT}
        if report_url:
            body |= {"url": report_url, "method": "POST"}
        reply = await self._request("POST", "/Message/", body)
        return _id(reply.get("message_uuid"))

    async def _delete(self, collection: str, one: str) -> bool:
        try:
            await self._request("DELETE", _path(collection, one))
        except ApiError as exc:
            if exc.status != HTTPStatus.NOT_FOUND:
                raise
            return False
        return True

    async def _request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        places_a_call: bool = False,
    ) -> Mapping[str, Any]:
        with self._watch.watched():
            return await self._exchange(method, path, body, places_a_call=places_a_call)

    async def _exchange(
        self, method: str, path: str, body: Mapping[str, Any] | None, *, places_a_call: bool
    ) -> Mapping[str, Any]:
        try:
            response = await self._http.request(
                method, self._account_url + path, json=body, auth=self._auth, timeout=_TIMEOUT
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as exc:
            # Nothing was sent: saying it again can do no harm.
            raise ApiError(_NAME, UNREACHABLE, retryable=True) from exc
        except httpx.HTTPError as exc:
            raise ApiUnknownError(_NAME, f"no answer ({type(exc).__name__})") from exc
        if not response.is_success:  # a redirection, too: nothing behind it was asked
            raise _refusal(response, places_a_call=places_a_call)
        return _json(response)


def _refusal(response: httpx.Response, *, places_a_call: bool) -> ApiError | BusyError:
    status = response.status_code
    if status == HTTPStatus.FORBIDDEN and "concurren" in response.text.lower():
        if places_a_call:
            return BusyError("plivo: the account carries as many calls as it may")
        return ApiError(_NAME, "too many at once", status=status, retryable=True)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return ApiAuthError(_NAME, f"refused (HTTP {status})", status=status)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return ApiError(_NAME, "too many requests", status=status, retryable=True)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ApiUnknownError(_NAME, f"server error (HTTP {status})", status=status)
    return ApiError(_NAME, f"refused (HTTP {status})", status=status)


def _json(response: httpx.Response) -> Mapping[str, Any]:
    """Parse the body as an object; it may be empty or no JSON at all."""
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _id(value: object) -> str:
    """Return an id that Plivo gives as a string or a list of strings.

    Raises:
        ApiUnknownError: There is none, so what answered may not have been Plivo.
    """
    if isinstance(value, list):
        value = value[0] if value else ""
    if not isinstance(value, str) or not value:
        raise ApiUnknownError(_NAME, "the answer names no id")
    return value


def _path(collection: str, one: str) -> str:
    """Build a path with a quoted id, because the id came in a webhook."""
    return f"/{collection}/{quote(one, safe='')}/"


def _digits(number: str) -> str:
    return number.lstrip("+")
