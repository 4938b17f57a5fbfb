"""Builds the OpenAPI document: adds problem schemas and tags to FastAPI's own."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from fwai.web.errors import FieldProblem, Problem

TAGS: Final = (
    ("calls", "Place calls, and read what became of them."),
    ("live calls", "Look on at calls, and act on them."),
    ("tools", "Run for a person what an agent can do in a call."),
    ("callbacks", "Promises to call somebody back."),
    ("bookings", "Demos that were booked."),
    ("agents", "Who may speak."),
    ("contacts", "People: memory, do-not-call list, erasure."),
    ("jobs", "Work that is to be done, and events that could not be delivered."),
    ("audit", "Which key did what."),
)


def document(app: FastAPI) -> None:
    """Install the generator of ``/openapi.json`` with the API's error schemas and tags."""

    def whole() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = whole  # type: ignore[method-assign]  # as FastAPI's documentation does


def _document(app: FastAPI) -> dict[str, Any]:
    found = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        routes=app.routes,
        tags=[{"name": name, "description": description} for name, description in TAGS],
    )
    schemas = found.setdefault("components", {}).setdefault("schemas", {})
    for model in (Problem, FieldProblem):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schema.pop("$defs", None)
        schemas[model.__name__] = schema
    return found
