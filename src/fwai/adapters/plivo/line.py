"""Plivo's outbound calls, SMS and transfers.

Every webhook URL given to Plivo names our call or job, so that its webhooks match whatever ids it
uses: the id of a request need not be that of its call.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from fwai.adapters.plivo.client import PlivoClient
from fwai.domain.call import DialOrder

MAX_REMEMBERED: Final = 1000


class PlivoLine:
    """Places calls, sends SMS and transfers calls through Plivo.

    Implements ``OutboundLine``, ``SmsSender`` and ``CallTransfer``.

    Args:
        client: The account.
        number: Ours, E.164.
        public_url: This server as Plivo sees it, no slash at the end; empty when it cannot.
    """

    def __init__(self, client: PlivoClient, number: str, public_url: str) -> None:
        self._client = client
        self._number = number
        self._public_url = public_url
        self._requested: dict[str, None] = {}

    @property
    def number(self) -> str:
        """Our number."""
        return self._number

    async def dial(self, order: DialOrder) -> str:
        """Place a call and return Plivo's request id; errors as for ``OutboundLine``."""

        def url(path: str) -> str:
            return f"{self._public_url}/plivo/{path}?call={quote(order.call_id, safe='')}"

        request_id = await self._client.dial(
            order.to,
            answer_url=url("answer"),
            hangup_url=url("hangup"),
            ring_url=url("ring"),
            machine_url=url("machine") if order.detect_machine else "",
            ring_timeout_s=order.ring_s,
            time_limit_s=order.max_s,
        )
        self._requested[request_id] = None
        while len(self._requested) > MAX_REMEMBERED:
            del self._requested[next(iter(self._requested))]
        return request_id

    async def hang_up(self, provider_call_id: str) -> None:
        """End a call, or cancel it when Plivo has not begun it; errors as for ``CallControl``.

        The id may be that of a call or of a request of ours.
        """
        ended = await self._client.end(provider_call_id)
        if not ended and provider_call_id in self._requested:
            await self._client.cancel(provider_call_id)

    async def transfer(self, provider_call_id: str) -> None:
        """Transfer a call to the human once the stream is over; errors as for ``CallTransfer``."""
        await self._client.transfer(provider_call_id, f"{self._public_url}/plivo/transfer?v=1")

    async def send_sms(
        self, to: str, text: str, reference: str = "", dlt: Mapping[str, str] | None = None
    ) -> str:
        """Send an SMS; a reference requests delivery reports. Errors as for ``SmsSender``."""
        report_url = ""
        if reference and self._public_url:
            job = quote(reference, safe="")
            report_url = f"{self._public_url}/plivo/message-status?job={job}"
        return await self._client.send_sms(to, text, report_url=report_url, dlt=dlt)
