from pathlib import Path

import pytest

from fwai.errors import ConfigError
from fwai.faults.row import load, shipped

GOOD = """\
[scripts]
talk = [{ say = "ask_ai" }, { say = "goodbye" }]
[states]
greeting = { script = "talk", on = "agent_speaks", ms = 400 }
[bounds]
all = { owed_ms = 2000 }
close = { gap_ms = 20 }
[[row]]
name = "close $code while $state"
group = "close"
state = "$state"
hits = [{ kind = "close", code = "$code" }]
bounds = { owed_ms = 3000 }
[row.each]
code = [1000, 1011]
state = ["greeting"]
"""


def test_the_rows_that_ship_are_right_and_their_names_differ() -> None:
    plans = load(shipped())

    assert len(plans) > 300
    assert len({plan.row.name for plan in plans}) == len(plans)
    assert all("$" not in plan.row.name for plan in plans)


def test_a_row_stands_for_every_combination(tmp_path: Path) -> None:
    path = tmp_path / "rows.toml"
    path.write_text(GOOD)

    plans = load([path])

    assert [plan.row.name for plan in plans] == [
        "close 1000 while greeting",
        "close 1011 while greeting",
    ]
    assert [plan.row.hits[0].code for plan in plans] == [1000, 1011]
    assert plans[0].state is not None
    assert plans[0].steps[1].say == "goodbye"
    assert (plans[0].bounds.owed_ms, plans[0].bounds.gap_ms) == (3000, 20)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('kind = "close"', 'kind = "shut"', r"rows.toml:12: hits\[0\].kind: Invalid enum value"),
        ('group = "close"', 'group = "x"', "rows.toml:10: group: no bounds are called 'x'"),
        ('state = ["greeting"]', 'state = ["x"]', "rows.toml:11: state: no state is called 'x'"),
        ("code = [1000, 1011]", 'code = "1000"', "rows.toml:8: each: must be a table of lists"),
        ("code = [1000, 1011]", "code = [1000, 1000]", "rows.toml:9: name: a second row is called"),
        ("ms = 400", "msec = 400", "rows.toml:4: states.*msec: Object contains unknown field"),
        ("owed_ms = 2000", "owed_ms = oops", r"rows.toml: .*line 6"),
        ('say = "ask_ai"', 'say = "ask_ia"', "scripts.talk: no clip is called 'ask_ia'"),
        ('state = "$state"', "", "rows.toml:8: script: no script is called ''"),
        ('state = "$state"', 'script = "talk"', "rows.toml:12: hits: they need a state"),
        ("bounds = { owed_ms", "bonds = { owed_ms", "rows.toml:13: bonds: .* unknown field"),
    ],
)
def test_what_is_wrong_is_told_with_line_and_field(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    path = tmp_path / "rows.toml"
    assert old in GOOD
    path.write_text(GOOD.replace(old, new))

    with pytest.raises(ConfigError, match=told):
        load([path])


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml"):
        load([tmp_path / "none.toml"])
