"""The part of JSON Schema that Live accepts, and a refusal of the rest."""

import enum
from datetime import date, datetime
from typing import Any, Literal, Optional

import pytest
from google.genai import types
from pydantic import BaseModel, Field, create_model

from fwai.tools.book_demo import BookDemoArgs
from fwai.tools.callbacks import CancelCallbackArgs, DoNotCallArgs, ScheduleCallbackArgs
from fwai.tools.end_call import EndCallArgs
from fwai.tools.schema import parameters
from fwai.tools.send_email import SendEmailArgs
from fwai.tools.send_sms import SendSmsArgs
from fwai.tools.send_whatsapp import SendWhatsAppArgs
from fwai.tools.transfer_call import TransferCallArgs

FORBIDDEN = {"$ref", "$defs", "const", "anyOf", "oneOf", "allOf", "exclusiveMinimum", "title"}


class Colour(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


class Street(BaseModel):
    """Where to deliver."""

    name: str
    number: int | None = Field(default=None, ge=1, description="House number.")


class Order(BaseModel):
    text: str = Field(min_length=1, max_length=480, pattern="^a", description="Words.")
    count: int = Field(default=1, gt=0, le=9)
    price: float
    sure: bool = False
    colour: Colour
    size: Literal["small", "large"]
    kind: Literal["gift"]
    note: Optional[str] = Field(default=None, description="If any.")  # noqa: UP045 - either form
    street: Street = Field(description="Theirs.")
    other: Street | None = None
    many: list[Street] = Field(default_factory=list, max_length=3)
    shade: Colour | None = None
    on: date
    at: datetime


class Nothing(BaseModel):
    """No field."""


class Node(BaseModel):
    children: list["Node"]


class Branch(BaseModel):
    node: Node


def keys_of(schema: object) -> set[str]:
    if isinstance(schema, dict):
        inner = {key: value for key, value in schema.items() if key != "properties"}
        named = schema.get("properties", {}).values()
        return set(inner) | {key for value in [*inner.values(), *named] for key in keys_of(value)}
    if isinstance(schema, list):
        return {key for value in schema for key in keys_of(value)}
    return set()


@pytest.mark.parametrize(
    "args",
    [
        Order,
        BookDemoArgs,
        CancelCallbackArgs,
        DoNotCallArgs,
        EndCallArgs,
        ScheduleCallbackArgs,
        SendEmailArgs,
        SendSmsArgs,
        SendWhatsAppArgs,
        TransferCallArgs,
    ],
)
def test_the_sdk_accepts_the_schema(args: type[BaseModel]) -> None:
    schema = parameters(args)

    declared = types.FunctionDeclaration(
        name="f", description="d", parameters=types.Schema.model_validate(schema)
    )

    assert declared.parameters is not None
    assert set(declared.parameters.properties or {}) == set(args.model_fields)
    assert not keys_of(schema) & FORBIDDEN


@pytest.mark.parametrize(
    ("field", "schema"),
    [
        (
            "text",
            {
                "type": "string",
                "minLength": 1,
                "maxLength": 480,
                "pattern": "^a",
                "description": "Words.",
            },
        ),
        ("count", {"type": "integer", "maximum": 9, "default": 1}),
        ("price", {"type": "number"}),
        ("sure", {"type": "boolean", "default": False}),
        ("colour", {"type": "string", "enum": ["red", "blue"]}),
        ("size", {"type": "string", "enum": ["small", "large"]}),
        ("kind", {"type": "string", "enum": ["gift"]}),
        ("note", {"type": "string", "nullable": True, "description": "If any."}),
        ("shade", {"type": "string", "enum": ["red", "blue"], "nullable": True}),
        ("on", {"type": "string"}),
        ("at", {"type": "string", "format": "date-time"}),
    ],
)
def test_each_kind_of_field(field: str, schema: dict[str, object]) -> None:
    assert parameters(Order)["properties"][field] == schema


def test_a_nested_model_is_written_out_where_it_is_used() -> None:
    properties = parameters(Order)["properties"]

    number = {"type": "integer", "minimum": 1, "nullable": True, "description": "House number."}
    fields = {"name": {"type": "string"}, "number": number}
    assert properties["street"]["properties"] == fields
    assert properties["street"]["description"] == "Theirs."
    assert properties["other"]["properties"] == fields
    assert properties["other"]["nullable"] is True
    assert properties["many"]["items"]["properties"] == fields
    assert properties["many"]["items"]["required"] == ["name"]
    assert properties["many"]["maxItems"] == 3


def test_only_what_must_be_given_is_required() -> None:
    assert set(parameters(Order)["required"]) == {
        "text", "price", "colour", "size", "kind", "street", "on", "at"
    }  # fmt: skip


def test_a_field_may_be_called_like_a_keyword_of_the_schema() -> None:
    args = create_model("Odd", type=(str, ...), title=(str, ...), items=(int, ...))

    assert set(parameters(args)["properties"]) == {"type", "title", "items"}


def test_no_fields_are_no_schema() -> None:
    assert parameters(Nothing) == {}


@pytest.mark.parametrize(
    "kind",
    [
        int | str,
        int | str | None,
        Any,
        list,
        list[Any],
        dict[str, str],
        tuple[int, str],
        Nothing,
        Literal[1, 2],
        Literal["a", 1],
        enum.IntEnum("Level", "LOW HIGH"),
        list[int | str],
    ],
    ids=str,
)
def test_what_live_cannot_express_is_refused_by_name(kind: Any) -> None:  # noqa: ANN401
    args = create_model("Args", field=(kind, ...))

    with pytest.raises(ValueError, match=r"^Args\.field"):
        parameters(args)


@pytest.mark.parametrize("args", [Node, Branch])
def test_a_model_that_contains_itself_is_refused(args: type[BaseModel]) -> None:
    with pytest.raises(ValueError, match=f"^{args.__name__}: it contains itself"):
        parameters(args)
