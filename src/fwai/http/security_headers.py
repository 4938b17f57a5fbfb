"""What browsers are told about every answer: what may run in it, who may frame it, who keeps it.

Answers of the API are no pages: nothing may run in one that a browser was made to open. Pages load
from this server alone and run no text of their own markup, so that a caller's words that somehow
became markup would still run nothing. A route that sets one of these headers itself keeps its own.

Source: https://www.w3.org/TR/CSP3/, https://www.w3.org/TR/permissions-policy/,
RFC 6797 (HSTS), https://www.w3.org/TR/referrer-policy/ (read 2026-11-28).
"""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

NOTHING: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
PAGE: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; media-src 'self' blob: mediastream:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_NO_DEVICES: Final = "microphone=(), camera=(), geolocation=()"
_TALKS: Final = "microphone=(self), camera=(), geolocation=()"
HSTS: Final = "max-age=31536000"
CONSOLE: Final = "/console"
TALK: Final = "/console/talk"
PAGES: Final = (CONSOLE, "/docs", "/redoc")


class SecurityHeaders:
    """ASGI middleware that adds the headers. WebSockets go through as they are.

    Args:
        app: All that answers.
        https: The server is reached over https alone; browsers remember that for a year.
    """

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._https = https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add to its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message.get("headers", [])
                names = {name.lower() for name, _ in given}
                ours = headers_for(scope["path"], https=self._https)
                added = [(name, value) for name, value in ours if name not in names]
                message = {**message, "headers": [*given, *added]}
            await send(message)

        await self._app(scope, receive, guarded)


def headers_for(path: str, *, https: bool) -> list[tuple[bytes, bytes]]:
    """Return the headers of an answer, with their names in lower case."""
    headers = {
        "content-security-policy": PAGE if _under(path, *PAGES) else NOTHING,
        "permissions-policy": _TALKS if _under(path, TALK) else _NO_DEVICES,
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "cache-control": "no-store",
    }
    if https:
        headers["strict-transport-security"] = HSTS
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def _under(path: str, *folders: str) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)
