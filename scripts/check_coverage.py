"""Fails when a module's own tests leave more than 5 % of its statements and branches untaken.

Reads the report that ``make test`` writes: branch coverage of the tests that need no
real time, `make test-fast`. `EXCEPTED` says which modules are not held to it, and why.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parent.parent
REPORT: Final = ROOT / ".coverage" / "report.json"
PACKAGE: Final = "src/fwai/"
FLOOR: Final = 95.0
WORST: Final = 10

# A folder (with a slash at its end) or a module, below `PACKAGE`.
_CALLS = "its calls take real time, which counting would tear: tests/contract/"
_ELSEWHERE = "runs in a process of its own: tests/unit/store/test_migrate.py"
EXCEPTED: Final[dict[str, str]] = {
    "__main__.py": "a process: tests/e2e",
    "cli/": "processes: tests/e2e",
    "demo/": "a process: tests/e2e/test_demo.py",
    "server/": "serves whole calls: tests/e2e",
    "simulator/": "the world around a server: tests/contract/simulator and tests/e2e, in real time",
    "wiring/": "builds whole servers: tests/e2e",
    "adapters/exotel/routes.py": f"{_CALLS}exotel, tests/e2e/test_exotel.py",
    "adapters/webrtc/audio_receiver.py": f"{_CALLS}webrtc",
    "adapters/webrtc/library_check.py": "what a library lacks that is not installed",
    "adapters/webrtc/peer.py": f"{_CALLS}webrtc",
    "adapters/webrtc/transport.py": f"{_CALLS}webrtc",
    "adapters/whatsapp/account.py": f"{_CALLS}whatsapp",
    "adapters/whatsapp/call_setup.py": f"{_CALLS}whatsapp",
    "adapters/whatsapp/event_router.py": f"{_CALLS}whatsapp",
    "adapters/whatsapp/peer.py": f"{_CALLS}legs",
    "adapters/browser/line.py": "its calls take real time: tests/e2e/test_browser.py",
    "calls/call_runner.py": "endings that race with a hang-up: tests/e2e/test_soak.py",
    "calls/voice.py": "a recording of a call: tests/e2e/test_calls.py",
    "config/loading.py": "an unreadable .env: tests run as a user who may read everything",
    "store/clock_witness.py": "its other half needs PostgreSQL: FWAI_TEST_POSTGRES_URL",
    "store/database.py": "its other half needs PostgreSQL: FWAI_TEST_POSTGRES_URL",
    "store/instances.py": "its other half needs PostgreSQL: FWAI_TEST_POSTGRES_URL",
    "store/migrate.py": _ELSEWHERE,
    "store/migrations/": _ELSEWHERE,
}


class Share(NamedTuple):
    """How many of a module's statements and branches were taken, of how many."""

    taken: int
    there: int

    @property
    def percent(self) -> float:
        """Return 100 where there is nothing to take."""
        return 100.0 * self.taken / self.there if self.there else 100.0


def shares(report: Mapping[str, Mapping[str, Mapping[str, Mapping[str, int]]]]) -> dict[str, Share]:
    """Return each module of a JSON report of coverage.py, by its path below `PACKAGE`."""
    found = {}
    for path, file in report["files"].items():
        told = file["summary"]
        taken = told["covered_lines"] + told["covered_branches"]
        there = told["num_statements"] + told["num_branches"]
        found[path.replace("\\", "/").removeprefix(PACKAGE)] = Share(taken, there)
    return found


def folders(modules: Mapping[str, Share]) -> dict[str, Share]:
    """Add up the modules of each folder, those of its folders not counted."""
    sums: defaultdict[str, Share] = defaultdict(lambda: Share(0, 0))
    for path, (taken, there) in modules.items():
        folder = path[: path.rfind("/") + 1]
        sums[folder] = Share(sums[folder].taken + taken, sums[folder].there + there)
    return dict(sums)


def faults(modules: Mapping[str, Share], excepted: Mapping[str, str]) -> Iterator[str]:
    """Yield what is below the floor, and exceptions of what is not there."""
    held = {path: one for path, one in modules.items() if not _exceptions_of(path, excepted)}
    for path, one in sorted({**held, **folders(held)}.items()):
        if one.percent < FLOOR:
            yield f"{PACKAGE}{path}: {one.percent:.1f} %, less than {FLOOR:.0f} %"
    for exception in excepted:
        if not any(_exceptions_of(path, (exception,)) for path in modules):
            yield f"{PACKAGE}{exception}: is not there; take it out of EXCEPTED"


def _exceptions_of(path: str, excepted: Mapping[str, str] | tuple[str, ...]) -> list[str]:
    return [one for one in excepted if path == one or (one.endswith("/") and path.startswith(one))]


def main() -> int:
    """Print the worst modules that are held to the floor, and what is wrong; 1 if anything is."""
    modules = shares(json.loads(REPORT.read_text("utf-8")))
    held = {path: one for path, one in modules.items() if not _exceptions_of(path, EXCEPTED)}
    for path, one in sorted(held.items(), key=lambda item: item[1].percent)[:WORST]:
        print(f"{one.percent:6.1f} %  {PACKAGE}{path}")  # noqa: T201
    found = list(faults(modules, EXCEPTED))
    for fault in found:
        print(fault)  # noqa: T201
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
