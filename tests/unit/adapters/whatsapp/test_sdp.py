"""Descriptions as Meta wants them."""

import pytest

from fwai.adapters.whatsapp.sdp import MAX_CHARS, check_remote_sdp, prepare_local_sdp
from fwai.errors import WireError
from unit.adapters.whatsapp.kit import OFFER, OURS

ANSWER = OURS.format(role="active")


def test_meta_s_own_offer_is_fine() -> None:
    check_remote_sdp(OFFER)


@pytest.mark.parametrize(
    ("offer", "words"),
    [
        ("", "without a session description"),
        (" \r\n", "without a session description"),
        ("v=0\r\n", "no audio"),
        (OFFER.replace("m=audio", "m=video"), "no audio"),
        (OFFER.replace("a=fingerprint:sha-256 AA", "a=crypto:1 x"), "SDES"),
        (OFFER.replace("a=fingerprint:sha-256 AA", "a=x"), "no DTLS fingerprint"),
        (OFFER + "a" * MAX_CHARS, "too long"),
    ],
)
def test_what_cannot_lead_to_a_call_is_said_in_words(offer: str, words: str) -> None:
    with pytest.raises(WireError, match=words):
        check_remote_sdp(offer)


def test_other_fingerprints_are_left_out_and_lines_end_in_crlf() -> None:
    more = ANSWER.replace("\r\n", "\n") + "a=fingerprint:sha-384 CC\na=FINGERPRINT:sha-512 DD"

    assert prepare_local_sdp(more, answer=True) == ANSWER


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ANSWER + "m=video 9 X 1\r\n", "audio section"),
        (ANSWER.replace("sha-256", "sha-512"), "SHA-256"),
        (ANSWER + "a=ice-lite\r\n", "ICE-lite"),
        (ANSWER.replace("sendrecv", "recvonly"), "does not send"),
        (ANSWER.replace("active", "passive"), "role"),
        (ANSWER.replace("active", "actpass"), "role"),
        (ANSWER.replace("a=rtcp-mux", "a=x"), "RTCP"),
    ],
)
def test_what_meta_would_refuse_is_not_posted(text: str, words: str) -> None:
    with pytest.raises(WireError, match=words):
        prepare_local_sdp(text, answer=True)


def test_an_offer_leaves_the_role_to_meta() -> None:
    prepare_local_sdp(OURS.format(role="actpass"), answer=False)
