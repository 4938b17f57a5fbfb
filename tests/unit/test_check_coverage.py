"""What `scripts/check_coverage.py` makes of a report."""

import runpy
from typing import Any

import pytest

from children import ROOT

CHECK: dict[str, Any] = runpy.run_path(str(ROOT / "scripts" / "check_coverage.py"))


def report(**modules: tuple[int, int, int, int]) -> dict[str, Any]:
    names = ("covered_lines", "num_statements", "covered_branches", "num_branches")
    return {
        "files": {
            f"src/fwai/{name.replace('__', '/')}.py": {
                "summary": dict(zip(names, told, strict=True))
            }
            for name, told in modules.items()
        }
    }


def faults(told: dict[str, Any], **excepted: str) -> list[str]:
    exceptions = {path.replace("__", "/"): why for path, why in excepted.items()}
    return list(CHECK["faults"](CHECK["shares"](told), exceptions))


def test_statements_and_branches_are_counted_alike() -> None:
    assert faults(report(calls__a=(95, 100, 19, 20), calls__b=(0, 0, 0, 0))) == []


def test_a_module_and_its_folder_below_the_floor_are_told() -> None:
    assert faults(report(calls__a=(96, 100, 0, 4), store__b=(9, 9, 2, 2))) == [
        "src/fwai/calls/: 92.3 %, less than 95 %",
        "src/fwai/calls/a.py: 92.3 %, less than 95 %",
    ]


@pytest.mark.parametrize("exception", ["cli__", "cli__main.py"])
def test_an_exception_is_not_held_to_it(exception: str) -> None:
    assert faults(report(cli__main=(1, 100, 0, 0)), **{exception: "processes"}) == []


def test_an_exception_of_nothing_is_told() -> None:
    assert faults(report(cli__main=(9, 9, 0, 0)), gone__="a folder") == [
        "src/fwai/gone/: is not there; take it out of EXCEPTED"
    ]


def test_every_exception_has_a_reason() -> None:
    assert all(CHECK["EXCEPTED"].values())
