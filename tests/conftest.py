"""What holds for all tests."""

import gc
import socket
from collections import Counter
from pathlib import Path

import hypothesis
import pytest

from gaps import SoundGap, is_gap

TESTS = Path(__file__).parent
# Conversations and waits in real time; `make test-fast` leaves them out.
REAL_TIME = (
    "contract/exotel/test_outbound.py",
    "contract/exotel/test_simulator.py",
    "contract/legs",
    "contract/plivo/test_outbound.py",
    "contract/simulator",
    "contract/webrtc",
    "contract/whatsapp/test_outbound.py",
    "e2e",
    "fuzz",  # looks at the whole memory after each run: not in a process that has much of it
)
VIRTUAL_TIME = ("e2e/faults",)
# Tests of what must happen once, survive a crash, leave nothing behind or stay private: to fail
# once in three runs is to fail.
NEVER_AGAIN = (
    "e2e/test_acting.py",
    "e2e/test_calls.py::test_transcripts_disabled_writes_no_word_anywhere",
    "e2e/test_crashes.py",
    "e2e/test_soak.py",
    "fuzz/test_fuzz.py",
    "fuzz/test_judge.py",
    "e2e/test_whatsapp.py::test_a_user_calls_and_talks_and_hangs_up",
    "unit/store/test_crash.py",
)
RUN_AGAIN = pytest.mark.flaky(
    reruns=2,
    reruns_delay=1,
    # A teardown that fails with anything else ends it, too; a group is looked into by `is_gap`.
    only_rerun=[SoundGap, ExceptionGroup],
    condition=is_gap,
)

# How long an example takes says more about the machine, and coverage, than about what is tested.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        where = item.path.relative_to(TESTS).as_posix() + "::" + item.nodeid.partition("::")[2]
        if where.startswith(REAL_TIME) and not where.startswith(VIRTUAL_TIME):
            item.add_marker(pytest.mark.real_time)
            if not where.startswith(NEVER_AGAIN):  # on a clock that jumps no sound has a gap
                item.add_marker(RUN_AGAIN)


def pytest_collection_finish() -> None:
    """Let no collection of garbage look at all tests: it would stop others for half a second."""
    gc.freeze()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Let pytest-rerunfailures not wait 40 ms at each test.

    Its workers write twice to the main process before they read: without this the second message
    waits for the delayed acknowledgement of the first.
    """
    connection = getattr(getattr(session.config, "failures_db", None), "sock", None)
    if isinstance(connection, socket.socket):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    again = Counter(report.nodeid for report in terminalreporter.stats.get("rerun", ()))
    for test, times in sorted(again.items()):
        terminalreporter.write_line(f"reran for a gap in the sound: {test} {times} times")
    terminalreporter.write_line(f"reruns: {again.total()}")
