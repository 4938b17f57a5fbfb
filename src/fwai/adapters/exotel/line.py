"""Exotel's outbound calls, SMS and transfers.

A call at Exotel ends only with its stream, and one that rings cannot be canceled: when it is picked
up after all, its stream is refused.
"""

from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote

from fwai.adapters.exotel.client import KEPT, MAX_URL, ExotelClient
from fwai.adapters.exotel.webhook import e164
from fwai.domain.call import CallId, DialOrder
from fwai.errors import ApiError

_NAME: Final = "exotel"


class ExotelLine:
    """Places calls, sends SMS and transfers calls through Exotel.

    Implements ``OutboundLine``, ``SmsSender`` and ``CallTransfer``.

    Args:
        client: The account.
        caller_id: Our ExoPhone, as Exotel writes it.
        public_url: This server as Exotel sees it, no slash at the end.
        secret: The unguessable segment of every path.
        stream_url: Builds the stream's URL for a token.
    """

    def __init__(
        self,
        client: ExotelClient,
        caller_id: str,
        public_url: str,
        secret: str,
        stream_url: Callable[[str], str],
    ) -> None:
        self._client = client
        self._number = e164(caller_id)
        self._base = f"{public_url}/exotel/{quote(secret, safe='')}"
        self._stream_url = stream_url
        self._calls: dict[str, CallId] = {}

    @property
    def number(self) -> str:
        """Our number."""
        return self._number

    async def dial(self, order: DialOrder) -> str:
        """Place a call and return Exotel's id; errors as for ``OutboundLine``.

        Exotel cannot tell machines from people here: ``detect_machine`` does nothing.
        """
        where = self._stream_url(order.token)
        if len(where) >= MAX_URL:
            text = f"the stream's address has {MAX_URL} characters or more; shorten PUBLIC_URL"
            raise ApiError(_NAME, text)
        sid = await self._client.dial(
            order.to,
            stream_url=where,
            status_url=self._url("status", "call", order.call_id),
            ring_timeout_s=order.ring_s,
            time_limit_s=order.max_s,
        )
        self.belongs(sid, order.call_id)
        return sid

    def belongs(self, call_sid: str, call_id: CallId) -> None:
        """Remember which call of ours an Exotel call is."""
        self._calls[call_sid] = call_id
        while len(self._calls) > KEPT:
            del self._calls[next(iter(self._calls))]

    def linked_call(self, call_sid: str) -> CallId:
        """Return our id of an Exotel call that we placed; empty when unknown or too long ago."""
        return self._calls.get(call_sid, CallId(""))

    async def hang_up(self, provider_call_id: str) -> None:
        """Do nothing: a call ends when its stream is closed, and in no other way."""
        await self._client.hang_up(provider_call_id)

    async def transfer(self, provider_call_id: str) -> None:
        """Let the flow connect the call to a human once its stream is closed.

        Raises:
            ApiError: We dialled the call, so it is in no flow that could continue it.
        """
        if self._client.placed(provider_call_id):
            raise ApiError(_NAME, "a call that we dialled is in no flow that could take it on")
        self._client.hand_off(provider_call_id)

    async def send_sms(
        self, to: str, text: str, reference: str = "", dlt: Mapping[str, str] | None = None
    ) -> str:
        """Send an SMS; a reference requests delivery reports. Errors as for ``SmsSender``."""
        report_url = self._url("sms-status", "job", reference) if reference else ""
        return await self._client.send_sms(
            to, text, reference=reference, report_url=report_url, dlt=dlt
        )

    def _url(self, path: str, key: str, value: str) -> str:
        return f"{self._base}/{path}?{key}={quote(value, safe='')}"
