"""What Exotel's requests say, however they are written, and who may make them."""

import json
from base64 import b64encode
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwai.adapters.exotel.webhook import (
    Fields,
    basic_auth_matches,
    e164,
    final_state,
    identify_parties,
    parse_fields,
    secrets_equal,
    stream_failed,
    stream_url,
)
from fwai.domain.call import CallState, Direction
from tables import each_row

LINE = "08047100000"
PIECES = [
    b"--x",
    b"--x--",
    b"\r\n",
    b'Content-Disposition: form-data; name="a"',
    b"Content-Disposition: form-data; name*=utf-9'x'%ff",
    b"Content-Transfer-Encoding: base64",
    b"Content-Type: multipart/mixed",
    b"name*0*=%",
    b"\xff",
    b"{}",
    b"[[[",
    b'{"a":',
]
STATUS = {
    "CallSid": "c1",
    "EventType": "terminal",
    "Status": "completed",
    "Legs": [{"Status": "completed", "OnCallDuration": 12}],
}


def as_form() -> tuple[str, bytes]:
    flat = {k: v for k, v in STATUS.items() if k != "Legs"}
    legs = {"Legs[0][Status]": "completed", "Legs[0][OnCallDuration]": "12"}
    return "application/x-www-form-urlencoded", urlencode({**flat, **legs}).encode()


def as_multipart() -> tuple[str, bytes]:
    flat = {k: (None, str(v)) for k, v in STATUS.items() if k != "Legs"}
    legs = {"Legs": (None, json.dumps(STATUS["Legs"]))}
    request = httpx.Request("POST", "http://h", files={**flat, **legs})
    return request.headers["Content-Type"], request.read()


def as_json() -> tuple[str, bytes]:
    return "application/json; charset=utf-8", json.dumps(STATUS).encode()


# ---- what requests say --------------------------------------------------------------------------


@pytest.mark.parametrize("write", [as_form, as_multipart, as_json])
def test_a_callback_is_read_in_every_content_type(write: object) -> None:
    assert callable(write)
    content_type, body = write()

    assert parse_fields([], content_type, body) == {
        "callsid": "c1",
        "eventtype": "terminal",
        "status": "completed",
        "legs[0][status]": "completed",
        "legs[0][oncallduration]": "12",
    }


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded"])
def test_json_is_known_by_its_look(content_type: str) -> None:
    assert parse_fields([], content_type, b' {"CallSid": "c1"}') == {"callsid": "c1"}


@pytest.mark.parametrize("key", ["CallSid", "callsid", "Callsid", "call_sid", "CALLSID"])
def test_a_key_counts_however_it_is_spelled(key: str) -> None:
    assert parse_fields([(key, "c1")], "", b"") == {"callsid": "c1"}


def test_the_query_counts_more_than_the_body() -> None:
    found = parse_fields([("CallSid", "query")], "", b"CallSid=body&Direction=incoming")

    assert found == {"callsid": "query", "direction": "incoming"}


@pytest.mark.parametrize(
    "pairs",
    [
        [("Stream[Status]", "failed"), ("Stream[Error]", "3009")],
        [("stream[status]", "failed"), ("stream[ERROR]", "3009")],
        [("Stream", '{"Status": "failed", "Error": "3009"}')],
        [("Stream", '{"status": "failed", "error": 3009}')],
    ],
)
def test_passthru_tells_of_the_stream_in_two_ways(pairs: list[tuple[str, str]]) -> None:
    assert parse_fields(pairs, "", b"") == {"stream[status]": "failed", "stream[error]": "3009"}


@given(st.text(max_size=40), st.binary(max_size=300))
def test_a_body_of_any_kind_is_survived(content_type: str, body: bytes) -> None:
    parse_fields([], content_type, body)


@given(
    st.sampled_from(["multipart/form-data; boundary=x", "multipart/form-data", "application/json"]),
    st.lists(
        st.sampled_from(PIECES),
        max_size=12,
    ),
)
def test_a_broken_form_is_survived(content_type: str, parts: list[bytes]) -> None:
    parse_fields([], content_type, b"".join(parts))


def test_what_is_nested_too_deep_is_left_out() -> None:
    assert parse_fields([], "application/json", b'{"a":' * 9 + b"1" + b"}" * 9) == {}
    assert parse_fields([], "application/json", b"[" * 9000) == {}


# ---- who is who ---------------------------------------------------------------------------------


@each_row(
    ("written", "number"),
    [
        ("09812345678", "+919812345678"),
        ("9812345678", "+919812345678"),
        ("919812345678", "+919812345678"),
        ("+919812345678", "+919812345678"),
        (" 919812345678", "+919812345678"),
        ("0091 98123 45678", "+919812345678"),
        ("08047100000", "+918047100000"),
        ("080-4710-0000", "+918047100000"),
        ("+09812345678", "+919812345678"),
        ("+0 98123 45678", "+919812345678"),
        ("0919812345678", "+919812345678"),
        ("+0919812345678", "+919812345678"),
        ("+00919812345678", "+919812345678"),
        ("+08047100000", "+918047100000"),
        ("08047100000 ", "+918047100000"),
        ("01722345678", "+911722345678"),
        ("014155550100", "+14155550100"),
        ("6591234567", "+916591234567"),
        ("+91919812345678", ""),
        ("98123 4567", ""),
        ("+6561234567", "+6561234567"),
        ("", ""),
        ("anonymous", ""),
        ("266696687", ""),
        ("+266696687", ""),
        ("7378742833", ""),
        ("07378742833", "+917378742833"),
        ("sip:bob", ""),
        ("0", ""),
        ("12345", ""),
    ],
)
def test_numbers_are_understood_as_exotel_writes_them(written: str, number: str) -> None:
    assert e164(written) == number


@pytest.mark.parametrize(
    ("from_number", "to_number", "direction", "caller", "outbound"),
    [
        ("09812345678", LINE, "incoming", "+919812345678", False),
        ("09812345678", LINE, "inbound", "+919812345678", False),
        ("09812345678", LINE, "", "+919812345678", False),
        ("09812345678", "08047100001", "incoming", "+919812345678", False),
        (LINE, "09812345678", "outbound-dial", "+919812345678", True),
        (LINE, "09812345678", "outbound-api", "+919812345678", True),
        ("09812345678", LINE, "outbound-api", "+919812345678", True),
        ("+918047100000", "+919812345678", "", "+919812345678", True),
        ("08047100001", "09812345678", "outbound-dial", "+919812345678", True),
        ("", LINE, "incoming", "", False),
    ],
)
def test_the_customer_is_the_one_who_is_not_us(
    from_number: str, to_number: str, direction: str, caller: str, outbound: bool
) -> None:
    who = identify_parties(from_number, to_number, LINE, direction)

    assert who.caller == caller
    assert who.direction is (Direction.OUTBOUND if outbound else Direction.INBOUND)
    assert who.line in ("+918047100000", "+918047100001")


# ---- how it went --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("completed", CallState.COMPLETED),
        ("failed", CallState.FAILED),
        ("busy", CallState.BUSY),
        ("no-answer", CallState.NO_ANSWER),
        ("canceled", CallState.CANCELED),
        ("No-Answer", CallState.NO_ANSWER),
        ("in-progress", None),
        ("", None),
    ],
)
def test_a_final_status_is_a_state(status: str, state: CallState | None) -> None:
    assert final_state({"status": status}) is state
    assert final_state({"status": status, "eventtype": "terminal"}) is state


@pytest.mark.parametrize("event", ["answered", "ringing", "Answered"])
def test_a_call_that_goes_on_has_no_final_state(event: str) -> None:
    assert final_state({"status": "completed", "eventtype": event}) is None


@pytest.mark.parametrize(
    ("fields", "failed"),
    [
        ({}, False),
        ({"stream[status]": "completed", "stream[disconnectedby]": "bot"}, False),
        ({"stream[status]": "cancelled", "stream[disconnectedby]": "user"}, False),
        ({"stream[status]": "failed"}, True),
        ({"stream[status]": "failed", "stream[disconnectedby]": "system"}, True),
        ({"stream[status]": "failed", "stream[disconnectedby]": "caller"}, False),
        ({"stream[status]": "completed", "stream[error]": "3009 timeout"}, True),
        ({"stream[status]": "completed", "stream[error]": ""}, False),
        ({"stream[status]": "completed", "stream[error]": "None"}, False),
    ],
)
def test_a_stream_that_broke_is_told_from_one_that_ended(fields: Fields, failed: bool) -> None:
    assert stream_failed(fields) is failed


# ---- who may ask --------------------------------------------------------------------------------


@pytest.mark.parametrize("given_secret", ["", "s3cre", "s3cret ", "S3CRET", "s3crét", "\ud800"])
def test_a_wrong_secret_does_not_fit(given_secret: str) -> None:
    assert secrets_equal("s3cret", "s3cret")
    assert not secrets_equal(given_secret, "s3cret")


def test_no_secret_fits_nobody() -> None:
    assert not secrets_equal("", "")


def login(text: str) -> str:
    return b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("header", "fits"),
    [
        (f"Basic {login('user:pass:word')}", True),
        (f"basic {login('user:pass:word')}", True),
        (f"Basic  {login('user:pass:word')} ", True),
        (f"Bearer {login('user:pass:word')}", False),
        (f"Basic {login('user:pass')}", False),
        (f"Basic {login('pass:word:user')}", False),
        ("Basic user:pass:word", False),
        ("Basic", False),
        ("Basic \xff", False),
        ("", False),
        (None, False),
    ],
)
def test_basic_credentials_fit_or_do_not(header: str | None, fits: bool) -> None:
    assert basic_auth_matches(header, "user", "pass:word") is fits


# ---- where the stream goes ----------------------------------------------------------------------


def test_a_stream_url_holds_all_that_admits_it() -> None:
    url = stream_url(
        "https://voice.example.com/fwai",
        "s3cret",
        sample_rate=16000,
        token="tok-_1",
        basic=("a b", "p:@/"),
    )

    parts = urlsplit(url)
    assert (parts.scheme, parts.hostname) == ("wss", "voice.example.com")
    assert parts.netloc == "a%20b:p%3A%40%2F@voice.example.com"
    assert parts.path == "/fwai/exotel/s3cret/stream/tok-_1"
    assert parse_qs(parts.query) == {"sample-rate": ["16000"]}


def test_a_stream_url_without_a_token_is_the_applets() -> None:
    url = stream_url("http://127.0.0.1:3000", "s3cret", sample_rate=8000, basic=None)

    assert url == "ws://127.0.0.1:3000/exotel/s3cret/stream?sample-rate=8000"


@pytest.mark.parametrize("rate", [8000, 16000, 24000])
def test_a_stream_url_keeps_exotels_limits(rate: int) -> None:
    url = stream_url(
        f"https://{'voice.' * 20}example.com",
        "s" * 48,
        sample_rate=rate,
        token="t" * 32,
        basic=("u" * 20, "p" * 40),
    )

    assert len(url) < 600
    assert len(urlsplit(url).query) <= 256
