"""Route class of the API: authentication, roles, body limits, problem responses, audit list."""

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from typing import Any, Final

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute
from starlette.types import Message, Receive, Scope, Send

from fwai.domain.api_key import Permission
from fwai.domain.near_miss import nearest
from fwai.errors import FieldError
from fwai.http.access import Access
from fwai.http.body import BodyTooLargeError, read_body
from fwai.http.problem import ProblemError
from fwai.interfaces.audit import AuditTrail
from fwai.web.audit import audit_entry
from fwai.web.errors import printable, to_problem
from fwai.web.fallback import allowed_methods, no_such_address, wrong_method
from fwai.web.permissions import rule_of

MAX_BODY_BYTES: Final = 256 * 1024
BODY_S: Final = 10.0
_JSON: Final = re.compile(r"application/(?:[\w.+-]+\+)?json", re.IGNORECASE)

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def api_route_class(access: Access, audit: AuditTrail) -> type[APIRoute]:
    """Return a route class that authenticates first and answers errors as problem details.

    The client is in ``request.state.client`` then. What it may do stands in `permissions`; each
    request that changes something is written into ``audit``, also when it was refused.
    """

    class ApiRoute(APIRoute):
        def get_route_handler(self) -> Handler:
            handle = super().get_route_handler()
            rule = rule_of("".join(self.methods or ()), self.path)
            known = list(_query_names(self.dependant))

            async def answered(request: Request) -> Response:
                try:
                    request.state.client.require(rule.permission)
                    _refuse_unknown(request.query_params, known)
                    if request.method != "GET":
                        request = await _buffer_body(request)
                    return await handle(request)
                except ClientDisconnect:
                    return Response(status_code=400)  # nobody reads it
                except Exception as exc:  # noqa: BLE001 - whatever it is, it is answered
                    return to_problem(exc).response()

            async def guarded(request: Request) -> Response:
                try:
                    client = await access.admit(request)
                except ProblemError as refused:
                    return refused.response()
                request.state.client = client
                response = await answered(request)
                if rule.action:
                    audit.add(audit_entry(request, client, rule.action, response))
                return response

            return guarded

    return ApiRoute


class NotFoundApp:
    """ASGI application that answers 404 or 405 to what no route takes.

    Args:
        access: Authenticates first, so that strangers cannot probe for routes.
        routes: The existing routes.
    """

    def __init__(self, access: Access, routes: Callable[[], list[BaseRoute]]) -> None:
        self._access = access
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a problem."""
        try:
            await self._access.admit(Request(scope), Permission.READ)
            problem = self._problem(scope)
        except ProblemError as refused:
            problem = refused
        await problem.response()(scope, receive, send)

    def _problem(self, scope: Scope) -> ProblemError:
        methods = allowed_methods(self._routes(), scope)
        return wrong_method(methods) if methods else no_such_address()


def _query_names(needs: Dependant) -> Iterator[str]:
    """Yield the query parameters that a route reads, itself or by what it depends on."""
    for parameter in needs.query_params:
        yield parameter.alias
    for inner in needs.dependencies:
        yield from _query_names(inner)


def _refuse_unknown(given: Iterable[str], known: Sequence[str]) -> None:
    """Refuse query parameters that a route does not have: a filter with a typing error filters not.

    Raises:
        FieldError: Names them, and those that there are.
    """
    unknown = [name for name in given if name not in known]
    if not unknown:
        return
    there = f"use {', '.join(known)}" if known else "this address takes none"
    found = []
    for name in unknown:
        near = nearest(name, known)
        meant = f"; did you mean {near}?" if near else ""
        found.append(FieldError(printable(name), f"Unknown query parameter; {there}{meant}"))
    found[0].others = tuple(found[1:])
    raise found[0]


async def _buffer_body(request: Request) -> Request:
    """Read the body and return a request that replays it.

    Raises:
        ProblemError: It is too large, too slow or not JSON.
    """
    try:
        async with asyncio.timeout(BODY_S):
            body = await read_body(request, MAX_BODY_BYTES)
    except BodyTooLargeError:
        raise _too_large() from None
    except TimeoutError:
        raise ProblemError(
            "too-slow", "Too slow", 408, f"Send the body within {BODY_S:.0f} s."
        ) from None
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if body and not _JSON.fullmatch(kind):  # a form of another site could send anything else
        raise ProblemError(
            "wrong-content", "Wrong content", 415, "Send application/json.", "Content-Type"
        )
    whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
    rest = request.receive

    async def receive() -> Message:
        return whole.pop() if whole else await rest()

    return Request(request.scope, receive)


def _too_large() -> ProblemError:
    return ProblemError("too-large", "Too large", 413, f"Send at most {MAX_BODY_BYTES} bytes.")
