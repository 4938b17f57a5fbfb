"""What the API says of values that cannot be right."""

from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fwai.web.hints import hint


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field("", min_length=2, max_length=5)
    many: list[int] = Field(default_factory=list, max_length=2)
    count: int = Field(1, ge=1, le=9)
    flag: bool = False
    kind: Literal["a", "b"] = "a"
    share: float = Field(0.5, gt=0, lt=1, allow_inf_nan=False)
    inner: dict[str, int] = Field(default_factory=dict)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": 7}, "write text, in quotes"),
        ({"name": "a" * 6}, "write at most 5 characters"),
        ({"name": "a"}, "write at least 2 characters"),
        ({"many": [1, 2, 3]}, "at most 2 entries"),
        ({"many": 7}, "send a JSON list: [...]"),
        ({"count": 0}, "it must be at least 1"),
        ({"count": 10}, "it must be at most 9"),
        ({"count": "x"}, "write a whole number"),
        ({"flag": 3}, "write true or false"),
        ({"kind": "c"}, "write one of 'a' or 'b'"),
        ({"share": 0}, "it must be more than 0.0"),
        ({"share": float("inf")}, "write a number that is finite"),
        ({"inner": []}, "send a JSON object: {...}"),
        ({"other": 1}, "there is no such field; remove it or correct its name"),
        ([], "send a JSON object: {...}"),
    ],
)
def test_it_says_the_fix(given: Any, said: str) -> None:  # noqa: ANN401 - JSON
    with pytest.raises(ValidationError) as failed:
        Body.model_validate(given)
    assert [hint(dict(error)) for error in failed.value.errors()] == [said]


def test_words_of_our_own_stay() -> None:
    error = {"type": "value_error", "msg": "Value error, name the person", "loc": ("to",)}
    assert hint(error) == "name the person"
    assert hint({"type": "unheard_of", "msg": "Something", "loc": ()}) == "Something"
    assert hint({"type": "enum", "msg": "Input", "loc": (), "ctx": {}}) == "Input"
