from pathlib import Path

import pytest

from fwai.errors import ConfigError
from fwai.faults.measures import Measures
from fwai.faults.report import BEGIN, END, line, summary, table, write
from fwai.faults.verdict import Verdict

GOOD = Verdict("quiet", "plain", Measures(ended="agent_hung_up", seconds=12.5), ())
BAD = Verdict(
    "loud | clear",
    "close",
    Measures(ended="agent_failed", told=["agent_lost", "It is gone."], doubled={"send_sms": 1}),
    ("owed silence 9000 ms (at most 2000)",),
)
RANDOM = Verdict("random 1", "random", Measures(), ())


def test_a_line_says_what_does_not_hold() -> None:
    assert line(GOOD).startswith("ok   quiet: agent_hung_up after 12.5 s")
    assert line(BAD).splitlines()[1] == "     owed silence 9000 ms (at most 2000)"
    assert BAD.as_json()["holds"] is False


def test_the_table_is_by_group_and_has_random_rows_only_where_they_fail() -> None:
    text = table([GOOD, BAD, RANDOM], "Seed 1, 1 schedules.")

    assert text.startswith("2 of 3 hold. Seed 1, 1 schedules.")
    assert summary([GOOD]) == "1 of 1 hold"
    assert "### close: 0 of 1 hold" in text
    assert "| loud / clear | **no**: owed silence 9000 ms (at most 2000) |" in text
    assert "| It is gone. | agent_failed |" in text
    assert "| random 1 |" not in text


def test_the_table_goes_between_the_markers(tmp_path: Path) -> None:
    path = tmp_path / "R.md"
    path.write_text(f"# R\n{BEGIN}\nold\n{END}\nrest\n")

    write(path, "new")

    assert path.read_text() == f"# R\n{BEGIN}\n\nnew\n\n{END}\nrest\n"


def test_a_file_without_markers_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "R.md"
    path.write_text("# R\n")

    with pytest.raises(ConfigError, match="must be in it"):
        write(path, "new")
