"""Maps exceptions to problem details (RFC 9457), and documents them in OpenAPI."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from fwai.errors import BusyError, FieldError, RefusedError, StoreError
from fwai.http.problem import MEDIA_TYPE, ProblemError
from fwai.web.hints import hint

RETRY_S: Final = "10"
MAX_ERRORS: Final = 20
_LOCATIONS: Final = ("body", "query", "path", "header")
_REF: Final = {"$ref": "#/components/schemas/Problem"}
_DESCRIPTIONS: Final[Mapping[int, str]] = {
    400: "The body is not JSON.",
    401: "No key, or a wrong one.",
    403: "Not allowed: no key is set, the key's role does not do, or calls to this person are "
    "forbidden.",
    404: "There is nothing of this name.",
    405: "Not with this method; `Allow` names those that are.",
    408: "The body did not come within 10 seconds.",
    409: "It does not fit what is there now, such as a call that is over.",
    413: "The body is over 256 KB.",
    415: "The body is not `application/json`.",
    416: "No part of the recording is in this range.",
    422: "A value cannot be right: `field` names it, `detail` the fix.",
    429: "Too many requests or wrong keys of this address or key, or event streams of this call.",
    500: "A fault of the server; nothing about it is told here.",
    503: "The database or the lines are not available now. Try again.",
}
_COMMON_STATUSES: Final = (401, 403, 422, 429, 500, 503)

_log = structlog.get_logger()


class FieldProblem(BaseModel):
    """One invalid field of a request."""

    field: str
    detail: str


class Problem(BaseModel):
    """Why a request was refused (RFC 9457)."""

    type: str = Field(description="Stable: `urn:fwai:problem:` and a name.")
    title: str
    status: int
    detail: str = Field(description="What is wrong, and the fix.")
    field: str | None = Field(description="Which part of the request, as a dotted path.")
    errors: list[FieldProblem] = Field(
        default=[], description="All parts that are at fault, when there are several."
    )

    model_config = {
        "json_schema_extra": {
            "examples": [
                {
                    "type": "urn:fwai:problem:invalid",
                    "title": "A value cannot be right",
                    "status": 422,
                    "detail": "write the full international number with its country code, "
                    "such as +919999900000",
                    "field": "to",
                }
            ]
        }
    }


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI responses for these statuses and for those that every route has."""
    return {
        status: {
            "description": _DESCRIPTIONS[status],
            "content": {MEDIA_TYPE: {"schema": _REF}},
        }
        for status in sorted(
            {*statuses, *_COMMON_STATUSES, *(() if 413 not in statuses else (408,))}
        )
    }


def to_problem(exc: Exception) -> ProblemError:
    """Convert an exception to the problem that is answered; an unexpected one is logged."""
    match exc:
        case ProblemError():
            return exc
        case RequestValidationError():
            return _from_validation_errors(exc.errors())
        case FieldError():
            return _from_field_error(exc)
        case RefusedError():
            return ProblemError(exc.kind, "Refused", 403, str(exc))
        case BusyError():
            return _unavailable("busy", "All lines are busy", "Try again in a little while.")
        case StoreError():
            _log.error("api_store_failed", error=str(exc))
            return _unavailable("store-failed", "Not available", "The database failed. Try again.")
        case HTTPException():
            return _from_http_exception(exc)
        case _:
            # Its text may hold personal data; its kind and place do not.
            _log.error("api_failed", error=type(exc).__name__, exc_info=True)
            return ProblemError(
                "internal", "A fault of the server", 500, "The log of the server says more."
            )


def _from_field_error(exc: FieldError) -> ProblemError:
    problem = invalid_field(exc.field, str(exc))
    if exc.others:
        found = (exc, *exc.others)[:MAX_ERRORS]
        problem.errors = tuple({"field": one.field, "detail": str(one)} for one in found)
    return problem


def invalid_field(field: str, detail: str) -> ProblemError:
    """Build a 422 about one field."""
    return ProblemError("invalid", "A value cannot be right", 422, detail, field)


def not_found(what: str) -> ProblemError:
    """Build a 404."""
    return ProblemError("not-found", "Not found", 404, f"There is no such {what}.")


def conflict(kind: str, title: str, detail: str) -> ProblemError:
    """Build a 409: the request does not fit the current state."""
    return ProblemError(kind, title, 409, detail)


def _unavailable(kind: str, title: str, detail: str) -> ProblemError:
    return ProblemError(kind, title, 503, detail, headers={"Retry-After": RETRY_S})


def _from_http_exception(exc: HTTPException) -> ProblemError:
    if exc.status_code == 400:  # FastAPI's word for a body that json.loads cannot take
        return ProblemError("unreadable", "Unreadable", 400, "The body is not JSON.")
    if exc.status_code == 413:
        return ProblemError("too-large", "Too large", 413, "Send a smaller body.")
    kind = f"http-{exc.status_code}"
    return ProblemError(kind, "Refused", exc.status_code, str(exc.detail))


def _from_validation_errors(errors: Sequence[Mapping[str, Any]]) -> ProblemError:
    if any(error["type"] == "json_invalid" for error in errors):
        return ProblemError("unreadable", "Unreadable", 400, "The body is not JSON.")
    named = [{"field": _path(error["loc"]), "detail": printable(hint(error))} for error in errors]
    named = named[:MAX_ERRORS]
    problem = invalid_field(named[0]["field"], named[0]["detail"])
    if len(named) > 1:
        problem.errors = tuple(named)
    return problem


def _path(loc: Sequence[str | int]) -> str:
    parts = [str(part) for part in loc]
    if len(parts) > 1 and parts[0] in _LOCATIONS:
        parts = parts[1:]
    return ".".join(printable(part) for part in parts)


def printable(text: str) -> str:
    """Return ``text`` without what UTF-8 cannot hold: field names come from the client."""
    return text.encode(errors="replace").decode()[:200]
