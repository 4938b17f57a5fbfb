"""Entries of an agent's ``webhooks``, and arguments held against a full JSON Schema validator."""

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fwai.domain.webhook_tool import (
    WebhookToolError,
    WebhookToolSpec,
    parse_webhook_tool,
    validate_args,
)
from tables import each_row

WHERE = "prompts.json: Core.webhooks.0"
SECRET_PATH = "/webhook/5e0f-secret"
Json = dict[str, Any]

ORDER: Json = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "minLength": 2, "maxLength": 40},
        "size": {"type": "string", "enum": ["small", "large"]},
        "count": {"type": "integer", "minimum": 1, "maximum": 9, "default": 1},
        "price": {"type": "number", "nullable": True},
        "sure": {"type": "boolean"},
        "code": {"type": "string", "pattern": "^[A-Z]{2}"},
        "at": {"type": "string", "format": "date-time"},
        "lines": {
            "type": "array",
            "maxItems": 2,
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {"name": {"type": "string"}},
                "required": ["name"],
            },
        },
    },
    "required": ["city"],
}


def entry(**changes: object) -> Json:
    made: Json = {
        "name": "order_status",
        "description": "Say where an order is.",
        "parameters": copy.deepcopy(ORDER),
        "url": f"https://n8n.example.com{SECRET_PATH}",
    }
    made.update(changes)
    return {key: value for key, value in made.items() if value is not ...}


def spec(parameters: Json) -> WebhookToolSpec:
    return parse_webhook_tool(entry(parameters=parameters), WHERE)


def field(**schema: object) -> Json:
    return {"type": "object", "properties": {"x": schema}}


# ---- entries ----------------------------------------------------------------------------------


def test_an_entry_is_read_with_its_defaults() -> None:
    read = parse_webhook_tool(entry(), WHERE)

    assert read.name == "order_status"
    assert read.url.endswith(SECRET_PATH)
    assert (read.timeout_s, read.filler) == (10.0, "")
    assert read.tool.parameters == ORDER


def test_its_url_is_not_shown_by_accident() -> None:
    assert SECRET_PATH not in repr(parse_webhook_tool(entry(), WHERE))


@pytest.mark.parametrize("parameters", [..., {}, {"type": "object", "properties": {}}])
def test_a_tool_may_take_no_arguments(parameters: object) -> None:
    read = parse_webhook_tool(entry(parameters=parameters), WHERE)

    assert read.parameters == {}
    assert validate_args(read, {"made": "up"}) == {}


@each_row(
    ("changes", "problem"),
    [
        ({"name": ...}, "name: use 2 to 63"),
        ({"name": "Order"}, "name: use 2 to 63"),
        ({"name": "a" * 64}, "name: use 2 to 63"),
        ({"name": "x\n"}, "name: use 2 to 63"),
        ({"name": "send_sms"}, "name: send_sms is a tool of the server"),
        ({"description": ...}, "description: tell the model"),
        ({"description": "  "}, "description: tell the model"),
        ({"description": "x" * 1001}, "description: tell the model"),
        ({"url": ...}, "url: write https://host/path"),
        ({"url": "ftp://n8n.example.com/x"}, "url: write https://host/path"),
        ({"url": "https://n8n.example.com/" + "x" * 2048}, "url: write https://host/path"),
        ({"timeout_s": 0.5}, "timeout_s: use a number from 1 to 30"),
        ({"timeout_s": 31}, "timeout_s: use a number from 1 to 30"),
        ({"timeout_s": True}, "timeout_s: use a number from 1 to 30"),
        ({"timeout_s": float("nan")}, "timeout_s: use a number from 1 to 30"),
        ({"timeout_s": 10**400}, "timeout_s: use a number from 1 to 30"),
        ({"timeout_s": "10"}, "timeout_s: use a number from 1 to 30"),
        ({"filler": "x" * 201}, "filler: must be text of at most 200"),
        ({"filler": None}, "filler: must be text of at most 200"),
        ({"method": "GET"}, "method: unknown key; use one of name, description"),
        ({"parameters": []}, 'parameters: must be a JSON Schema with "type": "object"'),
        ({"parameters": {"type": "string"}}, "parameters: must be a JSON Schema"),
    ],
)
def test_a_wrong_entry_is_refused_with_its_path(changes: Json, problem: str) -> None:
    with pytest.raises(WebhookToolError) as refusal:
        parse_webhook_tool(entry(**changes), WHERE, {"send_sms"})

    assert len(refusal.value.problems) == 1
    assert refusal.value.problems[0].startswith(f"{WHERE}.{problem}")
    assert SECRET_PATH not in str(refusal.value)


@each_row(
    ("schema", "problem"),
    [
        ({}, 'x: give it one "type"'),
        ({"type": ["string", "null"]}, 'x: give it one "type"'),
        ({"type": "null"}, 'x: give it one "type"'),
        ({"anyOf": [{"type": "string"}]}, 'x: give it one "type"'),
        ({"type": "string", "const": "a"}, "x.const: not accepted by Live for string"),
        ({"type": "string", "minimum": 1}, "x.minimum: not accepted by Live for string"),
        ({"type": "integer", "exclusiveMinimum": 1}, "x.exclusiveMinimum: not accepted"),
        ({"type": "integer", "enum": [1]}, "x.enum: not accepted by Live for integer"),
        ({"type": "string", "enum": []}, "x.enum: must be a list"),
        ({"type": "string", "enum": ["a", "a"]}, "x.enum: must be a list"),
        ({"type": "string", "enum": [["a"]]}, "x.enum: must be a list"),
        ({"type": "string", "format": "email"}, "x.format: not accepted by Live"),
        ({"type": "string", "format": []}, "x.format: not accepted by Live"),
        ({"type": "string", "pattern": "("}, "x.pattern: must be a regular expression"),
        ({"type": "string", "pattern": "a" * 201}, "x.pattern: must be a regular expression"),
        ({"type": "string", "minLength": -1}, "x.minLength: must be a whole number"),
        ({"type": "string", "minLength": 3, "maxLength": 2}, "x.minLength: is above maxLength"),
        ({"type": "string", "nullable": "yes"}, "x.nullable: must be true or false"),
        ({"type": "string", "description": 1}, "x.description: must be text"),
        ({"type": "string", "default": 1}, "x.default: must be text"),
        ({"type": "integer", "maximum": "9"}, "x.maximum: must be a number"),
        ({"type": "integer", "minimum": 5, "maximum": 2}, "x.minimum: is above maximum"),
        ({"type": "integer", "maximum": 2, "default": 3}, "x.default: must be 2 or less"),
        ({"type": "array"}, "x.items: missing"),
        ({"type": "array", "items": {}}, 'x.items: give it one "type"'),
        ({"type": "object"}, "x.properties: must name 1 to 40 fields"),
        ({"type": "object", "properties": {}}, "x.properties: must name 1 to 40 fields"),
        (
            {"type": "object", "properties": {"a b": {"type": "string"}}},
            "x.properties: a field name needs",
        ),
        (
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["b"]},
            "x.required: b is not among",
        ),
        (
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": "a"},
            "x.required: must be a list",
        ),
    ],
)
def test_a_schema_beyond_what_live_accepts_is_refused(schema: Json, problem: str) -> None:
    with pytest.raises(WebhookToolError) as refusal:
        spec(field(**schema))

    assert len(refusal.value.problems) == 1
    assert refusal.value.problems[0].startswith(f"{WHERE}.parameters.properties.{problem}")


def test_a_schema_may_be_five_levels_deep_and_no_more() -> None:
    deep: Json = {"type": "string"}
    for _ in range(4):
        deep = field(**deep)
    spec(deep)

    with pytest.raises(WebhookToolError, match="nested too deep"):
        spec(field(**deep))


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(WebhookToolError) as refusal:
        parse_webhook_tool({"name": "X", "url": 1, "parameters": field(type="x")}, WHERE)

    assert len(refusal.value.problems) == 4


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from([*entry(), *ORDER, "items", "enum", "format"]), inner,
                      max_size=4), max_leaves=12))  # fmt: skip
@settings(max_examples=300)
def test_whatever_stands_there_is_read_or_refused(raw: object) -> None:
    for made in (raw, entry(parameters=raw), entry(parameters=field(type="string", enum=raw))):
        try:
            parse_webhook_tool(made, WHERE)
        except WebhookToolError as refusal:
            assert refusal.problems  # noqa: PT017 - either outcome is right


# ---- arguments --------------------------------------------------------------------------------


def test_good_arguments_are_passed_on() -> None:
    args = {
        "city": "Pune",
        "size": "large",
        "count": 5.0,
        "price": None,
        "sure": True,
        "code": "AB1",
        "at": "2026-11-23T10:00:00+05:30",
        "lines": [{"name": "a", "made": "up"}],
        "more": 1,
    }

    checked = validate_args(spec(ORDER), args)

    assert checked == {
        **{key: value for key, value in args.items() if key != "more"},
        "lines": [{"name": "a"}],
    }
    assert isinstance(checked["count"], int)


def test_defaults_are_filled_in() -> None:
    assert validate_args(spec(ORDER), {"city": "Pune"}) == {"city": "Pune", "count": 1}


@each_row(
    ("args", "sentence"),
    [
        ({}, "city: missing; it is needed"),
        ({"city": "P"}, "city: needs at least 2 characters"),
        ({"city": "P" * 41}, "city: use at most 40 characters"),
        ({"city": 5}, "city: must be text"),
        ({"city": None}, "city: must be text"),
        ({"city": "Pune", "size": "medium"}, "size: must be one of small, large"),
        ({"city": "Pune", "count": 0}, "count: must be 1 or more"),
        ({"city": "Pune", "count": 10}, "count: must be 9 or less"),
        ({"city": "Pune", "count": 2.5}, "count: must be a whole number"),
        ({"city": "Pune", "count": True}, "count: must be a whole number"),
        ({"city": "Pune", "price": "9"}, "price: must be a number"),
        ({"city": "Pune", "price": float("inf")}, "price: must be a number"),
        ({"city": "Pune", "price": False}, "price: must be a number"),
        ({"city": "Pune", "sure": 1}, "sure: must be true or false"),
        ({"city": "Pune", "code": "ab"}, "code: must match ^[A-Z]{2}"),
        ({"city": "Pune", "at": "tomorrow"}, "at: must be a date and time such as"),
        ({"city": "Pune", "at": "2026-11-23T10:00:00"}, "at: must be a date and time such as"),
        ({"city": "Pune", "lines": []}, "lines: give at least 1"),
        ({"city": "Pune", "lines": [{"name": "a"}] * 3}, "lines: give at most 2"),
        ({"city": "Pune", "lines": {}}, "lines: must be a list"),
        ({"city": "Pune", "lines": ["a"]}, "lines[0]: must be an object"),
        ({"city": "Pune", "lines": [{"name": "a"}, {}]}, "lines[1].name: missing"),
    ],
)
def test_a_wrong_argument_is_named(args: Json, sentence: str) -> None:
    with pytest.raises(ValueError, match=r".") as refusal:
        validate_args(spec(ORDER), args)

    assert str(refusal.value).startswith(sentence)


def test_all_wrong_arguments_are_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"city: missing.*; sure: must be"):
        validate_args(spec(ORDER), {"sure": "yes"})


LEAVES: list[Callable[[], Json]] = [
    lambda: {"type": "string", "minLength": 1, "maxLength": 3},
    lambda: {"type": "string", "enum": ["a", "b"]},
    lambda: {"type": "string", "pattern": "^a"},
    lambda: {"type": "integer", "minimum": -2, "maximum": 5},
    lambda: {"type": "number", "minimum": 0.5},
    lambda: {"type": "boolean"},
]
leaves = st.sampled_from(LEAVES).map(lambda make: make())


def nullable(schemas: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    return st.builds(lambda s, yes: {**s, "nullable": True} if yes else s, schemas, st.booleans())


def objects(inner: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    return st.dictionaries(st.sampled_from("abc"), inner, min_size=1, max_size=3).flatmap(
        lambda fields: st.lists(st.sampled_from(sorted(fields)), unique=True).map(
            lambda required: {"type": "object", "properties": fields, "required": required}
        )
    )


def lists(inner: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    return inner.map(lambda s: {"type": "array", "items": s, "minItems": 1, "maxItems": 2})


# The root and, at most, three levels below it.
schemas = objects(
    nullable(
        leaves | lists(nullable(leaves)) | objects(leaves | lists(leaves)) | lists(objects(leaves))
    )
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-4, 7) | st.sampled_from([0.25, 2.0, 5.5, -0.0])
    | st.sampled_from(["", "a", "b", "ab", "ba", "aaaa", "नम"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from("abcd"), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip


def oracle(schema: Mapping[str, Any]) -> Json:
    """Write our subset as plain JSON Schema: ``nullable`` is Live's word."""
    made = {key: value for key, value in schema.items() if key != "nullable"}
    if "properties" in made:
        made["properties"] = {key: oracle(value) for key, value in made["properties"].items()}
    if "items" in made:
        made["items"] = oracle(made["items"])
    return {"anyOf": [made, {"type": "null"}]} if schema.get("nullable") else made


def likely(schema: Json) -> st.SearchStrategy[Any]:
    """Values near the schema: chance alone hardly ever meets one."""
    match schema["type"]:
        case "object":
            fields = {name: likely(inner) | values for name, inner in schema["properties"].items()}
            return st.fixed_dictionaries({}, optional=fields) | st.fixed_dictionaries(
                {name: likely(inner) for name, inner in schema["properties"].items()}
            )
        case "array":
            return st.lists(likely(schema["items"]), max_size=3)
        case "string":
            return st.sampled_from(["a", "b", "ab", "aaaa"])
        case "boolean":
            return st.booleans()
    return st.sampled_from([-3, 0.25, 1, 2, 3.5, 5.0, 6])


@given(schemas.flatmap(lambda s: st.tuples(st.just(s), likely(s))))
@settings(max_examples=500)
def test_arguments_are_judged_as_a_full_validator_judges_them(case: tuple[Json, Any]) -> None:
    schema, args = case
    try:
        checked = validate_args(spec(schema), args)
    except ValueError:
        checked = None

    fine = jsonschema.Draft202012Validator(oracle(schema)).is_valid(args)
    assert (checked is not None) == fine, json.dumps(case)
    if checked is not None:
        assert jsonschema.Draft202012Validator(oracle(schema)).is_valid(checked)
