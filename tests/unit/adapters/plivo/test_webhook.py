"""Signatures and XML against the vectors of the specification and against Plivo's own SDK."""

import inspect
from collections.abc import Mapping
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plivo import plivoxml
from plivo.utils import validate_signature, validate_v3_signature

from fwai.adapters.plivo import webhook
from fwai.adapters.plivo.fields import TERMINAL_STATUSES, Pairs
from fwai.adapters.plivo.webhook import (
    BUSY_XML,
    EMPTY_XML,
    final_state,
    is_call_ended,
    stream_xml,
    transfer_xml,
    verify_v2,
    verify_v3,
)
from fwai.domain.call import CallState
from fwai.errors import SignatureError
from fwai.simulator.plivo.signature import sign_v2, sign_v3
from tables import each_row

TOKEN = "testtoken0000"
NONCE = "n1"
ANSWER = "https://ex.com/answer"
FORM = {"To": "1", "From": "2", "CallUUID": "c"}
FORM_SIGNATURE = "I+pNgUc3Z8HvoHWpj3aa+4g5KYd8PJSpyCpmpqzAq8k="
LONG_FORM = {
    "From": "+919812345678",
    "To": "+912240000000",
    "CallUUID": "c",
    "Direction": "inbound",
}
V3_VECTORS = [
    ("POST", ANSWER, FORM, FORM_SIGNATURE),
    (
        "POST",
        f"{ANSWER}?x=2&a=1",
        {"To": "1", "From": "2"},
        "51WBeSZbdeP6cDqr/V3guRbwPqC5SasUyvjgvRdSCnQ=",
    ),
    ("GET", f"{ANSWER}?To=1&From=2", {}, "OdTsoSaVB3DVvwLL9mBzO1DJVJuQg8m6OJWtgrGWDi4="),
    ("POST", f"{ANSWER}?v=1", LONG_FORM, "zOhnS/l+WEfg1cg+9o8Kv1jX1rantxyaNvQCpl3tj0o="),
    (
        "GET",
        "http://ex.com/ws/plivo?call=abc&t=xyz",
        {},
        "CKrgAjTB4V8jbegH9mMnTA34/bzBscIf0SFJjcqtMGU=",
    ),
]
V2_SIGNATURE = "9r4X3TODvUYSEFi9BG4+W++CSJ++yqMZj6dFZkl6Y1w="

names = st.text("ABab-_1", min_size=1, max_size=4)
values = st.text(max_size=8)
unreserved = st.text("ABab09-._~", max_size=5)
urls = st.builds(
    lambda host, path, query: f"{host}{path}" + (f"?{urlencode(query)}" if query else ""),
    st.sampled_from(["https://ex.com", "http://127.0.0.1:8080", "https://Ex.com:444"]),
    st.sampled_from(["/plivo/answer", "/a;v=1", "/", "/A%20b"]),
    # The SDK cannot read percent-encoded characters beyond ASCII in a query.
    st.dictionaries(names, st.text("ab 09+&=%/._~-", max_size=5), max_size=3),
)
forms = st.dictionaries(names, values, max_size=5)


def check_v3(
    method: str,
    url: str,
    form: Pairs,
    signature: str | None,
    *,
    main: str | None = None,
    nonce: str | None = NONCE,
    tokens: tuple[str, ...] = (TOKEN,),
) -> None:
    verify_v3(method, url, form, nonce=nonce, signatures=(signature, main), tokens=tokens)


def signed_by_sdk(method: str, url: str, form: Mapping[str, object], signature: str) -> bool:
    return bool(validate_v3_signature(method, url, NONCE, TOKEN, signature, dict(form)))


@pytest.mark.parametrize(("method", "url", "form", "signature"), V3_VECTORS)
def test_v3_accepts_the_vectors_of_the_specification(
    method: str, url: str, form: dict[str, str], signature: str
) -> None:
    check_v3(method, url, list(form.items()), signature)

    assert signed_by_sdk(method, url, form, signature)


@pytest.mark.parametrize("url", [ANSWER, f"{ANSWER}?v=1"])
def test_v3_covers_the_form_and_the_query(url: str) -> None:
    form = list(LONG_FORM.items())
    signature = sign_v3(TOKEN, NONCE, "POST", url, LONG_FORM)

    check_v3("POST", url, form, signature)
    with pytest.raises(SignatureError):
        check_v3("POST", url, [*form, ("CallStatus", "completed")], signature)
    with pytest.raises(SignatureError):
        check_v3("POST", f"{ANSWER}?v=1&call=other", form, signature)
    with pytest.raises(SignatureError):
        check_v3("POST", url, form, sign_v3(TOKEN, NONCE, "POST", url, {}))


def test_v2_accepts_the_vector_of_the_specification() -> None:
    verify_v2(f"{ANSWER}?x=1", nonce=NONCE, signatures=(V2_SIGNATURE, None), tokens=(TOKEN,))

    assert validate_signature(f"{ANSWER}?x=1", NONCE, V2_SIGNATURE, TOKEN)


@given(method=st.sampled_from(["GET", "POST"]), url=urls, form=forms)
def test_v3_accepts_whatever_the_sdk_accepts(method: str, url: str, form: dict[str, str]) -> None:
    sent = form if method == "POST" else {}
    signature = sign_v3(TOKEN, NONCE, method, url, sent)

    check_v3(method, url, list(sent.items()), signature)

    assert signed_by_sdk(method, url, sent, signature)


@given(pairs=st.lists(st.tuples(names, values), min_size=1, max_size=6), data=st.data())
def test_v3_counts_repeated_keys_in_any_order(
    pairs: list[tuple[str, str]], data: st.DataObject
) -> None:
    grouped = {name: [value for key, value in pairs if key == name] for name, _ in pairs}
    signature = sign_v3(TOKEN, NONCE, "POST", f"{ANSWER}?v=1", grouped)

    check_v3("POST", f"{ANSWER}?v=1", data.draw(st.permutations(pairs)), signature)

    assert signed_by_sdk("POST", f"{ANSWER}?v=1", grouped, signature)


@given(query=st.dictionaries(names, st.text(max_size=6), min_size=1, max_size=3), form=forms)
def test_v3_reads_queries_beyond_ascii_which_the_sdk_cannot(
    query: dict[str, str], form: dict[str, str]
) -> None:
    url = f"{ANSWER}?{urlencode(query)}"

    check_v3("POST", url, list(form.items()), sign_v3(TOKEN, NONCE, "POST", url, form))


@pytest.mark.parametrize(
    ("method", "form", "base"),
    [
        ("POST", FORM, f"{ANSWER}?CallUUIDcFrom2To1.n1"),
        ("POST", FORM, f"{ANSWER}.CallUUIDcFrom2To1.n1"),
        ("GET", {}, f"{ANSWER}.n1"),
        ("GET", {}, f"{ANSWER}..n1"),
        ("POST", {}, f"{ANSWER}.n1"),
    ],
)
def test_v3_without_a_query_accepts_the_form_of_the_prose_and_of_the_sdk(
    method: str, form: dict[str, str], base: str
) -> None:
    signature = webhook._sign(base, TOKEN)

    check_v3(method, ANSWER, list(form.items()), signature)


@pytest.mark.parametrize("header", ["{}", "{},wrong=", "wrong=, {}", " {} ,", "a,b , {}  ,c"])
def test_any_one_signature_of_a_header_is_enough(header: str) -> None:
    value = header.format(FORM_SIGNATURE)

    check_v3("POST", ANSWER, list(FORM.items()), value)
    check_v3("POST", ANSWER, list(FORM.items()), "other=", main=value)
    check_v3("POST", ANSWER, list(FORM.items()), None, main=value)
    verify_v2(
        ANSWER,
        nonce=NONCE,
        signatures=(None, header.format(V2_SIGNATURE)),
        tokens=(TOKEN,),
    )


def test_any_configured_token_may_have_signed() -> None:
    check_v3("POST", ANSWER, list(FORM.items()), FORM_SIGNATURE, tokens=("new", TOKEN))
    verify_v2(ANSWER, nonce=NONCE, signatures=(V2_SIGNATURE,), tokens=("new", TOKEN))


@each_row(
    "changed",
    [
        {"method": "GET"},
        {"url": "https://ex.com/answer2?v=1"},
        {"url": "https://ex.com:8443/answer?v=1"},
        {"url": "http://ex.com/answer?v=1"},
        {"url": "https://EX.com/answer?v=1"},
        {"url": f"{ANSWER}?v=2"},
        {"url": f"{ANSWER}?v=1&w=1"},
        {"url": ANSWER},
        {"form": [*LONG_FORM.items(), ("Event", "Hangup")]},
        {"form": list(LONG_FORM.items())[1:]},
        {"form": [(key, f"{value} ") for key, value in LONG_FORM.items()]},
        {"form": []},
        {"nonce": "n2"},
        {"nonce": ""},
        {"nonce": None},
        {"tokens": ("other",)},
        {"tokens": ()},
        {"signature": None},
        {"signature": ""},
        {"signature": " , ,"},
        {"signature": "ÿ\u20ac"},
        {"signature": V3_VECTORS[3][3].lower()},
        {"signature": V3_VECTORS[3][3][:-1]},
        {"signature": FORM_SIGNATURE},
    ],
    ids=repr,
)
def test_v3_refuses_whatever_was_changed(changed: dict[str, object]) -> None:
    right: dict[str, object] = {
        "method": "POST",
        "url": f"{ANSWER}?v=1",
        "form": list(LONG_FORM.items()),
        "signature": V3_VECTORS[3][3],
    }

    with pytest.raises(SignatureError):
        check_v3(**{**right, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "nonce", "signature"),
    [
        (f"{ANSWER}/", NONCE, V2_SIGNATURE),
        (ANSWER, "n2", V2_SIGNATURE),
        (ANSWER, None, V2_SIGNATURE),
        (ANSWER, NONCE, None),
        (ANSWER, NONCE, FORM_SIGNATURE),
    ],
)
def test_v2_refuses_whatever_was_changed(
    url: str, nonce: str | None, signature: str | None
) -> None:
    with pytest.raises(SignatureError):
        verify_v2(url, nonce=nonce, signatures=(signature,), tokens=(TOKEN,))


@given(url=urls)
def test_v2_accepts_whatever_the_sdk_accepts(url: str) -> None:
    signature = sign_v2(TOKEN, NONCE, url)

    verify_v2(url, nonce=NONCE, signatures=(signature,), tokens=(TOKEN,))

    assert validate_signature(url, NONCE, signature, TOKEN)


def test_an_error_names_neither_token_nor_signature() -> None:
    with pytest.raises(SignatureError) as refused:
        check_v3("POST", ANSWER, list(FORM.items()), "given-signature", tokens=("right-token",))

    assert str(refused.value) == "plivo: signature does not match"


@pytest.mark.parametrize("verify", [verify_v3, verify_v2])
def test_signatures_are_compared_in_constant_time(verify: object) -> None:
    source = inspect.getsource(verify)  # type: ignore[arg-type]

    assert "hmac.compare_digest(" in source
    assert " == " not in source


# ---- XML --------------------------------------------------------------------------------------


def as_data(xml: str) -> object:
    def node(element: ET.Element) -> tuple[str, dict[str, str], str, list[object]]:
        children: list[object] = [node(child) for child in element]
        return element.tag, dict(element.attrib), (element.text or "").strip(), children

    return node(ET.fromstring(xml))  # noqa: S314 - our own


@pytest.mark.parametrize("content_type", ["audio/x-mulaw;rate=8000", "audio/x-l16;rate=16000"])
@given(call=unreserved, token=unreserved)
def test_stream_xml_says_what_the_sdk_says(content_type: str, call: str, token: str) -> None:
    url = f"wss://h.example/plivo/stream?call={call}&t={token}"
    status = "https://h.example/plivo/stream-status?v=1&w=<2>"

    ours = stream_xml(url, content_type=content_type, status_url=status)

    theirs = plivoxml.ResponseElement().add(
        plivoxml.StreamElement(
            url,
            bidirectional=True,
            keepCallAlive=True,
            contentType=content_type,
            statusCallbackUrl=status,
            statusCallbackMethod="POST",
        )
    )
    assert as_data(ours) == as_data(theirs.to_string(pretty=False))


def test_stream_xml_begins_with_its_declaration_and_escapes_ampersands() -> None:
    xml = stream_xml("wss://h/s?a=1&t=2", content_type="audio/x-mulaw;rate=8000", status_url="u")

    assert xml.startswith("<?xml ")
    assert "wss://h/s?a=1&amp;t=2" in xml


@pytest.mark.parametrize("number", ["+919999900009", '+91"<&', "919999900009"])
def test_transfer_xml_says_what_the_sdk_says(number: str) -> None:
    ours = transfer_xml(number, "+918888800000")
    theirs = plivoxml.ResponseElement().add(
        plivoxml.DialElement(caller_id="918888800000").add(
            plivoxml.NumberElement(number.lstrip("+"))
        )
    )

    assert ours.startswith("<?xml ")
    assert as_data(ours) == as_data(theirs.to_string(pretty=False))


def test_the_other_answers_say_what_the_sdk_says() -> None:
    busy = plivoxml.ResponseElement().add(plivoxml.HangupElement(reason="busy"))

    assert as_data(BUSY_XML) == as_data(busy.to_string(pretty=False))
    assert as_data(EMPTY_XML) == as_data(plivoxml.ResponseElement().to_string(pretty=False))


# ---- how a call came out ------------------------------------------------------------------------

ANSWERED = {"AnswerTime": "2026-11-22 10:00:00", "Duration": "63"}
UNANSWERED = {"AnswerTime": "", "Duration": "0"}


@each_row(
    ("fields", "state"),
    [
        ({"CallStatus": "completed", "HangupCause": "NORMAL_CLEARING", **ANSWERED}, "completed"),
        ({"CallStatus": "completed", "HangupCause": "ALLOTTED_TIMEOUT", **ANSWERED}, "completed"),
        ({"CallStatus": "failed", "HangupCause": "NORMAL_CLEARING", **ANSWERED}, "completed"),
        ({"CallStatus": "completed"}, "completed"),
        ({"CallStatus": "COMPLETED"}, "completed"),
        ({"CallStatus": "busy", "HangupCause": "USER_BUSY", **UNANSWERED}, "busy"),
        ({"HangupCause": "user_busy"}, "busy"),
        ({"CallStatus": "busy", "HangupCause": "CALL_REJECTED"}, "rejected"),
        ({"CallStatus": "busy", "HangupCauseCode": "3020"}, "rejected"),
        ({"CallStatus": "busy", "HangupCauseName": "Rejected"}, "rejected"),
        ({"CallStatus": "completed", "HangupCauseCode": "3010"}, "busy"),
        ({"HangupCauseName": "Busy Line", "HangupCause": "NORMAL_CLEARING"}, "busy"),
        ({"HangupCauseCode": "3000"}, "no_answer"),
        ({"HangupCauseCode": " 6000 ", "CallStatus": "completed"}, "no_answer"),
        ({"HangupCauseName": "Ring Timeout Reached"}, "no_answer"),
        ({"HangupCauseCode": "1000"}, "canceled"),
        ({"HangupCauseCode": "9100", "CallStatus": "failed"}, "completed"),
        ({"HangupCauseCode": "7011", "CallStatus": "failed", **UNANSWERED}, "failed"),
        ({"HangupCauseCode": "5030", **UNANSWERED}, "failed"),
        ({"HangupCauseCode": "1010", "CallStatus": "failed"}, "failed"),
        ({"HangupCauseCode": "3010", **ANSWERED}, "completed"),
        ({"CallStatus": "failed", "HangupCause": "CALL_REJECTED", **UNANSWERED}, "rejected"),
        ({"HangupCause": "REJECTED"}, "rejected"),
        ({"CallStatus": "no-answer", "HangupCause": "NO_ANSWER", **UNANSWERED}, "no_answer"),
        ({"CallStatus": "timeout", "HangupCause": "NO_ANSWER", **UNANSWERED}, "no_answer"),
        ({"CallStatus": "timeout"}, "no_answer"),
        ({"HangupCause": "NO_USER_RESPONSE", "Duration": ""}, "no_answer"),
        ({"CallStatus": "cancel", "HangupCause": "ORIGINATOR_CANCEL", **UNANSWERED}, "canceled"),
        ({"CallStatus": "canceled"}, "canceled"),
        ({"CallStatus": "cancelled"}, "canceled"),
        ({"CallStatus": "failed", "HangupCause": "NETWORK_OUT_OF_ORDER"}, "failed"),
        ({"CallStatus": "failed", "HangupCause": "NORMAL_CLEARING", **UNANSWERED}, "failed"),
        ({"CallStatus": "something new"}, "failed"),
        ({}, "failed"),
    ],
)
def test_final_state_of_every_cause(fields: dict[str, str], state: str) -> None:
    assert final_state(fields) is CallState(state)


@given(st.dictionaries(st.sampled_from(["CallStatus", "HangupCause", "Duration"]), st.text()))
def test_final_state_is_final_whatever_comes(fields: dict[str, str]) -> None:
    assert final_state(fields).final


@pytest.mark.parametrize("status", sorted(TERMINAL_STATUSES))
def test_a_terminal_status_means_that_the_call_is_over(status: str) -> None:
    assert is_call_ended({"CallStatus": status.title()})


@pytest.mark.parametrize(
    ("fields", "over"),
    [
        ({"Event": "Hangup", "CallStatus": "in-progress"}, True),
        ({"Event": "StartApp", "CallStatus": "ringing"}, False),
        ({"CallStatus": "in-progress"}, False),
        ({}, False),
    ],
)
def test_a_hang_up_event_means_that_the_call_is_over(fields: dict[str, str], over: bool) -> None:
    assert is_call_ended(fields) is over
