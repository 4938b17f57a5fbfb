"""Routes that answer GET and POST alike: providers let their user choose the method."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter

Endpoint = Callable[..., Any]


def get_or_post(api: APIRouter, path: str, operation_id: str) -> Callable[[Endpoint], Endpoint]:
    """Return a decorator that adds an endpoint of ``api`` for both methods.

    Each method has an ``operationId`` of its own, as OpenAPI demands: ``operation_id`` and
    ``{operation_id}_post``.
    """

    def add(endpoint: Endpoint) -> Endpoint:
        api.get(path, operation_id=operation_id)(endpoint)
        return api.post(path, operation_id=f"{operation_id}_post")(endpoint)

    return add
