"""prompts.json is judged as a whole, and every fault is named with agent, key and fix."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from fwai.domain.agent import AgentProfile
from fwai.domain.email_text import EmailText
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
    return dict(load_prompts(file, voices=VOICES, tools=TOOLS, regions=["IN"]))


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
                "numbers": ["+91 88888 00000", "918888800001", "088888 00002", "8888800003"],
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
                "email_templates": {"hello": {"subject": "Hello", "body": "Dear {#name#}"}},
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
            numbers=(
                "+918888800000",
                "+918888800001",
                "+918888800002",
                "+918888800003",
            ),
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
            email_templates={"hello": EmailText("hello", "Hello", "Dear {#name#}")},
        )
    }


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"webhooks": [{**HOOK, "name": "end_call"}]}, "webhooks.0.name: end_call is a tool"),
        ({"webhooks": [HOOK, HOOK]}, "webhooks.1.name: look_up is a tool"),
        ({"sms_templates": ["x"]}, "sms_templates: must be an object"),
        ({"sms_templates": None}, "sms_templates: must be an object"),
        ({"email_templates": ["x"]}, "email_templates: must be an object"),
        ({"email_templates": {"a": {"subject": "S"}}}, "email_templates.a.body: missing"),
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
                "language, model, tools, numbers, placeholders, webhooks, sms_templates, "
                "email_templates, memory, voicemail, summary, extract; did you mean prompt?"
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
            (
                "A.numbers: '08012345': it is no complete number of IN; "
                "write the full international number with its country code, such as +919999900000"
            ),
        ),
    ],
)
def test_a_fault_names_agent_key_and_fix(file: Path, changes: dict[str, Any], problem: str) -> None:
    assert problems(file, {"A": {**AGENT, **changes}}) == (f"prompts.json: {problem}",)


@pytest.mark.parametrize("key", ["prompt", "greeting"])
@pytest.mark.parametrize("name", ["custmer_name", "Customer_Name", "customer name"])
def test_an_unknown_placeholder_is_found_at_start(file: Path, key: str, name: str) -> None:
    (problem,) = problems(file, {"A": {**AGENT, key: f"Hello {{{{{name}}}}}"}})

    assert problem.startswith(
        f"prompts.json: A.{key}: unknown placeholder {{{{{name}}}}}; "
        "did you mean {{customer_name}}? Use one of "
    )
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
            "bad id": {**AGENT, "voice": "Zeus"},
            "C": {**AGENT, "name": 7, "memory": "perhaps", "voice": "Zeus", "promt": "x"},
            "D": AGENT,
        },
    )

    assert [problem.split(": ")[1] for problem in found] == [
        "A.prompt",
        "B.voice",
        "B.tools",
        "B.greeting",
        "bad id",
        "bad id.voice",
        "C.name",
        "C.memory",
        "C.promt",
        "C.voice",
    ]


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ('{"A": AGENT, "A": AGENT}', ["A"]),
        ('{"A": AGENT, "B": AGENT, "A": AGENT, "B": AGENT, "A": AGENT}', ["A", "B"]),
        ('{"A": {"name": "x", "prompt": "p", "name": "y"}}', ["A.name"]),
        ('{"A": {"name": "x", "prompt": "p", "prompt": "p", "name": "x"}}', ["A.name", "A.prompt"]),
        (
            """{"A": {"name": "x", "prompt": "p", "webhooks": [{"name": "look_up",
            "description": "x", "url": "https://a.b", "url": "https://a.b"}]}}""",
            ["A.webhooks.0.url"],
        ),
        ('{"_A": 1, "_A": 2, "B": AGENT}', ["_A"]),
    ],
)  # fmt: skip
def test_what_is_written_twice_is_named(file: Path, text: str, places: list[str]) -> None:
    """JSON takes the last one in silence: an agent that answers a line would be gone."""
    found = problems(file, text.replace("AGENT", json.dumps(AGENT)))

    assert found == tuple(
        f"prompts.json: {place}: is written twice; keep one, only the last one would count"
        for place in sorted(places)
    )


@pytest.mark.parametrize(
    "text",
    ['{"A": NaN}', '{"A": Infinity}', "[" * 100_000, f'{{"A": {"9" * 5000}}}'],
    ids=["nan", "infinity", "deep", "digits"],
)
def test_what_python_takes_for_json_and_others_do_not_is_named(file: Path, text: str) -> None:
    (problem,) = problems(file, text)

    assert problem.startswith(f"{file}: not valid JSON")


def test_half_a_character_is_found_at_start_and_not_in_a_call(file: Path) -> None:
    text = json.dumps({"A": {**AGENT, "prompt": "half \ud83d"}})

    assert problems(file, text) == (
        "prompts.json: A.prompt: holds half a character (\\ud800 to \\udfff); type it again",
    )


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Hello {{customer_name}}", ""),
        ("Hello {{ customer_name }}", ""),
        ("Hello {{\n\tcustomer_name\u00a0}}", ""),
        ("Hello {{customer_name}}{{date}}", ""),
        ('Answer as {"city": {"name": "Pune"}} or {} or {x}', ""),
        ("A [note] of 100 % <b>bold</b> {1,2}", ""),
        ("Hello {customer_name}", "{customer_name}: no placeholder; write {{customer_name}}"),
        ("Hello { date }", "{ date }: no placeholder; write {{date}}"),
        ("Hello ${customer_name}", "${customer_name}: no placeholder; write {{customer_name}}"),
        ("Hello {{customer_name}", "{{customer_name}: no placeholder; write {{customer_name}}"),
        ("Hello {customer_name}}", "{customer_name}}: no placeholder; write {{customer_name}}"),
        ("Hello {{{customer_name}}}", "{{{customer_name}}}: too many braces; write two"),
        ("Hello <customer_name>", "<customer_name>: no placeholder; write {{customer_name}}"),
        ("Hello [customer_name]", "[customer_name]: no placeholder; write {{customer_name}}"),
        ("Hello %customer_name%", "%customer_name%: no placeholder; write {{customer_name}}"),
        ("Hello %(customer_name)s", "%(customer_name)s: no placeholder; write {{customer_name}}"),
        ("Hello {{customer_name, welcome", "{{customer_name, welcome: no placeholder; close it"),
        ("Hello {{}}", "unknown placeholder {{}}"),
        ("Hello {{  }}", "unknown placeholder {{}}"),
        ("Hello {{#if vip}}", "unknown placeholder {{#if vip}}"),
        ("Hello {{customer_nam}}", "did you mean {{customer_name}}? Use one of"),
    ],
)
@pytest.mark.parametrize("key", ["prompt", "greeting"])
def test_placeholders_in_every_shape(file: Path, key: str, text: str, named: str) -> None:
    body = {"A": {**AGENT, key: text}}
    if not named:
        assert getattr(load(file, body)["A"], key) == text
        return

    (problem,) = problems(file, body)

    assert problem.startswith(f"prompts.json: A.{key}: ")
    assert named in problem


@pytest.mark.parametrize("written", ["{{course}}", "a course", "", "9lives", "x" * 65])
def test_a_placeholder_of_ones_own_is_named_alone(file: Path, written: str) -> None:
    (problem,) = problems(file, {"A": {**AGENT, "placeholders": [written]}})

    assert problem.startswith("prompts.json: A.placeholders: ")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": "{{agent_name}}"}, "A.name: placeholders are filled in prompt and greeting only"),
        ({"tools": ["send_sms", "send_sms"]}, "A.tools: send_sms is named 2 times; name it once"),
        ({"tools": ["sendsms"]}, "A.tools: unknown tool 'sendsms'; use one of end_call, send_sms;"),
        ({"tools": ["end_cal"]}, "did you mean end_call?"),
        ({"voice": "Auede"}, "A.voice: unknown voice 'Auede'; write Aoede"),
        ({"greting": "x"}, "did you mean greeting?"),
    ],
)  # fmt: skip
def test_near_misses_are_told(file: Path, changes: dict[str, Any], problem: str) -> None:
    (found,) = problems(file, {"A": {**AGENT, **changes}})

    assert problem in found


def test_spaces_around_what_is_written_do_not_matter(file: Path) -> None:
    changes = {"voice": " Puck ", "tools": ["end_call "], "placeholders": [" course "]}

    agent = load(file, {"A": {**AGENT, **changes, "prompt": "On {{course}}."}})["A"]

    assert (agent.voice, agent.tools) == ("Puck", ("end_call",))


@pytest.mark.parametrize(
    ("written", "read", "named"),
    [
        ("", "", ""),
        ("en-IN", "en-IN", ""),
        ("en-in", "en-IN", ""),
        ("EN_IN", "en-IN", ""),
        (" hi-IN ", "hi-IN", ""),
        ("hi", "hi-IN", ""),
        ("ta", "ta-IN", ""),
        ("klingon", "", "knows no language 'klingon'; leave it out and name the language"),
        ("en", "", "'en'; write en-IN or en-US"),
        ("en-GB", "", "'en-GB'; write en-IN or en-US"),
        ("hi-Latn", "", "'hi-Latn'; write hi-IN"),
        ("Hindi", "", "'Hindi'; write hi-IN"),
        ("english", "", "'english'; write en-IN or en-US"),
        ("Tamill", "", "'Tamill'; write ta-IN"),
        ("en-IM", "", "'en-IM'; write en-IN or en-US"),
        ("kn-IN", "", "or use one of ar-EG, bn-BD, de-DE, en-IN"),
        ("gu", "", "leave it out and name the language in the prompt"),
        ("x" * 500, "", "leave it out"),
        ("en-IN,hi-IN", "", "write en-IN or en-US"),
    ],
)  # fmt: skip
def test_a_language_is_one_that_the_model_knows(
    file: Path, written: str, read: str, named: str
) -> None:
    from fwai.gemini.models import LANGUAGES

    file.write_text(json.dumps({"A": {**AGENT, "language": written}}), encoding="utf-8")
    if not named:
        agents = load_prompts(file, voices=VOICES, tools=TOOLS, languages=LANGUAGES)
        assert agents["A"].language == read
        return

    with pytest.raises(ConfigError) as refused:
        load_prompts(file, voices=VOICES, tools=TOOLS, languages=LANGUAGES)

    (problem,) = refused.value.problems
    assert problem.startswith("prompts.json: A.language: ")
    assert named in problem
    assert len(problem) < 400


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


@pytest.mark.parametrize("key", ["\ud800", "x\udfff", "a\x00", "\x1b[2J", "\u202e"])
@pytest.mark.parametrize("place", ["file", "agent", "webhook", "sms_templates", "email_templates"])
def test_a_key_that_is_no_text_is_named_and_every_problem_can_be_printed(
    file: Path, key: str, place: str
) -> None:
    number = {"numbers": ["+91 88888 00000"]}
    bodies: dict[str, dict[str, object]] = {
        "file": {"Desk": AGENT | number, key: AGENT | number},
        "agent": {"Desk": {**AGENT, key: 1, "voice": 7}},
        "webhook": {"Desk": {**AGENT, "webhooks": [{**HOOK, key: 1}]}},
        "sms_templates": {"Desk": {**AGENT, "sms_templates": {key: {key: 1}}}},
        "email_templates": {"Desk": {**AGENT, "email_templates": {key: {key: 1}}}},
    }

    found = problems(file, bodies[place])

    assert any("its name is unusable" in problem for problem in found)
    assert all(problem.isprintable() for problem in found)
    if place == "agent":  # the rest of it is judged, too
        assert any(".voice: must be text" in problem for problem in found)
