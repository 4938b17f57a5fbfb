"""Notes on a booking that its invitation is handed to the mail server.

The note outlives the job of the mail: whoever cancels the demo weeks later must know that there is
something to cancel in a calendar. It is written before the mail leaves and taken back when the mail
was certainly refused, so that a crash in between sends one cancellation too many, never one too
few.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from fwai.domain.job import Job
from fwai.errors import ApiError, ApiUnknownError
from fwai.interfaces.messages import InvitedBookings
from fwai.jobs.message_sender import Send


def noting_invitations(
    send: Send,
    bookings: InvitedBookings,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Send:
    """Return what sends a job's mail and notes on its booking that it invites to it."""

    async def noted(job: Job) -> str:
        invitation = job.payload.get("invitation")
        if not isinstance(invitation, dict) or invitation.get("cancelled"):
            return await send(job)
        booking_id, at = str(invitation.get("uid", "")), clock()
        if not await bookings.inviting(booking_id, at):
            raise ValueError("the demo was canceled, or its booking was erased")
        try:
            return await send(job)
        except ApiUnknownError:
            raise
        except (ApiError, ValueError):
            await bookings.not_invited(booking_id, at)
            raise

    return noted
