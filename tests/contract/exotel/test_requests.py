"""Exotel's requests as they come: Voicebot, status callbacks and Passthru in every clothing."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from unit.adapters.client_kit import FakeRest, send
from unit.adapters.exotel.kit import KNOWN, SECRET, Exotel

CORPUS = json.loads(Path(__file__).with_name("requests.json").read_text("utf-8"))
UTF16 = "UTF16:"


def body_of(case: dict[str, Any]) -> bytes:
    text: str = case["body"] or ""
    return text.removeprefix(UTF16).encode("utf-16" if text.startswith(UTF16) else "utf-8")


async def sent(exotel: Exotel, case: dict[str, Any], secret: str = SECRET) -> httpx.Response:
    where = f"/exotel/{secret}/{case['path']}?{urlencode(case['query'])}"
    headers = {"Content-Type": case["content_type"]} if case["content_type"] else {}
    async with FakeRest(KNOWN).client() as rest:
        return await send(exotel.app(rest), case["method"], where, body_of(case), headers)


@pytest.mark.parametrize("case", CORPUS["requests"], ids=lambda case: case["note"])
async def test_a_request_is_read_in_the_one_way_it_can_mean(case: dict[str, Any]) -> None:
    exotel, expect = Exotel(), case["expect"]

    response = await sent(exotel, case)

    assert response.status_code == expect.get("status", expect.get("passthru", 200))
    if "ended" in expect:
        ((_, call, state, _cause),) = exotel.calls.endings
        assert (call, state.value) == (expect["call"], expect["ended"])
    elif expect.get("stream"):
        (offer,) = exotel.calls.offers
        assert (offer.provider_call_id, offer.caller, offer.line) == (
            expect["call"],
            expect["caller"],
            expect["line"],
        )
        assert "/stream/tok-_1" in response.json()["url"]
    elif expect.get("static"):
        assert exotel.calls.untouched
        assert ("mode=listen" in response.json()["url"]) is (expect.get("mode") == "listen")
    else:
        assert exotel.calls.untouched


@pytest.mark.parametrize("path", ["voicebot/", "status/", "sms-status/", "passthru/"])
async def test_a_slash_behind_the_address_opens_no_door(path: str) -> None:
    exotel = Exotel()
    case = {"path": path, "method": "GET", "query": {"CallSid": "c1"}, "body": None}

    response = await sent(exotel, {**case, "content_type": ""}, secret="guess")

    assert response.status_code == 403
    assert exotel.calls.untouched


def test_every_request_says_what_it_stands_on() -> None:
    assert all(len(case["source"]) > 3 for case in CORPUS["requests"])
