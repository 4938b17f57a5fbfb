"""One signed post: what is sent, what each answer means, and when to try again."""

import asyncio
import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import virtual_time
from fwai.errors import ApiError, ApiUnknownError
from fwai.integrations.signing import Signer
from fwai.integrations.url_guard import UrlGuard
from fwai.integrations.webhook_client import (
    GIVE_UP_S,
    Delivered,
    DeliveryError,
    WebhookClient,
    backoff,
    retry_gap_s,
    webhook_http,
)

SECRET = "whsec_" + base64.b64encode(b"Letters-and-digits-0123456789_ab").decode()
SIGNER = Signer(SECRET)
URL = "https://hooks.example.com:8443/hidden/path?token=hidden"
ADDRESS = "8.8.4.4"
NOW = 1_795_000_000.5
BODY = b'{"type":"call.ended"}'


async def resolve(host: str, port: int) -> Sequence[str]:
    assert (host, port) == ("hooks.example.com", 8443)
    return [ADDRESS]


@dataclass
class Receiver:
    """Answers every request the same way and remembers it."""

    answer: httpx.Response | Exception
    requests: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        answer = self.answer
        # As from a network: not read yet.
        stream = httpx.ByteStream(answer.content)
        return httpx.Response(answer.status_code, headers=answer.headers, stream=stream)


async def post(receiver: Receiver, url: str = URL, message_id: str = "msg_1") -> Delivered:
    guard = UrlGuard(["hooks.example.com:8443"], lookup=resolve)
    async with httpx.AsyncClient(
        transport=httpx.MockTransport(receiver),
        headers={"X-Other": "for somebody else"},
        cookies={"other": "1"},
        auth=("user", "password"),
    ) as http:
        return await WebhookClient(http, SIGNER, guard, now=lambda: NOW).post(url, message_id, BODY)


async def test_a_message_goes_signed_to_the_address_that_was_judged() -> None:
    receiver = Receiver(httpx.Response(204))

    posted = await post(receiver)

    request = receiver.requests[0]
    assert posted == Delivered(204, None)
    assert request.method == "POST"
    assert str(request.url) == f"https://{ADDRESS}:8443/hidden/path?token=hidden"
    assert request.headers["host"] == "hooks.example.com:8443"
    assert request.extensions["sni_hostname"] == "hooks.example.com"
    assert request.content == BODY
    assert request.headers["content-type"] == "application/json"
    signed = SIGNER.headers("msg_1", int(NOW), BODY)
    assert {name: request.headers[name] for name in signed} == signed


async def test_nothing_of_the_client_goes_along() -> None:
    receiver = Receiver(httpx.Response(200))

    await post(receiver)

    sent = receiver.requests[0].headers
    assert not {"x-other", "cookie", "authorization"} & set(sent)
    assert sent["user-agent"] == "fwai"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_any_2xx_is_fine(status: int) -> None:
    assert (await post(Receiver(httpx.Response(status)))).status == status


@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        (410, False),
        (300, True), (301, True), (302, True), (304, True), (307, True), (308, True),
        (400, True), (401, True), (403, True), (404, True), (413, True), (422, True), (451, True),
        (408, True), (409, True), (425, True), (429, True),
        (500, True), (501, True), (502, True), (503, True), (504, True), (599, True),
    ],
)  # fmt: skip
async def test_only_gone_is_said_for_good(status: int, retryable: bool) -> None:
    """A workflow that is published anew answers 404; a wrong token may be put right in a day."""
    receiver = Receiver(httpx.Response(status, headers={"Location": "https://evil.example/"}))

    with pytest.raises(DeliveryError) as failure:
        await post(receiver)

    assert failure.value.retryable is retryable
    assert failure.value.status == status
    assert len(receiver.requests) == 1
    assert ("final URL" in str(failure.value)) is (status < 400)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("99999999999999999999", GIVE_UP_S),
        ("Tue, 17 Nov 2026 10:40:00 GMT", 0.0),
        ("", None),
        ("-5", None),
        ("soon", None),
        ("²", None),
        ("Sat, 99 Jan 2026 00:00:00 GMT", None),
    ],
)
async def test_a_receiver_may_say_when(text: str, seconds: float | None) -> None:
    with pytest.raises(DeliveryError) as failure:
        await post(Receiver(httpx.Response(503, headers=[(b"Retry-After", text.encode())])))

    assert failure.value.retry_after_s == seconds


async def test_a_receiver_may_say_when_by_date() -> None:
    late = {"Retry-After": "Wed, 18 Nov 2026 11:08:20 GMT"}

    with pytest.raises(DeliveryError) as failure:
        await post(Receiver(httpx.Response(503, headers=late)))

    assert failure.value.retry_after_s == pytest.approx(1_795_000_100 - NOW, abs=1.0)


@pytest.mark.parametrize(
    "fault",
    [
        httpx.ConnectError("refused"),
        httpx.ConnectTimeout("slow"),
        httpx.PoolTimeout("full"),
        httpx.ReadTimeout("slow"),
        httpx.ReadError("reset"),
        httpx.WriteError("reset"),
        httpx.RemoteProtocolError("what?"),
    ],
)
async def test_without_an_answer_it_is_worth_repeating(fault: Exception) -> None:
    with pytest.raises(ApiError) as failure:
        await post(Receiver(fault))

    assert failure.value.retryable
    assert not isinstance(failure.value, ApiUnknownError)


async def test_a_bad_certificate_is_named() -> None:
    fault = httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate has expired")

    with pytest.raises(ApiError, match="certificate is not valid"):
        await post(Receiver(fault))


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectError("refused"),
        httpx.ReadError("reset"),
        httpx.Response(302, headers={"Location": "/hidden"}),
        httpx.Response(404, text="hidden"),
        httpx.Response(500, text="hidden"),
    ],
)
async def test_a_failure_is_told_with_the_host_alone(answer: httpx.Response | Exception) -> None:
    with pytest.raises(ApiError) as failure:
        await post(Receiver(answer))

    assert str(failure.value).startswith("webhook: hooks.example.com: ")
    assert "hidden" not in str(failure.value)


@pytest.mark.parametrize(
    "url", ["https://evil.example/hidden", "https://hooks.example.com/hidden", "hidden"]
)
async def test_a_url_that_is_not_allowed_is_never_posted_to(url: str) -> None:
    receiver = Receiver(httpx.Response(200))

    with pytest.raises(ApiError) as failure:
        await post(receiver, url)

    assert not failure.value.retryable
    assert receiver.requests == []
    assert "hidden" not in str(failure.value)


async def test_an_id_that_cannot_be_signed_is_the_callers_fault() -> None:
    receiver = Receiver(httpx.Response(200))

    with pytest.raises(ValueError, match="message_id"):
        await post(receiver, message_id="a.b")

    assert receiver.requests == []


async def test_the_client_for_webhooks_keeps_nothing() -> None:
    """Cookies of strangers are not kept; redirections and proxies are not used."""

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(302, headers={"Set-Cookie": "a=1", "Location": "/next"})

    async with webhook_http() as http:
        http._transport = httpx.MockTransport(answer)
        response = await http.get("http://hooks.example.com/")

        assert response.status_code == 302
        assert len(http.cookies) == 0
        assert not http.trust_env


# ---- when to try again ------------------------------------------------------------------------


def test_the_gaps_grow_and_fill_a_day() -> None:
    gaps = [backoff(attempt, 0.5) for attempt in range(1, 15)]

    assert gaps[:8] == pytest.approx([5, 30, 120, 600, 1800, 3600, 7200, 10_800])
    assert set(gaps[7:]) == {gaps[7]}
    sums = list(accumulate(gaps))
    assert sums[-2] < GIVE_UP_S < sums[-1] < GIVE_UP_S + 3600


@given(st.integers(1, 10**6), st.floats(0, 1, exclude_max=True))
def test_jitter_spreads_a_gap_by_a_fifth(attempt: int, jitter: float) -> None:
    middle = backoff(attempt, 0.5)

    assert middle * 0.8 - 1e-6 <= backoff(attempt, jitter) < middle * 1.2 + 1e-6
    assert backoff(attempt, 0.0) < backoff(attempt, 0.99)


@pytest.mark.parametrize("strange", [0, -3])
def test_a_strange_attempt_counts_as_the_first(strange: int) -> None:
    assert backoff(strange, 0.5) == backoff(1, 0.5)


@pytest.mark.parametrize(
    ("asked", "wait_s"), [(None, 30.0), (0.0, 30.0), (20.0, 30.0), (90.0, 90.0), (1e9, 10_800.0)]
)
def test_a_receivers_wish_counts_if_it_is_longer(asked: float | None, wait_s: float) -> None:
    assert retry_gap_s(2, 0.5, asked) == pytest.approx(wait_s)


# ---- several addresses ------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 8])
@pytest.mark.parametrize("timeout_s", [1.0, 10.0, 60.0])
def test_addresses_that_hang_leave_the_time_to_answer(count: int, timeout_s: float) -> None:
    """Each takes what it is given, twice: for TCP and for TLS."""
    tried: list[str] = []

    async def hang(request: httpx.Request) -> httpx.Response:
        tried.append(request.url.host)
        await asyncio.sleep(2 * request.extensions["timeout"]["connect"])
        raise httpx.ConnectTimeout("slow")

    async def many(host: str, port: int) -> Sequence[str]:
        return [f"8.8.4.{n}" for n in range(count)]

    async def main() -> float:
        began = asyncio.get_running_loop().time()
        guard = UrlGuard(["hooks.example.com:8443"], lookup=many)
        async with httpx.AsyncClient(transport=httpx.MockTransport(hang)) as http:
            with pytest.raises(ApiError, match="cannot connect") as failure:
                await WebhookClient(http, SIGNER, guard).post(URL, "m", BODY, timeout_s=timeout_s)
        assert failure.value.retryable
        return asyncio.get_running_loop().time() - began

    took_s = virtual_time.run(main())

    assert tried == [f"8.8.4.{n}" for n in range(count)]
    assert took_s == pytest.approx(min(10.0, 0.8 * timeout_s))


async def test_a_full_pool_is_no_reason_to_try_another_address() -> None:
    receiver = Receiver(httpx.PoolTimeout("full"))

    async def two(host: str, port: int) -> Sequence[str]:
        return [ADDRESS, "8.8.8.8"]

    guard = UrlGuard(["hooks.example.com:8443"], lookup=two)
    async with httpx.AsyncClient(transport=httpx.MockTransport(receiver)) as http:
        with pytest.raises(ApiError, match="PoolTimeout"):
            await WebhookClient(http, SIGNER, guard).post(URL, "m", BODY)

    assert len(receiver.requests) == 1
