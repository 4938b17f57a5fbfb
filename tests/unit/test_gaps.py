"""Only a gap in the sound gives a test another chance, and no run goes unreported."""

import pytest

from children import run_tests
from conftest import NEVER_AGAIN, TESTS
from fwai.simulator.common.caller import CallReport, Heard, Patience, Pause, judge
from gaps import SoundGap, assert_satisfied, besides_gaps, is_gap, on_time

SUITE = """
import asyncio
import gaps

ran = []

def again(test):
    ran.append(test)
    return ran.count(test) > 1

def test_a_gap():
    with gaps.on_time():
        assert again("one")

async def test_a_gap_in_a_task():
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(torn())

async def torn():
    with gaps.on_time():
        assert again("in a task")

def test_something_else():
    assert again("else"), "SoundGap"

def test_a_gap_for_ever():
    with gaps.on_time():
        assert not "heard"
"""


def torn_call(clip: str | None = "greeting", ended_by: str = "caller") -> CallReport:
    report = CallReport("1", answered=True, ended_by=ended_by)
    report.gaps, report.heard = [Pause(900.0, 60.0)], [Heard(0.0, 1000.0, clip)]
    report.problems = list(judge(report, Patience()))
    return report


@pytest.fixture(scope="module", params=["in one process", "distributed"])
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return what a run of `SUITE` prints, under this project's own `conftest.py`."""
    folder = tmp_path_factory.mktemp("suite")
    (folder / "e2e").mkdir()  # as all conversations in real time
    (folder / "e2e" / "test_suite.py").write_text(SUITE)
    # As `make test` distributes; with one worker the order stays.
    spread = ["-n1", "--dist", "loadfile"] if request.param == "distributed" else []
    return run_tests(folder, *spread).splitlines()


def test_every_gap_that_was_heard_is_reported(told: list[str]) -> None:
    reported = [line for line in told if line.startswith("reran ")]

    assert reported == [
        "reran for a gap in the sound: e2e/test_suite.py::test_a_gap 1 times",
        "reran for a gap in the sound: e2e/test_suite.py::test_a_gap_for_ever 2 times",
        "reran for a gap in the sound: e2e/test_suite.py::test_a_gap_in_a_task 1 times",
    ]
    assert "reruns: 4" in told


def test_whatever_else_fails_has_failed(told: list[str]) -> None:
    failed = {line.split()[1] for line in told if line.startswith("FAILED ")}

    assert failed == {
        "e2e/test_suite.py::test_something_else",
        "e2e/test_suite.py::test_a_gap_for_ever",
    }
    assert any(line.startswith("2 failed, 2 passed") for line in told)


def test_a_caller_who_hears_only_gaps_says_so() -> None:
    with pytest.raises(SoundGap, match=r"gaps? in the agent's speech"):
        assert_satisfied(torn_call())


def test_speech_that_a_gap_made_unintelligible_is_the_gap() -> None:
    report = torn_call(clip=None)

    assert len(report.problems) == 2
    assert besides_gaps(report.problems) == []


def test_a_gap_excuses_nothing_else() -> None:
    report = torn_call(ended_by="stream_failed")

    with pytest.raises(AssertionError) as failed:
        assert_satisfied(report)
    assert not is_gap(failed.value)


def test_without_a_gap_unintelligible_speech_is_a_problem() -> None:
    report = torn_call(clip=None)
    report.gaps.clear()

    problems = list(judge(report, Patience()))
    assert besides_gaps(problems) == problems != []


def test_a_group_is_a_gap_only_as_a_whole() -> None:
    gap, other = SoundGap(), TimeoutError()

    assert is_gap(ExceptionGroup("", [gap, ExceptionGroup("", [gap])]))
    assert not is_gap(ExceptionGroup("", [gap, other]))
    assert not is_gap(other)


def test_an_error_in_what_must_be_on_time_stays_itself() -> None:
    with pytest.raises(TimeoutError), on_time():
        raise TimeoutError


@pytest.mark.parametrize("where", NEVER_AGAIN)
def test_what_never_runs_again_exists(where: str) -> None:
    file, _, test = where.partition("::")

    assert f"def {test}" in (TESTS / file).read_text()
