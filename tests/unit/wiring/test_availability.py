"""The file of booking rules: one that became wrong is a failure until it is right again."""

import json
import os
from pathlib import Path

import pytest

from fakes import SeenFailures
from fwai.domain.availability import DEFAULT
from fwai.errors import ConfigError
from fwai.wiring.availability import AvailabilityFile

GOOD = json.loads((Path(__file__).parents[3] / "docs" / "availability.example.json").read_text())


def write(path: Path, text: str, at: int) -> None:
    path.write_text(text, "utf-8")
    os.utime(path, (at, at))


@pytest.mark.parametrize("wrong", ["{", "[]", '{"slot_minutes": "x"}', '{"of": "another kind"}'])
def test_a_file_that_became_wrong_is_told_and_the_rules_before_hold(
    tmp_path: Path, wrong: str
) -> None:
    path, failures = tmp_path / "availability.json", SeenFailures()
    write(path, json.dumps(GOOD), 1)
    rules = AvailabilityFile(path, failures)
    before = rules()

    write(path, wrong, 2)

    assert rules() == before
    (trouble,) = failures.standing.values()
    assert trouble.what == "availability.json"
    assert "DATA_DIR" in trouble.fix
    assert rules() == before
    assert failures.seen_at_all == 1, "it is not read again until it changes"
    write(path, json.dumps(GOOD), 3)
    assert rules() == before
    assert failures.names == []


def test_a_wrong_file_that_is_taken_away_leaves_the_usual_rules(tmp_path: Path) -> None:
    path, failures = tmp_path / "availability.json", SeenFailures()
    rules = AvailabilityFile(path, failures)
    write(path, "{", 1)
    assert rules() == DEFAULT
    assert failures.names == ["availability.json"]

    path.unlink()

    assert rules() == DEFAULT
    assert failures.names == []


def test_a_file_that_is_wrong_at_the_start_stops_it(tmp_path: Path) -> None:
    path = tmp_path / "availability.json"
    write(path, "{", 1)

    with pytest.raises(ConfigError, match="availability"):
        AvailabilityFile(path)
