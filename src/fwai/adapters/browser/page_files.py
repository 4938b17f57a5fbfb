"""Serves the static files of the browser page, read once."""

from importlib import resources
from typing import Final

from fastapi import Response

from fwai.http.problem import ProblemError

PAGE: Final = "talk.html"
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class PageFiles:
    """Serves the files of the page folder and nothing else."""

    def __init__(self) -> None:
        folder = resources.files("fwai.adapters.browser") / "page"
        self._files = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}

    def response(self, name: str) -> Response:
        """Return a file; raises ``ProblemError`` 404."""
        body = self._files.get(name)
        kind = next((kind for end, kind in _TYPES.items() if name.endswith(end)), None)
        if body is None or kind is None:
            raise ProblemError("not-found", "Not found", 404, "The page has no such file.")
        # A browser asks again whether it changed; the other headers are those of every page.
        return Response(body, headers={"Cache-Control": "no-cache", "Content-Type": kind})
