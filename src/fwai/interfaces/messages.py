"""Messages out, and what is kept of them: providers' reports, who was invited."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Protocol

from fwai.domain.delivery import MessageReport, SentMessage


class SmsSender(Protocol):
    """Sends text messages."""

    async def send_sms(
        self, to: str, text: str, reference: str = "", dlt: Mapping[str, str] | None = None
    ) -> str:
        """Send ``text`` to an E.164 number and return the provider's message id.

        ``reference`` is ours, safe in a URL; the provider's reports on the message carry it.
        ``dlt`` is what the wording is registered under in India, as in ``SmsTemplate``; what it
        does not say is as in the settings.

        Raises:
            ApiError: It was not sent; ``ApiUnknownError`` when that cannot be known.
        """
        ...


class MessageReports(Protocol):
    """Hears how messages fare."""

    async def reported(
        self, provider: str, message_id: str, status: str, *, reference: str = "", error: str = ""
    ) -> None:
        """Take in a report, and wait a little until it is kept.

        ``status`` and ``error`` are the provider's words, the latter empty when nothing is wrong;
        ``reference`` is what the message was sent with, empty when the provider does not say.

        Raises:
            StoreError: It is not kept yet. It is tried again while this process runs; should the
                provider say it again, too, that does no harm.
        """
        ...


class SentMessageLog(Protocol):
    """Keeps which messages providers took."""

    async def sent(self, message: SentMessage) -> None:
        """Keep one, before its reports or after the first of them; raises ``StoreError``."""
        ...


class MessageStatusStore(Protocol):
    """Keeps how messages fare, for all processes."""

    async def report(self, report: MessageReport) -> bool:
        """Take in a report; False when it says nothing new. Raises ``StoreError``."""
        ...


class SentMessagePurge(Protocol):
    """What housekeeping needs of the sent messages."""

    async def forget_old(self, before: datetime, fallbacks_before: datetime) -> int:
        """Delete what has not changed since a time, and templates older than another."""
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


class InvitedBookings(Protocol):
    """The booked demos as their invitations go out."""

    async def inviting(self, booking_id: str, at: datetime) -> bool:
        """Keep that somebody is being invited; False when the demo is off."""
        ...

    async def not_invited(self, booking_id: str, at: datetime) -> None:
        """Keep that the invitation of ``at`` did not go out."""
        ...


class MessageQuotas(Protocol):
    """Limits what callers can have sent in a day, whatever numbers they show."""

    async def take(self, name: str, recipient: str = "", asked_by: str = "") -> str:
        """Count one message of the limit ``name``; what has no limit is not counted.

        Args:
            name: The kind of the message's job.
            recipient: Whom a caller dictated, in its only form: somebody who was never written to
                before counts besides. Empty for everybody else.
            asked_by: The caller's number, so that it can be erased; or empty.

        Returns:
            Empty, or what there is no more of today, in words; then nothing was counted.

        Raises:
            StoreError: The database failed; nothing was counted.
        """
        ...

    async def give_back(self, name: str) -> None:
        """Take one back that was counted and not sent.

        Raises:
            StoreError: The database failed.
        """
        ...


class QuotaStore(Protocol):
    """Keeps how much of each daily limit is used."""

    async def take(
        self,
        day: str,
        most: Mapping[str, int],
        *,
        recipient: str = "",
        asked_by: str = "",
        if_new: str = "",
    ) -> tuple[str, Collection[str]]:
        """Count one of each limit on a day, or of none.

        Args:
            day: ISO 8601.
            most: How many there may be, by limit.
            recipient: Remembered from now on as somebody who was written to.
            asked_by: Who asked for that.
            if_new: The limit that counts only when the recipient was not known.

        Returns:
            The limit that has no room, or empty; and those that are reached now.

        Raises:
            StoreError: The database failed; nothing was counted.
        """
        ...

    async def give_back(self, day: str, name: str) -> None:
        """Take one back."""
        ...

    async def used(self, day: str) -> Mapping[str, int]:
        """Return how many were counted on a day, by limit."""
        ...
