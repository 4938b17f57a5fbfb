"""Whether a service of others can be used: what each request to it finds out."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from fwai.domain.failure import UNWATCHED, Area, Trouble
from fwai.errors import ApiAuthError, ApiError, ApiUnknownError, BusyError
from fwai.interfaces.failures import Failures

UNREACHABLE: Final = (
    "it cannot be reached; check this server's network, DNS and firewall, and its status page"
)
"""Why a request was not sent, in the words of a call's or a message's cause."""


@dataclass(frozen=True, slots=True)
class ApiWatch:
    """Tells of the failures of one service, and of their mending by the next request that works.

    Attributes:
        failures: Who is told.
        area: What the service is for.
        what: Its name.
        credentials: What to do when it refuses ours.
        address: What to do when it cannot be reached, or is not what answers.
        http: Its statuses are those of HTTP, where from 500 on it is its own fault.
    """

    failures: Failures
    area: Area
    what: str
    credentials: str
    address: str
    http: bool = True

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch one request, which raises ``ApiError`` when it fails."""
        try:
            yield
        except ApiAuthError as exc:
            status = f" (status {exc.status})" if exc.status is not None else ""
            self.seen(f"it refuses us{status}", self.credentials)
            raise
        except BusyError:
            self.mended()
            raise
        except ApiError as exc:
            self._failed(exc)
            raise
        else:
            self.mended()

    def seen(self, cause: str, fix: str) -> None:
        """Tell that the service cannot be used."""
        self.failures.seen(Trouble(self.area, self.what, cause, fix))

    def mended(self) -> None:
        """Tell that it can."""
        self.failures.mended(self.area, self.what)

    def _failed(self, exc: ApiError) -> None:
        status = exc.status
        if status is None:
            # What is neither lost nor worth another try was never sent.
            if exc.retryable or isinstance(exc, ApiUnknownError):
                self.seen("it cannot be reached, or does not answer", self.address)
        elif self.http and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self.seen(f"it answers with a fault of its own (HTTP {status})", self.address)
        elif self.http and status == HTTPStatus.TOO_MANY_REQUESTS:
            return
        else:
            self.mended()  # it knows us, whatever it says to this request


def unwatched(what: str) -> ApiWatch:
    """Return the watch of a service that nobody asks about."""
    return ApiWatch(UNWATCHED, Area.PROVIDER, what, "", "")
