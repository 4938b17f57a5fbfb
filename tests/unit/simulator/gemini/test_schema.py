"""The same schema gets the same fitting value."""

from typing import Any

import pytest

from fwai.simulator.gemini.schema import fitting

SENTIMENTS = ["positive", "neutral", "negative"]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "STRING"}, "S."),
        ({"type": "INTEGER", "minimum": 1}, 1),
        ({"type": "NUMBER"}, 0.0),
        ({"type": "BOOLEAN"}, False),
        ({"type": "ARRAY", "items": {"type": "INTEGER"}}, []),
        ({"type": "ARRAY", "items": {"type": "INTEGER"}, "minItems": 2}, [0, 0]),
        ({"type": "STRING", "enum": SENTIMENTS}, "positive"),
        ({"type": "INTEGER", "nullable": True}, None),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, None),
        ({"anyOf": [{"type": "integer"}, {"type": "boolean"}]}, 0),
    ],
)
def test_a_value_by_type(schema: dict[str, Any], value: object) -> None:
    assert fitting(schema, "S.") == value


def test_properties_are_filled_by_name_and_type() -> None:
    schema = {
        "type": "object",
        "properties": {
            "summary": {"type": ["string", "null"]},
            "name": {"type": ["string", "null"]},
            "city": {"type": "string"},
            "at": {"type": "string", "format": "date-time"},
            "next": {"$ref": "#/$defs/Step"},
        },
        "$defs": {"Step": {"type": "object", "properties": {"done": {"type": "boolean"}}}},
    }

    assert fitting(schema, "S.") == {
        "summary": "S.",
        "name": None,
        "city": "unknown",
        "at": "2026-01-01T00:00:00Z",
        "next": {"done": False},
    }


def test_a_schema_that_contains_itself_comes_to_an_end() -> None:
    node = {"type": "object", "properties": {"child": {"$ref": "#/$defs/Node"}}}

    value = fitting({"$ref": "#/$defs/Node", "$defs": {"Node": node}}, "S.")

    assert list(value) == ["child"]
