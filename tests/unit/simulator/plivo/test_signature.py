"""Our signatures are the ones Plivo's own SDK accepts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plivo.utils import validate_signature, validate_v3_signature

from fwai.simulator.plivo.signature import PlivoSigner, sign_v2, sign_v3, v3_base

TOKEN = "testtoken0000"
VECTORS = [
    (
        "POST",
        "https://ex.com/answer",
        {"To": "1", "From": "2", "CallUUID": "c"},
        "I+pNgUc3Z8HvoHWpj3aa+4g5KYd8PJSpyCpmpqzAq8k=",
    ),
    (
        "POST",
        "https://ex.com/answer?x=2&a=1",
        {"To": "1", "From": "2"},
        "51WBeSZbdeP6cDqr/V3guRbwPqC5SasUyvjgvRdSCnQ=",
    ),
    (
        "GET",
        "https://ex.com/answer?To=1&From=2",
        {},
        "OdTsoSaVB3DVvwLL9mBzO1DJVJuQg8m6OJWtgrGWDi4=",
    ),
    (
        "POST",
        "https://ex.com/answer?v=1",
        {"From": "+919812345678", "To": "+912240000000", "CallUUID": "c", "Direction": "inbound"},
        "zOhnS/l+WEfg1cg+9o8Kv1jX1rantxyaNvQCpl3tj0o=",
    ),
]
HOSTS = ["https://ex.com", "http://127.0.0.1:8080", "https://Ex.com:444"]
names = st.text("ABab-_1", min_size=1, max_size=4)
ascii_values = st.text("xyZ 09+&=%/", max_size=6)


@pytest.mark.parametrize(("method", "url", "fields", "signature"), VECTORS)
def test_v3_vectors(method: str, url: str, fields: dict[str, str], signature: str) -> None:
    assert sign_v3(TOKEN, "n1", method, url, fields) == signature


def test_v2_vector() -> None:
    expected = "9r4X3TODvUYSEFi9BG4+W++CSJ++yqMZj6dFZkl6Y1w="

    assert sign_v2(TOKEN, "n1", "https://ex.com/answer?x=1") == expected


def test_an_upgrade_is_signed_as_a_get_of_the_http_address() -> None:
    headers = PlivoSigner(TOKEN).upgrade("wss://ex.com/ws/plivo?call=abc&t=xyz")
    nonce = headers["X-Plivo-Signature-V3-Nonce"]

    expected = sign_v3(TOKEN, nonce, "GET", "http://ex.com/ws/plivo?call=abc&t=xyz")
    assert headers["X-Plivo-Signature-V3"] == expected
    assert v3_base("GET", "http://ex.com/ws/plivo?call=abc&t=xyz").endswith("?call=abc&t=xyz")


def test_the_main_account_signs_its_own_header() -> None:
    headers = PlivoSigner("sub", "main").voice("POST", "https://ex.com/a", {"To": "1"})
    nonce = headers["X-Plivo-Signature-V3-Nonce"]

    for token, name in (("sub", "X-Plivo-Signature-V3"), ("main", "X-Plivo-Signature-Ma-V3")):
        assert validate_v3_signature(
            "POST", "https://ex.com/a", nonce, token, headers[name], {"To": "1"}
        )


def test_the_fragment_is_not_signed() -> None:
    with_fragment = sign_v3(TOKEN, "n", "POST", "https://ex.com/a?v=1#rc=2", {"To": "1"})

    assert with_fragment == sign_v3(TOKEN, "n", "POST", "https://ex.com/a?v=1", {"To": "1"})


@given(
    host=st.sampled_from(HOSTS),
    query=st.dictionaries(names, st.text("ab09._~-", max_size=4), max_size=3),
    fields=st.dictionaries(names, st.text(max_size=8) | st.lists(ascii_values, min_size=1)),
    method=st.sampled_from(["GET", "POST"]),
)
def test_the_sdk_accepts_every_v3_signature(
    host: str, query: dict[str, str], fields: dict[str, str | list[str]], method: str
) -> None:
    url = (
        f"{host}/plivo/answer"
        + ("?" if query else "")
        + "&".join(f"{name}={value}" for name, value in query.items())
    )
    form = fields if method == "POST" else {}

    signature = sign_v3(TOKEN, "12345", method, url, form)

    assert validate_v3_signature(method, url, "12345", TOKEN, signature, dict(form))


@given(host=st.sampled_from(HOSTS), query=st.text("ab=&1", max_size=6))
def test_the_sdk_accepts_every_v2_signature(host: str, query: str) -> None:
    url = f"{host}/plivo/message-status?{query}"

    headers = PlivoSigner(TOKEN).message("POST", url)

    nonce = headers["X-Plivo-Signature-V2-Nonce"]
    assert validate_signature(url, nonce, headers["X-Plivo-Signature-V2"], TOKEN)
