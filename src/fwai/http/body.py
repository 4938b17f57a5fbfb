"""Reads request bodies up to a size limit; the one place where a route reads what was sent to it.

How long a body may take is the server's to mind (`fwai.server.connections`): for every route, also
for those that read none.
"""

from http import HTTPStatus
from typing import Final

from fastapi import HTTPException, Request

MAX_DIGITS: Final = 12


class BodyTooLargeError(HTTPException):
    """The body is larger than its route takes; answered with 413."""

    def __init__(self) -> None:
        super().__init__(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Read the request's body.

    Raises:
        BodyTooLargeError: It has more than ``max_bytes``, as far as it came or by its own word;
            no more than that was kept.
    """
    announced = request.headers.get("content-length", "")
    # Its digits are counted first: to read a number of a thousand of them takes a while.
    if announced.isdecimal() and (len(announced) > MAX_DIGITS or int(announced) > max_bytes):
        raise BodyTooLargeError
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise BodyTooLargeError
    return bytes(body)
