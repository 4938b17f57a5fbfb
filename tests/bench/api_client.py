"""Places calls by the API at a steady rate, whatever the answers take: n8n in a hurry.

The calls are for tomorrow, so that nothing is dialled. A request that would be late because the
answers are slow is sent all the same, on a connection of its own, and its time counts from when it
was due.
"""

import asyncio
import json
import secrets
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from bench.measure import Spread, now_s

REQUEST_S: Final = 10.0

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class ApiClient:
    """Sends ``POST /api/calls``.

    Attributes:
        took: How long each answer took, in seconds.
        answers: How often each status, with the state of the call, was answered.
    """

    def __init__(self, base_url: str, key: str, rate: float) -> None:
        parts = urlsplit(base_url)
        self._host, self._port = str(parts.hostname), int(parts.port or 80)
        self._key = key
        self._rate = rate
        self._idle: list[Connection] = []
        self._run = secrets.token_hex(6)
        self.took: list[float] = []
        self.answers: Counter[str] = Counter()

    async def run(self, seconds: float) -> None:
        """Send requests for so long, and wait for their answers."""
        began = now_s()
        async with asyncio.TaskGroup() as group:
            for number in range(round(seconds * self._rate)):
                due = began + number / self._rate
                await asyncio.sleep(max(due - now_s(), 0))
                group.create_task(self._ask(number, due))
        for _, writer in self._idle:
            writer.close()

    def figures(self) -> dict[str, Any]:
        """Return what came out."""
        return {"rate": self._rate, "ms": Spread.of(self.took).dump(), "answers": self.answers}

    async def _ask(self, number: int, due: float) -> None:
        """Send one request; one that was not answered counts with the time it was waited for."""
        try:
            async with asyncio.timeout(REQUEST_S):
                answer = await self._exchange(self._request(number))
        except (TimeoutError, OSError, EOFError) as exc:
            answer = type(exc).__name__
        self.took.append(now_s() - due)
        self.answers[answer] += 1

    async def _exchange(self, request: bytes) -> str:
        reader, writer = self._idle.pop() if self._idle else await self._connect()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        body = json.loads(await reader.readexactly(size))
        self._idle.append((reader, writer))
        return f"{head.split(b' ', 2)[1].decode()} {body.get('status')}"

    async def _connect(self) -> Connection:
        return await asyncio.open_connection(self._host, self._port)

    def _request(self, number: int) -> bytes:
        body = {
            "to": f"+9199999{number:05d}",
            "context": {"customer_name": "Asha", "note": "asked for the Hindi course"},
            "not_before": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
        }
        content = json.dumps(body).encode()
        lines = [
            "POST /api/calls HTTP/1.1",
            f"Host: {self._host}:{self._port}",
            "Content-Type: application/json",
            f"Content-Length: {len(content)}",
            f"Authorization: Bearer {self._key}",
            f"Idempotency-Key: {self._run}-{number}",
        ]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + content
