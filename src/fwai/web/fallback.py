"""Answers for every route what none of them does: no such address, wrong method, a refusal."""

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from fwai.http.problem import ProblemError
from fwai.web.errors import to_problem


def install(app: FastAPI, acting: tuple[str, ...] = ()) -> None:
    """Have refusals of all routes answered as problem details.

    Args:
        app: The routes.
        acting: Beginnings of paths where HEAD is not answered as GET.
    """

    async def refused(request: Request, exc: Exception) -> Response:
        if isinstance(exc, HTTPException) and exc.status_code == 404:
            return _not_found(app, request)
        if isinstance(exc, HTTPException) and exc.status_code == 405:
            methods = allowed_methods(app.routes, request.scope)
            if request.scope["path"].startswith(acting):
                methods.discard("HEAD")
            return wrong_method(methods).response()
        return to_problem(exc).response()

    for kind in (HTTPException, RequestValidationError, ProblemError):
        app.add_exception_handler(kind, refused)


def allowed_methods(routes: list[BaseRoute], scope: Scope) -> set[str]:
    """Return the methods that the address of a request takes; none if there is no such address."""
    methods: set[str] = set()
    for route in routes:
        if route.matches(scope)[0] is not Match.NONE:
            methods |= getattr(route, "methods", None) or set()
    return methods | ({"HEAD"} if "GET" in methods else set())


def wrong_method(methods: set[str]) -> ProblemError:
    """Build a 405 that names the right methods."""
    allowed = ", ".join(sorted(methods))
    detail = f"This address takes {allowed or 'WebSockets only'}."
    headers = {"Allow": allowed}
    return ProblemError("wrong-method", "Wrong method", 405, detail, headers=headers)


def no_such_address() -> ProblemError:
    """Build a 404."""
    detail = "There is nothing at this address; /docs shows what there is."
    return ProblemError("not-found", "Not found", 404, detail)


def _not_found(app: FastAPI, request: Request) -> Response:
    """Answer 404, or show the way when only the slash at the end is too much.

    The way is relative: what ``Host`` says may be anything, and a proxy may have taken a prefix
    away.
    """
    path = request.scope["path"]
    bare = path.rstrip("/")
    if bare and bare != path and request.method == "GET":
        asked = {**request.scope, "path": bare}
        if "GET" in allowed_methods(app.routes, asked):
            up = "../" * (len(path) - len(bare))
            return Response(status_code=307, headers={"Location": up + bare.rpartition("/")[2]})
    return no_such_address().response()
