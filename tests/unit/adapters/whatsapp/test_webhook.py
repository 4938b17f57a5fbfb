"""Who is let in. How payloads are read is in tests/contract/whatsapp."""

import hmac
import json
from hashlib import sha256

import pytest

from fwai.adapters.whatsapp.events import CallConnect
from fwai.adapters.whatsapp.webhook import MAX_EVENTS, challenge, read, read_problem, verify
from fwai.errors import SignatureError

SECRET = "s3cret"
BODY = b'{"name":"\\u0906"}'


def signed(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, sha256).hexdigest()


def test_the_challenge_is_returned_byte_for_byte() -> None:
    assert challenge("subscribe", "tök", "0123", "tök") == "0123"


@pytest.mark.parametrize(
    ("mode", "token", "text", "ours"),
    [
        ("subscribe", "wrong", "1", "right"),
        ("subscribe", "", "1", "right"),
        ("", "right", "1", "right"),
        ("unsubscribe", "right", "1", "right"),
        ("subscribe", "right", "", "right"),
        ("subscribe", "", "1", ""),
    ],
)
def test_any_other_verification_is_refused(mode: str, token: str, text: str, ours: str) -> None:
    with pytest.raises(SignatureError):
        challenge(mode, token, text, ours)


def test_a_signature_under_any_of_our_secrets_counts() -> None:
    verify(BODY, signed(BODY), ["s3cret"])
    verify(BODY, signed(BODY, "old"), ["new", "old"])
    verify(BODY, signed(BODY).upper().replace("SHA256", "sha256"), ["s3cret"])
    verify(BODY, signed(BODY).upper(), ["s3cret"])
    verify(BODY, f" {signed(BODY).replace('=', ' = ')} ", ["s3cret"])


@pytest.mark.parametrize(
    "signature",
    [
        *(
            None,
            "",
            "=",
            "sha256",
            "sha256=",
            "sha256=zz",
            "sha1=" + "0" * 40,
            signed(BODY, "other"),
        ),
        *(signed(BODY + b" "), signed(BODY)[7:], "sha256=\u00e9\udcff"),
    ],
)
def test_any_other_signature_is_refused(signature: str | None) -> None:
    with pytest.raises(SignatureError):
        verify(BODY, signature, ["s3cret"])


def test_without_a_secret_nothing_is_let_in() -> None:
    with pytest.raises(SignatureError):
        verify(BODY, signed(BODY, ""), ["", ""])


def test_only_so_many_events_are_taken_from_one_payload() -> None:
    status = {"id": "wamid.1", "status": "sent"}
    change = {"field": "messages", "value": {"statuses": [status] * (MAX_EVENTS + 1)}}
    body = {"object": "whatsapp_business_account", "entry": [{"changes": [change]}]}

    payload = read(json.dumps(body).encode())

    assert len(payload.events) == MAX_EVENTS
    assert payload.ignored == ("too_many",)


@pytest.mark.parametrize(
    ("written", "caller"),
    [
        ("919900000001", "+919900000001"),
        ("4721234567", "+4721234567"),
        ("5215512345678", "+525512345678"),
        ("266696687", ""),
        ("anonymous", ""),
        ("IN.13491208655302741918", ""),
    ],
)
def test_a_caller_who_withholds_their_number_has_none(written: str, caller: str) -> None:
    user_id = "IN.13491208655302741918"
    call = {"id": "wacid.1", "from": written, "event": "connect", "direction": "USER_INITIATED"}
    call["from_user_id"] = user_id
    value = {"calls": [call | {"session": {"sdp_type": "offer", "sdp": "v=0"}}]}
    body = {
        "object": "whatsapp_business_account",
        "entry": [{"changes": [{"field": "calls", "value": value}]}],
    }

    (event,) = read(json.dumps(body).encode()).events

    assert isinstance(event, CallConnect)
    assert (event.user.number, event.user.user_id) == (caller, user_id)


@pytest.mark.parametrize("data", [None, "no media", {"details": "no media"}, ["no media"], 7])
def test_the_details_of_an_error_have_many_shapes(data: object) -> None:
    problem = read_problem({"code": "138021", "message": "m", "error_data": data})

    assert (problem.code, problem.title) == (138021, "m")
    assert problem.details in ("", "no media")
