"""Signatures by the Standard Webhooks scheme, held against its reference library."""

import base64
import hashlib
import hmac
import shlex
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from fwai.integrations.signing import KEYGEN_COMMAND, Signer, as_typed, check_secret

# The specification's example secret; its key is 24 bytes that cannot be typed.
EXAMPLE = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PLAIN = "Letters-and-digits-0123456789_ab"
OTHER = "Another-key-of-letters-and-digit"
BODY = b'{"type":"call.ended","data":{"text":"\xe0\xa4\xa8\xe0\xa4\xae"}}'


def whsec(key: bytes | str) -> str:
    raw = key.encode() if isinstance(key, str) else key
    return "whsec_" + base64.b64encode(raw).decode()


def now() -> int:
    return int(datetime.now(UTC).timestamp())


def test_the_reference_library_accepts_our_signature() -> None:
    headers = Signer(whsec(PLAIN)).headers("msg_1", now(), BODY)

    assert Webhook(whsec(PLAIN)).verify(BODY, headers)["type"] == "call.ended"


def test_the_reference_library_refuses_an_altered_body() -> None:
    headers = Signer(whsec(PLAIN)).headers("msg_1", now(), BODY)

    with pytest.raises(WebhookVerificationError):
        Webhook(whsec(PLAIN)).verify(BODY.replace(b"ended", b"bended"), headers)


@given(
    key=st.binary(min_size=24, max_size=64),
    message_id=st.from_regex(r"[A-Za-z0-9_-]{1,60}", fullmatch=True),
    timestamp=st.integers(0, 2**33),
    body=st.text().map(lambda text: text.encode("utf-8", "replace")),
)
def test_we_sign_as_the_reference_library_does(
    key: bytes, message_id: str, timestamp: int, body: bytes
) -> None:
    ours = Signer(whsec(key)).headers(message_id, timestamp, body)

    theirs = Webhook(whsec(key)).sign(
        message_id, datetime.fromtimestamp(timestamp, UTC), body.decode()
    )
    assert ours["webhook-signature"] == theirs
    assert ours["webhook-id"] == message_id
    assert ours["webhook-timestamp"] == str(timestamp)


def test_the_published_example_is_what_the_scheme_yields() -> None:
    headers = Signer(EXAMPLE).headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )

    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_while_a_secret_is_changed_both_are_good() -> None:
    headers = Signer(whsec(PLAIN), [whsec(OTHER)]).headers("msg_1", now(), BODY)

    assert headers["webhook-signature"].count("v1,") == 2
    Webhook(whsec(PLAIN)).verify(BODY, headers)
    Webhook(whsec(OTHER)).verify(BODY, headers)


def test_the_typed_form_signs_the_same() -> None:
    """What n8n's Crypto node computes from the text that was typed into its credential."""
    headers = Signer(whsec(PLAIN)).headers("msg_1", 1700000000, BODY)

    digest = hmac.new(as_typed(whsec(PLAIN)).encode(), b"msg_1.1700000000." + BODY, hashlib.sha256)
    expected = base64.b64encode(digest.digest()).decode()
    assert f"v1,{expected}" in headers["webhook-signature"].split(" ")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "must begin with whsec_"),
        (base64.b64encode(PLAIN.encode()).decode(), "must begin with whsec_"),
        ("whsec_not base64!", "is not base64"),
        ("whsec_ü" + "A" * 40, "is not base64"),
        ("whsec_" + "A" * 41, "is not base64"),
        (whsec(b"a" * 23), "24 to 64 bytes, not 23"),
        (whsec(b"a" * 65), "24 to 64 bytes, not 65"),
        ("whsec_" + "-_" * 20, "is not base64"),
        ("whsec_" + "A" * 20 + "==" + "A" * 20, "is not base64"),
    ],
)
def test_a_bad_secret_is_refused_with_the_command_for_a_good_one(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as refusal:
        check_secret(text)

    assert KEYGEN_COMMAND in str(refusal.value)
    assert text.removeprefix("whsec_") == "" or text.removeprefix("whsec_") not in str(
        refusal.value
    )


@given(st.binary(min_size=24, max_size=64))
def test_any_random_bytes_are_a_good_secret_with_or_without_padding(key: bytes) -> None:
    check_secret(whsec(key))
    bare = Signer(whsec(key).rstrip("=")).headers("m", 1, BODY)

    assert bare == Signer(whsec(key)).headers("m", 1, BODY)


@pytest.mark.parametrize(
    "secret",
    [EXAMPLE, whsec(b"a" * 31 + b"\n"), whsec(b"a" * 31 + b" "), whsec("ü" * 20), whsec(bytes(32))],
)
def test_a_secret_that_cannot_be_typed_is_good_but_not_for_n8n(secret: str) -> None:
    check_secret(secret)

    with pytest.raises(ValueError, match="cannot be typed") as refusal:
        as_typed(secret)

    assert KEYGEN_COMMAND in str(refusal.value)
    assert secret.removeprefix("whsec_") not in str(refusal.value)


@pytest.mark.parametrize("size", [24, 64])
def test_a_printable_secret_of_any_allowed_length_is_fine(size: int) -> None:
    check_secret(whsec("k" * size))
    assert as_typed(whsec("k" * size)) == "k" * size


def test_the_command_makes_a_good_secret() -> None:
    program = shlex.split(KEYGEN_COMMAND)[2]

    made = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert as_typed(made.stdout.strip()).isprintable()


@pytest.mark.parametrize("message_id", ["", "a.b", "a b", "a\nb", "ü", "x" * 257])
def test_an_id_that_would_weaken_the_signature_is_refused(message_id: str) -> None:
    with pytest.raises(ValueError, match="message_id"):
        Signer(whsec(PLAIN)).headers(message_id, 0, b"")
