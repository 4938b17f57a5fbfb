"""An OpenAPI document as a page."""

from typing import Any

import pytest

from fwai.web.api_page import api_page, sign_in_page

EVIL = "<script>alert(1)</script>\"'&"


def document(**parts: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"info": {"title": "T", "version": "1"}, "paths": {}, **parts}


def operation(**parts: Any) -> dict[str, Any]:  # noqa: ANN401
    return document(paths={"/api/things": {"post": {"summary": "Do", "tags": ["things"], **parts}}})


@pytest.mark.parametrize(
    "page",
    [
        api_page(document(info={"title": EVIL, "version": EVIL, "summary": EVIL})),
        api_page(operation(tags=[EVIL]) | {"tags": [{"name": EVIL, "description": EVIL}]}),
        api_page(document(paths={f"/{EVIL}": {"get": {"summary": EVIL, "tags": [EVIL]}}})),
        api_page(operation(description=EVIL, responses={EVIL: {"description": f"`{EVIL}`"}})),
        api_page(
            operation(
                parameters=[
                    {
                        "name": EVIL,
                        "in": EVIL,
                        "description": EVIL,
                        "schema": {"enum": [EVIL], "default": EVIL},
                    }
                ],
                requestBody={"content": {EVIL: {"schema": {"type": EVIL}, "example": EVIL}}},
            )
        ),
        api_page(
            document(
                components={
                    "schemas": {
                        EVIL: {
                            "properties": {EVIL: {"$ref": EVIL, "description": EVIL}},
                            "examples": [{EVIL: EVIL}],
                            "description": EVIL,
                        }
                    }
                }
            )
        ),
        sign_in_page(EVIL),
    ],
    ids=["info", "tag", "path", "response", "parameter", "schema", "sign-in"],
)
def test_nothing_in_a_document_becomes_markup(page: str) -> None:
    assert "<script" not in page
    assert 'alert(1)</script>"' not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize(
    ("schema", "shown"),
    [
        ({"type": "string"}, "string"),
        ({"type": "string", "format": "date-time"}, "string (date-time)"),
        ({"type": "array", "items": {"type": "integer"}}, "list of integer"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "string or null"),
        ({"enum": ["a", 1]}, "<code>&quot;a&quot;</code> or <code>1</code>"),
        ({"const": True}, "<code>true</code>"),
        (
            {"type": "array", "items": {"$ref": "#/components/schemas/Thing"}},
            'list of <a href="#schema-Thing">Thing</a>',
        ),
        ({}, "anything"),
    ],
)
def test_a_body_says_what_it_takes(schema: dict[str, Any], shown: str) -> None:
    page = api_page(operation(requestBody={"content": {"application/json": {"schema": schema}}}))

    assert f"<p>{shown}</p>" in page
    assert "application/json, may be left out" in page


def test_a_parameter_says_where_it_goes_and_its_limits() -> None:
    page = api_page(
        operation(
            parameters=[
                {
                    "name": "limit",
                    "in": "query",
                    "required": True,
                    "description": "How `many`.",
                    "schema": {"type": "integer", "minimum": 1, "maximum": 200, "default": 50},
                }
            ]
        )
    )

    assert (
        "integer, from <code>1</code>, to <code>200</code>, by default <code>50</code>, in the "
        "query, <strong>needed</strong><br>How <code>many</code>." in page
    )


def test_parts_stand_in_the_order_of_the_tags_and_what_has_none_comes_last() -> None:
    paths = {
        "/x": {"get": {"summary": "X"}},
        "/b": {"get": {"summary": "B", "tags": ["b"]}},
        "/a": {"get": {"summary": "A", "tags": ["a"]}},
    }
    page = api_page(document(paths=paths, tags=[{"name": "a"}, {"name": "b"}, {"name": "none"}]))

    places = [page.index(f'<h2 id="{name}">') for name in ("a", "b", "other", "schemas")]
    assert places == sorted(places)
    assert 'id="none"' not in page
