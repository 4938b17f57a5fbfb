"""All fields of the server's messages: our tables and our reader against the SDK's types."""

import enum
import json
import types as python
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args, get_origin

import pytest
from google.genai import types
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from contract.gemini import oracle
from contract.gemini.sdk import known
from fwai.errors import WireError
from fwai.gemini import messages, server_message
from fwai.gemini.json_fields import (
    Field,
    ListOf,
    Record,
    blob,
    flag,
    free_object,
    number,
    snake,
    text,
    whole,
)

pytestmark = pytest.mark.filterwarnings("ignore:.* is not a valid ")

Json = dict[str, Any]
UPGRADE = "google-genai has changed: write the difference into fwai.gemini.server_message"
PLAIN: dict[object, Field] = {str: text, bool: flag, int: whole, float: number, bytes: blob}
# Its one name that is not the wire's: the SDK renames it before it reads the rest.
RENAMED = {"voiceActivityType": "type"}


# ---- the tables -------------------------------------------------------------------------------


def differences(ours: Field, theirs: object, where: str) -> Iterator[str]:
    """Say where a field of ours takes something else than the SDK's annotation."""
    kind = _without_none(theirs)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        if not isinstance(ours, Record):
            yield f"{where}: {kind.__name__} is an object"
            return
        fields = _fields(kind)
        yield from (f"{where}.{name}: not there" for name in fields.keys() - ours.fields.keys())
        yield from (f"{where}.{name}: gone" for name in ours.fields.keys() - fields.keys())
        for name in fields.keys() & ours.fields.keys():
            yield from differences(ours.fields[name], fields[name], f"{where}.{name}")
    elif get_origin(kind) is list:
        if isinstance(ours, ListOf):
            yield from differences(ours.item, get_args(kind)[0], f"{where}[]")
        else:
            yield f"{where}: a list"
    elif ours is not _plain(kind):
        yield f"{where}: {kind}"


def _without_none(annotation: object) -> Any:  # noqa: ANN401 - whatever an annotation is
    if get_origin(annotation) in (Union, python.UnionType):
        (annotation,) = (one for one in get_args(annotation) if one is not type(None))
    return annotation


def _fields(model: type[BaseModel]) -> Json:
    model.model_rebuild(raise_errors=False)
    return {
        RENAMED.get(field.alias or "", field.alias or ""): field.annotation
        for field in model.model_fields.values()
    }


def _plain(kind: Any) -> Field | None:  # noqa: ANN401
    if get_origin(kind) is dict:
        return free_object if get_args(kind) == (str, Any) else None
    if get_origin(kind) is Literal:
        return server_message._null_value if get_args(kind) == ("NULL_VALUE",) else None
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return text
    return PLAIN.get(kind)


def test_our_tables_are_the_sdks_types() -> None:
    found = list(differences(server_message.MESSAGE, types.LiveServerMessage, "message"))

    assert not found, f"{UPGRADE}: {found}"


# ---- the reader -------------------------------------------------------------------------------

ODD: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, 1, 2, -1, 2**31, 2**63, 10**40, 0.0, 1.0, 0.5, 1e19, 1e300]),
    st.floats(),
    st.sampled_from(
        ["", "1", "-5", "1.0", "1e3", "true", "No", "NULL_VALUE", "AQA", "-_-_", "+/+/"]
    ),
    st.sampled_from([[], {}, [None], [{}], [[]], {"a": 1}, ["a"], [0], {"text": "x"}]),
)
GOOD: dict[Field, st.SearchStrategy[Any]] = {
    text: st.sampled_from(
        ["", "a", "नमस्ते 👋", "AUDIO", "TEXT", "NOT_TODAY", "9.5s", "x\0y", "\ud83d"]
    ),
    flag: st.booleans(),
    whole: st.integers(-3, 10**9) | st.integers(0, 10**9).map(str),
    number: st.floats(0, 5),
    blob: st.binary(max_size=8).map(
        lambda data: types.Blob(data=data).model_dump(mode="json")["data"]
    ),
    free_object: st.sampled_from(
        [{}, {"a": 1}, {"snake_case": {"camelCase": [None, "\ud83d", 1.5]}}]
    ),
    server_message._null_value: st.just("NULL_VALUE"),
}


# Drawn more often than others: what leads to an event.
HEARD = frozenset(
    {
        "serverContent", "modelTurn", "parts", "inlineData", "data", "inputTranscription", "text",
        "outputTranscription", "functionCalls", "newHandle", "resumable", "modality", "tokenCount",
        "turnCompleteReason", "promptTokensDetails", "responseTokensDetails",
    }
)  # fmt: skip


def values(take: Field, depth: int = 0) -> st.SearchStrategy[Any]:
    """Return what a field takes, now and then something odd inside."""
    if isinstance(take, Record):
        names = st.sampled_from(
            sorted([*take.fields, *[name for name in take.fields if name in HEARD] * 6])
        )
        return st.lists(names, max_size=5 if depth < 3 else 2).flatmap(
            lambda names: objects(take, sorted(set(names)), depth)
        )
    if isinstance(take, ListOf):
        return st.lists(mostly(values(take.item, depth)), max_size=3)
    return GOOD[take]


def objects(take: Record, names: list[str], depth: int) -> st.SearchStrategy[Json]:
    known = st.fixed_dictionaries(
        {name: mostly(values(take.fields[name], depth + 1)) for name in names},
        optional={"future": ODD, "futureField": ODD},
    )
    return st.tuples(known, st.integers(0, 3)).map(
        lambda pair: (
            {snake(name): one for name, one in pair[0].items()}
            if pair[1] == 0 and depth
            else pair[0]
        )
    )


def mostly(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.integers(0, 24).flatmap(lambda number: ODD if number == 24 else good)


def found(raw: bytes) -> str:
    """Return all that our full reader found; NaN is like itself in a text."""
    try:
        message = server_message.parse(raw)
    except WireError:
        return "refused"
    return repr(_sorted(dict(message.fields)))


def found_by_the_sdk(raw: bytes) -> str:
    try:
        message = oracle.parse(raw)
    except oracle.NoKnownKindError:
        return "[]"
    except (WireError, ValueError, TypeError, AttributeError, RecursionError):
        return "refused"
    return repr(_sorted(message.model_dump(by_alias=True)))


def _sorted(value: object) -> object:
    """Return a message in one order, without what is null or not set."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, list):
        return [_sorted(one) for one in value]
    if not isinstance(value, dict):
        return value
    pairs = ((RENAMED.get(name, name), _sorted(one)) for name, one in value.items())
    return sorted(pair for pair in pairs if pair[1] is not None)


def read(raw: bytes) -> str:
    try:
        return repr(known(messages.read(raw)))
    except WireError:
        return "refused"


def read_by_the_sdk(raw: bytes) -> str:
    try:
        return repr(oracle.read(raw))
    except WireError:
        return "refused"


def _as_the_sdk_has_it(message: Json) -> bool:
    """Whether a message is without a voice activity that the SDK takes although it is no object."""
    activity = message.get("voiceActivity")
    return isinstance(activity, dict) or activity is None or activity is True


@settings(deadline=None, max_examples=500)
@given(values(server_message.MESSAGE).filter(_as_the_sdk_has_it), st.booleans())
def test_any_message_is_read_or_refused_as_the_sdk_does_it(message: Json, ascii_only: bool) -> None:
    raw = json.dumps(message, ensure_ascii=ascii_only).encode(errors="replace")

    assert found(raw) == found_by_the_sdk(raw)
    assert read(raw) == read_by_the_sdk(raw)


@settings(deadline=None, max_examples=300)
@given(st.recursive(ODD, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_any_json_is_read_or_refused_as_the_sdk_does_it(value: object) -> None:
    raw = json.dumps(value).encode()

    assert read(raw) == read_by_the_sdk(raw)


# ---- known differences ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "ours", "theirs"),
    [
        (b'{"voiceActivity":"x"}', "refused", "[]"),
        (b'{"voiceActivity":[]}', "refused", "[]"),
        (
            b'{"serverContent":{"modelTurn":{"parts":[{"text":"x","inlineData":{},"inline_data":null}]}}}',
            "refused",
            "[]",
        ),
        (
            b'{"usageMetadata":{"totalTokenCount":"1_000"}}',
            "refused",
            "[TokensUsed(tokens={'total': 1000})]",
        ),
        (
            b'{"serverContent":{"turnCompleteReason":"response_rejected"}}',
            "[TurnRefused(reason='response_rejected')]",
            "[TurnRefused(reason='RESPONSE_REJECTED')]",
        ),
        (
            b'{"serverContent":{"outputTranscription":{"text":"\xed\xa0\xbd"}}}',
            "refused",
            "[AgentSaid(text='?')]",
        ),
        (
            b'{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"data":"AR=="}}]}}}',
            "[AgentAudio(pcm=b'\\x01')]",
            "refused",
        ),
    ],
    ids=[
        "activity in words",
        "activity as a list",
        "one field in two spellings",
        "underscores in a number",
        "a reason in small letters",
        "half a surrogate pair as bytes",
        "the fast lane passes over bits behind the last byte",
    ],
)
def test_where_we_and_the_sdk_differ(raw: bytes, ours: str, theirs: str) -> None:
    assert (read(raw), read_by_the_sdk(raw)) == (ours, theirs)


@pytest.mark.parametrize(("value", "good"), [('"NULL_VALUE"', True), ('"x"', False), ("0", False)])
def test_a_null_value_of_a_partial_argument_has_one_name(value: str, good: bool) -> None:
    raw = (
        '{"toolCall":{"functionCalls":[{"id":"f-1","name":"f",'
        f'"partialArgs":[{{"jsonPath":"$.a","nullValue":{value}}}]}}]}}}}'
    ).encode()

    if good:
        assert server_message.parse(raw).fields["toolCall"] is not None
    else:
        with pytest.raises(WireError, match="nullValue"):
            server_message.parse(raw)
