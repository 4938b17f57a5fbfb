"""What a test leaves undone or open fails it, or the next one, in this project's runs."""

from pathlib import Path

import pytest

from children import run_tests


@pytest.mark.parametrize(
    ("leaves", "told"),
    [
        ("async def late(): pass\n    late()", "was never awaited"),
        ("import socket\n    socket.socket()", "unclosed <socket"),
        ("open(__file__)", "unclosed file"),
    ],
    ids=["coroutine", "socket", "file"],
)
def test_what_is_left_behind_is_a_failure(tmp_path: Path, leaves: str, told: str) -> None:
    (tmp_path / "test_suite.py").write_text(f"async def test_it():\n    {leaves}\n")

    printed = run_tests(tmp_path, PYTHONASYNCIODEBUG="1")

    assert told in printed
    assert "1 failed" in printed or "1 error" in printed
