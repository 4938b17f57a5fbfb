"""Posts over real sockets: receivers that fail, hang, redirect, babble, and names that move."""

import asyncio
import base64
import json
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from standardwebhooks import Webhook

from contract.webhooks.receiver import Dns, answer, certificate, forever, hang, receiving, stay
from fwai.errors import ApiError, ApiUnknownError
from fwai.integrations.signing import Signer
from fwai.integrations.url_guard import UrlGuard
from fwai.integrations.webhook_client import GIVE_UP_S, WebhookClient, retry_gap_s, webhook_http
from fwai.integrations.workflow import WorkflowClient

SECRET = "whsec_" + base64.b64encode(b"Letters-and-digits-0123456789_ab").decode()
SIGNER = Signer(SECRET)
BODY = json.dumps({"type": "call.ended", "data": {"text": "नमस्ते"}}, ensure_ascii=False).encode()
PATH = "/hidden?token=hidden"
OK = answer(200, b"{}")
GARBAGE = [
    b"",
    b"\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"\x15\x03\x01\x00\x02\x02\x46",
    b"HTTP/1.1 200",
    b"HTTP/1.1 abc OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA B: c\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"x" * 400_000 + b"\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: http://[:\r\nTransfer-Encoding: zip\r\n\r\n",
]  # fmt: skip


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with webhook_http() as client:
        yield client


def url(port: int) -> str:
    return f"http://127.0.0.1:{port}{PATH}"


def poster(http: httpx.AsyncClient, port: int) -> WebhookClient:
    return WebhookClient(http, SIGNER, UrlGuard([f"127.0.0.1:{port}"]))


def workflows(http: httpx.AsyncClient, port: int) -> WorkflowClient:
    return WorkflowClient(http, SIGNER, UrlGuard([f"127.0.0.1:{port}"]))


# ---- delivery ---------------------------------------------------------------------------------


async def test_a_receiver_that_fails_five_times_gets_the_message_the_sixth(
    http: httpx.AsyncClient,
) -> None:
    failures = [answer(503), answer(429, b"", "Retry-After: 60"), b"", answer(404), answer(401)]
    waits: list[float] = []
    async with receiving(*failures, OK) as receiver:
        for attempt in range(1, 10):
            try:
                await poster(http, receiver.port).post(url(receiver.port), "msg_1", BODY)
                break
            except ApiError as exc:
                asked = getattr(exc, "retry_after_s", None)
                waits.append(retry_gap_s(attempt, 0.5, asked) if exc.retryable else -1.0)

    assert waits == pytest.approx([5, 60, 120, 600, 1800])
    assert sum(waits) < GIVE_UP_S
    assert {request.headers["webhook-id"] for request in receiver.requests} == {"msg_1"}
    for request in receiver.requests:
        assert request.body == BODY
        assert request.target == PATH
        assert Webhook(SECRET).verify(request.body, request.headers) == json.loads(BODY)


async def test_a_receiver_that_hangs_is_given_up_in_time(http: httpx.AsyncClient) -> None:
    async with receiving(hang) as receiver:
        began = time.monotonic()
        with pytest.raises(ApiError, match="no answer") as failure:
            await poster(http, receiver.port).post(url(receiver.port), "m", BODY, timeout_s=0.2)

        assert time.monotonic() - began < 2.0
        assert failure.value.retryable
        async with asyncio.timeout(5):
            await receiver.gone.wait()  # and the connection is not left open


async def test_nobody_there_is_worth_repeating(http: httpx.AsyncClient) -> None:
    async with receiving(OK) as receiver:
        port = receiver.port

    with pytest.raises(ApiError, match="cannot connect") as failure:
        await poster(http, port).post(url(port), "m", BODY)

    assert failure.value.retryable


async def test_a_receiver_that_is_gone_is_left_alone(http: httpx.AsyncClient) -> None:
    async with receiving(answer(410)) as receiver:
        with pytest.raises(ApiError, match="410") as failure:
            await poster(http, receiver.port).post(url(receiver.port), "m", BODY)

    assert not failure.value.retryable


async def test_a_redirection_is_not_followed(http: httpx.AsyncClient) -> None:
    async with receiving(OK) as other:
        moved = answer(307, b"", f"Location: http://127.0.0.1:{other.port}/")
        async with receiving(moved) as receiver:
            with pytest.raises(ApiError, match="final URL") as failure:
                await poster(http, receiver.port).post(url(receiver.port), "m", BODY)

    assert failure.value.retryable, "the address may be put right"
    assert other.connections == 0


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
async def test_garbage_is_no_delivery(http: httpx.AsyncClient, garbage: bytes) -> None:
    async with receiving(garbage) as receiver:
        with pytest.raises(ApiError) as failure:
            await poster(http, receiver.port).post(url(receiver.port), "m", BODY)

        assert failure.value.retryable
        assert "hidden" not in str(failure.value)

        with pytest.raises(ApiUnknownError):
            await workflows(http, receiver.port).call(url(receiver.port), "m", {}, 5.0)


async def test_an_endless_answer_is_not_listened_to(http: httpx.AsyncClient) -> None:
    endless = forever(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65_536, 0.001)
    async with receiving(endless) as receiver:
        assert (await poster(http, receiver.port).post(url(receiver.port), "m", BODY)).status == 200
        async with asyncio.timeout(5):
            await receiver.gone.wait()


async def test_a_slow_answer_that_says_200_counts(http: httpx.AsyncClient) -> None:
    slow = forever(b"HTTP/1.1 200 OK\r\n\r\n", b"x", 0.05)
    async with receiving(slow) as receiver:
        began = time.monotonic()

        assert (await poster(http, receiver.port).post(url(receiver.port), "m", BODY)).status == 200
        assert time.monotonic() - began < 4.0


async def test_every_message_has_a_connection_of_its_own() -> None:
    """Even through a client that keeps connections: another host may have the same address."""
    async with receiving(stay(OK)) as receiver, httpx.AsyncClient(trust_env=False) as keeping:
        for _ in range(3):
            await poster(keeping, receiver.port).post(url(receiver.port), "m", BODY, timeout_s=2)

        assert receiver.connections == 3


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with receiving(OK) as receiver, webhook_http() as http:
        assert (await poster(http, receiver.port).post(url(receiver.port), "m", BODY)).status == 200


# ---- names ------------------------------------------------------------------------------------


async def test_a_name_that_moves_between_check_and_connection_gains_nothing(
    http: httpx.AsyncClient,
) -> None:
    """DNS rebinding: only the first answer counts; were the name asked again, it would hang."""
    dns = Dns("127.0.0.1", "192.0.2.1")
    async with receiving(OK) as receiver:
        guard = UrlGuard([f"n8n.internal.example:{receiver.port}"], lookup=dns)
        target = f"http://n8n.internal.example:{receiver.port}{PATH}"

        await WebhookClient(http, SIGNER, guard).post(target, "m", BODY)

        assert dns.asked == ["n8n.internal.example"]
        assert receiver.requests[0].headers["host"] == f"n8n.internal.example:{receiver.port}"
        with pytest.raises(ApiError, match="never posted to") as failure:
            await WebhookClient(http, SIGNER, guard).post(target, "m", BODY)
    assert not failure.value.retryable
    assert receiver.connections == 1


async def test_a_name_that_leads_inside_is_refused_before_anything_is_sent(
    http: httpx.AsyncClient, tmp_path: Path
) -> None:
    server, _ = certificate("hooks.example.com", tmp_path)
    async with receiving(OK, tls=server) as receiver:
        guard = UrlGuard([f"*.example.com:{receiver.port}"], lookup=Dns("127.0.0.1"))

        with pytest.raises(ApiError, match="private network"):
            await WebhookClient(http, SIGNER, guard).post(
                f"https://hooks.example.com:{receiver.port}/", "m", BODY
            )

        assert receiver.connections == 0


async def test_tls_is_spoken_with_the_name_and_not_the_address(tmp_path: Path) -> None:
    server, client = certificate("n8n.example.com", tmp_path)
    asked: list[str | None] = []

    def note(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> None:
        asked.append(name)

    server.sni_callback = note
    async with receiving(OK, tls=server) as receiver, webhook_http(client) as http:
        target = f"https://n8n.example.com:{receiver.port}{PATH}"
        guard = UrlGuard([], [target], lookup=Dns("127.0.0.1"))

        assert (await WebhookClient(http, SIGNER, guard).post(target, "m", BODY)).status == 200

    assert asked == ["n8n.example.com"]


async def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    server, client = certificate("other.example.com", tmp_path)
    async with receiving(OK, tls=server) as receiver, webhook_http(client) as http:
        target = f"https://n8n.example.com:{receiver.port}{PATH}"
        guard = UrlGuard([], [target], lookup=Dns("127.0.0.1"))

        with pytest.raises(ApiError, match="certificate is not valid"):
            await WebhookClient(http, SIGNER, guard).post(target, "m", BODY)

    assert receiver.requests == []


# ---- workflows --------------------------------------------------------------------------------


async def test_a_workflow_answers_over_the_wire(http: httpx.AsyncClient) -> None:
    said = json.dumps([{"output": "आपका ऑर्डर आ रहा है।", "eta": "17:00"}]).encode()
    async with receiving(answer(200, said, "Content-Type: application/json")) as receiver:
        got = await workflows(http, receiver.port).call(
            url(receiver.port), "m", {"city": "Pune"}, 5.0
        )

    assert (got.text, got.data) == ("आपका ऑर्डर आ रहा है।", {"eta": "17:00"})
    request = receiver.requests[0]
    assert Webhook(SECRET).verify(request.body, request.headers) == {"city": "Pune"}


async def test_a_workflow_that_hangs_may_have_done_its_work(http: httpx.AsyncClient) -> None:
    async with receiving(hang) as receiver:
        with pytest.raises(ApiUnknownError, match="no answer"):
            await workflows(http, receiver.port).call(url(receiver.port), "m", {}, 0.2)


async def test_a_workflow_that_drips_is_given_up_in_time(http: httpx.AsyncClient) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"
    async with receiving(forever(head, b"x", 0.02)) as receiver:
        began = time.monotonic()
        with pytest.raises(ApiUnknownError, match="no answer in time"):
            await workflows(http, receiver.port).call(url(receiver.port), "m", {}, 0.3)

        assert time.monotonic() - began < 2.0


async def test_a_workflow_that_never_stops_is_heard_as_far_as_the_limit(
    http: httpx.AsyncClient,
) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"
    async with receiving(forever(head, b"x" * 65_536, 0.001)) as receiver:
        got = await workflows(http, receiver.port).call(url(receiver.port), "m", {}, 5.0)
        async with asyncio.timeout(5):
            await receiver.gone.wait()

    assert got.shortened
    assert got.text.startswith("xxx")


async def test_a_stream_of_an_agent_is_heard_as_one_answer(http: httpx.AsyncClient) -> None:
    """n8n's streaming mode: chunked, a line of JSON for each piece."""
    lines = [
        {"type": "begin"},
        *({"type": "item", "content": one} for one in ("It ", "is.")),
        {"type": "end"},
    ]
    chunks = [json.dumps(line).encode() + b"\n" for line in lines]
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    async with receiving(head + body + b"0\r\n\r\n") as receiver:
        got = await workflows(http, receiver.port).call(url(receiver.port), "m", {}, 5.0)

    assert (got.text, got.shortened) == ("It is.", False)


async def test_a_handshake_that_hangs_means_nothing_was_sent(http: httpx.AsyncClient) -> None:
    """The deadline strikes between the connection and the request: it may be repeated."""
    async with receiving(hang) as receiver:
        target = f"https://127.0.0.1:{receiver.port}{PATH}"
        with pytest.raises(ApiError, match="cannot connect") as failure:
            await workflows(http, receiver.port).call(target, "m", {}, 0.2)

    assert failure.value.retryable
    assert not isinstance(failure.value, ApiUnknownError)
