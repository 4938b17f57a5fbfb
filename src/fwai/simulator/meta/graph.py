"""The door of Meta's Graph API for one number: credentials, faults on demand, answers."""

import re
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import parse_qsl
from uuid import uuid4

from fwai.simulator.common.rest import (
    ApiAnswer,
    ApiFault,
    ApiRequest,
    BadRequestError,
    Receive,
    Scope,
    Send,
    hang,
    parse_body,
    read_body,
    write_answer,
)

KEEP: Final = 1000
_PATH: Final = re.compile(r"/v\d+\.\d+/(.+)")


def meta_error(code: int, status: int = 400, details: str = "") -> ApiAnswer:
    """Return an error as Graph words it."""
    data = {"messaging_product": "whatsapp", "details": details}
    error = {"message": f"(#{code}) {details}", "type": "OAuthException", "code": code}
    return ApiAnswer(status, {"error": {**error, "error_data": data, "fbtrace_id": uuid4().hex}})


class GraphApi:
    """Serves Graph requests about one number (ASGI).

    Args:
        token: The access token that is taken.
        number: The number's id.
        answer: Answers a request that may come in.

    Attributes:
        requests: The last 1000 requests that had the right token.
        faults: What goes wrong next; append an ``ApiFault``.
    """

    def __init__(
        self, token: str, number: str, answer: Callable[[ApiRequest], Awaitable[ApiAnswer]]
    ) -> None:
        self.requests: deque[ApiRequest] = deque(maxlen=KEEP)
        self.faults: list[ApiFault] = []
        self._token = token
        self._number = number
        self._answer = answer

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        headers = {key.decode().lower(): value.decode() for key, value in scope["headers"]}
        found = _PATH.fullmatch(scope["path"])
        try:
            body = parse_body(headers.get("content-type", ""), await read_body(receive))
        except BadRequestError as exc:
            await write_answer(send, meta_error(100, 400, str(exc)))
            return
        if headers.get("authorization") != f"Bearer {self._token}":
            await write_answer(send, meta_error(190, 401, "Invalid OAuth access token"))
            return
        if found is None or not found[1].startswith(f"{self._number}/"):
            await write_answer(send, meta_error(33, 404, "unknown object"))
            return
        query = dict(parse_qsl(scope["query_string"].decode()))
        path = found[1].partition("/")[2]
        request = ApiRequest(scope["method"], path, query, body, headers)
        self.requests.append(request)
        answer = await self._answer_or_fail(request, receive)
        request.status = answer.status
        await write_answer(send, answer)

    async def _answer_or_fail(self, request: ApiRequest, receive: Receive) -> ApiAnswer:
        fault = next((one for one in self.faults if self._strikes(one, request)), None)
        if fault is None:
            return await self._checked(request)
        fault.times -= 1
        if fault.carried_out:
            await self._checked(request)
        if fault.hang_s > 0:
            await hang(receive, fault.hang_s)
        return ApiAnswer(fault.status, fault.body)

    @staticmethod
    def _strikes(fault: ApiFault, request: ApiRequest) -> bool:
        """A fault's ``path`` may also be an action, such as ``accept``."""
        action = str(request.body.get("action", ""))
        return fault.times > 0 and fault.path in (action, request.path, "")

    async def _checked(self, request: ApiRequest) -> ApiAnswer:
        if request.method == "POST" and request.body.get("messaging_product") != "whatsapp":
            return meta_error(100, 400, "messaging_product is needed")
        return await self._answer(request)
