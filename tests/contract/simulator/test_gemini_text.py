"""The unmodified google-genai SDK asks the simulator for text, on the port of Live."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from google import genai
from google.genai import errors, types
from pydantic import BaseModel
from websockets.asyncio.client import connect

from contract.simulator.live_lab import tls_contexts
from fwai.simulator.gemini.server import GeminiLiveSimulator
from fwai.simulator.gemini.text import TextFault, TextRequest

MODEL = "gemini-3.8-flash"
TRANSCRIPT = "Summarise.\nagent: Welcome.\ncaller: I want the Hindi course.\nagent: Gladly, bye.\n"
POST = b"POST /v1beta/models/gemini-3:generateContent HTTP/1.1\r\nHost: h\r\nx-goog-api-key: K\r\n"


class Outcome(BaseModel):
    summary: str
    interest: str | None
    lead_score: int


class Session:
    """The SDK, aimed at a simulator."""

    def __init__(self, simulator: GeminiLiveSimulator, client: genai.Client) -> None:
        self.simulator = simulator
        self.client = client

    async def ask(
        self, text: str = TRANSCRIPT, model: str = MODEL, kind: str = "text/plain"
    ) -> str:
        config = types.GenerateContentConfig(response_mime_type=kind)
        answer = await self.client.aio.models.generate_content(
            model=model, contents=text, config=config
        )
        return answer.text or ""


def sdk(url: str, key: str = "K", trust: ssl.SSLContext | None = None) -> genai.Client:
    options = types.HttpOptions(
        base_url=url,
        timeout=2_000,
        async_client_args={"trust_env": False, "verify": trust or True},
        retry_options=types.HttpRetryOptions(attempts=1),
    )
    return genai.Client(api_key=key, http_options=options)


@asynccontextmanager
async def talking(key: str = "K", api_key: str | None = None) -> AsyncIterator[Session]:
    async with GeminiLiveSimulator(api_key=api_key) as simulator:
        client = sdk(simulator.text_url, key)
        try:
            yield Session(simulator, client)
        finally:
            await client.aio.aclose()
            client.close()


async def test_a_transcript_is_summarised() -> None:
    async with talking() as session:
        answer = await session.client.aio.models.generate_content(
            model=MODEL,
            contents=TRANSCRIPT,
            config=types.GenerateContentConfig(system_instruction="Be short.", temperature=0.0),
        )

    (request,) = session.simulator.text.requests
    usage = answer.usage_metadata
    assert answer.text == (
        "The caller said: I want the Hindi course. The agent said last: Gladly, bye."
    )
    assert answer.candidates is not None
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    assert usage is not None
    assert usage.total_token_count == (usage.prompt_token_count or 0) + (
        usage.candidates_token_count or 0
    )
    assert (request.model, request.system, request.status) == (MODEL, "Be short.", 200)
    assert request.config["temperature"] == 0.0


async def test_an_answer_fits_the_schema() -> None:
    async with talking() as session:
        answer = await session.client.aio.models.generate_content(
            model=MODEL,
            contents=TRANSCRIPT,
            config=types.GenerateContentConfig(
                response_mime_type="application/json", response_schema=Outcome
            ),
        )

    assert isinstance(answer.parsed, Outcome)
    assert answer.parsed.summary.startswith("The caller said: I want the Hindi course.")
    assert (answer.parsed.interest, answer.parsed.lead_score) == (None, 0)


async def test_answers_are_scripted_and_ruled() -> None:
    def rule(request: TextRequest) -> str | None:
        return "ruled" if "course" in request.text else None

    async with talking() as session:
        session.simulator.text.answers.extend(["first", {"summary": "second"}])
        session.simulator.text.rule = rule
        answers = [await session.ask() for _ in range(3)]
        answers.append(await session.ask("caller: Hello"))

    assert answers == ["first", '{"summary": "second"}', "ruled", "The caller said: Hello."]


@pytest.mark.parametrize(
    ("fault", "status"), [("quota", 429), ("internal", 500), ("unavailable", 503)]
)
async def test_a_refusal_is_an_error_of_the_sdk(fault: TextFault, status: int) -> None:
    async with talking() as session:
        session.simulator.text.fail(fault, times=2)
        for _ in range(2):
            with pytest.raises(errors.APIError) as caught:
                await session.ask()
            assert caught.value.code == status
        assert await session.ask()


async def test_an_answer_may_be_no_json_cut_off_empty_or_blocked() -> None:
    faults: list[TextFault] = ["malformed", "truncated", "empty", "blocked"]
    async with talking() as session:
        for fault in faults:
            session.simulator.text.fail(fault)
        texts = [await session.ask(kind="application/json") for _ in range(5)]

    assert texts[2:4] == ["", ""]
    for broken in texts[:2]:
        with pytest.raises(json.JSONDecodeError):
            json.loads(broken)
    assert json.loads(texts[4])["summary"]


async def test_an_answer_that_never_comes_ends_with_the_simulator() -> None:
    body = b'{"contents": [{"parts": [{"text": "caller: Hi"}]}]}'
    async with GeminiLiveSimulator() as simulator:
        simulator.text.fail("hang")
        reader, writer = await connected(simulator)
        writer.write(POST + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        while not simulator.text.requests:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    async with asyncio.timeout(5):
        left = await reader.read()
    writer.close()

    assert left == b""
    assert simulator.text.requests[0].status is None


async def test_a_wrong_key_is_refused() -> None:
    async with talking("wrong", api_key="K") as session:
        with pytest.raises(errors.ClientError) as caught:
            await session.ask()

    assert caught.value.code == 400
    assert not session.simulator.text.requests


async def test_a_live_model_writes_no_text() -> None:
    async with talking() as session:
        with pytest.raises(errors.ClientError) as caught:
            await session.ask(model="gemini-3.8-live")

    assert caught.value.code == 404


async def test_text_and_live_share_a_port_under_tls() -> None:
    server, trust = tls_contexts()
    async with GeminiLiveSimulator(host="localhost", ssl=server) as simulator:
        client = sdk(simulator.text_url, trust=trust)
        url = f"{simulator.url}/ws/x?key=K"
        async with connect(url, ssl=trust, proxy=None, compression=None) as live:
            await live.send(json.dumps({"setup": {"model": "models/gemini-3.8-live"}}))
            set_up = json.loads(await live.recv())
            answer = await client.aio.models.generate_content(model=MODEL, contents="caller: Hi")
        await client.aio.aclose()
        client.close()

    assert "setupComplete" in set_up
    assert answer.text == "The caller said: Hi."


async def connected(
    simulator: GeminiLiveSimulator,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", int(simulator.url.rpartition(":")[2]))


async def test_a_silent_connection_ends_with_the_simulator() -> None:
    async with GeminiLiveSimulator() as simulator:
        silent, writer = await connected(simulator)
        _, gone = await connected(simulator)
        gone.close()
        await gone.wait_closed()
    async with asyncio.timeout(5):
        left = await silent.read()
    writer.close()

    assert left == b""


async def first_line(simulator: GeminiLiveSimulator, *parts: bytes) -> bytes:
    reader, writer = await connected(simulator)
    for part in parts:
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(0.02)
    answer = await reader.readuntil(b"\r\n")
    writer.close()
    return answer


async def test_a_request_may_come_in_pieces() -> None:
    head = POST + b"Content-Length: 2\r\n\r\n{"
    async with GeminiLiveSimulator() as simulator:
        answer = await first_line(simulator, head[:2], head[2:], b"}")
        keyless = await first_line(
            simulator, b"POST /v1beta/models/x:y HTTP/1.1\r\nHost: h\r\n\r\n"
        )
        put = await first_line(simulator, b"P", b"UT / HTTP/1.1\r\nHost: h\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 400")
    assert keyless.startswith(b"HTTP/1.1 403")
    assert put.startswith(b"HTTP/1.1 4")
