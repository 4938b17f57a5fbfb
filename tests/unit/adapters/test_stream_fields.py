"""Fields of stream messages, in every spelling and type; whole messages are in tests/contract."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwai.adapters.stream_fields import (
    LINEAR,
    MULAW,
    audio_bytes,
    audio_format,
    event_name,
    first_text,
    is_blank,
    mapping,
    number,
    text,
)

ODD: list[object] = [None, True, False, [], [1], {}, {"a": 1}, 1.5, float("nan"), float("inf")]


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (8000, 8000), ("8000", 8000), (" 8000 ", 8000), (8000.0, 8000), ("8000.0", 8000),
        (0, 0), ("", None), ("8k", None), ("-1", None), (-1, None), ("1e3", None), ("٣", None),
        ("9" * 10, None), (10**12, None), (True, None), ("8000.5", None), (1e300, None),
    ],
)  # fmt: skip
def test_a_number_is_whole_and_small_or_none(value: object, meant: int | None) -> None:
    assert number(value) == meant


@pytest.mark.parametrize("odd", ODD)
def test_what_is_no_text_says_nothing(odd: object) -> None:
    assert text(odd) == ""
    assert first_text(({"a": odd}, {"b": odd}), "a", "b") == ""
    assert number(odd) is None
    assert event_name({"event": odd}) == ""


def test_the_first_place_that_says_something_counts() -> None:
    assert first_text(({"a": ""}, {"a": 7}), "a") == "7"
    assert first_text(({"a": " "}, {"b": "x"}), "a", "b") == "x"
    assert first_text((), "a") == ""


@pytest.mark.parametrize(
    ("said", "kind", "rate"),
    [
        ("audio/x-mulaw;rate=8000", MULAW, 8000),
        ("Audio/X-MuLaw ; Rate=8000", MULAW, 8000),
        ("audio/x-l16; channels=1; rate=16000", LINEAR, 16000),
        ({"encoding": "audio/x-l16", "sample_rate": "16000"}, LINEAR, 16000),
        ({"Type": "pcm_mulaw", "Rate": 8000}, MULAW, 8000),
        ({"encoding": "pcm_s16le"}, LINEAR, None),
        ({"encoding": "audio/x-alaw", "sampleRate": 8000}, "audioxalaw", 8000),
        ({"encoding": "PCMA"}, "pcma", None),
        ({"sampleRate": 8000}, "", 8000),
        ({}, "", None),
        (None, "", None),
        ([], "", None),
        ("", "", None),
        (5, "", None),
    ],
)
def test_a_format_is_read_in_either_form(said: object, kind: str, rate: int | None) -> None:
    assert audio_format(said) == (kind, rate)


@given(st.binary(max_size=60), st.booleans(), st.booleans(), st.integers(1, 20))
def test_base64_is_read_in_every_form(data: bytes, url: bool, padded: bool, line: int) -> None:
    encoded = (base64.urlsafe_b64encode if url else base64.b64encode)(data).decode()
    if not padded:
        encoded = encoded.rstrip("=")
    lines = [encoded[at : at + line] for at in range(0, len(encoded), line)]

    assert audio_bytes("\r\n".join(lines)) == data


@pytest.mark.parametrize("bad", ["***", "A", "QUJDR", "é", "A=B=", 7, [1], True, {}, "QQ==QQ=="])
def test_what_is_no_base64_is_none(bad: object) -> None:
    assert audio_bytes(bad) is None


@pytest.mark.parametrize("odd", [*ODD, "x", 7, "[1]", "[" * 100_000])
def test_what_is_no_object_is_empty_or_its_own(odd: object) -> None:
    assert mapping(odd) == (odd if isinstance(odd, dict) else {})


def test_an_object_in_text_is_an_object() -> None:
    assert mapping('{"Sample_Rate": 1}') == {"samplerate": 1}
    assert mapping("t=abc&x=1") == {"t": "abc", "x": "1"}


@pytest.mark.parametrize(("raw", "blank"), [(b"", True), (b" \r\n", True), (b" " * 99, False)])
def test_only_a_short_blank_is_a_blank(raw: bytes, blank: bool) -> None:
    assert is_blank(memoryview(raw)) is blank


@pytest.mark.parametrize(
    "said",
    ["a=1&" * 65_000, "audio/x-mulaw;" + "a=1;" * 65_000, "{" + "a=1&" * 65_000, " \n" * 130_000],
    ids=["pairs", "parameters", "broken object", "blanks"],
)
def test_what_fills_a_message_is_not_read_in_full(said: str) -> None:
    """It would stall every call for a tenth of a second."""
    kind, rate = audio_format(said)

    assert "a" not in mapping(said)
    assert rate is None
    assert len(kind) <= 200
    assert audio_bytes(said) in (None, b"")
