"""Bodies: read in one place, never further than the route takes."""

import ast
from pathlib import Path

import pytest
from starlette.requests import Request

from fwai.http.body import BodyTooLargeError, read_body
from tables import each_row

PACKAGE = Path(__file__).parents[3] / "src" / "fwai"
READS = {"body", "json", "form", "stream"}


def request(*chunks: bytes, length: str | None = None) -> tuple[Request, list[bytes]]:
    """Return a request and what of its body was not read yet."""
    left = list(chunks)

    async def receive() -> dict[str, object]:
        chunk = left.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(left)}

    headers = [] if length is None else [(b"content-length", length.encode())]
    return Request({"type": "http", "method": "POST", "headers": headers}, receive), left


@pytest.mark.parametrize("length", [None, "6", "0", "x", "", "-1"])
async def test_what_fits_is_read_whatever_was_announced(length: str | None) -> None:
    asked, left = request(b"abc", b"def", length=length)

    assert await read_body(asked, 6) == b"abcdef"
    assert left == []


@pytest.mark.parametrize("length", ["7", "999999999999", "9" * 5_000])
async def test_what_is_announced_too_large_is_refused_unread(length: str) -> None:
    asked, left = request(b"abc", length=length)

    with pytest.raises(BodyTooLargeError):
        await read_body(asked, 6)

    assert left == [b"abc"]


async def test_what_turns_out_too_large_is_read_no_further() -> None:
    asked, left = request(b"abc", b"def", b"g", b"never read")

    with pytest.raises(BodyTooLargeError):
        await read_body(asked, 6)

    assert left == [b"never read"]


@each_row(
    "path",
    [path for folder in ("web", "adapters", "http") for path in (PACKAGE / folder).rglob("*.py")],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_no_route_reads_a_body_in_another_way(path: Path) -> None:
    found = [
        ast.unparse(node)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in READS
        and ast.unparse(node.func.value) == "request"
    ]

    allowed = ["request.stream()"] if path == PACKAGE / "http" / "body.py" else []
    assert found == allowed, "use fwai.http.body.read_body"
