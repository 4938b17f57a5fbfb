"""Every kind of payload that Meta may post, composed from its documents."""

import json
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fwai.adapters.whatsapp.events import Event
from fwai.adapters.whatsapp.webhook import read
from fwai.errors import WireError
from tables import each_row

HERE = Path(__file__).parent


@cache
def recorded(name: str) -> list[dict[str, Any]]:
    body: dict[str, Any] = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    messages: list[dict[str, Any]] = body["messages"]
    return messages


ALL = [
    case
    for name in ("connect", "terminate", "statuses", "messages", "account")
    for case in recorded(name)
]


JUNK: list[object] = [None, 7, "", [], {}, [[]], "x" * 10_000, True, 1e400]


def plain(event: Event) -> dict[str, object]:
    """Return an event the way the recorded files write it."""
    facts = asdict(event)
    user = facts.pop("user", None) or {}
    if "kind" in facts:
        facts["what"] = facts["kind"]
    facts |= {"kind": type(event).__name__, **user}
    facts["problems"] = [one["code"] for one in facts.get("problems", ())]
    return facts


@each_row("case", [*ALL, *recorded("variants")], ids=lambda case: case["note"])
def test_a_payload_becomes_its_events(case: dict[str, Any]) -> None:
    raw = case["raw"] if "raw" in case else json.dumps(case["message"])

    payload = read(raw.encode(), "PNID1")

    found = [plain(event) for event in payload.events]
    assert list(payload.ignored) == case["ignored"]
    assert len(found) == len(case["expect"])
    for event, expect in zip(found, case["expect"], strict=True):
        assert {key: event[key] for key in expect} == expect


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"7", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5000],
    ids=["empty", "cut", "list", "number", "no UTF-8", "deep list", "deep object", "huge number"],
)
def test_what_is_no_object_is_a_wire_error(body: bytes) -> None:
    with pytest.raises(WireError) as caught:
        read(body)
    assert "\xff" not in str(caught.value)


@each_row("case", ALL, ids=lambda case: case["note"])
def test_no_field_is_taken_for_granted(case: dict[str, Any]) -> None:
    """Each value of the payload in turn becomes something else; nothing may raise."""
    for junk in JUNK:
        for broken in _with_junk(case["message"], junk):
            if isinstance(broken, dict):
                read(json.dumps(broken).encode(), "PNID1")


def test_every_variant_says_what_it_stands_on() -> None:
    variants = recorded("variants")

    assert all(len(case["source"]) > 3 for case in variants)
    assert len({case["note"] for case in variants}) == len(variants)


def _with_junk(value: object, junk: object) -> list[object]:
    found: list[object] = [junk]
    if isinstance(value, dict):
        for key in value:
            found += [{**value, key: other} for other in _with_junk(value[key], junk)]
            found.append({name: kept for name, kept in value.items() if name != key})
    elif isinstance(value, list):
        for index, one in enumerate(value):
            found += [
                [*value[:index], other, *value[index + 1 :]] for other in _with_junk(one, junk)
            ]
    return found
