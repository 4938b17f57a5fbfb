"""What holds for all tests."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
# These hold real conversations in real time: a machine that stops for half a second in the middle
# of one makes callers hear gaps that are not the server's. Such a test is given two more chances;
# a fault of ours fails all three.
REAL_TIME = (
    "e2e",
    "contract/simulator",
    "contract/webrtc",
    "contract/exotel",
    "contract/legs",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.relative_to(TESTS).as_posix().startswith(REAL_TIME):
            item.add_marker(pytest.mark.flaky(reruns=2, reruns_delay=1))
