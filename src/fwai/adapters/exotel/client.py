"""Client of Exotel's REST API: dial, look up calls, send SMS.

A POST is sent once: when no answer came, or an unreadable one, an error says so and nothing is
dialled again. There is no request that ends a call or moves it to somebody else: closing the stream
does, and what comes then is the flow's next applet (see `ExotelClient.request_transfer`).

Source: developer.exotel.com's voice-v1 and SMS pages and exotel/Agent-Stream's OpenAPI file, read
2026-11-22.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import httpx

from fwai.errors import ApiAuthError, ApiError, ApiUnknownError
from fwai.http.api_watch import UNREACHABLE, ApiWatch, unwatched

EXOTEL_API_URL: Final = "https://api.exotel.com"
MAX_URL: Final = 600  # characters of a StreamUrl, and not one more
MAX_SMS: Final = 2000
MAX_CUSTOM: Final = 128
KEPT: Final = 1000
_TIMEOUT: Final = httpx.Timeout(8.0, connect=3.0)
_NAME: Final = "exotel"
_DLT: Final[Mapping[str, str]] = {"entity_id": "DltEntityId", "template_id": "DltTemplateId"}
# By the category of the registered wording; any other one is transactional.
_SMS_TYPES: Final[Mapping[str, str]] = {
    "promotional": "promotional",
    "service_explicit": "transactional_opt_in",
}
_XML_FIELD: Final = re.compile(r"<(\w+)>([^<]{0,500})</\1>")


@dataclass(frozen=True, slots=True)
class CallDetails:
    """Details of a call at Exotel; complete only some minutes after its end.

    Attributes:
        sid: Exotel's id.
        status: ``queued``, ``ringing``, ``in-progress``, ``completed``, ``failed``, ``busy``,
            ``no-answer`` or ``canceled``.
        direction: ``inbound``, ``outbound-dial`` or ``outbound-api``.
        from_number: As Exotel writes it.
        to_number: As Exotel writes it.
        duration_s: None while it is not known.
    """

    sid: str
    status: str
    direction: str
    from_number: str
    to_number: str
    duration_s: int | None


class ExotelClient:
    """Client of one account's REST API. Implements ``CallControl``.

    Args:
        http: Shared client; not closed here.
        account_id: The account's SID.
        api_key: User of the API.
        api_token: Its password.
        caller_id: The ExoPhone that calls and messages come from.
        base_url: Where the API is.
        dlt_entity_id: India's registration of the sender of text messages.
        dlt_template_id: India's registration of their wording.
        watch: Hears whether the API can be used.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        account_id: str,
        api_key: str,
        api_token: str,
        caller_id: str,
        base_url: str = EXOTEL_API_URL,
        *,
        dlt_entity_id: str = "",
        dlt_template_id: str = "",
        watch: ApiWatch | None = None,
    ) -> None:
        self._http = http
        self._watch = watch or unwatched(_NAME)
        self._auth = (api_key, api_token)
        self._account_id = account_id
        self._caller_id = caller_id
        self._base_url = base_url.rstrip("/")
        self._dlt = {"DltEntityId": dlt_entity_id, "DltTemplateId": dlt_template_id}
        self._placed: dict[str, None] = {}
        self._transfers: dict[str, None] = {}

    # ---- calls ----------------------------------------------------------------------------------

    async def dial(
        self,
        to: str,
        *,
        stream_url: str,
        status_url: str,
        ring_timeout_s: int = 45,
        time_limit_s: int = 3600,
    ) -> str:
        """Dial ``to``; Exotel opens ``stream_url`` when the call is answered.

        Accepted is not yet ringing. The stream may come before this returns.

        Returns:
            Exotel's id of the call.

        Raises:
            ApiError: It was not accepted; ``ApiUnknownError`` when that cannot be known.
            ValueError: ``stream_url`` is longer than Exotel takes.
        """
        if len(stream_url) >= MAX_URL:
            raise ValueError(f"stream_url must be shorter than {MAX_URL} characters")
        what = {"StreamUrl": stream_url, "StreamType": "bidirectional"}
        events = ["ringing", "answered", "terminal"]
        return await self._connect(to, what, events, status_url, ring_timeout_s, time_limit_s)

    async def _connect(
        self,
        to: str,
        what: Mapping[str, str],
        events: list[str],
        status_url: str,
        ring_timeout_s: int,
        time_limit_s: int,
    ) -> str:
        form: dict[str, str | list[str]] = {
            "From": to,  # whom to dial; CallerId is what they see
            "CallerId": self._caller_id,
            **what,
            "CallType": "trans",
            "TimeLimit": str(time_limit_s),
            "TimeOut": str(ring_timeout_s),
            "StatusCallback": status_url,
            "StatusCallbackEvents[]": events,
        }
        reply = await self._request("POST", "/Calls/connect.json", form)
        sid = _sid(reply)
        _remember(self._placed, sid)
        return sid

    async def details(self, provider_call_id: str) -> CallDetails | None:
        """Look a call up; None when Exotel does not know it.

        Raises:
            ApiError: No answer came; asking again does no harm.
        """
        try:
            reply = await self._request("GET", f"/Calls/{quote(provider_call_id, safe='')}.json")
        except ApiError as exc:
            if exc.status == HTTPStatus.NOT_FOUND:
                return None
            raise
        seconds = reply.get("Duration", "")
        return CallDetails(
            sid=_sid(reply),
            status=reply.get("Status", ""),
            direction=reply.get("Direction", ""),
            from_number=reply.get("From", ""),
            to_number=reply.get("To", ""),
            duration_s=int(seconds) if seconds.isdecimal() else None,
        )

    def placed(self, provider_call_id: str) -> bool:
        """Whether this process dialled the call."""
        return provider_call_id in self._placed

    async def knows(self, provider_call_id: str) -> bool:
        """Whether a call is one of this account: dialled here, or known to Exotel.

        Raises:
            ApiError: That cannot be found out now.
        """
        return self.placed(provider_call_id) or await self.details(provider_call_id) is not None

    async def hang_up(self, provider_call_id: str) -> None:
        """Do nothing: a call ends when its stream is closed, and in no other way."""

    def hand_off(self, provider_call_id: str) -> None:
        """Let the flow connect the call to a human once its stream is closed."""
        _remember(self._transfers, provider_call_id)

    def handed_off(self, provider_call_id: str) -> bool:
        """Whether a transfer of the call was requested; stays true."""
        return provider_call_id in self._transfers

    # ---- messages -------------------------------------------------------------------------------

    async def send_sms(
        self,
        to: str,
        text: str,
        *,
        reference: str = "",
        report_url: str = "",
        dlt: Mapping[str, str] | None = None,
    ) -> str:
        """Send ``text`` and return Exotel's message id; queued is not yet delivered.

        Args:
            to: E.164.
            text: At most 2000 characters.
            reference: Comes back with reports; at most 128 characters, else it is left out.
            report_url: Where reports go; empty for nowhere.
            dlt: Replaces what the client knows of the registration of this text: ``entity_id``,
                ``template_id``, ``category``, and the ``sender`` that it comes from.

        Raises:
            ApiError: It was not accepted; ``ApiUnknownError`` when that cannot be known.
        """
        if len(text) > MAX_SMS:
            raise ApiError(_NAME, f"a message of more than {MAX_SMS} characters")
        known = dlt or {}
        registered = self._dlt | {_DLT[key]: known[key] for key in known if key in _DLT}
        form: dict[str, str | list[str]] = {
            "From": known.get("sender") or self._caller_id,
            "To": to,
            "Body": text,
            "EncodingType": "plain" if text.isascii() else "unicode",
            "SmsType": _SMS_TYPES.get(known.get("category", ""), "transactional"),
            "Priority": "normal",
            **{name: value for name, value in registered.items() if value},
        }
        if reference and len(reference) <= MAX_CUSTOM:
            form["CustomField"] = reference
        if report_url:
            form["StatusCallback"] = report_url
        # The platform's limit is a 503 given before anything is queued.
        reply = await self._request("POST", "/Sms/send.json", form, throttled_is_503=True)
        return _sid(reply)

    async def _request(
        self,
        method: str,
        path: str,
        form: Mapping[str, str | list[str]] | None = None,
        *,
        throttled_is_503: bool = False,
    ) -> Mapping[str, str]:
        with self._watch.watched():
            return await self._exchange(method, path, form, throttled_is_503=throttled_is_503)

    async def _exchange(
        self,
        method: str,
        path: str,
        form: Mapping[str, str | list[str]] | None,
        *,
        throttled_is_503: bool,
    ) -> Mapping[str, str]:
        url = f"{self._base_url}/v1/Accounts/{quote(self._account_id, safe='')}{path}"
        lost = ApiUnknownError if method == "POST" else ApiError
        harmless = method != "POST"
        try:
            response = await self._http.request(
                method, url, data=form, auth=self._auth, timeout=_TIMEOUT
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as exc:
            # Nothing was sent: saying it again can do no harm.
            raise ApiError(_NAME, UNREACHABLE, retryable=True) from exc
        except httpx.HTTPError as exc:
            text = f"no answer ({type(exc).__name__})"
            raise lost(_NAME, text, retryable=harmless) from exc
        status = response.status_code
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise ApiAuthError(_NAME, f"refused (HTTP {status})", status=status)
        throttled = throttled_is_503 and status == HTTPStatus.SERVICE_UNAVAILABLE
        if status == HTTPStatus.TOO_MANY_REQUESTS or throttled:
            raise ApiError(_NAME, "too many requests", status=status, retryable=True)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            text = f"server error (HTTP {status})"
            raise lost(_NAME, text, status=status, retryable=harmless)
        if not response.is_success:  # a redirection, too: nothing behind it was asked
            raise ApiError(_NAME, f"refused (HTTP {status})", status=status)
        return _read(response)


def _read(response: httpx.Response) -> Mapping[str, str]:
    """Parse the fields of a response: of JSON, or of XML when that came instead."""
    try:
        body = response.json()
    except ValueError:
        return dict(_XML_FIELD.findall(response.text))
    if not isinstance(body, dict):
        return {}
    inner = next((value for value in body.values() if isinstance(value, dict)), body)
    return {key: str(value) for key, value in inner.items() if isinstance(value, str | int)}


def _sid(reply: Mapping[str, str]) -> str:
    """Return the id in a response.

    Raises:
        ApiUnknownError: There is none, so what answered may not have been Exotel.
    """
    sid = reply.get("Sid", "")
    if not sid:
        raise ApiUnknownError(_NAME, "the answer names no id")
    return sid


def _remember(ids: dict[str, None], new: str) -> None:
    ids[new] = None
    while len(ids) > KEPT:
        del ids[next(iter(ids))]
