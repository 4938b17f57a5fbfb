"""Registered wordings: their faults at a start, how they are filled, which text is one."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwai.domain.sms_template import (
    MAX_TEMPLATES,
    MAX_VALUE,
    MAX_VARIABLES,
    SmsTemplate,
    SmsTemplateError,
    needs_template,
    offered,
    parse_sms_templates,
)
from tables import each_row

TEXT = "Dear {#var#}, details of the {#var#} course: {#var#} - ACMEAC"
NAMED = ["name", "course", "link"]
GOOD: dict[str, Any] = {"text": TEXT, "description": "details in writing", "variables": NAMED}
HINDI = "\u0928\u092e\u0938\u094d\u0924\u0947 {#var#}"
ASHA = "\u0906\u0936\u093e"
WHERE = "prompts.json: Core.sms_templates"


def parsed(raw: object) -> tuple[dict[str, SmsTemplate], list[str]]:
    return parse_sms_templates(raw, WHERE)


def one(text: str = TEXT, variables: list[str] | None = None, name: str = "t") -> SmsTemplate:
    entry: dict[str, Any] = {"text": text} | ({"variables": variables} if variables else {})
    templates, problems = parsed({name: entry})
    assert problems == []
    return templates[name]


# ---- at a start ---------------------------------------------------------------------------------


def test_a_template_is_taken_as_it_was_registered() -> None:
    ids = {
        "template_id": "1107160000000000001",
        "entity_id": "1101100000000000002",
        "category": "service_implicit",
        "sender": "ACMEAC",
    }

    templates, problems = parsed({"details": GOOD | ids, "hello": {"text": HINDI}})

    assert problems == []
    assert templates["details"] == SmsTemplate(
        "details", TEXT, "details in writing", ("name", "course", "link"), ids
    )
    assert templates["hello"].variables == ("1",)
    assert templates["hello"].dlt == {}


@each_row(
    ("raw", "problem"),
    [
        ([], ": must be an object in { }: a name and a template for each"),
        (None, ": must be an object in { }: a name and a template for each"),
        ("x", ": must be an object in { }: a name and a template for each"),
        ({"a": "x"}, ".a: must be an object in { }, with text"),
        ({"a": {}}, ".a.text: missing; copy it from the portal where it is registered"),
        ({"A": GOOD}, ".A: write the name with a-z, 0-9 and _ only, a letter first, 40 at most"),
        ({"a b": GOOD}, ".a b: write the name"),
        ({"1a": GOOD}, ".1a: write the name"),
        ({"a" * 41: GOOD}, f".{'a' * 41}: write the name"),
        ({"a": GOOD | {"txt": "x"}}, ".a.txt: unknown key; use one of text, description"),
        ({"a": {"text": 7}}, ".a.text: must be text in quotes"),
        ({"a": {"text": None}}, ".a.text: must be text in quotes"),
        ({"a": {"text": " "}}, ".a.text: is empty; copy it from the portal"),
        ({"a": {"text": "Dear {#VAR#}"}}, ".a.text: a brace that is no variable; write each"),
        ({"a": {"text": "Dear {var}"}}, ".a.text: a brace that is no variable"),
        ({"a": {"text": "Dear {{name}}"}}, ".a.text: a brace that is no variable"),
        ({"a": {"text": "Dear {#var}"}}, ".a.text: a brace that is no variable"),
        ({"a": {"text": "Dear #var#}"}}, ".a.text: a brace that is no variable"),
        ({"a": {"text": "Dear {# var #}"}}, ".a.text: a brace that is no variable"),
        (
            {"a": {"text": "Dear {#name#}"}},
            ".a.text: unknown variable {#name#}; use one of {#var#}",
        ),
        ({"a": {"text": "Dear\t{#var#}"}}, ".a.text: has characters that cannot be sent"),
        ({"a": {"text": "\u202eDear"}}, ".a.text: has characters that cannot be sent"),
        ({"a": {"text": "x" * 1001}}, ".a.text: up to 1001 characters with its variables; at most"),
        ({"a": {"text": "x" * 971 + "{#var#}"}}, ".a.text: up to 1001 characters"),
        (
            {"a": {"text": ASHA * 167}},
            ".a.text: up to 501 characters with its variables; at most 500",
        ),
        ({"a": {"text": "{#var#} " * 21}}, f".a.text: 21 variables; use at most {MAX_VARIABLES}"),
        ({"a": GOOD | {"variables": "name"}}, ".a.variables: must be a list of names in [ ]"),
        ({"a": GOOD | {"variables": [1, 2, 3]}}, ".a.variables: must be a list of names in [ ]"),
        ({"a": GOOD | {"variables": ["a", "b"]}}, ".a.variables: 2 names for 3 variables"),
        ({"a": GOOD | {"variables": ["a", "b", "b"]}}, ".a.variables: two of one name"),
        ({"a": GOOD | {"variables": ["a", "b", "c d"]}}, ".a.variables: 'c d': write a name"),
        ({"a": {"text": "Hello", "variables": ["a"]}}, ".a.variables: 1 names for 0 variables"),
        ({"a": GOOD | {"description": "x" * 201}}, ".a.description: too long; use at most 200"),
        ({"a": GOOD | {"description": 1}}, ".a.description: must be text in quotes"),
        ({"a": GOOD | {"template_id": 1107160000000000001}}, ".a.template_id: must be text in q"),
        ({"a": GOOD | {"template_id": "11071600"}}, ".a.template_id: must be 10 to 25 digits"),
        ({"a": GOOD | {"entity_id": "ACME-1101100000"}}, ".a.entity_id: must be 10 to 25 digits"),
        ({"a": GOOD | {"category": "service"}}, ".a.category: must be one of transactional, prom"),
        ({"a": GOOD | {"sender": "AC"}}, ".a.sender: must be 3 to 11 letters and digits"),
        ({"a": GOOD | {"sender": "ACME AC"}}, ".a.sender: must be 3 to 11 letters and digits"),
        (
            {"booking_confirmed": {"text": TEXT}},
            (
                ".booking_confirmed.variables: missing; the server fills this one: name each of "
                "business, name, topic, when"
            ),
        ),
        (
            {"booking_confirmed": {"text": "At {#var#}", "variables": ["time"]}},
            ".booking_confirmed.variables: 'time': the server fills this one, and knows business",
        ),
        (
            {f"t{n}": {"text": "Hi"} for n in range(21)},
            f": 21 templates; use at most {MAX_TEMPLATES}",
        ),
    ],
)
def test_a_fault_names_template_key_and_fix(raw: object, problem: str) -> None:
    _, problems = parsed(raw)

    assert len(problems) == 1, problems
    assert problems[0].startswith(f"{WHERE}{problem}"), problems


def test_every_fault_is_named_at_once() -> None:
    _, problems = parsed(
        {
            "a": {"text": "Dear {name}", "sender": "?", "colour": "red", "variables": ["x y"]},
            "B": {"text": 7},
            "c": [],
            "good": GOOD,
        }
    )

    assert sorted(problem.removeprefix(f"{WHERE}.").partition(":")[0] for problem in problems) == [
        "B", "B.text", "a.colour", "a.sender", "a.text", "a.variables", "a.variables", "c",
    ]  # fmt: skip


# ---- filled -------------------------------------------------------------------------------------


def test_each_variable_gets_its_value_in_order_or_by_name() -> None:
    template = one(variables=NAMED)
    filled = "Dear Asha, details of the AI course: acme.example/ai - ACMEAC"

    assert template.fill(["Asha", "AI", "acme.example/ai"]) == filled
    named = {"link": "acme.example/ai", "name": "Asha", "course": "AI"}
    assert template.fill_by_name(named) == filled
    assert template.matches(filled)


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("Asha", "Asha"),
        ("x" * MAX_VALUE, "x" * MAX_VALUE),
        ("  Asha \n Rao ", "Asha Rao"),
        ("Asha\r\nRao", "Asha Rao"),
        ("D\u2019Souza", "D'Souza"),
        ("\u20b91,500", "Rs.1,500"),
        ("a & b <c>", "a & b <c>"),
        ("\\1 \\g<0> $1", "\\1 \\g<0> $1"),
        ("https://acme.example/x", "https://acme.example/x"),
        ("x" * 28 + "\u20ac", "x" * 28 + "\u20ac"),
    ],
)
def test_a_value_is_sent_as_the_wording_can_carry_it(value: str, sent: str) -> None:
    assert one("Dear {#var#}.").fill([value]) == f"Dear {sent}."


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ("", "is empty"),
        (" \n ", "is empty"),
        ("\u200b", "is empty"),
        ("x" * 31, "has 31 characters; use at most 30"),
        ("\u2026" * 11, "has 33 characters"),  # as three dots each
        (ASHA, "has '\u0906', which the registered wording cannot carry"),
        ("Asha \U0001f600", "without emoji"),
        ("a\x07b", "cannot carry"),
        ("a\x0cb\x0c", ""),
        ("{#var#}", "has characters that cannot be sent"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_its_name(value: str, wrong: str) -> None:
    template = one("Dear {#var#}.", ["customer"])
    if not wrong:
        assert template.fill([value]) == "Dear a b."
        return

    with pytest.raises(SmsTemplateError, match="customer of t") as refused:
        template.fill([value])

    assert wrong in str(refused.value)


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        (ASHA, True),
        ("Asha \u2019", True),
        (ASHA * 10, True),
        (ASHA * 10 + "x", False),
        ("\U0001f600" * 15, True),
        ("\U0001f600" * 16, False),  # two units each
        ("\u0915\u094d\u200d\u0937", True),
        ("\u202e" + ASHA, False),
    ],
)
def test_a_wording_in_another_script_carries_all_letters(value: str, fits: bool) -> None:
    if fits:
        assert one(HINDI).fill([value]).endswith(value)
    else:
        with pytest.raises(SmsTemplateError):
            one(HINDI).fill([value])


@pytest.mark.parametrize(
    ("kind", "fitting", "not_fitting"),
    [
        ("numeric", ["0", "481516"], ["4 8", "12a", "1,500", "-1", "\u0967"]),
        ("number", ["007"], ["seven"]),
        ("alphanumeric", ["Asha Rao", "A-17/3"], [""]),
        ("url", ["acme.example", "https://acme.example/a?b=c"], ["acme", "acme .example", "x://y"]),
        ("urlott", ["app.acme.example/i"], ["the app"]),
        ("cbn", ["+91 99999 00000", "1800-200-300"], ["call us", "12"]),
        ("email", ["asha@example.com"], ["asha", "asha@", "a b@example.com"]),
    ],
)
def test_a_tagged_variable_takes_only_what_its_tag_says(
    kind: str, fitting: list[str], not_fitting: list[str]
) -> None:
    template = one(f"Yours: {{#{kind}#}}.")

    assert [template.fill([value]) for value in fitting] == [f"Yours: {one}." for one in fitting]
    for value in not_fitting:
        with pytest.raises(SmsTemplateError, match="1 of t"):
            template.fill([value])


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ([], "t takes 3 variables (name, course, link), not 0"),
        (["a", "b"], "takes 3 variables (name, course, link), not 2"),
        (["a"] * 4, "takes 3 variables (name, course, link), not 4"),
        ({"name": "a", "course": "b"}, "t needs link"),
        ({}, "t needs name, course, link"),
        (
            {"name": "a", "course": "b", "link": "c", "price": "d"},
            "t has no variable price; it has: name, course, link",
        ),
    ],
)
def test_too_few_or_too_many_values_are_told_by_name(
    values: list[str] | dict[str, str], wrong: str
) -> None:
    template = one(variables=NAMED)

    with pytest.raises(SmsTemplateError) as refused:
        template.fill(values) if isinstance(values, list) else template.fill_by_name(values)

    assert wrong in str(refused.value)


def test_a_wording_without_variables_is_sent_as_it_stands() -> None:
    template = one("We are open from 9 to 5. - ACMEAC")

    assert template.fill([]) == template.text
    with pytest.raises(SmsTemplateError, match="none"):
        template.fill(["x"])


@pytest.mark.parametrize(
    ("known", "sent"),
    [
        ({"name": "Asha", "topic": "AI"}, "Asha: AI."),
        (
            {"name": "Asha", "topic": "Foundations of artificial intelligence, eight weeks"},
            "Asha: Foundations of artificial.",
        ),
        ({"name": "Asha", "topic": "\u2026" * 20}, f"Asha: {'.' * 30}."),
        ({"name": "Asha\nRao", "topic": "AI", "when": "not asked for"}, "Asha Rao: AI."),
    ],
)
def test_what_nobody_can_be_asked_about_is_cut_to_its_room(
    known: dict[str, str], sent: str
) -> None:
    assert one("{#var#}: {#var#}.", ["name", "topic"]).fill_shortened(known) == sent


@pytest.mark.parametrize("known", [{"name": "Asha"}, {"name": ASHA, "topic": "AI"}])
def test_what_cannot_be_cut_to_fit_is_refused(known: dict[str, str]) -> None:
    with pytest.raises(SmsTemplateError):
        one("{#var#}: {#var#}.", ["name", "topic"]).fill_shortened(known)


# ---- recognised ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message", "is_it"),
    [
        ("Hi {#var#}!", "Hi Asha!", True),
        ("Hi {#var#}!", "Hi !", False),
        ("Hi {#var#}!", f"Hi {'x' * 30}!", True),
        ("Hi {#var#}!", f"Hi {'x' * 31}!", False),
        ("Hi {#var#}!", "hi Asha!", False),
        ("Hi {#var#}!", "Hi Asha! ", False),
        ("Hi {#var#}!", "Hi Asha!!", True),  # the value ends with one
        ("Hi {#var#}!", f"Hi {ASHA}!", False),
        (HINDI, HINDI.replace("{#var#}", ASHA), True),
        ("{#var#}{#var#}", "x" * 60, True),
        ("{#var#}{#var#}", "x" * 61, False),
        ("{#var#}{#var#}", "x", False),
        ("{#var#} and {#var#}", "a and b and c", True),
        ("Open.", "Open.", True),
        ("Open.", "Open", False),
        ("a.c {#var#}", "abc x", False),  # no pattern, but a text
    ],
)
def test_a_text_is_a_wording_only_word_for_word(text: str, message: str, is_it: bool) -> None:
    assert one(text).matches(message) == is_it


def test_a_text_made_to_be_slow_is_not() -> None:
    template = one("{#var#}" * MAX_VARIABLES)
    began = time.perf_counter()

    assert not template.matches("x" * 480 + "\n" * 600)

    assert time.perf_counter() - began < 0.5


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=40), min_size=3, max_size=3))
def test_whatever_is_filled_in_is_of_the_wording_and_within_its_room(values: list[str]) -> None:
    for text in (TEXT, HINDI + " {#var#} {#var#}"):
        template = one(text)
        try:
            filled = template.fill(values)
        except SmsTemplateError:
            continue
        assert template.matches(filled)
        assert "\n" not in filled


# ---- for whom -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "needs"),
    [("+919999900000", True), ("+971500000000", False), ("+9199", True), ("+19995550100", False)],
)
def test_only_numbers_in_india_need_one(number: str, needs: bool) -> None:
    assert needs_template(number) == needs


def test_what_the_server_fills_itself_is_not_offered() -> None:
    templates, _ = parsed(
        {"details": GOOD, "booking_confirmed": {"text": "At {#var#}", "variables": ["when"]}}
    )

    assert list(offered(templates)) == ["details"]
