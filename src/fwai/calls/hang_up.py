"""Hangs up at the carrier what a process that died left there."""

from collections.abc import Mapping

from fwai.domain.job import Begin, Dead, Done, Job, JobOutcome, Retry
from fwai.errors import ApiError, BusyError
from fwai.interfaces.calls import CallControl


class CarrierHangUp:
    """Handles ``hang_up`` jobs; ending a call twice is ending it once.

    Args:
        lines: Who ends calls, by provider.
    """

    def __init__(self, lines: Mapping[str, CallControl]) -> None:
        self._lines = lines

    async def __call__(self, job: Job, begin: Begin) -> JobOutcome:  # noqa: ARG002 - repeatable
        """End the call at its carrier; one that is over there already is no error."""
        line = self._lines.get(job.payload["provider"])
        if line is None:  # a browser's call ended with its process
            return Done()
        try:
            await line.hang_up(job.payload["provider_call_id"])
        except BusyError as exc:
            return Retry(str(exc))
        except ApiError as exc:
            unknown = exc.status is None
            return Retry(str(exc)) if exc.retryable or unknown else Dead(str(exc))
        return Done()
