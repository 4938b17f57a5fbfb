"""Plivo's webhooks as they come, signed: spelled, typed and addressed otherwise than documented."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from fwai.adapters.plivo.webhook import EMPTY_XML
from unit.adapters.handler_kit import FakeCalls
from unit.adapters.plivo.kit import CALL, PUBLIC_URL, Line, stream_of

CORPUS = json.loads(Path(__file__).with_name("requests.json").read_text("utf-8"))
FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize("case", CORPUS["requests"], ids=lambda case: case["note"])
async def test_a_webhook_is_read_in_the_one_way_it_can_mean(case: dict[str, Any]) -> None:
    calls, expect, form = FakeCalls(), case["expect"], case["form"]
    line, method = Line(calls), case.get("method", "POST")
    query = case.get("query", "v=1")
    if method == "GET":
        query = "&".join(filter(None, [query, urlencode(form)]))
    where = f"{PUBLIC_URL}/plivo/{case['path']}" + (f"?{query}" if query else "")
    signed = line.signer.voice(method, where, form if method == "POST" else {})
    spell = {"lower": str.lower, "upper": str.upper}.get(case.get("headers", ""), str)

    response = await line.send(
        case["path"],
        form,
        method=method,
        query=query,
        headers={
            "Content-Type": case.get("content_type", FORM),
            **{spell(name): value for name, value in signed.items()},
        },
        content=b"" if method == "GET" else urlencode(form, doseq=True).encode(),
    )

    assert response.status_code == 200
    if "ended" in expect:
        assert calls.offers == []
        assert calls.endings == [("plivo", expect["call"], expect["ended"], expect["cause"])]
        assert response.text in ("", EMPTY_XML)
        return
    (offer,) = calls.offers
    assert stream_of(response).text
    assert (offer.provider_call_id, offer.caller, offer.line, offer.direction.value) == (
        expect["call"],
        expect["caller"],
        expect["line"],
        expect["direction"],
    )


@pytest.mark.parametrize("path", ["answer/", "hangup/", "ring/", "machine/", "message-status/"])
async def test_a_slash_behind_the_address_opens_no_door(path: str) -> None:
    calls = FakeCalls()

    response = await Line(calls).send(path, {"CallUUID": CALL}, headers={})

    assert response.status_code == 403
    assert calls.untouched


def test_every_request_says_what_it_stands_on() -> None:
    assert all(len(case["source"]) > 3 for case in CORPUS["requests"])
