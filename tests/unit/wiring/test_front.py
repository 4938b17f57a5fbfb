"""What each provider's requests bear, by which they are never refused unseen."""

import pytest
from fastapi import Request
from starlette.requests import HTTPConnection

from fwai.config.settings import Settings
from fwai.wiring.front import front, inbound_limits

SECRET = "0123456789abcdef0123456789abcdef"
ALL = {"call_provider": "plivo,exotel,whatsapp", "exotel_webhook_secret": SECRET}


def claims(path: str, *headers: str, **settings: object) -> bool:
    chosen = Settings(_env_file=None, **{**ALL, **settings})  # type: ignore[call-arg, arg-type]
    raw = [(name.lower().encode(), b"x") for name in headers]
    request = Request({"type": "http", "path": path, "headers": raw})
    (found,) = [one for one in front(chosen).limits.webhooks if path.startswith(one.path)]
    return found.claims(request)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/plivo/answer", ["X-Plivo-Signature-V3"]),
        ("/plivo/hangup", ["X-Plivo-Signature-Ma-V3"]),
        ("/plivo/message-status", ["X-Plivo-Signature-V2"]),
        ("/plivo/message-status", ["X-Plivo-Signature-Ma-V2"]),
        ("/webhook", ["X-Hub-Signature-256"]),
        (f"/exotel/{SECRET}/voicebot", []),
    ],
)
def test_what_bears_a_signature_is_looked_at(path: str, headers: list[str]) -> None:
    assert claims(path, *headers)


@pytest.mark.parametrize(
    "path",
    ["/plivo/answer", "/webhook", "/exotel/wrong/voicebot", "/exotel//voicebot", "/exotel/"],
)
def test_what_bears_none_need_not_be(path: str) -> None:
    assert not claims(path, "X-Signature", "Authorization")


@pytest.mark.parametrize(
    ("path", "query", "found"),
    [
        ("/plivo/stream", b"call=x&t=token", True),
        ("/plivo/stream", b"call=x&t=", False),
        ("/plivo/stream", b"", False),
        ("/plivo/answer", b"t=token", True),
        (f"/exotel/{SECRET}/stream", b"", True),
        ("/exotel/guess/stream/token", b"t=token", False),
        ("/webhook", b"", False),
    ],
)
def test_a_handshake_is_looked_at_for_its_token(path: str, query: bytes, found: bool) -> None:
    chosen = Settings(_env_file=None, **ALL)  # type: ignore[call-arg, arg-type]
    scope = {"type": "websocket", "path": path, "headers": [], "query_string": query}
    (webhook,) = [one for one in front(chosen).limits.webhooks if path.startswith(one.path)]

    assert webhook.claims(HTTPConnection(scope)) is found


def test_a_token_is_no_signature_of_a_request() -> None:
    chosen = Settings(_env_file=None, **ALL)  # type: ignore[call-arg, arg-type]
    scope = {"type": "http", "path": "/plivo/answer", "headers": [], "query_string": b"t=token"}
    (webhook,) = [one for one in front(chosen).limits.webhooks if one.path == "/plivo/"]

    assert not webhook.claims(HTTPConnection(scope))


def test_without_a_secret_nobody_knows_it() -> None:
    assert not claims("/exotel//voicebot", exotel_webhook_secret="")


@pytest.mark.parametrize("path", ["/plivo/answer", "/webhook"])
def test_where_no_signature_is_asked_for_everything_is_looked_at(path: str) -> None:
    assert claims(path, allow_unsigned_webhooks=True)


def test_the_human_who_takes_calls_over_may_call_as_often_as_they_like() -> None:
    settings = Settings(_env_file=None, human_handoff_number="+919999900009")  # type: ignore[call-arg]

    assert inbound_limits(settings).exempt == {"+919999900009"}
    assert inbound_limits(Settings(_env_file=None)).exempt == set()  # type: ignore[call-arg]
