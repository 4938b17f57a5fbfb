"""Tells which of PostgreSQL and Redis the tests miss, and how to start it; run by ``.ci/run``.

Needs nothing but Python. Addresses are those of ``FWAI_TEST_POSTGRES_URL`` and
``FWAI_TEST_REDIS_URL``; both are asked at once, within 3 s.
"""

import os
import socket
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

LIMIT_S: Final = 3.0


@dataclass(frozen=True)
class Service:
    """A server that tests need.

    Attributes:
        variable: Where its URL is given.
        default: Its URL otherwise.
        question: What it is sent.
        answers: Whether an answer to that can only be its own.
        start: How it is started.
    """

    name: str
    variable: str
    default: str
    port: int
    question: bytes
    answers: Callable[[bytes], bool]
    start: str


SERVICES: Final = (
    Service(
        "PostgreSQL",
        "FWAI_TEST_POSTGRES_URL",
        "postgresql+asyncpg://postgres@127.0.0.1/postgres",
        5432,
        bytes.fromhex("0000000804d2162f"),  # SSLRequest, which is answered before any login
        lambda answer: answer[:1] in (b"S", b"N"),
        "sudo service postgresql start, with user postgres trusted on 127.0.0.1",
    ),
    Service(
        "Redis",
        "FWAI_TEST_REDIS_URL",
        "redis://127.0.0.1:6379/15",
        6379,
        b"PING\r\n",
        lambda answer: answer.startswith((b"+PONG", b"-NOAUTH")),
        "sudo service redis-server start, or redis-server --daemonize yes",
    ),
)


def problem_of(service: Service) -> str | None:
    """Return what is wrong with a service and the fix, or None."""
    url = urlsplit(os.environ.get(service.variable) or service.default)
    host, port = url.hostname or "127.0.0.1", url.port or service.port
    try:
        with socket.create_connection((host, port), timeout=LIMIT_S / 2) as connection:
            connection.settimeout(LIMIT_S / 2)
            connection.sendall(service.question)
            right = service.answers(connection.recv(64))
    except OSError as exc:
        found = f"no answer at {host}:{port} ({exc})"
    else:
        if right:
            return None
        found = f"something else answers at {host}:{port}"
    return (
        f"{service.name}: {found}. Start it: {service.start}; or name another: {service.variable}"
    )


def main() -> int:
    """Print every problem and return the exit code."""
    with ThreadPoolExecutor(len(SERVICES)) as threads:
        problems = [one for one in threads.map(problem_of, SERVICES) if one is not None]
    for problem in problems:
        print(problem, file=sys.stderr)  # noqa: T201 - the command line's answer
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
