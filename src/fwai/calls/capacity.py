"""Whether this machine can carry one more call: a number, or what is measured."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

MAX_LAG_S: Final = 0.10  # half the playout lead: beyond it callers would hear gaps
MIN_FREE_KB: Final = 48 * 1024
_MEMINFO: Final = Path("/proc/meminfo")


class Capacity:
    """Decides on admission.

    Args:
        most: Fixed number of simultaneous calls, or None to go by lag and memory.
        lag_s: How late the process's speech clock lately was, in seconds.
    """

    def __init__(self, most: int | None, lag_s: Callable[[], float]) -> None:
        self._most = most
        self._lag_s = lag_s

    def refusal(self, active: int) -> str | None:
        """Say why a call beyond the ``active`` ones cannot be carried, or None when it can."""
        if self._most is not None:
            return "all lines are in use" if active >= self._most else None
        if active and self._lag_s() > MAX_LAG_S:
            return "the machine is too busy"
        free_kb = free_memory_kb()
        if free_kb is not None and free_kb < MIN_FREE_KB:
            return "the machine is short of memory"
        return None


def free_memory_kb() -> int | None:
    """Return memory available without swapping hard, in kB; swap counts for half."""
    try:
        lines = _MEMINFO.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    sizes = {}
    for line in lines:
        name, _, rest = line.partition(":")
        if name in ("MemAvailable", "SwapFree"):
            sizes[name] = int(rest.split()[0])
    if "MemAvailable" not in sizes:
        return None
    return sizes["MemAvailable"] + sizes.get("SwapFree", 0) // 2
