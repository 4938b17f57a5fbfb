"""WhatsApp as a line of ours: calls users who permit it, and asks the others."""

from typing import Final

from fwai.adapters.whatsapp.call_state import PROVIDER
from fwai.adapters.whatsapp.calls import WhatsAppCalls
from fwai.adapters.whatsapp.dialer import WhatsAppDialer
from fwai.adapters.whatsapp.events import Party
from fwai.domain.call import DialOrder
from fwai.errors import ApiError, StoreError
from fwai.templates.whatsapp_templates import TEMPLATES

PERMISSION: Final = "call_permission"


class WhatsAppLine:
    """Implements ``OutboundLine``."""

    def __init__(self, dialer: WhatsAppDialer, calls: WhatsAppCalls) -> None:
        self._dialer = dialer
        self._calls = calls

    @property
    def number(self) -> str:
        """Our number; empty until a webhook has named it, when the settings do not."""
        return self._calls.line

    async def dial(self, order: DialOrder) -> str:
        """Place a call and return Meta's id; errors as for ``OutboundLine``.

        There is no stream to admit and no machine to detect; how long a call may last is for the
        session to see to.

        Raises:
            PermissionNeededError: The user has not permitted calls.
        """
        try:
            return await self._dialer.dial(Party(order.to), order.call_id, order.ring_s)
        except StoreError as exc:
            raise ApiError(PROVIDER, "permissions cannot be looked up", retryable=True) from exc

    async def hang_up(self, provider_call_id: str) -> None:
        """End a call, or stop it ringing; errors as for ``CallControl``."""
        await self._calls.hang_up(provider_call_id)

    async def ask_permission(
        self, to: str, name: str = "there", topic: str = "your enquiry"
    ) -> str:
        """Ask a user to permit calls and return the message's id; the answer comes by webhook.

        Args:
            to: E.164.
            name: How the user is addressed.
            topic: What the call is about.

        Raises:
            PermissionNeededError: The user was asked often enough.
            ApiError: Meta refused; ``ApiUnknownError`` when that cannot be known.
            StoreError: What is kept cannot be read or written.
            ValueError: ``name`` or ``topic`` does not fit the template.
        """
        values = {"name": name, "topic": topic}
        template = TEMPLATES[PERMISSION]
        rendered, text = template.render(values), template.text
        for key, value in values.items():
            text = text.replace(f"{{{{{key}}}}}", value.strip())
        return await self._dialer.ask(Party(to), text, rendered)
