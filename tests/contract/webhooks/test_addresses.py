"""A host with several addresses: the next one is tried when, and only when, nothing was sent."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from contract.webhooks.receiver import (
    Dns,
    Play,
    Receiver,
    answer,
    certificate,
    hang,
    receiving,
)
from fwai.errors import ApiError, ApiUnknownError
from fwai.integrations.signing import Signer
from fwai.integrations.url_guard import UrlGuard
from fwai.integrations.webhook_client import WebhookClient, webhook_http
from fwai.integrations.workflow import WorkflowClient

SIGNER = Signer("whsec_" + base64.b64encode(b"Letters-and-digits-0123456789_ab").decode())
SAID = answer(200, b'{"message":"Booked."}', "Content-Type: application/json")
NAME = "n8n.internal.example"
ADDRESSES = ["127.0.0.2", "127.0.0.3", "127.0.0.4"]
REFUSES = "refuses"


async def drop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take the request and leave without a word."""


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with webhook_http() as client:
        yield client


async def listeners(
    stack: AsyncExitStack, scripts: Sequence[str | bytes | Play]
) -> tuple[int, list[Receiver]]:
    """Listen on one port of each address; where nobody does, connections are refused."""
    port, found = 0, []
    for address, script in reversed(list(zip(ADDRESSES, scripts, strict=False))):
        if isinstance(script, str):
            continue
        receiver = await stack.enter_async_context(receiving(script, host=address, port=port))
        port = receiver.port
        found.append(receiver)
    return port or 9, found[::-1]


def workflows(http: httpx.AsyncClient, url: str, addresses: Sequence[str]) -> WorkflowClient:
    return WorkflowClient(http, SIGNER, UrlGuard([], [url], lookup=Dns(addresses)))


@pytest.mark.parametrize(
    ("scripts", "connections"),
    [
        ([SAID], [1]),
        ([SAID, SAID], [1, 0]),
        ([REFUSES, SAID], [1]),
        ([REFUSES, REFUSES, SAID], [1]),
        ([REFUSES, SAID, SAID], [1, 0]),
    ],
    ids=["one", "the first", "the second", "the third", "the second of three"],
)
async def test_the_first_address_that_takes_the_connection_is_asked_once(
    http: httpx.AsyncClient, scripts: list[str | bytes | Play], connections: list[int]
) -> None:
    async with AsyncExitStack() as stack:
        port, receivers = await listeners(stack, scripts)
        url = f"http://{NAME}:{port}/hidden"

        got = await workflows(http, url, ADDRESSES[: len(scripts)]).call(url, "m", {}, 5.0)

        assert got.text == "Booked."
        assert [receiver.connections for receiver in receivers] == connections


@pytest.mark.parametrize(
    ("first", "words"),
    [
        (drop, "no answer"),
        (hang, "no answer in time"),
        (b"garbage\r\n\r\n", "no answer"),
        (answer(500), "HTTP 500"),
        (answer(404), "HTTP 404"),
    ],
    ids=["drops", "hangs", "garbage", "500", "404"],
)
async def test_what_may_have_arrived_goes_to_no_second_address(
    http: httpx.AsyncClient, first: bytes | Play, words: str
) -> None:
    async with AsyncExitStack() as stack:
        port, receivers = await listeners(stack, [first, SAID])
        url = f"http://{NAME}:{port}/hidden"

        with pytest.raises(ApiError, match=words) as failure:
            await workflows(http, url, ADDRESSES[:2]).call(url, "m", {}, 0.5)

        assert isinstance(failure.value, ApiUnknownError) is (words != "HTTP 404")
        assert [receiver.connections for receiver in receivers] == [1, 0]


async def test_when_no_address_takes_it_nothing_was_sent(http: httpx.AsyncClient) -> None:
    async with receiving(SAID) as receiver:
        port = receiver.port
    url = f"http://{NAME}:{port}/hidden"

    with pytest.raises(ApiError, match=f"{NAME}: cannot connect") as failure:
        await workflows(http, url, ADDRESSES).call(url, "m", {}, 5.0)

    assert failure.value.retryable
    assert not isinstance(failure.value, ApiUnknownError)
    assert "hidden" not in str(failure.value)


async def test_a_handshake_that_hangs_leaves_time_for_the_next_address(tmp_path: Path) -> None:
    server, client = certificate(NAME, tmp_path)
    async with (
        receiving(SAID, tls=server, host=ADDRESSES[1]) as second,
        receiving(hang, host=ADDRESSES[0], port=second.port) as first,
        webhook_http(client) as http,
    ):
        url = f"https://{NAME}:{second.port}/hidden"
        began = time.monotonic()

        got = await workflows(http, url, ADDRESSES[:2]).call(url, "m", {}, 2.0)

        assert got.text == "Booked."
        assert time.monotonic() - began < 2.0
        assert (first.connections, second.connections) == (1, 1)


async def test_a_wrong_certificate_at_one_address_is_not_the_end(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    other, _ = certificate("other.example.com", tmp_path / "a")
    server, client = certificate(NAME, tmp_path)
    async with (
        receiving(SAID, tls=server, host=ADDRESSES[1]) as second,
        receiving(SAID, tls=other, host=ADDRESSES[0], port=second.port) as first,
        webhook_http(client) as http,
    ):
        url = f"https://{NAME}:{second.port}/hidden"

        assert (await workflows(http, url, ADDRESSES[:2]).call(url, "m", {}, 5.0)).text == "Booked."
        assert first.requests == []


async def test_ipv6_that_leads_nowhere_is_passed_over(http: httpx.AsyncClient) -> None:
    async with receiving(SAID) as receiver:
        url = f"http://{NAME}:{receiver.port}/hidden"

        got = await workflows(http, url, ["::1", "127.0.0.1"]).call(url, "m", {}, 5.0)

    assert got.text == "Booked."


@pytest.mark.parametrize("bad", ["169.254.169.254", "::ffff:127.0.0.1", "0.0.0.0"])  # noqa: S104
async def test_one_bad_address_and_nothing_is_sent_to_any(
    http: httpx.AsyncClient, bad: str
) -> None:
    async with receiving(SAID) as receiver:
        url = f"http://{NAME}:{receiver.port}/hidden"

        with pytest.raises(ApiError, match="never posted to"):
            await workflows(http, url, ["127.0.0.1", bad]).call(url, "m", {}, 5.0)

        assert receiver.connections == 0


async def test_events_go_on_to_the_next_address_too(http: httpx.AsyncClient) -> None:
    async with receiving(answer(204)) as receiver:
        url = f"http://{NAME}:{receiver.port}/hidden"
        guard = UrlGuard([], [url], lookup=Dns([ADDRESSES[0], "127.0.0.1"]))

        assert (await WebhookClient(http, SIGNER, guard).post(url, "m", b"{}")).status == 204

    assert receiver.requests[0].headers["host"] == f"{NAME}:{receiver.port}"
