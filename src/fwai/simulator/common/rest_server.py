"""Serves a REST API on loopback: keeps what was asked, fails on demand.

What a provider adds are three methods: ``_read`` makes a request out of what arrived or refuses it,
``_answer`` carries it out, and ``_dress`` gives an answer its outer form. Everything that a request
sets going is a task of the server's; leaving the context ends them all.
"""

import socket
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from fwai.simulator.common.rest import (
    ApiAnswer,
    ApiFault,
    ApiRequest,
    BadRequestError,
    Receive,
    Scope,
    Send,
    hang,
    new_server,
    read_body,
    write_answer,
)
from fwai.simulator.common.tasks import ServerTasks

KEEP: Final = 1000


@dataclass(frozen=True, slots=True)
class Arrival:
    """A raw HTTP request; names of headers are in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


class RestServer(ABC):
    """Serves one provider's REST API; use as an async context manager.

    Args:
        name: What its tasks are called.
        port: Where to listen on loopback; 0 takes a free port.

    Attributes:
        requests: The last 1000 requests that had the right credentials.
        faults: What goes wrong next; append an ``ApiFault``.
    """

    def __init__(self, name: str, port: int = 0) -> None:
        self.requests: deque[ApiRequest] = deque(maxlen=KEEP)
        self.faults: list[ApiFault] = []
        self._name = name
        self._port = port
        self._listener: socket.socket
        self._server = new_server(self._serve)
        self._tasks = ServerTasks()

    @property
    def url(self) -> str:
        """Base address, without a version."""
        return f"http://127.0.0.1:{self._port}"

    # ---- what a provider adds ------------------------------------------------------------------

    @abstractmethod
    def _read(self, arrival: Arrival) -> ApiRequest | ApiAnswer:
        """Return the request, or what it is refused with.

        Raises:
            BadRequestError: The body cannot be read.
        """

    @abstractmethod
    async def _answer(self, request: ApiRequest) -> ApiAnswer:
        """Carry a request out.

        Raises:
            BadRequestError: A parameter is missing or wrong.
        """

    @abstractmethod
    def _bad_request(self, text: str) -> ApiAnswer:
        """Word the refusal of a request that cannot be read."""

    def _dress(self, path: str, answer: ApiAnswer) -> ApiAnswer:
        """Give an answer the outer form that the path asks for."""
        del path
        return answer

    def _strikes(self, fault: ApiFault, request: ApiRequest) -> bool:
        """Tell whether a fault strikes this request."""
        return fault.strikes(request)

    def _scripted(self, request: ApiRequest) -> ApiFault | None:
        """Return a fault that the script of a destination has for this request."""
        del request
        return None

    async def _close(self) -> None:  # noqa: B027 - not every provider has any
        """Close what else a provider holds open; called last."""

    # ---- its life ------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._port = self._listener.getsockname()[1]
        await self._tasks.__aenter__()
        self._tasks.start_listening(self._server.serve([self._listener]), self._name)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.should_exit = True
        try:
            await self._tasks.__aexit__(kind, failure, trace)
        finally:
            self._listener.close()
            await self._close()

    def _start(self, work: Coroutine[None, None, None], name: str) -> None:
        """Do something beside the requests until it is done or the server is left."""
        self._tasks.start(work, name)

    # ---- HTTP ----------------------------------------------------------------------------------

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        headers = {key.decode().lower(): value.decode() for key, value in scope["headers"]}
        query = scope["query_string"].decode()
        path = scope["path"]
        try:
            body = await read_body(receive)
            request = self._read(Arrival(scope["method"], path, query, headers, body))
        except BadRequestError as exc:
            request = self._bad_request(str(exc))
        if isinstance(request, ApiAnswer):
            await write_answer(send, self._dress(path, request))
            return
        self.requests.append(request)
        answer = await self._answer_or_fail(request, receive)
        request.status = answer.status
        await write_answer(send, self._dress(path, answer))

    async def _answer_or_fail(self, request: ApiRequest, receive: Receive) -> ApiAnswer:
        fault = next((one for one in self.faults if self._strikes(one, request)), None)
        if fault is not None:
            fault.times -= 1
            if fault.times <= 0:
                self.faults.remove(fault)
        else:
            fault = self._scripted(request)
        if fault is None:
            return await self._answer_checked(request)
        if fault.carried_out:
            await self._answer_checked(request)
        if fault.hang_s > 0:
            await hang(receive, fault.hang_s)
        return ApiAnswer(fault.status, fault.body)

    async def _answer_checked(self, request: ApiRequest) -> ApiAnswer:
        try:
            return await self._answer(request)
        except BadRequestError as exc:
            return self._bad_request(str(exc))
