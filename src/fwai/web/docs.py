"""The API's description: ``/openapi.json`` for programs, ``/docs`` for people.

Both need a key, except where loopback is trusted. A browser sends none, so ``/docs`` asks for it in
a form and begins a session.
"""

import asyncio
from importlib import resources
from typing import Final
from urllib.parse import parse_qs

import msgspec
from fastapi import APIRouter, FastAPI, Request, Response
from starlette.requests import ClientDisconnect

from fwai.domain.api_key import Permission
from fwai.http.access import Access
from fwai.http.body import BodyTooLargeError, read_body
from fwai.http.problem import ProblemError, ProblemRoute
from fwai.web.api_page import STYLE, api_page, sign_in_page

MAX_FORM_BYTES: Final = 4 * 1024
FORM_S: Final = 10.0
MAX_KEY_CHARS: Final = 1_000
_HTML: Final = "text/html; charset=utf-8"
_FORM: Final = "application/x-www-form-urlencoded"
_SECURE: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class _Rendered:
    """The document and its page, made once, off the loop: it takes tens of milliseconds."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._made: tuple[bytes, bytes] | None = None
        self._making = asyncio.Lock()

    async def document(self) -> bytes:
        return (await self._all())[0]

    async def page(self) -> bytes:
        return (await self._all())[1]

    async def _all(self) -> tuple[bytes, bytes]:
        async with self._making:
            if self._made is None:
                self._made = await asyncio.to_thread(self._make)
            return self._made

    def _make(self) -> tuple[bytes, bytes]:
        document = self._app.openapi()
        return msgspec.json.encode(document), api_page(document).encode()


def router(app: FastAPI, access: Access) -> APIRouter:
    """Build the routes.

    Args:
        app: What is described; all its routes must be there before the first request.
        access: Who may see it.
    """
    api = APIRouter(route_class=ProblemRoute, include_in_schema=False)
    rendered = _Rendered(app)
    style = (resources.files("fwai.web") / "page" / STYLE).read_bytes()

    @api.get("/openapi.json")
    async def document(request: Request) -> Response:
        await access.admit(request, Permission.READ)
        return Response(await rendered.document(), 200, _SECURE, "application/json")

    @api.get("/docs")
    async def page(request: Request) -> Response:
        try:
            await access.admit(request, Permission.READ)
        except ProblemError as refused:
            return _refused(request, refused)
        return Response(await rendered.page(), 200, _SECURE, _HTML)

    @api.post("/docs")
    async def sign_in(request: Request) -> Response:
        # Relative, for Host may say anything, and a proxy may have taken a prefix away.
        response = Response(status_code=303, headers={**_SECURE, "Location": "docs"})
        try:
            await access.begin_session(request, response, await _typed_key(request))
        except ProblemError as refused:
            return _refused(request, refused)
        return response

    @api.get(f"/docs/{STYLE}")
    async def stylesheet() -> Response:
        headers = {**_SECURE, "Cache-Control": "no-cache"}
        return Response(style, 200, headers, "text/css; charset=utf-8")

    return api


async def _typed_key(request: Request) -> str:
    """Return what was typed into the form.

    Raises:
        ProblemError: There is no form, or it is too large or too slow.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise ProblemError("wrong-content", "Wrong content", 415, f"Send {_FORM}.", "Content-Type")
    try:
        async with asyncio.timeout(FORM_S):
            body = await read_body(request, MAX_FORM_BYTES)
    except BodyTooLargeError:
        detail = f"Send at most {MAX_FORM_BYTES} bytes."
        raise ProblemError("too-large", "Too large", 413, detail) from None
    except TimeoutError:
        detail = f"Send the body within {FORM_S:.0f} s."
        raise ProblemError("too-slow", "Too slow", 408, detail) from None
    except ClientDisconnect:
        raise ProblemError("unreadable", "Unreadable", 400, "The form did not come.") from None
    try:
        fields = parse_qs(body.decode(), max_num_fields=10)
    except ValueError:
        raise ProblemError("unreadable", "Unreadable", 400, "The form cannot be read.") from None
    return next(iter(fields.get("key", ())), "").strip()[:MAX_KEY_CHARS]


def _refused(request: Request, refused: ProblemError) -> Response:
    """Return the form to a browser, with what was wrong, and the problem to a program."""
    if "text/html" not in request.headers.get("accept", ""):
        return refused.response()
    headers = {**_SECURE, **refused.headers}
    problem = "" if refused.kind == "key-needed" and request.method == "GET" else refused.detail
    return Response(sign_in_page(problem), refused.status, headers, _HTML)
