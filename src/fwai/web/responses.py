"""Builds JSON responses. No I/O."""

from typing import Any

import msgspec
from fastapi import Response


def json_response(body: Any, status: int = 200, location: str = "") -> Response:  # noqa: ANN401 - JSON
    """Build a JSON response that is not cached; a number that is not finite becomes null."""
    headers = {"Cache-Control": "no-store"}
    if location:
        headers["Location"] = location
    return Response(msgspec.json.encode(body), status, headers, "application/json")
