"""Each field of Exotel's requests says one thing, in its form, and is text."""

import pytest

from fwai.adapters.exotel.webhook import Fields, parse_fields
from fwai.errors import WireError

FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ([], b"CallSid=c1&CallSid=c2"),
        ([], b"CallSid=c1&call_sid=c2"),
        ([], b"Status=completed&Status=busy"),
        ([], b'{"CallSid": "c1", "CallSid": "c2"}'),
        ([], b'[{"CallSid": "c1", "callSid": "c2"}]'),
        ([("CallSid", "c1"), ("CallSid", "c2")], b""),
        ([("call", "a-1"), ("call", "a-2")], b""),
        ([("CallSid", "c1\nc2")], b""),
        ([("CallSid", "x" * 129)], b""),
        ([], b'{"CallSid": "\\ud800"}'),
        ([], b'{"SmsSid": "c1\\u0000"}'.replace(b"\\u0000", b"\\u2028x")),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_what_says_two_things_or_names_nothing_is_refused(
    query: list[tuple[str, str]], body: bytes
) -> None:
    with pytest.raises(WireError, match="exotel: "):
        parse_fields(query, FORM, body)


@pytest.mark.parametrize(
    ("query", "body", "found"),
    [
        ([], b"CallSid=c1&CallSid=c1&CallSid=", {"callsid": "c1"}),
        ([("CallSid", "c1")], b"CallSid=c2", {"callsid": "c1"}),
        ([], b"CallSid=c1&call=theirs&job=theirs&mode=listen", {"callsid": "c1"}),
        ([("call", "ours")], b"CallSid=c1&call=theirs", {"callsid": "c1", "call": "ours"}),
        ([], b"CallSid=c1&Nobody=a&Nobody=b", {"callsid": "c1", "nobody": "b"}),
        ([], b'{"CallFrom": "\\ud800\\u0000\\u202e0999"}', {"callfrom": "?0999"}),
    ],
)
def test_what_can_have_one_meaning_is_read(
    query: list[tuple[str, str]], body: bytes, found: Fields
) -> None:
    assert parse_fields(query, FORM, body) == found


def test_a_value_is_cut_before_it_is_looked_at() -> None:
    assert len(parse_fields([], FORM, b"DialWhomNumber=" + b"9" * 60_000)["dialwhomnumber"]) < 5_000
