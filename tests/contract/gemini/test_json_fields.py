"""Single values: what we take them for, and what the SDK's validator does."""

import math
from typing import Any

import pytest
from google.genai import types
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from fwai.gemini.json_fields import Field, WrongValueError, blob, flag, number, snake, text, whole

REFUSED = "refused"
SDK: dict[Field, tuple[type[BaseModel], str]] = {
    text: (types.Transcription, "text"),
    flag: (types.Transcription, "finished"),
    whole: (types.ModalityTokenCount, "token_count"),
    number: (types.VideoMetadata, "fps"),
    blob: (types.Blob, "data"),
}
SCALARS = (
    st.booleans()
    | st.integers(-3, 3)
    | st.integers()
    | st.floats()
    | st.sampled_from([2.0**63, -(2.0**63), math.nextafter(2.0**63, 0), 10**400, -0.0])
)
# Left out is what no writer of JSON makes: the SDK takes ``1_000``, by mistake ``0-0``, and does
# not take a number before one of the control characters that Python holds for white space.
OTHER_TEXT = st.text(st.characters(exclude_characters="0123456789_\x1c\x1d\x1e\x1f"), max_size=5)
NUMBER_LIKE = st.from_regex(
    r" ?[+-]{0,2}[0-9.]{0,6}([eE][+-]?[0-9.]{0,4})?[ \n\u00a0]?", fullmatch=True
)
WORDS = st.sampled_from(
    ["0", "1", "on", "off", "t", "f", "true", "false", "y", "n", "yes", "no", "nan", "infinity"]
).flatmap(lambda word: st.sampled_from([word, word.upper(), word.title(), f" {word}", f"{word}\n"]))
BASE64 = st.text("AQgwBCxyz019+/-_=@é ", max_size=10) | st.binary(max_size=30).flatmap(
    lambda data: st.sampled_from([_base64(data), _base64(data).translate({43: 45, 47: 95})])
)
VALUES: st.SearchStrategy[Any] = (
    SCALARS | NUMBER_LIKE | WORDS | OTHER_TEXT | st.just([]) | st.just({})
)


def _base64(data: bytes) -> str:
    raw = types.Blob(data=data).model_dump(mode="json")["data"]
    assert isinstance(raw, str)
    return raw.replace("-", "+").replace("_", "/")


def ours(take: Field, value: object) -> object:
    try:
        return _exactly(take(value))
    except WrongValueError:
        return REFUSED


def sdks(take: Field, value: object) -> object:
    model, name = SDK[take]
    try:
        return _exactly(getattr(model.model_validate({name: value}), name))
    except ValueError:
        return REFUSED


def _exactly(value: object) -> object:
    """Return what tells 1 from 1.0 and True, and holds NaN for equal to itself."""
    if isinstance(value, int) and abs(value) > 10**100:
        return type(value), hex(value)
    return type(value), repr(value)


@pytest.mark.parametrize("take", SDK, ids=lambda take: take.__name__)
@settings(deadline=None, max_examples=400)
@given(VALUES)
@example("5.")
@example("\u00a05")
@example("\u0663")
@example("9" * 4300)
@example("9" * 4301)
@example("-" + "9" * 4300)
@example("0" * 4301)
@example(" " + "9" * 4300 + ".0")
@example("1e400")
def test_a_value_is_taken_for_what_the_sdk_takes_it_for(take: Field, value: object) -> None:
    assert ours(take, value) == sdks(take, value)


@settings(deadline=None, max_examples=400)
@given(BASE64)
@example("AR==")
@example("AQA")
@example("AQ=")
@example("A===")
@example("-_+/")
@example("=")
def test_base64_is_taken_for_what_the_sdk_takes_it_for(value: str) -> None:
    assert ours(blob, value) == sdks(blob, value)


@pytest.mark.parametrize("alphabet", ["+/", "-_"])
@pytest.mark.parametrize("size", range(8))
def test_bytes_are_read_with_any_padding(alphabet: str, size: int) -> None:
    data = bytes(range(251, 251 - size, -1))
    whole_text = _base64(data).translate(str.maketrans("+/", alphabet))
    least = whole_text.rstrip("=")

    for padding in range(len(whole_text) - len(least) + 1):
        assert blob(least + "=" * padding) == data


@pytest.mark.parametrize("model", [types.LiveServerContent, types.UsageMetadata, types.Schema])
def test_names_are_spelled_as_the_sdk_spells_them(model: type[BaseModel]) -> None:
    names: dict[str, Any] = model.model_fields

    assert [snake(field.alias) for field in names.values()] == list(names)


@pytest.mark.parametrize("take", SDK, ids=lambda take: take.__name__)
def test_a_fault_shows_nothing_of_the_value(take: Field) -> None:
    with pytest.raises(WrongValueError) as caught:
        take({"secret": 1} if take is text else "secret!")

    assert "secret" not in str(caught.value)
