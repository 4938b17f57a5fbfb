import json
from pathlib import Path

import pytest

from fwai.cli.main import main
from fwai.faults.report import BEGIN, END

SHORT = "no fault: short"


def test_rows_that_hold_are_0_and_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["faults", "--only", SHORT, "--json"]) == 0

    shown = json.loads(capsys.readouterr().out)
    assert (shown["ok"], shown["holds"]) == (True, 1)
    assert shown["rows"][0]["ended"] == "agent_hung_up"


def test_a_row_that_does_not_hold_is_1_and_stands_in_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, page = tmp_path / "rows.toml", tmp_path / "R.md"
    page.write_text(f"{BEGIN}{END}")
    rows.write_text("""
[scripts]
leaves = [{ hang_up = true, on = "agent_speaks" }]
[bounds]
strict = { ends = ["agent_hung_up"] }
[[row]]
name = "leaves"
group = "strict"
script = "leaves"
""")

    assert main(["faults", "--rows", str(rows), "--write", str(page)]) == 1

    assert "0 of 1 hold." in capsys.readouterr().out
    assert "| leaves | **no**: ended caller_hung_up (not agent_hung_up) |" in page.read_text()


def test_random_schedules_tell_their_seed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["faults", "--random", "1", "--seed", "9", "--json"]) in (0, 1)

    shown = json.loads(capsys.readouterr().out)
    assert (shown["seed"], shown["count"]) == (9, 1)


def test_what_is_used_wrongly_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["faults", "--only", "no such row"]) == 2

    out = capsys.readouterr()
    assert (out.out, out.err) == ("", "no row is called 'no such row', nor anything like it\n")


def test_a_negative_number_is_2() -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["faults", "--random", "-1"])
