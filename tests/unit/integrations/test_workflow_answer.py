"""Answers of workflows: words and facts within bounds; every shape is in tests/contract/n8n."""

import gzip
import json
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fwai.integrations.workflow_answer import (
    EMPTY_LIST,
    MAX_DATA_CHARS,
    MAX_DEPTH,
    MAX_TEXT_CHARS,
    RETURNED_NOTHING,
    NoAnswerError,
    WorkflowAnswer,
    parse_answer,
)

JSON = "application/json"
KINDS = [JSON, "text/plain", "text/html", "", "text/event-stream", "application/x-ndjson"]
SPARE = 80  # the last value goes in as soon as there is some room


def read(body: object, kind: str = JSON, *, complete: bool = True) -> WorkflowAnswer:
    if not isinstance(body, str | bytes):
        body = json.dumps(body)
    raw = body.encode() if isinstance(body, str) else body
    return parse_answer(kind, "", raw, complete=complete)


# ---- bounds -----------------------------------------------------------------------------------


def test_words_are_cut_for_the_model_and_said_to_be_cut() -> None:
    long = "x" * 5000
    for answer in (read({"message": long}), read(long, "text/plain"), read(f'"{long}"')):
        assert len(answer.text) == MAX_TEXT_CHARS
        assert answer.text.endswith("x…")
        assert answer.shortened
    exact = read({"message": "x" * MAX_TEXT_CHARS})
    assert (exact.text, exact.shortened) == ("x" * MAX_TEXT_CHARS, False)


def test_facts_that_do_not_fit_are_cut_and_the_others_stay() -> None:
    answer = read({"a": 1, "long": "x" * 9000, "b": 2, "message": "Fine."})

    assert answer.text == "Fine."
    assert answer.shortened
    assert (answer.data["a"], answer.data["b"]) == (1, 2)
    assert len(answer.data["long"]) <= MAX_TEXT_CHARS + 1
    assert answer.data["long"].endswith("…")


def test_of_many_items_as_many_as_fit_are_there_and_counted() -> None:
    answer = read([{"row": n, "name": "x" * 100} for n in range(500)])

    kept = len(answer.data["items"])
    assert 50 < kept < 500
    assert answer.text == f"The answer is a list; the first {kept} of its items are in the data."
    assert answer.shortened
    assert len(json.dumps(answer.data)) <= MAX_DATA_CHARS + SPARE


@pytest.mark.parametrize("kind", [JSON, "text/plain"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"message": "', ""), ('[{"message": "', ""), ('{"message": "', "\\"),
        ('{"message": "', "\\u0"), ('{"message": "', "\\ud83d"), ('{"message": "', "\\ud83d\\ud"),
        ('{"ok": true, "message": "', ""), ('{"output": [{"text": "', ""),
    ],
)  # fmt: skip
def test_json_that_is_cut_inside_a_text_is_heard_so_far(kind: str, before: str, after: str) -> None:
    for words in ("Your order is on its way", "x" * 5000):
        answer = read(before + words + after, kind, complete=False)

        assert answer.text.startswith(words[:1000])
        assert answer.shortened
        assert not any("\ud800" <= one <= "\udfff" for one in answer.text)


@pytest.mark.parametrize(
    ("body", "data"),
    [
        ('{"ok": true, "total": 12', {"ok": True}),
        ('{"ok": true, "total": 12.', {"ok": True}),
        ('{"ok": true, "total": 12e+', {"ok": True}),
        ('{"ok": true, "total": -', {"ok": True}),
        ('{"ok": true, "total": 12,', {"ok": True, "total": 12}),
        ('{"ok": true, "none": null, "paid": tru', {"ok": True, "none": None}),
        ('{"ok": true, "rows": [1, 2', {"ok": True, "rows": [1]}),
        ('{"ok": true, "who": {"name": "Ash', {"ok": True, "who": {"name": "Ash"}}),
        ('{"ok": true, "who": {"na', {"ok": True}),
    ],
)
def test_of_json_that_is_cut_nothing_counts_that_may_be_another_value(
    body: str, data: dict[str, Any]
) -> None:
    answer = read(body, complete=False)

    assert (answer.data, answer.shortened) == (data, True)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("event: concert at 5 pm, hall 2", "text/plain"),
        ("data: 5 slots\nfree: yes", "text/plain"),
        ("data: 5 slots\nfree: yes", ""),
        ("event: none", "text/html"),
    ],
)
def test_words_that_begin_like_an_event_are_words(words: str, kind: str) -> None:
    assert read(words, kind).text.split() == words.split()


def test_what_is_nested_deep_is_cut_where_it_is_too_deep() -> None:
    deep: Any = "x"
    for _ in range(100):
        deep = {"a": deep}
    answer = read({"message": "Fine.", "deep": deep})

    assert (answer.text, answer.shortened) == ("Fine.", True)
    assert json.dumps(answer.data).count("{") == MAX_DEPTH + 1


@pytest.mark.parametrize(
    "body",
    [
        "[" * 60_000,
        '{"a":' * 13_000,
        "<!--" * 16_000,
        "<p" * 32_000,
        "<b " * 20_000 + ">",
        "&" * 64_000,
        "data:" * 12_000,
        '{"a":1}' * 9_000,
        "[" + "1," * 30_000,
        '{"a":"' + "\\" * 32_000,
        " " * 64_000,
        "\n" * 64_000,
        "x \n" * 16_000,
        '"' * 64_000,
        "-" * 64_000,
    ],
    ids=range(15),
)
@pytest.mark.parametrize("kind", KINDS)
def test_no_answer_holds_the_server_up(body: str, kind: str) -> None:
    began = time.process_time()
    with suppress(NoAnswerError):
        read(body, kind)
    assert time.process_time() - began < 0.5


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(
            st.sampled_from(["message", "output", "json", "data", "type", "content", "x"])
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


def check(answer: WorkflowAnswer) -> None:
    """Whatever was read is bounded and can be written."""
    assert len(answer.text) <= MAX_TEXT_CHARS
    written = json.dumps(dict(answer.data), ensure_ascii=False, allow_nan=False)
    assert len(written) <= MAX_DATA_CHARS + SPARE
    (written + answer.text).encode()


@settings(max_examples=300, deadline=None)
@given(JSONS, st.sampled_from(KINDS))
def test_any_json_is_read_within_bounds(content: object, kind: str) -> None:
    try:
        answer = read(json.dumps(content), kind)
    except NoAnswerError:
        return
    check(answer)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(KINDS), st.sampled_from(["", "gzip", "deflate"]))
def test_any_bytes_are_read_or_refused(body: bytes, kind: str, encoding: str) -> None:
    try:
        answer = parse_answer(kind, encoding, body)
    except NoAnswerError:
        return
    check(answer)


@settings(max_examples=200, deadline=None)
@given(JSONS, st.integers(0, 400))
def test_json_that_ends_early_is_read_as_far_as_it_goes_or_refused(
    content: object, at: int
) -> None:
    raw = json.dumps({"items": content}).encode()
    try:
        answer = parse_answer(JSON, "", raw[:at], complete=False)
    except NoAnswerError:
        return
    check(answer)
    assert answer.shortened


# ---- what is said -----------------------------------------------------------------------------


def test_an_empty_list_and_a_run_without_result_are_said_to_be_so() -> None:
    assert read([]) == WorkflowAnswer(EMPTY_LIST, {"items": []})
    assert read({"code": 0, "message": "No item to return was found"}).text == RETURNED_NOTHING
    assert read({"message": "No item to return was found"}).text == "No item to return was found"


def test_a_bomb_is_unpacked_no_further_than_it_is_read() -> None:
    body = gzip.compress(bytes(50_000_000).replace(b"\0", b"x"), mtime=0)
    began = time.process_time()

    answer = parse_answer("text/plain", "gzip", body)

    assert time.process_time() - began < 0.5
    assert (len(answer.text), answer.shortened) == (MAX_TEXT_CHARS, True)


@pytest.mark.parametrize(
    ("body", "kind", "taken"),
    [
        ("<html></html>", "text/html", None),
        ("<?xml version='1.0'?><a/>", "text/xml", True),
        ("{", JSON, True),
        (b"%PDF-1.7", "", True),
        ('{"type":"begin"}{"type":"error","content":"x"}', JSON, None),
    ],
)
def test_what_is_no_answer_says_whether_the_workflow_took_it(
    body: str | bytes, kind: str, taken: bool | None
) -> None:
    with pytest.raises(NoAnswerError) as refused:
        read(body, kind)

    assert refused.value.taken is taken
