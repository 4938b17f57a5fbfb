"""What models send for arguments: read where one thing can be meant, left alone where two can."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwai.tools.arguments import contradiction, lenient
from tables import each_row

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "note": {"type": "string", "nullable": True},
        "count": {"type": "integer"},
        "price": {"type": "number"},
        "confirmed": {"type": "boolean"},
        "names": {"type": "array", "items": {"type": "string"}},
        "days": {"type": "array", "items": {"type": "integer"}},
        "mode": {"type": "string", "enum": ["call_back", "e-mail", "SMS"]},
        "address": {
            "type": "object",
            "properties": {"zip": {"type": "string"}, "floor": {"type": "integer"}},
        },
        "fullName": {"type": "string"},
        "grade": {"type": "string", "enum": ["A+", "A-", "O+", "O-"]},
        "shift": {"type": "string", "enum": ["-5", "0", "10"]},
    },
    "required": ["text"],
}

ONE_READING = [
    ("count", "5.00", 5),
    ("price", "0.125", 0.125),
    ("price", "1000.125", 1000.125),
    ("grade", "a+", "A+"),
    ("grade", " o- ", "O-"),
    ("shift", "-5", "-5"),
    ("names", "Anderson", ["Anderson"]),
    # null for what is left out
    ("count", None, "absent"),
    ("confirmed", None, "absent"),
    ("names", None, "absent"),
    ("note", None, None),
    ("text", None, None),
    # whole numbers
    ("count", 5, 5),
    ("count", "5", 5),
    ("count", " 5 ", 5),
    ("count", "+5", 5),
    ("count", "-3", -3),
    ("count", "5.0", 5),
    ("count", 5.0, 5),
    ("count", "५", 5),
    # decimal numbers
    ("price", "5.5", 5.5),
    ("price", "7", 7),
    ("price", ".5", 0.5),
    ("price", 5, 5),
    # flags
    ("confirmed", True, True),
    ("confirmed", "true", True),
    ("confirmed", "True", True),
    ("confirmed", " YES ", True),
    ("confirmed", "1", True),
    ("confirmed", 1, True),
    ("confirmed", 1.0, True),
    ("confirmed", "false", False),
    ("confirmed", "no", False),
    ("confirmed", 0, False),
    # texts
    ("text", "as it is ", "as it is "),
    ("text", 9999900000, "9999900000"),
    ("text", 919999900000.0, "919999900000"),
    ("text", 5.5, "5.5"),
    ("text", ["one"], "one"),
    # choices
    ("mode", "call_back", "call_back"),
    ("mode", "Call Back", "call_back"),
    ("mode", "callBack", "call_back"),
    ("mode", "email", "e-mail"),
    ("mode", " sms", "SMS"),
    # lists
    ("names", ["a", "b"], ["a", "b"]),
    ("names", '["a", "b"]', ["a", "b"]),
    ("names", "['a', 'b']", ["a", "b"]),
    ("names", ' ["a, b"] ', ["a, b"]),
    ("names", "Asha", ["Asha"]),
    ("names", "", []),
    ("names", 7, ["7"]),
    ("names", [7, "b"], ["7", "b"]),
    ("days", "[1, 2]", [1, 2]),
    ("days", ["1", 2.0], [1, 2]),
    ("days", "3", [3]),
    # objects
    ("address", {"zip": 560001, "floor": "2"}, {"zip": "560001", "floor": 2}),
    ("address", '{"zip": "560001"}', {"zip": "560001"}),
    ("address", "{'floor': '2'}", {"floor": 2}),
    ("address", {"Zip": "1", "floor": None}, {"zip": "1"}),
]

TWO_READINGS = [
    ("count", "1.000"),
    ("count", "-2.0000"),
    ("price", "1.500"),
    ("price", "12.000"),
    ("grade", "A"),
    ("grade", "o"),
    ("shift", "5"),
    ("names", "null"),
    ("names", "None"),
    ("names", "rice and dal"),
    ("names", "Rice AND Dal"),
    ("names", "rice aur dal"),
    ("names", "rice | dal"),
    ("names", "a، b"),
    ("names", "a、b"),
    ("address", '{"zip": "1", "zip": "2"}'),
    ("address", "{'zip': '1', 'zip': '2'} "),
    ("count", "five"),
    ("count", "5,000"),
    ("count", "1.5"),
    ("count", 1.5),
    ("count", "1e3"),
    ("count", ""),
    ("count", "5 people"),
    ("count", "9" * 400),
    ("count", float("inf")),
    ("count", float("nan")),
    ("price", "5,5"),
    ("price", "₹5"),
    ("price", "nan"),
    ("confirmed", "maybe"),
    ("confirmed", "ok then"),
    ("confirmed", 2),
    ("confirmed", ""),
    ("text", ["one", "two"]),
    ("text", {"a": "b"}),
    ("text", True),
    ("text", 1e300),
    ("mode", "call"),
    ("mode", "letter"),
    ("names", "a, b"),
    ("names", "a; b"),
    ("names", "a\nb"),
    ("names", "[a, b"),
    ("names", [["a"], "b"]),
    ("names", "[" * 5_000),
    ("names", "[" + "'a'," * 10_000 + "]"),
    ("address", "12 MG Road"),
    ("address", '{"zip": '),
    ("address", "{" * 5_000),
    ("address", "__import__('os')"),
]


@each_row(("name", "sent", "read"), ONE_READING)
def test_what_has_one_reading_is_read(name: str, sent: object, read: object) -> None:
    found = lenient(SCHEMA, {name: sent})

    assert found.get(name, "absent") == read
    assert type(found.get(name)) is type(read) or read == "absent"


@each_row(("name", "sent"), TWO_READINGS)
def test_what_has_two_readings_is_left_for_the_check(name: str, sent: object) -> None:
    found = lenient(SCHEMA, {name: sent})[name]

    assert found is sent or found == sent or found != found


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({"Text": "x"}, {"text": "x"}),
        ({"full_name": "x"}, {"fullName": "x"}),
        ({"FULL-NAME": "x"}, {"fullName": "x"}),
        ({"text": "x", "Text": "y"}, {"text": "x", "Text": "y"}),
        ({"Full_Name": "x", "fullname": "y"}, {"Full_Name": "x", "fullname": "y"}),
        ({"other": 5}, {"other": 5}),
        ({}, {}),
    ],
)
def test_names_are_read_in_any_spelling_that_means_one(
    sent: dict[str, object], read: dict[str, object]
) -> None:
    assert lenient(SCHEMA, sent) == read


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@given(args=st.dictionaries(st.sampled_from([*SCHEMA["properties"], "x"]), json_values))
def test_nothing_breaks_it_and_what_is_right_stays(args: dict[str, object]) -> None:
    once = lenient(SCHEMA, args)

    assert json.dumps(lenient(SCHEMA, once)) == json.dumps(once), "reading again changes nothing"


def test_a_schema_that_is_nested_deeply_is_read_so_far_and_no_further() -> None:
    schema: dict[str, Any] = {"type": "integer"}
    value: object = "5"
    for _ in range(40):
        schema = {"type": "array", "items": schema}
        value = [value]

    assert lenient({"properties": {"deep": schema}}, {"deep": value}) == {"deep": value}


@pytest.mark.parametrize(
    ("args", "named"),
    [
        ({"fullName": "Asha", "full_name": "Ravi"}, "fullName"),
        ({"full name": "Asha", "Full-Name": "Ravi"}, "fullName"),
        ({"fullName": "Asha", "full_name": "Asha"}, ""),
        ({"fullName": "Asha", "unknown": 1, "Unknown": 2}, ""),
        ({"fullName": "Asha"}, ""),
    ],
)
def test_an_argument_that_came_twice_is_named(args: dict[str, Any], named: str) -> None:
    assert contradiction(SCHEMA, args) == named
