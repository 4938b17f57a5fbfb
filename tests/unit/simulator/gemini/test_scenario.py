from pathlib import Path

import msgspec
import pytest

from fwai.errors import ConfigError
from fwai.simulator.common.clips import ClipLibrary
from fwai.simulator.gemini.scenario import Fault, Prompt, Reply, Scenario, demo, load_scenario

CLIPS = ClipLibrary.load()


def test_the_demo_fits_together() -> None:
    assert demo().problems(CLIPS) == []


def test_every_caller_phrase_but_the_hum_has_its_own_reply() -> None:
    scenario = demo()
    names = {clip.name for clip in CLIPS.by_role("caller")}

    assert names - set(scenario.heard) == {"hmm"}
    assert scenario.reply_to_clip("ask_courses") == "courses"
    assert scenario.reply_to_clip("hmm") == "fallback"
    assert scenario.reply_to_clip(None) == "fallback"


@pytest.mark.parametrize(
    ("text", "greeted", "reply"),
    [
        ("Say goodbye now.", False, "greeting"),
        ("Say GOODBYE now.", True, "goodbye"),
        ("The time is nearly up.", True, "time_warning"),
        ("Sometimes.", True, "fallback"),
        ("Are you there?", True, "fallback"),
    ],
)
def test_instructions_are_matched_by_whole_words(text: str, greeted: bool, reply: str) -> None:
    assert demo().reply_to_text(text, greeted=greeted) == reply


def test_a_prompt_may_be_for_the_first_instruction_too() -> None:
    replies = {name: Reply() for name in ("hello", "again", "read", "late")}
    prompts = (Prompt(("please",), "late"), Prompt(("read", "say"), "read", first=True))
    scenario = Scenario(replies=replies, greeting="hello", fallback="again", prompts=prompts)

    assert scenario.reply_to_text("Please say this.", greeted=False) == "read"
    assert scenario.reply_to_text("Please greet.", greeted=False) == "hello"
    assert scenario.reply_to_text("Please say this.", greeted=True) == "late"
    assert scenario.reply_to_text("Hm.", greeted=True) == "again"


def test_a_scenario_survives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "scenario.json"
    scenario = demo().with_faults(Fault(kind="mute", turn=2)).with_pace(speed=2.0)
    path.write_bytes(msgspec.json.encode(scenario))

    assert load_scenario(path, CLIPS) == scenario


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "truncated"),
        ('{"replies": {}, "greeting": "a"}', "missing required field `fallback`"),
        ('{"replies": {}, "greeting": "a", "fallback": "a"}', "no reply is called 'a'"),
        ('{"replies": {}, "greeting": "a", "fallback": "a", "x": 1}', "unknown field `x`"),
    ],
)
def test_a_broken_file_is_explained(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "scenario.json"
    path.write_text(text)

    with pytest.raises(ConfigError, match=problem):
        load_scenario(path, CLIPS)


def test_a_missing_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.json"):
        load_scenario(tmp_path / "none.json", CLIPS)


def test_references_to_nothing_are_all_found() -> None:
    scenario = Scenario(
        replies={"a": Reply(clip="nobody", then="b", otherwise="c")},
        greeting="a",
        fallback="d",
        heard={"nothing": "a"},
        prompts=(Prompt(("x",), "e"),),
    ).with_pace(speed=0.0)

    assert len(scenario.problems(CLIPS)) == 7


def test_a_fault_closes_as_the_service_does_unless_told_otherwise() -> None:
    assert Fault(kind="go_away").close_code == 1011
    assert Fault(kind="refuse_handle").close_code == 1008
    assert Fault(kind="close", code=1000, reason="").close_reason == ""
    assert "Internal" in Fault(kind="close").close_reason
