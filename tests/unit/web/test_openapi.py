"""The document of the API."""

from collections.abc import Iterator
from typing import Any

from fwai.http.problem import MEDIA_TYPE
from fwai.web.openapi import TAGS
from unit.web.kit import House

REF = {"$ref": "#/components/schemas/Problem"}


def operations(home: House) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in home.app.openapi()["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


async def test_every_route_of_the_contract_is_there(home: House) -> None:
    wanted = {
        "post /api/calls",
        "get /api/calls",
        "get /api/calls/{call_id}",
        "post /api/calls/{call_id}/hangup",
        "post /api/calls/{call_id}/transfer",
        "post /api/calls/{call_id}/say",
        "get /api/calls/{call_id}/transcript",
        "get /api/calls/{call_id}/recording",
        "get /api/calls/{call_id}/events",
        "get /api/tools",
        "get /api/tools/{name}",
        "post /api/tools/{name}",
        "get /api/callbacks",
        "post /api/callbacks",
        "get /api/callbacks/{callback_id}",
        "delete /api/callbacks/{callback_id}",
        "get /api/bookings",
        "get /api/agents",
    }

    assert wanted <= {name for name, _ in operations(home)}


async def test_every_route_tells_of_its_refusals(home: House) -> None:
    tags = {name for name, _ in TAGS}
    for name, operation in operations(home):
        refusals = {status: told for status, told in operation["responses"].items() if status > "3"}
        assert {"401", "403", "422", "429", "500", "503"} <= set(refusals), name
        for told in refusals.values():
            assert told["content"] == {MEDIA_TYPE: {"schema": REF}}, name
            assert told["description"]
        assert operation["summary"], name
        assert set(operation["tags"]) <= tags, name
        assert operation["security"] == [{"bearer": []}, {"key": []}], name


async def test_every_body_has_examples(home: House) -> None:
    schemas = home.app.openapi()["components"]["schemas"]
    for name in (
        "NewCall",
        "SayRequest",
        "TransferRequest",
        "ToolRequestBody",
        "CallbackRequest",
        "ContactUpdate",
    ):
        assert schemas[name]["examples"], name
    assert schemas["Problem"]["examples"]
    assert schemas["Problem"]["properties"]["errors"]["items"] == {
        "$ref": "#/components/schemas/FieldProblem"
    }


async def test_what_is_referred_to_is_there(home: House) -> None:
    document = home.app.openapi()
    names = document["components"]["schemas"]

    for name in _references(document):
        assert name in names
    assert not {"HTTPValidationError", "ValidationError"} & set(names)


async def test_the_document_is_built_once(home: House) -> None:
    assert home.app.openapi() is home.app.openapi()


def _references(part: object) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"].removeprefix("#/components/schemas/")
        for inner in part.values():
            yield from _references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _references(inner)
