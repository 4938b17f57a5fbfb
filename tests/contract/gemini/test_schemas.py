"""A tool's parameters in the set-up message, against the SDK's Schema."""

import enum
import importlib
import json
import pkgutil
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

import fwai.tools
from contract.gemini import oracle
from fwai.domain import webhook_tool
from fwai.domain.tool import ToolSpec
from fwai.gemini import setup
from fwai.gemini.setup import SessionConfig, setup_message
from fwai.tools.base import Args
from fwai.tools.schema import parameters

Json = dict[str, Any]


def ours(schema: Json) -> Json:
    """Return a tool's parameters as our set-up message has them."""
    config = SessionConfig("gemini-3.8-live", "x", "Puck", tools=[ToolSpec("f", "d", schema)])
    declarations = json.loads(setup_message(config))["setup"]["tools"][0]["functionDeclarations"]
    found: Json = declarations[0]["parameters"]
    return found


def exactly(schema: Json) -> str:
    """Return what tells 1 from 1.0; the order of keywords means nothing."""
    return json.dumps(schema, sort_keys=True)


def assert_same(schema: Json) -> None:
    found = ours(schema)
    expected = oracle.schema(schema)

    assert exactly(found) == exactly(expected)
    assert list(found.get("properties", {})) == list(expected.get("properties", {}))


# ---- tools of the server ----------------------------------------------------------------------


def all_args() -> list[type[Args]]:
    for module in pkgutil.iter_modules(fwai.tools.__path__):
        importlib.import_module(f"fwai.tools.{module.name}")
    return [args for args in Args.__subclasses__() if args.__module__.startswith("fwai.tools.")]


@pytest.mark.parametrize("args", all_args(), ids=lambda args: args.__name__)
def test_every_tools_parameters_are_the_sdks(args: type[Args]) -> None:
    if schema := parameters(args):
        assert_same(schema)


class Size(enum.StrEnum):
    SMALL = "small"


class Inner(BaseModel):
    type: Annotated[str, Field(pattern="^[a-z]+$", description="d")] = "x"
    default: float | None = Field(None, ge=0, le=2)


class Everything(BaseModel):
    """All that a model class can say to Live."""

    inner: Inner
    many: Annotated[list[Inner], Field(min_length=1, max_length=3)]
    choice: Literal["a", "b"] = "a"
    size: Size = Size.SMALL
    number: Annotated[int, Field(ge=1, le=10**17)] = 5
    yes: bool = True
    words: Annotated[str, Field(min_length=1, max_length=9)] | None = None


def test_all_that_a_model_class_can_say_is_the_sdks() -> None:
    assert_same(parameters(Everything))


# ---- workflows, written by hand ---------------------------------------------------------------

WORDS = st.text(st.characters(codec="utf-8"), max_size=5)
COMMON: Json = {"description": WORDS, "nullable": st.booleans()}
COUNTS = st.integers(0, 10**9)
BOUNDS = st.integers(-5, 10**20) | st.floats(allow_nan=False, allow_infinity=False)
NAMES = st.sampled_from(["a", "type", "default", "items", "snake_case", "camelCase", "properties"])
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | BOUNDS | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=5,
)


def kind(name: str, **keywords: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries(
        {"type": st.just(name)}, optional={**COMMON, "default": ANY_JSON, **keywords}
    )


LEAVES = st.one_of(
    kind(
        "string",
        enum=st.lists(WORDS.filter(bool), min_size=1, max_size=3, unique=True),
        format=st.sampled_from(["date-time", "enum"]),
        pattern=st.sampled_from(["", "^[0-9]+$", "नम"]),
        minLength=COUNTS,
        maxLength=COUNTS,
    ),
    kind("integer", format=st.just("int64"), minimum=BOUNDS, maximum=BOUNDS),
    kind("number", format=st.just("float"), minimum=BOUNDS, maximum=BOUNDS),
    kind("boolean"),
)


def with_inner(inner: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    lists = st.tuples(
        kind("array", minItems=COUNTS, maxItems=COUNTS), st.fixed_dictionaries({"items": inner})
    )
    objects = st.tuples(
        kind("object"),
        st.dictionaries(NAMES, inner, min_size=1, max_size=3).map(lambda it: {"properties": it}),
    )
    return (lists | objects).map(lambda pair: pair[0] | pair[1])


SCHEMAS = st.fixed_dictionaries(
    {
        "type": st.just("object"),
        "properties": st.dictionaries(
            NAMES, st.recursive(LEAVES, with_inner, max_leaves=4), min_size=1, max_size=4
        ),
    },
    optional=COMMON,
).map(lambda schema: schema | {"required": sorted(schema["properties"])[:1]})


@settings(deadline=None, max_examples=400)
@given(SCHEMAS)
def test_what_a_workflow_may_say_is_the_sdks(schema: Json) -> None:
    """Also with defaults that webhook_tool refuses: they are passed on as they are."""
    assert_same(schema)


def test_all_keywords_of_a_workflow_are_known() -> None:
    for kind_, keywords in webhook_tool._KEYWORDS.items():
        assert not setup._SCHEMA.unknown(dict.fromkeys(keywords)), kind_


# ---- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"type": "object", "$ref": "x"}, "$ref"),
        ({"type": "object", "properties": {"a": {"const": 1}}}, "properties.a.const"),
        ({"type": "object", "properties": {"a": None}}, "properties.a"),
        ({"type": "object", "properties": []}, "properties"),
        ({"type": ["string", "null"]}, "type"),
        ({"type": "string", "enum": [1]}, "enum.0"),
        ({"type": "string", "minLength": "x"}, "minLength"),
        ({"type": "number", "minimum": 10**400}, "minimum"),
        (
            {"type": "array", "items": {"type": "string", "exclusiveMinimum": 1}},
            "items.exclusiveMinimum",
        ),
        ({"anyOf": [{"type": "string"}, {"oneOf": []}]}, "anyOf.1.oneOf"),
    ],
    ids=str,
)
def test_what_the_sdk_refuses_is_refused_with_its_place(schema: Json, place: str) -> None:
    with pytest.raises((ValueError, AttributeError)):
        oracle.schema(schema)
    with pytest.raises(ValueError, match=r"tool f: parameters\.") as caught:
        ours(schema)

    assert place in str(caught.value)


@pytest.mark.parametrize("keyword", ["additionalProperties", "defs", "ref"])
def test_what_no_tool_writes_is_refused_though_the_sdk_passes_it_on(keyword: str) -> None:
    with pytest.raises(ValueError, match=keyword):
        ours({"type": "object", keyword: {}})


def test_a_default_that_is_no_json_is_refused_rather_than_sent_as_null() -> None:
    assert oracle.schema({"type": "number", "default": float("nan")})["default"] is None
    with pytest.raises(ValueError, match="JSON"):
        ours({"type": "number", "default": float("nan")})
