"""prompts.json is judged as a whole, and every fault is named with agent, key and fix."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from fwai.domain.agent import AgentProfile
from fwai.domain.sms_template import SmsTemplate
from fwai.domain.webhook_tool import WebhookToolSpec
from fwai.errors import ConfigError
from fwai.prompts.loader import KNOWN_PLACEHOLDERS, load_prompts

ROOT = Path(__file__).resolve().parents[3]
VOICES = ("Aoede", "Puck")
TOOLS = ("end_call", "send_sms")
AGENT = {"name": "Asha", "prompt": "You are {{agent_name}}."}
HOOK = {"name": "look_up", "description": "Looks up.", "url": "https://n8n.example.com/w"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "prompts.json"


def load(file: Path, body: object) -> dict[str, AgentProfile]:
    text = body if isinstance(body, str) else json.dumps(body)
    file.write_text(text, encoding="utf-8")
    return dict(load_prompts(file, voices=VOICES, tools=TOOLS))


def problems(file: Path, body: object) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        load(file, body)
    return refused.value.problems


def test_a_whole_agent(file: Path) -> None:
    agents = load(
        file,
        {
            "_note": "ignored",
            "Sales_1": {
                "name": "Asha",
                "description": "Sells.",
                "prompt": "You are {{agent_name}} on {{ date }}; {{course}}.",
                "greeting": "Hello {{customer_name}}",
                "voice": "Aoede",
                "language": "en-IN",
                "model": "gemini-x",
                "tools": ["end_call"],
                "numbers": ["+91 88888 00000", "918888800001"],
                "placeholders": ["course"],
                "webhooks": [
                    {
                        "name": "look_up",
                        "description": "Looks a course up.",
                        "url": "https://n8n.example.com/webhook/look-up",
                        "parameters": {
                            "type": "object",
                            "properties": {"course": {"type": "string"}},
                        },
                    }
                ],
                "sms_templates": {"hello": {"text": "Hello {#var#}", "variables": ["name"]}},
                "memory": False,
                "voicemail": "speak",
                "summary": True,
                "extract": {"course": {"type": "string", "description": "What they want."}},
            },
        },
    )

    assert agents == {
        "Sales_1": AgentProfile(
            id="Sales_1",
            name="Asha",
            description="Sells.",
            prompt="You are {{agent_name}} on {{ date }}; {{course}}.",
            greeting="Hello {{customer_name}}",
            voice="Aoede",
            language="en-IN",
            model="gemini-x",
            tools=("end_call",),
            numbers=("+918888800000", "+918888800001"),
            memory=False,
            speaks_to_machines=True,
            sums_up=True,
            extract={"course": {"type": "string", "description": "What they want."}},
            webhooks=(
                WebhookToolSpec(
                    "look_up",
                    "Looks a course up.",
                    {"type": "object", "properties": {"course": {"type": "string"}}},
                    "https://n8n.example.com/webhook/look-up",
                ),
            ),
            sms_templates={"hello": SmsTemplate("hello", "Hello {#var#}", "", ("name",))},
        )
    }


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"webhooks": [{**HOOK, "name": "end_call"}]}, "webhooks.0.name: end_call is a tool"),
        ({"webhooks": [HOOK, HOOK]}, "webhooks.1.name: look_up is a tool"),
        ({"sms_templates": ["x"]}, "sms_templates: must be an object"),
        ({"sms_templates": None}, "sms_templates: must be an object"),
        ({"sms_templates": {"a": {"text": "Hi {name}"}}}, "sms_templates.a.text: a brace"),
        ({"sms_templates": {"a": {"text": "Hi", "id": "1"}}}, "sms_templates.a.id: unknown key"),
        ({"extract": {"a b": {"type": "string"}}}, "extract.properties"),
        ({"extract": {"a": {"type": "money"}}}, "extract.properties.a"),
    ],
)
def test_faults_of_workflows_and_fields_are_named(
    file: Path, changes: dict[str, Any], problem: str
) -> None:
    (found,) = problems(file, {"A": {**AGENT, **changes}})

    assert found.startswith(f"prompts.json: A.{problem}")


def test_name_and_prompt_are_enough(file: Path) -> None:
    agent = load(file, {"A": AGENT})["A"]

    assert (agent.greeting, agent.voice, agent.tools, agent.numbers) == ("", "", (), ())


def test_agents_keep_the_order_of_the_file(file: Path) -> None:
    """The first one answers lines that no agent names."""
    assert list(load(file, {"B": AGENT, "A": AGENT, "_C": AGENT})) == ["B", "A"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": ""}, "A.name: is empty; write something"),
        ({"name": "x" * 81}, "A.name: too long; use at most 80 characters"),
        ({"name": 7}, "A.name: must be text in quotes"),
        ({"prompt": ""}, "A.prompt: is empty; write something"),
        ({"tools": "send_sms"}, "A.tools: must be a list in [ ]"),
        ({"tools": [7]}, "A.tools.0: must be text in quotes"),
        ({"webhooks": ["x"]}, "A.webhooks.0: must be an object in { }"),
        (
            {"promt": "x"},
            (
                "A.promt: unknown key; use one of name, description, prompt, greeting, voice, "
                "language, model, tools, numbers, placeholders, webhooks, sms_templates, memory, "
                "voicemail, summary, extract"
            ),
        ),
        ({"voice": "Zeus"}, "A.voice: unknown voice 'Zeus'; use one of Aoede, Puck"),
        ({"voice": "aoede"}, "A.voice: unknown voice 'aoede'; write Aoede"),
        (
            {"tools": ["send_sms", "send_fax"]},
            "A.tools: unknown tool 'send_fax'; use one of end_call, send_sms",
        ),
        (
            {"numbers": ["08012345"]},
            "A.numbers: '08012345': write the number in international form, such as +919999900000",
        ),
    ],
)
def test_a_fault_names_agent_key_and_fix(file: Path, changes: dict[str, Any], problem: str) -> None:
    assert problems(file, {"A": {**AGENT, **changes}}) == (f"prompts.json: {problem}",)


@pytest.mark.parametrize("key", ["prompt", "greeting"])
@pytest.mark.parametrize("name", ["custmer_name", "Customer_Name", "customer name"])
def test_an_unknown_placeholder_is_found_at_start(file: Path, key: str, name: str) -> None:
    (problem,) = problems(file, {"A": {**AGENT, key: f"Hello {{{{{name}}}}}"}})

    assert problem.startswith(f"prompts.json: A.{key}: unknown placeholder {{{{{name}}}}}; use one")
    assert all(known in problem for known in KNOWN_PLACEHOLDERS)
    assert problem.endswith("or name it under placeholders")


@pytest.mark.parametrize("key", ["name", "prompt"])
def test_what_is_missing_is_named(file: Path, key: str) -> None:
    agent = {name: value for name, value in AGENT.items() if name != key}

    assert problems(file, {"A": agent}) == (f"prompts.json: A.{key}: missing; add it",)


@pytest.mark.parametrize("agent", ["text", [], None, 7])
def test_an_agent_is_an_object(file: Path, agent: object) -> None:
    assert problems(file, {"A": agent}) == ("prompts.json: A: must be an object in { }",)


@pytest.mark.parametrize("agent_id", ["", "../x", "a b", "-a", "x" * 65, "ü"])
def test_an_id_is_safe_everywhere(file: Path, agent_id: str) -> None:
    assert problems(file, {agent_id: AGENT}) == (
        f"prompts.json: {agent_id}: write the id with letters, digits, - and _ only",
    )


def test_every_fault_of_the_file_is_reported_at_once(file: Path) -> None:
    found = problems(
        file,
        {
            "A": {"name": "A"},
            "B": {**AGENT, "voice": "Zeus", "tools": ["send_fax"], "greeting": "{{x}}"},
            "C": AGENT,
        },
    )

    assert [problem.split(": ")[1] for problem in found] == [
        "A.prompt",
        "B.voice",
        "B.tools",
        "B.greeting",
    ]


def test_a_line_is_answered_by_one_agent(file: Path) -> None:
    found = problems(
        file,
        {"A": {**AGENT, "numbers": ["918888800000"]}, "B": {**AGENT, "numbers": ["+918888800000"]}},
    )

    assert found == ("prompts.json: B.numbers: also answered by A; keep one",)


@pytest.mark.parametrize("body", ["{}", '{"_A": {"name": "A", "prompt": "p"}}'])
def test_a_file_has_an_agent(file: Path, body: str) -> None:
    assert problems(file, body) == ("prompts.json: no agent in it; add one with name and prompt",)


@pytest.mark.parametrize("body", ["[]", '"x"', "null", "7"])
def test_a_file_is_an_object(file: Path, body: str) -> None:
    assert problems(file, body) == (f"{file}: must be an object of agents by id, in {{ }}",)


def test_broken_json_is_named_by_line_and_column(file: Path) -> None:
    (problem,) = problems(file, '{"A": {\n  "name": "A",,\n}}')

    assert problem.startswith(f"{file}: not valid JSON at line 2, column 15: ")


def test_a_missing_file_is_named_with_the_fix(file: Path) -> None:
    with pytest.raises(ConfigError, match="not found; write one with: fwai init"):
        load_prompts(file, voices=VOICES, tools=TOOLS)


def test_a_folder_in_its_place_is_named(file: Path) -> None:
    file.mkdir()

    with pytest.raises(ConfigError, match=r"prompts\.json: cannot be read"):
        load_prompts(file, voices=VOICES, tools=TOOLS)


def test_another_encoding_is_named_with_the_fix(file: Path) -> None:
    file.write_bytes('{"A": "é"}'.encode("latin-1"))

    with pytest.raises(ConfigError, match="not UTF-8; save it as UTF-8"):
        load_prompts(file, voices=VOICES, tools=TOOLS)


def test_a_byte_order_mark_does_not_matter(file: Path) -> None:
    file.write_text(json.dumps({"A": AGENT}), encoding="utf-8-sig")

    assert set(load_prompts(file, voices=VOICES, tools=TOOLS)) == {"A"}


def test_the_file_that_comes_with_the_server_loads() -> None:
    from fwai.gemini.models import VOICES as LIVE_VOICES
    from fwai.wiring.tools import TOOL_NAMES

    agents = load_prompts(ROOT / "prompts.json", voices=LIVE_VOICES, tools=TOOL_NAMES)

    assert "FWAI_Core" in agents
    assert "You are an AI" in agents["FWAI_Core"].prompt


def test_the_templates_that_the_documentation_shows_are_right(file: Path) -> None:
    page = (ROOT / "docs" / "INDIA.md").read_text("utf-8")
    (shown,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)

    agent = load(file, {"A": {**AGENT, **json.loads(f"{{{shown}}}")}})["A"]

    assert list(agent.sms_templates) == ["course_details", "booking_confirmed"]
    for tag in re.findall(r"\{#(\w+)#\}", page):
        load(file, {"A": {**AGENT, "sms_templates": {"t": {"text": f"Yours: {{#{tag}#}}"}}}})
