"""What is out of order in this installation or around it, in words an operator can act on.

The words stand on ``/readyz``, which anybody may read, and in events: no secret, no path, no number
and no word of a caller is in them.
"""

import enum
import errno
from dataclasses import dataclass
from datetime import datetime


class Area(enum.StrEnum):
    """What part of the world a failure belongs to."""

    STORAGE = "storage"
    DATABASE = "database"
    MODEL = "model"
    PROVIDER = "provider"
    MAIL = "mail"
    EVENTS = "events"
    CONFIGURATION = "configuration"
    LIMITS = "limits"
    SERVER = "server"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong.

    Attributes:
        area: The part of the world it belongs to.
        what: Which one of that part, such as ``transcripts`` or ``plivo``; one failure each.
        cause: What is wrong.
        fix: What an operator can do about it.
        stops_calls: Every call fails while it lasts, so that no further one should come here.
    """

    area: Area
    what: str
    cause: str
    fix: str
    stops_calls: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """A trouble that was seen and not seen mended.

    Attributes:
        trouble: What is wrong.
        first_at: When it was seen first, UTC.
        last_at: When it was seen last, UTC.
        times: How often it was seen.
        cause_at: When the cause became what it is, UTC; None is ``first_at``.
    """

    trouble: Trouble
    first_at: datetime
    last_at: datetime
    times: int = 1
    cause_at: datetime | None = None

    @property
    def sentence(self) -> str:
        """What is wrong since when, and the fix."""
        one = self.trouble
        since = f"{self.cause_at or self.first_at:%Y-%m-%dT%H:%M:%SZ}"
        return f"{one.area.value}: {one.what}: {one.cause}, since {since}; {one.fix}"


def storage_words(error: OSError, setting: str) -> tuple[str, str]:
    """Return what an error of the file system means and what to do, without the path.

    ``setting`` says which folder it is.
    """
    name = errno.errorcode.get(error.errno or 0, type(error).__name__)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full ({name})", (
            f"free disk space where {setting} is; what waits to be written is kept in memory, as "
            "far as it goes"
        )
    if error.errno in (errno.EIO, errno.ENXIO, errno.ENODEV, errno.ESTALE):
        return f"the disk fails ({name})", f"check the disk, or the network drive, of {setting}"
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return f"too many files are open ({name})", "raise LimitNOFILE of the service"
    if error.errno in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR):
        name = "ENOTDIR"  # the same, whichever request comes first
    return f"the folder cannot be written ({name})", (
        f"make the folder of {setting} a folder that the service's user can write"
    )


class Unwatched:
    """Listens to failures and keeps nothing. Implements ``Failures``."""

    def seen(self, trouble: Trouble) -> None:
        """Forget it."""

    def mended(self, area: Area, what: str) -> None:
        """Forget it."""


UNWATCHED = Unwatched()
