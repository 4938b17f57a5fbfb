"""Where PostgreSQL or Redis is missing: skipped with a word, or, where they are required, said."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import postgres
from children import ROOT, environment
from e2e.process import free_port

POSTGRESQL, REDIS = b"N", b"+PONG\r\n"


@contextmanager
def answering(answer: bytes | None) -> Iterator[int]:
    """Answer whoever connects with these bytes, or never; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(64)
                if answer is None:
                    connection.recv(64)  # until who asked gives up
                else:
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        thread.join(5)


def check(postgres_port: int, redis_port: int) -> subprocess.CompletedProcess[str]:
    values = {
        "FWAI_TEST_POSTGRES_URL": f"postgresql+asyncpg://postgres@127.0.0.1:{postgres_port}/x",
        "FWAI_TEST_REDIS_URL": f"redis://127.0.0.1:{redis_port}/15",
    }
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "check_services.py")],
        env={**environment(), **values}, capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip


def test_both_services_at_hand_are_nothing_to_tell() -> None:
    with answering(POSTGRESQL) as one, answering(REDIS) as other:
        told = check(one, other)

    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")


def test_what_is_missing_is_named_with_how_to_start_it() -> None:
    told = check(free_port(), free_port())

    assert told.returncode == 1
    lines = told.stderr.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["PostgreSQL", "Redis"]
    assert all("Start it: sudo service" in line for line in lines)


def test_something_else_on_the_port_is_no_service() -> None:
    with answering(POSTGRESQL) as one, answering(b"HTTP/1.1 400 Bad Request\r\n") as other:
        told = check(one, other)

    assert told.returncode == 1
    assert told.stderr.startswith("Redis: something else answers")


def test_a_service_that_hangs_is_missing_within_three_seconds() -> None:
    with answering(None) as one, answering(None) as other:
        began = time.monotonic()
        told = check(one, other)
        took_s = time.monotonic() - began

    assert len(told.stderr.splitlines()) == 2
    assert took_s < 3.0


@pytest.mark.parametrize("url", ["", "postgresql+asyncpg://postgres@127.0.0.1:{port}/postgres"])
@pytest.mark.parametrize(
    ("required", "outcome"),
    [("", pytest.skip.Exception), ("1", pytest.fail.Exception)],
)
def test_without_postgresql_tests_are_skipped_unless_it_is_required(
    url: str, required: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(postgres.URL_VARIABLE, url.format(port=free_port()))
    monkeypatch.setenv(postgres.REQUIRE_VARIABLE, required)

    with pytest.raises(outcome, match="FWAI_TEST_POSTGRES_URL"):
        postgres.fresh_database("nothing")
