"""Reads ``DATABASE_URL``: which words of libpq's are understood, and what is refused by name.

Sources: PostgreSQL's "Parameter Key Words" of connection URIs; asyncpg takes some in its DSN,
SQLAlchemy passes others to it that it does not know and that end in a traceback.
"""

import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from sqlalchemy import make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError

from fwai.errors import StoreError

CONNECT_S: Final = 5
COMMAND_S: Final = 8
MAX_CONNECT_S: Final = 60
APPLICATION: Final = "fwai"
_DRIVERS: Final = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
_SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_SSL_FILES: Final = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
# Sent to the server with the connection; it judges their values.
_SERVER_SETTINGS: Final = (
    "application_name", "options", "search_path", "statement_timeout", "lock_timeout", "timezone",
)  # fmt: skip
_HOSTS: Final = ("host", "port")  # a socket's directory, or several servers: SQLAlchemy reads them
_SESSIONS: Final = ("any", "primary", "standby", "read-write", "read-only", "prefer-standby")
_ON: Final = {"on": True, "true": True, "1": True, "off": False, "false": False, "0": False}
_FIXES: Final = {
    "channel_binding": "remove it; sslmode=verify-full proves which server answers",
    "gssencmode": "remove it; use sslmode",
    "pgbouncer": "write prepared_statements=off",
    "pool_size": "remove it; the size of the pool is fixed",
    "schema": "write search_path",
    "sslpassword": "keep the key in a file that only the service's user can read",
    "timeout": "write connect_timeout",
    "dbname": "write the database behind the host: postgresql://user@host/name",
    "user": "write it before the host: postgresql://user@host/name",
    "password": "write it before the host: postgresql://user:password@host/name",
}


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """What ``DATABASE_URL`` says.

    Attributes:
        url: With the driver filled in; of the query only what SQLAlchemy reads.
        connect_args: For the driver's ``connect``.
    """

    url: URL
    connect_args: dict[str, Any] = field(default_factory=dict)


def parse_url(text: str) -> DatabaseUrl:
    """Read the URL of a database that this package can use.

    Raises:
        StoreError: It is none, or a word of its query is not understood; names the word.
    """
    try:
        parsed = make_url(text)
    except (ArgumentError, ValueError):
        raise StoreError(
            "DATABASE_URL: cannot be read; write sqlite+aiosqlite:///data/fwai.db or"
            " postgresql+asyncpg://user:password@host/name, with %40 for @ in a password"
        ) from None
    backend = parsed.get_backend_name().replace("postgres", "postgresql", 1)
    backend = "postgresql" if backend.startswith("postgresql") else backend
    if backend not in _DRIVERS:
        raise StoreError("DATABASE_URL: must begin with sqlite+aiosqlite or postgresql+asyncpg")
    url = parsed.set(drivername=_DRIVERS[backend])
    if backend == "sqlite":
        return _sqlite(url)
    return _postgresql(url)


def sqlite_file(url: URL) -> str:
    """Return the file's path as the URL has it; empty when it names none."""
    name = url.database or ""
    return "" if name == ":memory:" or name.startswith("file:") else name


def place_of(url: URL) -> str:
    """Return the name an operator knows the database by: the file, or the URL without secrets."""
    if url.get_backend_name() == "sqlite":
        return sqlite_file(url)
    return url.set(query={}).render_as_string(hide_password=True)


def _sqlite(url: URL) -> DatabaseUrl:
    if not sqlite_file(url):
        raise StoreError("DATABASE_URL: must name a file, such as sqlite+aiosqlite:///data/fwai.db")
    if url.query:
        word = next(iter(url.query))
        raise StoreError(f"DATABASE_URL: {word} is not understood; a SQLite file takes no words")
    return DatabaseUrl(url)


def _postgresql(url: URL) -> DatabaseUrl:
    arguments: dict[str, Any] = {"timeout": CONNECT_S, "command_timeout": COMMAND_S}
    dsn = {"application_name": APPLICATION}
    hosts = {}
    for word, value in url.query.items():
        if word in _HOSTS:
            hosts[word] = value
            continue
        if not isinstance(value, str):
            raise StoreError(f"DATABASE_URL: {word} is written twice; write it once")
        _read_word(word, value, dsn, arguments)
    arguments["dsn"] = f"postgresql://?{urlencode(dsn)}"
    return DatabaseUrl(url.set(query=hosts), arguments)


def _read_word(word: str, value: str, dsn: dict[str, str], arguments: dict[str, Any]) -> None:
    """Put one word of the query where the driver takes it from."""
    if word in ("sslmode", "ssl"):
        dsn["sslmode"] = _one_of(word, value, _SSL_MODES)
    elif word in _SSL_FILES:
        if not Path(value).is_file():
            raise StoreError(f"DATABASE_URL: {word}: there is no file {value!r}")
        dsn[word] = value
    elif word in _SERVER_SETTINGS:
        dsn[word] = value
    elif word == "target_session_attrs":
        dsn[word] = _one_of(word, value, _SESSIONS)
    elif word == "connect_timeout":
        if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= MAX_CONNECT_S:
            raise StoreError(
                f"DATABASE_URL: {word} must be 1 to {MAX_CONNECT_S} (seconds), not {value!r}"
            )
        arguments["timeout"] = int(value)
    elif word == "prepared_statements":
        if not _ON[_one_of(word, value.lower(), tuple(_ON))]:
            arguments |= {
                "statement_cache_size": 0,
                "prepared_statement_cache_size": 0,
                # A proxy gives one connection of the server to several clients.
                "prepared_statement_name_func": lambda: f"fwai_{uuid.uuid4().hex}",
            }
    else:
        fix = _FIXES.get(word, "remove it")
        raise StoreError(f"DATABASE_URL: {word} is not understood; {fix}")


def _one_of(word: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise StoreError(f"DATABASE_URL: {word} must be one of {', '.join(known)}, not {value!r}")
    return value
