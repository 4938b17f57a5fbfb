from pathlib import Path

import pytest

from fwai.calls import capacity
from fwai.calls.capacity import MAX_LAG_S, MIN_FREE_KB, Capacity, free_memory_kb

PLENTY = f"MemTotal: 1 kB\nMemAvailable: {MIN_FREE_KB} kB\nSwapFree: 0 kB\n"


@pytest.fixture
def meminfo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kernel's word on memory, as a file of ours."""
    path = tmp_path / "meminfo"
    path.write_text(PLENTY)
    monkeypatch.setattr(capacity, "_MEMINFO", path)
    return path


@pytest.mark.parametrize(("active", "admitted"), [(0, True), (1, True), (2, False), (3, False)])
def test_a_fixed_number_is_the_whole_rule(active: int, admitted: bool, meminfo: Path) -> None:
    meminfo.write_text("MemAvailable: 0 kB\n")

    refusal = Capacity(2, lambda: 99.0).refusal(active)

    assert (refusal is None) is admitted
    assert admitted or refusal == "all lines are in use"


@pytest.mark.usefixtures("meminfo")
def test_a_late_clock_means_no_further_call() -> None:
    measured = Capacity(None, lambda: MAX_LAG_S + 0.001)

    assert measured.refusal(3) == "the machine is too busy"
    assert Capacity(None, lambda: MAX_LAG_S).refusal(3) is None


@pytest.mark.usefixtures("meminfo")
def test_a_late_clock_is_no_reason_when_there_is_no_call() -> None:
    """It was late in a call that is over; nothing would ever make it better."""
    assert Capacity(None, lambda: 99.0).refusal(0) is None


def test_little_memory_means_no_further_call(meminfo: Path) -> None:
    meminfo.write_text(f"MemAvailable: {MIN_FREE_KB - 1} kB\nSwapFree: 1 kB\n")

    assert Capacity(None, lambda: 0.0).refusal(0) == "the machine is short of memory"


def test_swap_counts_for_half(meminfo: Path) -> None:
    meminfo.write_text("MemAvailable: 100 kB\nSwapFree: 50 kB\n")

    assert free_memory_kb() == 125


@pytest.mark.parametrize("text", ["", "MemTotal: 5 kB\n", "SwapFree: 5 kB\n"])
def test_a_machine_that_does_not_say_admits(text: str, meminfo: Path) -> None:
    meminfo.write_text(text)

    assert free_memory_kb() is None
    assert Capacity(None, lambda: 0.0).refusal(5) is None


def test_a_machine_without_the_file_admits(meminfo: Path) -> None:
    meminfo.unlink()

    assert Capacity(None, lambda: 0.0).refusal(5) is None
