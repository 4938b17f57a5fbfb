"""WhatsApp's outbound calls and call permission requests."""

from typing import Final

from fwai.adapters.whatsapp.call_state import PROVIDER
from fwai.adapters.whatsapp.calls import WhatsAppCalls
from fwai.adapters.whatsapp.dialer import WhatsAppDialer
from fwai.adapters.whatsapp.events import Party
from fwai.domain.call import DialOrder
from fwai.errors import ApiError, StoreError
from fwai.templates.whatsapp_templates import WHATSAPP_TEMPLATES

PERMISSION_TEMPLATE: Final = "call_permission"


class WhatsAppLine:
    """Places WhatsApp calls and requests call permission. Implements ``OutboundLine``."""

    def __init__(self, dialer: WhatsAppDialer, calls: WhatsAppCalls) -> None:
        self._dialer = dialer
        self._calls = calls

    @property
    def number(self) -> str:
        """Our number; empty until a webhook names it, if not configured."""
        return self._calls.line

    async def dial(self, order: DialOrder) -> str:
        """Place a call and return Meta's id; errors as for ``OutboundLine``.

        ``token``, ``max_s`` and ``detect_machine`` are not used here; the session limits the call.

        Raises:
            PermissionNeededError: The user has not permitted calls.
        """
        try:
            return await self._dialer.dial(Party(order.to), order.call_id, order.ring_s)
        except StoreError as exc:
            raise ApiError(PROVIDER, "permissions cannot be looked up", retryable=True) from exc

    async def hang_up(self, provider_call_id: str) -> None:
        """End a call, or cancel it while it rings; errors as for ``CallControl``."""
        await self._calls.hang_up(provider_call_id)

    async def ask_permission(
        self, to: str, name: str = "there", topic: str = "your enquiry"
    ) -> str:
        """Send a permission request and return the message's id; the reply comes by webhook.

        Args:
            to: E.164.
            name: How the user is addressed.
            topic: What the call is about.

        Raises:
            PermissionNeededError: The user was asked often enough.
            ApiError: Meta refused; ``ApiUnknownError`` when that cannot be known.
            StoreError: The stored permission cannot be read or written.
            ValueError: ``name`` or ``topic`` does not fit the template.
        """
        values = {"name": name, "topic": topic}
        template = WHATSAPP_TEMPLATES[PERMISSION_TEMPLATE]
        rendered, text = template.render(values), template.text
        for key, value in values.items():
            text = text.replace(f"{{{{{key}}}}}", value.strip())
        return await self._dialer.ask(Party(to), text, rendered)
