"""Which process this is, and whether another one on this machine still runs.

Source: proc(5): /proc/<pid>/stat field 22 (starttime, in ticks since boot), /proc/sys/kernel/random
/boot_id, /proc/self/ns/pid.
"""

import os
import platform
from contextlib import suppress
from pathlib import Path
from typing import Final

from fwai.domain.instance import ProcessIdentity

_PROC: Final = Path("/proc")
_STARTTIME: Final = 19  # of the fields behind the command's closing parenthesis


def this_process() -> ProcessIdentity:
    """Return the identity of this process."""
    return ProcessIdentity(_host(), _boot_id(), os.getpid(), _started(os.getpid()) or 0)


def surely_gone(other: ProcessIdentity, here: ProcessIdentity) -> bool:
    """Whether ``other`` ran on this machine, in this run of it, and does not any more.

    False also when that cannot be known: another machine or container, or no /proc.
    """
    if (other.host, other.boot_id) != (here.host, here.boot_id) or not here.boot_id:
        return False
    if not other.started:
        return False
    started = _started(other.pid)
    if started is not None:
        return started != other.started
    try:
        os.kill(other.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:  # it runs as another user, and /proc hides it
        return False
    return False


def _host() -> str:
    """Return the machine's name and, in a container, its space of process ids."""
    space = ""
    with suppress(OSError):
        space = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - no path, a name such as pid:[1]
    return f"{platform.node()[:48]} {space}".strip()


def _boot_id() -> str:
    with suppress(OSError):
        return (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
    return ""


def _started(pid: int) -> int | None:
    """Return when a process started, in ticks since boot; 0 of a zombie, None of one not seen."""
    try:
        behind = (_PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2]
    except OSError:
        return None
    fields = behind.split()
    return 0 if fields[0] in ("Z", "X") else int(fields[_STARTTIME])
