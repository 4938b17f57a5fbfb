"""Meta's descriptions, and what it refuses of the server's."""

import pytest

from fwai.simulator.meta.sdp import Credentials, describe, read

OWN = Credentials("frag", "secret", "AB:CD", ssrc=7, session=42)
GOOD = (
    "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 126\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\n"
    "a=fingerprint:sha-256 AA:BB\r\na=setup:active\r\na=sendrecv\r\na=rtcp-mux\r\n"
)


@pytest.mark.parametrize(
    ("answer", "mid", "setup"), [(False, "audio", "actpass"), (True, "0", "active")]
)
def test_an_offer_and_an_answer_differ_as_they_do_at_meta(
    answer: bool, mid: str, setup: str
) -> None:
    lines = describe(OWN, 4000, answer=answer).split("\r\n")

    assert f"a=mid:{mid}" in lines
    assert f"a=setup:{setup}" in lines
    assert "m=audio 4000 UDP/TLS/RTP/SAVPF 111 126" in lines
    assert "a=ice-lite" in lines
    assert lines[-1] == ""


def test_a_good_description_gives_what_is_needed() -> None:
    named, wrong = read(GOOD)

    assert wrong == ""
    assert named == {
        "ice-ufrag": "u",
        "ice-pwd": "p",
        "fingerprint": "sha-256 AA:BB",
        "setup": "active",
    }


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("\r\n", "\n", "CRLF"),
        ("a=setup:active\r\n", "a=setup:active\r\na=fingerprint:sha-384 CC\r\n", "one fingerprint"),
        ("sha-256", "sha-1", "SHA-256"),
        ("a=ice-pwd:p\r\n", "", "credentials"),
        ("a=sendrecv", "a=recvonly", "direction"),
        ("a=rtcp-mux\r\n", "a=rtcp-mux\r\na=ice-lite\r\n", "ice-lite"),
        ("a=setup:active", "a=setup:passive", "active"),
        ("v=0\r\n", "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n", "one audio section"),
    ],
)
def test_what_meta_does_not_take_is_named(old: str, new: str, complaint: str) -> None:
    assert complaint in read(GOOD.replace(old, new))[1]
