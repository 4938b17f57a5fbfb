"""Problem details responses.

Source: RFC 9457, https://www.rfc-editor.org/rfc/rfc9457 (read 2026-11-22).
"""

import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute

from fwai.errors import FwaiError

MEDIA_TYPE: Final = "application/problem+json"


class ProblemError(FwaiError):
    """A refused request; answered as problem details.

    Attributes:
        kind: Stable name; ``type`` is ``urn:fwai:problem:<kind>``.
        title: The same words for every problem of the kind.
        status: HTTP status.
        detail: What is wrong this time, and the fix.
        field: Which part of the request is at fault; empty when none is.
        headers: Further response headers.
        errors: ``field`` and ``detail`` of each, when several parts are at fault.
    """

    def __init__(
        self,
        kind: str,
        title: str,
        status: int,
        detail: str,
        field: str = "",
        headers: dict[str, str] | None = None,
        errors: Sequence[Mapping[str, str]] = (),
    ) -> None:
        super().__init__(title)
        self.kind = kind
        self.title = title
        self.status = status
        self.detail = detail
        self.field = field
        self.headers = headers or {}
        self.errors = tuple(errors)

    def response(self) -> Response:
        """Build the response."""
        body: dict[str, Any] = {
            "type": f"urn:fwai:problem:{self.kind}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "field": self.field or None,
        }
        if self.errors:
            body["errors"] = [dict(error) for error in self.errors]
        headers = {"Cache-Control": "no-store", **self.headers}
        return Response(json.dumps(body), self.status, headers, MEDIA_TYPE)


class ProblemRoute(APIRoute):
    """Route class that answers ``ProblemError`` as problem details."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler."""
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                return await handle(request)
            except ProblemError as problem:
                return problem.response()

        return guarded
