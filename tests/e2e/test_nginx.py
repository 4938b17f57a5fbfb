"""Behind a real nginx with a bare ``proxy_pass``: refusals arrive as they are, and nothing opens.

Such a proxy sets no header: every stranger comes from 127.0.0.1 and asks for the host 127.0.0.1.
"""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from e2e.house import House
from e2e.process import free_port
from e2e.test_http_edges import KEY, Answer, read_answer, routes, serving
from fwai.server import serving as server_serving
from fwai.server.connections import ConnectionLimits

NGINX = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")

CONFIG = """
{user} daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  client_max_body_size 64m; large_client_header_buffers 4 512k;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://127.0.0.1:{behind}; {more} }}
  }}
}}
"""
UNBUFFERED = "proxy_request_buffering off; proxy_http_version 1.1;"
MEGABYTE = 1024 * 1024


@asynccontextmanager
async def nginx(folder: Path, behind: int, more: str = "") -> AsyncIterator[int]:
    """Run nginx before a port until the block is left; yield its own port."""
    folder.mkdir()
    port = free_port()
    config = folder / "nginx.conf"
    # What root starts would work as somebody who may not write here.
    user = "user root;" if os.geteuid() == 0 else ""
    config.write_text(CONFIG.format(user=user, folder=folder, port=port, behind=behind, more=more))
    command = [str(NGINX), "-p", str(folder), "-c", str(config), "-e", str(folder / "error.log")]
    process = await asyncio.to_thread(subprocess.Popen, command)
    try:
        async with asyncio.timeout(10):
            while not await listens(port):
                assert process.poll() is None, (folder / "error.log").read_text()
                await asyncio.sleep(0.02)
        yield port
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 10)


async def listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def ask(
    port: int, method: str, path: str, *headers: str, body: bytes = b"", pause_s: float = 0.0
) -> Answer:
    """Send a request through nginx, its body in pieces if there is a pause between them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [f"{method} {path} HTTP/1.1", "Host: voice.example.com", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    answer = asyncio.ensure_future(read_answer(reader))
    try:
        writer.write("\r\n".join([*lines, "", ""]).encode())
        size = 1 if pause_s else len(body)
        for start in range(0, len(body), size or 1):
            writer.write(body[start : start + size])
            if (await asyncio.wait({answer}, timeout=pause_s))[0]:
                break
        async with asyncio.timeout(20):
            return await answer
    finally:
        answer.cancel()
        writer.close()


# ---- refusals -----------------------------------------------------------------------------------


def refusals(house: House) -> list[tuple[int, str, str, tuple[str, ...], bytes]]:
    """Return status, method, path, headers and body of requests that are refused."""
    exotel = house.world.settings.exotel_webhook_secret.get_secret_value()
    json, key = "Content-Type: application/json", f"X-API-Key: {KEY}"
    large, huge = b" " * MEGABYTE, b" " * (16 * MEGABYTE)
    return [
        (401, "GET", "/api/calls", (), b""),
        (401, "GET", "/api/calls", ("Authorization: Bearer wrong",), b""),
        (401, "POST", "/api/calls", (json, "Authorization: Bearer wrong"), large),
        (401, "POST", "/api/calls", (json, "Authorization: Bearer wrong"), b" " * 2 * MEGABYTE),
        (403, "POST", "/plivo/answer", (), b"CallUUID=x"),
        (403, "POST", "/webhook", (), large),
        (403, "POST", "/exotel/wrong/status", (), large),
        (413, "POST", "/api/calls", (json, key), large),
        (413, "POST", "/plivo/answer", (), large),
        (413, "POST", f"/exotel/{exotel}/status", (), large),
        (413, "POST", "/webhook", (), huge),
        (413, "POST", "/api/nothing-of-ours", (json, key), huge),
        (404, "POST", "/api/nothing-of-ours", (json, key), large),
        (405, "DELETE", "/api/calls", (json, key), large),
        (431, "GET", "/readyz", (f"X-Long: {'a' * 100_000}",), b""),
    ]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("more", ["", UNBUFFERED], ids=["buffered", "unbuffered"])
async def test_refusals_reach_the_client_as_they_are(tmp_path: Path, more: str) -> None:
    wrong = []
    async with (
        serving(tmp_path) as (house, _),
        nginx(tmp_path / "nginx", house.world.settings.port, more) as port,
    ):
        for status, method, path, headers, body in refusals(house):
            for _ in range(3):  # whether a reset overtakes the answer is a matter of luck
                answer = await ask(port, method, path, *headers, body=body)
                if answer.status != status:
                    wrong.append((method, path, len(body), answer.status, status))
    assert wrong == [], "method, path, bytes of the body, status, expected status"


async def test_a_body_that_drips_through_an_unbuffered_proxy_ends_in_408(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = ConnectionLimits(request_s=0.5)
    monkeypatch.setattr(server_serving, "limits_for", lambda _: limits)
    async with (
        serving(tmp_path) as (house, _),
        nginx(tmp_path / "nginx", house.world.settings.port, UNBUFFERED) as port,
    ):
        exotel = house.world.settings.exotel_webhook_secret.get_secret_value()
        for path in ("/plivo/answer", "/webhook", f"/exotel/{exotel}/status", "/api/calls"):
            answer = await ask(
                port, "POST", path, f"X-API-Key: {KEY}", body=b"a" * 400, pause_s=0.02
            )
            assert answer.status == 408, path


# ---- trust --------------------------------------------------------------------------------------


async def test_without_keys_a_bare_proxy_opens_nothing(tmp_path: Path) -> None:
    opened = []
    async with (
        serving(tmp_path, api_keys="") as (house, _),
        nginx(tmp_path / "nginx", house.world.settings.port) as port,
    ):
        found = {(method, path) for method, path in routes(house) if path.startswith("/api")}
        found |= {
            ("GET", path)
            for path in ("/console", "/console/", "/console/talk", "/docs", "/openapi.json")
        }
        for method, path in sorted(found):
            body = b"{}" if method in ("POST", "PUT", "PATCH") else b""
            answer = await ask(port, method, path, "Content-Type: application/json", body=body)
            if answer.status not in (401, 403, 404):
                opened.append((method, path, answer.status))
    assert opened == []
