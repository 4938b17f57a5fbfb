"""Text messages out, and providers' reports on what became of them."""

from collections.abc import Mapping
from typing import Any, Protocol


class SmsSender(Protocol):
    """Sends text messages."""

    async def send_sms(self, to: str, text: str, reference: str = "") -> str:
        """Send ``text`` to an E.164 number and return the provider's message id.

        ``reference`` is ours, safe in a URL; the provider's reports on the message carry it.

        Raises:
            ApiError: It was not sent; ``ApiUnknownError`` when that cannot be known.
        """
        ...


class MessageReports(Protocol):
    """Hears how messages fare."""

    async def reported(
        self, provider: str, message_id: str, status: str, *, reference: str = "", error: str = ""
    ) -> None:
        """Take in a report.

        ``status`` and ``error`` are the provider's words, the latter empty when nothing is wrong;
        ``reference`` is what the message was sent with, empty when the provider does not say.
        """
        ...


class CallPermissionAsker(Protocol):
    """Asks WhatsApp users whether they may be called."""

    async def ask_permission(self, to: str, name: str = ..., topic: str = ...) -> str:
        """Ask and return the message's id; raises ``ApiError``."""
        ...


class WhatsAppSender(Protocol):
    """Writes on WhatsApp."""

    async def send_text(
        self, to: str, text: str, template: Mapping[str, Any] | None, reference: str
    ) -> str:
        """Send a text, or the template where a text may not be sent; raises ``ApiError``."""
        ...
