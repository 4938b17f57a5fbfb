"""How a call begins at each carrier: its webhook, and where the stream goes."""

import asyncio
import html
import json
import re
from typing import Final
from urllib.parse import urlencode, urlsplit

from bench.wires import LINES
from fwai.simulator.plivo.signature import PlivoSigner

HTTP_S: Final = 10.0
STREAM: Final = re.compile(r"<Stream\b[^>]*>([^<]+)</Stream>")
BUSY: Final = (409, 503)


class Dialler:
    """Asks a server for streams.

    Args:
        provider: ``plivo`` or ``exotel``.
        secret: Plivo's token, or the secret segment of Exotel's addresses.
    """

    def __init__(self, base_url: str, provider: str, secret: str) -> None:
        self._base_url = base_url
        self._provider = provider
        self._secret = secret
        self._signer = PlivoSigner(secret)

    async def stream(self, call_id: str, number: str) -> tuple[str, dict[str, str]] | None:
        """Return a call's stream and the headers to open it with, or None when it is refused.

        Raises:
            RuntimeError: The webhook failed.
        """
        if self._provider == "exotel":
            return await self._exotel(call_id, number)
        return await self._plivo(call_id, number)

    async def _plivo(self, call_id: str, number: str) -> tuple[str, dict[str, str]] | None:
        url = f"{self._base_url}/plivo/answer?v=1"
        form = {
            "CallUUID": call_id,
            "From": number,
            "To": LINES["plivo"],
            "Direction": "inbound",
            "CallStatus": "ringing",
            "Event": "StartApp",
        }
        status, xml = await post(url, form, self._signer.voice("POST", url, form))
        _must_be_good(status)
        if (found := STREAM.search(xml)) is None:
            return None
        stream_url = html.unescape(found[1])
        return stream_url, self._signer.upgrade(stream_url)

    async def _exotel(self, call_id: str, number: str) -> tuple[str, dict[str, str]] | None:
        form = {
            "CallSid": call_id,
            "CallFrom": number,
            "CallTo": LINES["exotel"],
            "Direction": "incoming",
        }
        status, text = await post(f"{self._base_url}/exotel/{self._secret}/voicebot", form, {})
        if status in BUSY:
            return None
        _must_be_good(status)
        return str(json.loads(text)["url"]), {}


def _must_be_good(status: int) -> None:
    if status != 200:
        raise RuntimeError(f"the webhook was refused: {status}")


async def post(url: str, form: dict[str, str], headers: dict[str, str]) -> tuple[int, str]:
    """Post a form on a connection of its own; return status and body."""
    body = urlencode(form).encode()
    return await _post(url, body, {"Content-Type": "application/x-www-form-urlencoded", **headers})


async def post_json(url: str, said: dict[str, str], headers: dict[str, str]) -> tuple[int, str]:
    """Post JSON on a connection of its own; return status and body."""
    body = json.dumps(said).encode()
    return await _post(url, body, {"Content-Type": "application/json", **headers})


async def _post(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
    parts = urlsplit(url)
    lines = [
        f"POST {parts.path}?{parts.query} HTTP/1.1",
        f"Host: {parts.netloc}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    async with asyncio.timeout(HTTP_S):
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        answer = await reader.read()
        writer.close()
    head, _, text = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), text.decode()
