"""What the model hears of everything that n8n, or what stands before it, may answer."""

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from fwai.domain.webhook_tool import WebhookToolSpec
from fwai.integrations.signing import Signer
from fwai.integrations.url_guard import UrlGuard
from fwai.integrations.workflow import WorkflowClient
from fwai.tools.workflow import workflow_tool
from unit.tools.kit import run

CORPUS = json.loads(Path(__file__).with_name("answers.json").read_text("utf-8"))
SIGNER = Signer("whsec_" + base64.b64encode(b"Letters-and-digits-0123456789_ab").decode())
URL = "https://n8n.example.com/webhook/check-order-7f3a?token=t0k3n"
SECRETS = ("check-order-7f3a", "t0k3n")
SPEC = WebhookToolSpec(
    name="check_order",
    description="Look an order up.",
    parameters={},
    url=URL,
    timeout_s=5.0,
    filler="",
)


async def resolve(host: str, port: int) -> Sequence[str]:
    return ["8.8.4.4"]


def body_of(case: dict[str, Any]) -> bytes:
    body: bytes = base64.b64decode(case["base64"]) if "base64" in case else case["body"].encode()
    times: int = case.get("repeat", 1)
    return body * times


@pytest.mark.parametrize("case", CORPUS["answers"], ids=lambda case: case["note"])
async def test_what_the_model_hears(case: dict[str, Any]) -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        headers = {"Content-Type": case["type"]} if case["type"] else {}
        stream = httpx.ByteStream(body_of(case))
        return httpx.Response(
            case["status"], headers=headers | case.get("headers", {}), stream=stream
        )

    guard = UrlGuard([], [URL], lookup=resolve)
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        with capture_logs() as logs:
            result = await run(workflow_tool(SPEC, WorkflowClient(http, SIGNER, guard)), {})

    expect = case["expect"]
    assert len(sent) == 1, "a workflow is called once"
    assert result.ok is expect["ok"]
    assert result.text == expect.get("hears", result.text)
    assert expect.get("contains", "") in result.text
    if "data" in expect:
        assert result.data == expect["data"]
    events = [line["event"] for line in logs if line["event"].startswith("workflow_")]
    if "logs" in expect or expect["ok"]:
        assert events == expect.get("logs", [])
    assert not any(secret in f"{logs}{result}" for secret in SECRETS)
    json.dumps([result.text, dict(result.data)], ensure_ascii=False, allow_nan=False).encode()


def test_every_answer_says_what_it_stands_on() -> None:
    answers = CORPUS["answers"]

    assert all(len(case["source"]) > 3 for case in answers)
    assert len({case["note"] for case in answers}) == len(answers)
