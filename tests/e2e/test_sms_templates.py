"""Texts to numbers in India are registered wordings, from prompts.json to the provider's wire."""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from e2e.acting_world import agents_file, open_slot, until
from e2e.house import House, running
from fwai.config.loading import load_settings
from fwai.errors import ConfigError
from fwai.wiring.installation import load_agents

INDIAN, ABROAD = "+919999900005", "+971500000005"
ID, BOOKING_ID = "1107160000000000001", "1107160000000000002"
TEMPLATES: Mapping[str, Any] = {
    "course_details": {
        "text": "Dear {#var#}, the {#var#} course begins on {#var#}. - ACMEAC",
        "description": "details of a course in writing",
        "variables": ["name", "course", "start"],
        "template_id": ID,
        "entity_id": "1101100000000000009",
        "category": "service_explicit",
        "sender": "ACMEAC",
    },
    "booking_confirmed": {
        "text": "Dear {#var#}, your demo: {#var#}. - ACMEAC",
        "variables": ["name", "when"],
        "template_id": BOOKING_ID,
    },
}


@asynccontextmanager
async def desk(
    folder: Path, provider: str, templates: object = TEMPLATES
) -> AsyncIterator[tuple[House, httpx.AsyncClient]]:
    key = secrets.token_hex(16)
    settings: dict[str, object] = {
        "call_provider": provider,
        "api_keys": key,
        "calling_countries": "*",
        "prompts_file": agents_file(folder, sms_templates=templates),
        "plivo_dlt_entity_id": "1101100000000000000",
        "exotel_dlt_entity_id": "1101100000000000000",
    }
    async with (
        running(folder, **settings) as house,
        httpx.AsyncClient(base_url=house.url, headers={"x-api-key": key}, timeout=20) as api,
    ):
        yield house, api


def sent(house: House, provider: str) -> list[dict[str, str]]:
    """Return what the provider was asked to send, with its own names for the registration."""
    world = house.world
    if provider == "plivo":
        names = ("src", "text", "dlt_template_id", "dlt_entity_id", "dlt_template_category")
        return [{n: m.parameters.get(n, "") for n in names} for m in world.provider.messages]
    names = ("From", "Body", "DltTemplateId", "DltEntityId", "SmsType")
    assert world.exotel is not None
    return [{n: m.form.get(n, [""])[0] for n in names} for m in world.exotel.messages]


async def text(api: httpx.AsyncClient, to: str, **arguments: object) -> httpx.Response:
    return await api.post("/api/tools/send_sms", json={"to": to, "arguments": arguments})


@pytest.mark.parametrize(
    ("provider", "wire"),
    [
        ("plivo", ("ACMEAC", ID, "1101100000000000009", "service_explicit")),
        ("exotel", ("ACMEAC", ID, "1101100000000000009", "transactional_opt_in")),
    ],
)
async def test_a_registered_wording_reaches_the_provider_with_its_registration(
    tmp_path: Path, provider: str, wire: tuple[str, ...]
) -> None:
    filled = "Dear Asha, the AI course begins on 1 Dec. - ACMEAC"
    async with desk(tmp_path, provider) as (house, api):
        shown = (await api.get("/api/tools/send_sms")).json()
        assert shown["parameters"]["properties"]["template"]["anyOf"][0]["enum"] == [
            "course_details"
        ]

        by_order = await text(
            api, INDIAN, template="course_details", variables=["Asha", "AI", "1 Dec"]
        )
        named = {"name": "Ravi", "course": "AI", "start": "1 Dec"}
        by_name = await text(api, INDIAN, template="course_details", variables=named)
        word_for_word = await text(api, INDIAN, text=filled.replace("Asha", "Meera"))
        abroad = await text(api, ABROAD, text="Free words.")
        free = await text(api, INDIAN, text="Free words.")
        long = await text(
            api, INDIAN, template="course_details", variables=["Asha", "x" * 31, "1 Dec"]
        )

        for answer in (by_order, by_name, word_for_word, abroad):
            assert (answer.status_code, answer.json()["status"]) == (200, "ok"), answer.text
        assert (free.status_code, free.json()["field"]) == (422, "arguments.text")
        assert "course_details (name, course, start)" in free.json()["detail"]
        assert (long.status_code, long.json()["field"]) == (422, "arguments.variables")
        assert "course of course_details has 31 characters" in long.json()["detail"]
        asked = [tuple(one.values()) for one in sent(house, provider)]

    india = [(one[0], *one[2:]) for one in asked if one[1] != "Free words."]
    assert india == [wire] * 3
    assert [one[1] for one in asked] == [
        filled, filled.replace("Asha", "Ravi"), filled.replace("Asha", "Meera"), "Free words.",
    ]  # fmt: skip
    (other,) = (one for one in asked if one[1] == "Free words.")
    assert other[2] == "", "no wording of it is registered"
    assert other[0] != "ACMEAC"


@pytest.mark.parametrize("provider", ["plivo", "exotel"])
async def test_a_booked_demo_is_confirmed_in_its_registered_wording(
    tmp_path: Path, provider: str
) -> None:
    slot = open_slot(datetime.now(UTC))
    async with desk(tmp_path, provider) as (house, api):
        body = {"when": slot.isoformat(), "name": "Asha", "interest": "the evening batch"}
        answer = await api.post("/api/tools/book_demo", json={"to": INDIAN, "arguments": body})

        async def one_sent() -> bool:
            return len(sent(house, provider)) == 1

        await until(one_sent)
        (asked,) = sent(house, provider)

    assert answer.json()["result"]["sending"] == ["a text message"]
    values = list(asked.values())
    when = f"{slot:%a} {slot.day} {slot:%b} {slot.year}"
    assert values[1].startswith(f"Dear Asha, your demo: {when}")
    assert values[2:4] == [BOOKING_ID, "1101100000000000000"]


async def test_without_a_wording_for_it_a_booked_demo_is_not_texted_nor_said_to_be(
    tmp_path: Path,
) -> None:
    only = {"course_details": TEMPLATES["course_details"]}
    slot = open_slot(datetime.now(UTC))
    async with desk(tmp_path, "plivo", only) as (house, api):
        body = {"when": slot.isoformat(), "name": "Asha", "interest": "the evening batch"}
        answer = await api.post("/api/tools/book_demo", json={"to": INDIAN, "arguments": body})

        assert answer.json()["status"] == "ok"
        assert answer.json()["result"]["sending"] == []
        assert "Nothing further is sent" in answer.json()["message"]
        assert sent(house, "plivo") == []


def test_faults_of_templates_are_all_named_at_the_start(tmp_path: Path) -> None:
    wrong = {"a": {"text": "Dear {name}"}, "b": {"text": "Hi", "sender": "?"}}
    file = agents_file(tmp_path, sms_templates=wrong)

    with pytest.raises(ConfigError) as refused:
        load_agents(load_settings({"prompts_file": file}, environment=False))

    begins = [f"agents.json: FWAI_Core.sms_templates.{one}: " for one in ("a.text", "b.sender")]
    assert [
        problem.startswith(begin)
        for problem, begin in zip(refused.value.problems, begins, strict=True)
    ] == [True, True]
