"""Reads request bodies up to a size limit."""

from http import HTTPStatus

from fastapi import HTTPException, Request


class BodyTooLargeError(HTTPException):
    """The body is larger than its route takes; answered with 413."""

    def __init__(self) -> None:
        super().__init__(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Read the request's body.

    Raises:
        BodyTooLargeError: It has more than ``max_bytes``; no more than that was kept.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise BodyTooLargeError
    return bytes(body)
