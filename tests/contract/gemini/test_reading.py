"""What the server's frames mean: our reader's two lanes against the SDK, with one corpus and many
generated frames; every field of the full lane is in test_server_message.py.

The corpus is in ``server_*.json`` beside this file, each with its source.
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec
import pytest
from _pytest.mark import ParameterSet
from google.genai import _live_converters, errors, types
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.gemini import oracle
from contract.gemini.sdk import known, meaning, scripted
from fwai.errors import WireError
from fwai.gemini import messages
from fwai.gemini.messages import ServerMessage
from tables import each_row

pytestmark = pytest.mark.filterwarnings("ignore:.* is not a valid ")

Json = dict[str, Any]
UPGRADE = (
    "google-genai has changed: contract.gemini.oracle reads frames with {}, which is private. Find "
    "its successor, change parse there, and run tests/contract/gemini."
)


def cases() -> Iterator[ParameterSet]:
    for path in sorted(Path(__file__).parent.glob("server_*.json")):
        file = json.loads(path.read_text("utf-8"))
        assert file["source"]
        for case in file["cases"]:
            raw = case["raw"] if "raw" in case else json.dumps(case["frame"])
            name = f"{path.stem}: {case['what']}"
            yield pytest.param(raw.encode(), case["events"], id=name)


def odd_cases() -> Iterator[ParameterSet]:
    """Return what the SDK's reader refuses and ours passes over or reads: name, frame, events."""
    file = json.loads(Path(__file__).with_name("variants.json").read_text("utf-8"))
    for case in file["cases"]:
        assert len(case["source"]) > 3
        raw = case["raw"] if "raw" in case else json.dumps(case["frame"])
        yield pytest.param(raw.encode(), case["events"], id=case["what"])


CORPUS = list(cases())


def plain(events: list[ServerMessage]) -> list[list[object]]:
    """Return events as the corpus writes them: name and values."""
    return [
        [type(event).__name__, *(_plain(getattr(event, f.name)) for f in fields(event))]
        for event in events
    ]


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return list(value) if isinstance(value, tuple) else value


def ours(raw: bytes) -> list[ServerMessage] | None:
    """Return what our reader finds; None when it is unreadable."""
    try:
        return known(messages.read(raw))
    except WireError:
        return None


# ---- the corpus ---------------------------------------------------------------------------------


@each_row(("raw", "events"), CORPUS)
def test_our_reader_finds_what_the_corpus_says(raw: bytes, events: list[object] | None) -> None:
    found = ours(raw)

    assert (None if found is None else plain(found)) == events


@pytest.mark.parametrize(("raw", "events"), CORPUS)
async def test_the_sdk_finds_the_same(
    monkeypatch: pytest.MonkeyPatch, raw: bytes, events: list[object] | None
) -> None:
    async with scripted(monkeypatch, incoming=[raw]) as (session, _):
        try:
            found = plain(meaning(await session._receive()))
        except (errors.APIError, ValueError, TypeError, AttributeError):
            found = None

    assert found == events


@each_row(("raw", "events"), CORPUS)
def test_a_view_of_a_buffer_is_read_like_its_bytes(raw: bytes, events: list[object] | None) -> None:
    buffer = bytearray(b"x" + raw + b"x")
    try:
        found = plain(messages.read(memoryview(buffer)[1:-1]))
    except WireError:
        found = None
    buffer[:] = bytes(len(buffer))  # what was read does not live in the buffer any more

    assert found == events


@each_row(("raw", "events"), list(odd_cases()))
def test_a_frame_that_is_odd_is_read_or_passed_over_and_said_to_be_odd(
    raw: bytes, events: list[object]
) -> None:
    assert plain(messages.read(raw)) == events


# ---- both lanes ---------------------------------------------------------------------------------

# Without digits: what is a number in text is compared in test_json_fields.py.
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="0123456789"), max_size=20)
BLOBS = st.binary(max_size=40).flatmap(
    lambda data: st.sampled_from(
        [
            base64.b64encode(data).decode(),
            base64.urlsafe_b64encode(data).decode(),
            base64.b64encode(data).decode().rstrip("="),
        ]
    )
)
ODD = st.one_of(st.none(), st.booleans(), st.integers(), TEXTS, st.just([]), st.just({}))


def record(**known: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    """Return objects with some of these fields, now and then an odd value or an unknown field."""
    optional = {name: st.one_of(good, good, good, ODD) for name, good in known.items()}
    return st.fixed_dictionaries({}, optional=optional | {"future": ODD})


TRANSCRIPTS = record(text=TEXTS, finished=st.booleans())
PARTS = record(
    inlineData=record(mimeType=st.sampled_from(["audio/pcm;rate=24000", "audio/pcm"]), data=BLOBS),
    thought=st.booleans(),
    text=TEXTS,
)
CONTENTS = record(
    modelTurn=record(role=st.just("model"), parts=st.lists(PARTS, max_size=3)),
    inputTranscription=TRANSCRIPTS,
    outputTranscription=TRANSCRIPTS,
    interrupted=st.booleans(),
    generationComplete=st.booleans(),
    turnComplete=st.booleans(),
)
FRAMES = record(
    serverContent=CONTENTS,
    toolCall=record(
        functionCalls=st.lists(
            record(id=TEXTS, name=TEXTS, args=st.dictionaries(TEXTS, ODD, max_size=2)), max_size=2
        )
    ),
    goAway=record(timeLeft=st.sampled_from(["1s", "0.5s", "x", "", "nans", "infs"])),
    sessionResumptionUpdate=record(newHandle=TEXTS, resumable=st.booleans()),
    usageMetadata=record(
        totalTokenCount=st.integers(0, 10**9),
        promptTokenCount=st.integers(0, 10**9),
        promptTokensDetails=st.lists(
            record(
                modality=st.sampled_from(["AUDIO", "TEXT", "audio", "SMELL"]),
                tokenCount=st.integers(0, 10**6),
            ),
            max_size=3,
        ),
    ),
)
SIMPLE_PART = st.fixed_dictionaries(
    {"inlineData": st.fixed_dictionaries({"data": BLOBS, "mimeType": TEXTS})}
)
SIMPLE_CONTENTS = st.fixed_dictionaries(
    {},
    optional={
        "modelTurn": st.fixed_dictionaries(
            {"parts": st.lists(SIMPLE_PART, max_size=3)}, optional={"role": TEXTS}
        ),
        "inputTranscription": st.fixed_dictionaries({"text": TEXTS}),
        "outputTranscription": st.fixed_dictionaries({"text": TEXTS}),
    },
)


def full_lane(raw: bytes) -> list[ServerMessage] | None:
    try:
        return known(messages._read_slow(raw))
    except WireError:
        return None


def the_sdk(raw: bytes) -> list[ServerMessage] | None:
    try:
        return oracle.read(raw)
    except WireError:
        return None


def taken_by_fast_lane(raw: bytes) -> bool:
    try:
        messages._decode_fast(raw)
    except msgspec.MsgspecError:
        return False
    return True


@settings(deadline=None, max_examples=400)
@given(SIMPLE_CONTENTS)
def test_what_the_fast_lane_takes_means_the_same_in_the_full_one(content: Json) -> None:
    raw = json.dumps({"serverContent": content}).encode()

    assert ours(raw) == full_lane(raw) == the_sdk(raw)


@settings(deadline=None, max_examples=600)
@given(FRAMES, st.booleans())
def test_any_frame_means_what_the_sdk_says(frame: Json, ascii_only: bool) -> None:
    raw = json.dumps(frame, ensure_ascii=ascii_only).encode()

    assert repr(ours(raw)) == repr(full_lane(raw)) == repr(the_sdk(raw))


@settings(deadline=None, max_examples=300)
@given(st.one_of(st.binary(max_size=60), TEXTS.map(str.encode)))
def test_any_bytes_are_events_or_a_wire_error(raw: bytes) -> None:
    assert ours(raw) == full_lane(raw) == the_sdk(raw)


@settings(deadline=None, max_examples=300)
@given(SIMPLE_CONTENTS, st.integers(0, 400), st.binary(min_size=1, max_size=3))
def test_a_damaged_frame_is_events_or_a_wire_error(content: Json, at: int, dirt: bytes) -> None:
    """Without comparison: in base64 the fast lane passes over bits behind the last byte."""
    raw = bytearray(json.dumps({"serverContent": content}).encode())
    raw[at % len(raw) : at % len(raw) + len(dirt)] = dirt

    ours(bytes(raw))


@settings(deadline=None, max_examples=300)
@given(TEXTS, st.integers(0, 400), st.binary(min_size=1, max_size=3))
def test_a_damaged_frame_of_words_means_what_the_sdk_says(words: str, at: int, dirt: bytes) -> None:
    frame = {"serverContent": {"outputTranscription": {"text": words}, "turnComplete": True}}
    raw = bytearray(json.dumps(frame).encode())
    raw[at % len(raw) : at % len(raw) + len(dirt)] = dirt

    assert ours(bytes(raw)) == full_lane(bytes(raw)) == the_sdk(bytes(raw))


@pytest.mark.parametrize(
    "content",
    [
        {
            "modelTurn": {
                "role": "model",
                "parts": [{"inlineData": {"data": "AQA=", "mimeType": "x"}}],
            }
        },
        {"outputTranscription": {"text": " a"}},
        {"inputTranscription": {"text": " a"}},
        {
            "modelTurn": {"parts": [{"inlineData": {"data": "AQA="}}]},
            "outputTranscription": {"text": "a"},
        },
        {"interrupted": True},
        {"generationComplete": True},
        {"turnComplete": True},
    ],
)
def test_plain_audio_words_and_marks_take_the_fast_lane(content: Json) -> None:
    """A guard of the speed: nothing else would notice if all went the long way."""
    assert taken_by_fast_lane(json.dumps({"serverContent": content}).encode())


@pytest.mark.parametrize(
    "frame",
    [
        {"serverContent": {"turnComplete": True, "turnCompleteReason": "NEED_MORE_INPUT"}},
        {"serverContent": {}, "usageMetadata": {"trafficType": "x"}},
        {"toolCall": {"functionCalls": []}},
        {"serverContent": {"modelTurn": {"parts": [{"text": "x", "thought": True}]}}},
        {"serverContent": {"outputTranscription": {"text": "a", "finished": True}}},
        {"serverContent": {"modelTurn": {"parts": [{"inlineData": {"data": "-_-_"}}]}}},
    ],
)
def test_all_else_takes_the_full_lane(frame: Json) -> None:
    assert not taken_by_fast_lane(json.dumps(frame).encode())


# ---- the private names --------------------------------------------------------------------------


def test_the_sdk_still_has_its_converter() -> None:
    name = "google.genai._live_converters._LiveServerMessage_from_mldev"
    converter = getattr(_live_converters, "_LiveServerMessage_from_mldev", None)

    assert callable(converter), UPGRADE.format(name)
    assert converter({"goAway": {"timeLeft": "1s"}, "future": 1}) == {
        "go_away": {"timeLeft": "1s"}
    }, UPGRADE.format(name)


def test_the_sdk_still_has_its_validator() -> None:
    name = "google.genai.types.LiveServerMessage._from_response"
    validator = getattr(types.LiveServerMessage, "_from_response", None)
    assert callable(validator), UPGRADE.format(name)

    message = validator(response={"go_away": {"timeLeft": "1s", "future": 1}}, kwargs={})

    assert message.go_away.time_left == "1s", UPGRADE.format(name)


async def test_the_sdk_still_receives_one_message_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only this suite uses it: ``AsyncSession._receive``, the reader ours is held against."""
    raw = b'{"goAway":{"timeLeft":"1s"}}'
    async with scripted(monkeypatch, incoming=[raw]) as (session, _):
        message = await session._receive()

    assert message.go_away is not None
