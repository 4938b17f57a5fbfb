"""Reading processes from /proc, and numbers from samples."""

import os
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

_TICKS_HZ = os.sysconf("SC_CLK_TCK")

now_s = time.perf_counter  # the event loop's own clock has a resolution of 1 ms


def cpu_s(pid: int) -> float:
    """User and system time of a process and all its threads, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_HZ


def major_faults(pid: int) -> int:
    """How often a process had to wait for a page from disk."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return int(fields[9])


def waited_s(pid: int) -> float:
    """Time a process's main thread was ready to run and another one had the core, in seconds."""
    return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9


def memory_kb(pid: int) -> dict[str, int]:
    """Resident and proportional set size, in kB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    sizes = {line.partition(":")[0]: line.split()[1] for line in lines[1:]}
    return {"rss": int(sizes["Rss"]), "pss": int(sizes["Pss"])}


def steal_s() -> float:
    """Time the hypervisor gave to others, in seconds."""
    first = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()
    return int(first[8]) / _TICKS_HZ


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles in milliseconds of ``n`` samples."""

    n: int
    p50: float
    p95: float
    p99: float
    max: float

    @classmethod
    def of(cls, samples_s: Iterable[float]) -> "Spread":
        """Summarise samples in seconds."""
        ordered = sorted(samples_s)
        if not ordered:
            return cls(0, 0.0, 0.0, 0.0, 0.0)

        def at(share: float) -> float:
            return round(ordered[min(int(share * len(ordered)), len(ordered) - 1)] * 1000, 2)

        return cls(len(ordered), at(0.50), at(0.95), at(0.99), at(1.0))

    def dump(self) -> dict[str, float]:
        """Return it as JSON can hold it."""
        return asdict(self)
