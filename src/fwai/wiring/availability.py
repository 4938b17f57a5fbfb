"""``data/availability.json``: when demos can be booked, read again when the file changes."""

import json
from pathlib import Path

import structlog

from fwai.domain.availability import DEFAULT, Availability, read_availability
from fwai.domain.failure import UNWATCHED, Area, Trouble
from fwai.errors import ConfigError
from fwai.interfaces.failures import Failures

_log = structlog.get_logger()


class AvailabilityFile:
    """Returns the rules of bookings as the file says them now.

    Raises:
        ConfigError: It is there at the start and wrong.
    """

    def __init__(self, path: Path, failures: Failures = UNWATCHED) -> None:
        self._path = path
        self._failures = failures
        self._stamp: tuple[int, int] | None = None
        self._current = DEFAULT
        self._load(strict=True)

    def __call__(self) -> Availability:
        """Return what holds now; a file that became wrong is reported and the last one kept."""
        self._load(strict=False)
        return self._current

    def _load(self, *, strict: bool) -> None:
        try:
            status = self._path.stat()
        except OSError:
            self._stamp, self._current = None, DEFAULT
            self._failures.mended(Area.CONFIGURATION, self._path.name)
            return
        stamp_now = (status.st_mtime_ns, status.st_size)
        if stamp_now == self._stamp:
            return
        self._stamp = stamp_now
        try:
            self._current = read_availability(json.loads(self._path.read_text("utf-8-sig")))
        except (ValueError, OSError) as exc:
            if strict:
                raise ConfigError([f"{self._path}: {exc}"]) from None
            _log.error("availability_not_read", error=type(exc).__name__)
            cause = f"the file is wrong ({type(exc).__name__}); the rules read before still hold"
            fix = f"correct {self._path.name} in DATA_DIR; it is read again when it changes"
            self._failures.seen(Trouble(Area.CONFIGURATION, self._path.name, cause, fix))
        else:
            self._failures.mended(Area.CONFIGURATION, self._path.name)
