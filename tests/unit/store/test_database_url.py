from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from fwai.errors import StoreError
from fwai.store.database_url import COMMAND_S, CONNECT_S, parse_url, place_of

PG = "postgresql+asyncpg://u:secret@h/d"


def server_words(url: str) -> dict[str, str]:
    dsn = parse_url(url).connect_args["dsn"]
    return {word: values[-1] for word, values in parse_qs(urlsplit(dsn).query).items()}


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite+aiosqlite:///data/fwai.db", "sqlite+aiosqlite"),
        ("sqlite:///data/fwai.db", "sqlite+aiosqlite"),
        ("postgresql+asyncpg://u:p@h/d", "postgresql+asyncpg"),
        ("postgresql://u:p@h/d", "postgresql+asyncpg"),
        ("postgresql+psycopg2://u:p@h/d", "postgresql+asyncpg"),
        ("postgres://u:p@h/d", "postgresql+asyncpg"),
    ],
)
def test_the_driver_is_filled_in(url: str, driver: str) -> None:
    assert parse_url(url).url.drivername == driver


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", {}),
        ("?sslmode=require", {"sslmode": "require"}),
        ("?ssl=verify-full", {"sslmode": "verify-full"}),
        ("?sslmode=disable&application_name=desk", {"sslmode": "disable"}),
        ("?options=-c%20statement_timeout%3D3s", {"options": "-c statement_timeout=3s"}),
        ("?search_path=fwai", {"search_path": "fwai"}),
        ("?target_session_attrs=read-write", {"target_session_attrs": "read-write"}),
    ],
)
def test_words_of_libpq_reach_the_driver(query: str, words: dict[str, str]) -> None:
    found = server_words(PG + query)

    assert words.items() <= found.items()
    assert found["application_name"] == ("desk" if "desk" in query else "fwai")
    assert not parse_url(PG + query).url.query


def test_files_of_certificates_must_be_there(tmp_path: Path) -> None:
    root = tmp_path / "root.pem"
    with pytest.raises(StoreError, match="sslrootcert: there is no file"):
        parse_url(f"{PG}?sslrootcert={root}")

    root.touch()

    assert server_words(f"{PG}?sslmode=verify-ca&sslrootcert={root}")["sslrootcert"] == str(root)


@pytest.mark.parametrize(
    ("query", "arguments"),
    [
        ("", {"timeout": CONNECT_S, "command_timeout": COMMAND_S}),
        ("?connect_timeout=20", {"timeout": 20}),
        ("?prepared_statements=on", {}),
        (
            "?prepared_statements=off",
            {"statement_cache_size": 0, "prepared_statement_cache_size": 0},
        ),
    ],
)
def test_some_words_are_for_the_client(query: str, arguments: dict[str, Any]) -> None:
    found = parse_url(PG + query).connect_args

    assert arguments.items() <= found.items()
    assert ("statement_cache_size" in found) == ("off" in query)


def test_without_kept_statements_no_two_have_one_name() -> None:
    name = parse_url(f"{PG}?prepared_statements=off").connect_args["prepared_statement_name_func"]

    assert len({name() for _ in range(50)}) == 50


def test_a_socket_s_directory_and_several_hosts_are_left_to_sqlalchemy() -> None:
    url = parse_url("postgresql://u@/d?host=/run/postgresql").url
    several = parse_url("postgresql://u@/d?host=a:5432&host=b:5433").url

    assert url.query == {"host": "/run/postgresql"}
    assert several.query == {"host": ("a:5432", "b:5433")}


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "cannot be read"),
        ("data/fwai.db", "cannot be read"),
        ("postgresql://u:p@h:port/d", "cannot be read"),
        ("mysql://h/d", "must begin with"),
        ("sqlite+aiosqlite://", "must name a file"),
        ("sqlite+aiosqlite:///:memory:", "must name a file"),
        ("sqlite+aiosqlite:///data/fwai.db?timeout=3", "timeout is not understood"),
        (f"{PG}?sslmode=on", "sslmode must be one of"),
        (f"{PG}?sslmode=require&sslmode=disable", "sslmode is written twice"),
        (f"{PG}?connect_timeout=0", "connect_timeout must be 1 to 60"),
        (f"{PG}?connect_timeout=ten", "connect_timeout must be 1 to 60"),
        (f"{PG}?connect_timeout=-1", "connect_timeout must be 1 to 60"),
        (f"{PG}?connect_timeout=%C2%B2", "connect_timeout must be 1 to 60"),
        (f"{PG}?prepared_statements=maybe", "prepared_statements must be one of"),
        (f"{PG}?target_session_attrs=master", "target_session_attrs must be one of"),
        (f"{PG}?channel_binding=require", "channel_binding is not understood; .*verify-full"),
        (f"{PG}?pgbouncer=true", "pgbouncer is not understood; write prepared_statements=off"),
        (f"{PG}?keepalives_idle=30", "keepalives_idle is not understood; remove it"),
        (f"{PG}?password=x", "password is not understood"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(url: str, said: str) -> None:
    with pytest.raises(StoreError, match=f"^DATABASE_URL: .*{said}") as caught:
        parse_url(url)

    assert "secret" not in str(caught.value)


def test_a_database_is_named_without_its_secrets(tmp_path: Path) -> None:
    url = parse_url("postgresql://u:secret@h/d?options=-c%20x%3Dsecret").url

    assert place_of(url) == "postgresql+asyncpg://u:***@h/d"
    assert place_of(parse_url(f"sqlite:///{tmp_path}/f.db").url) == f"{tmp_path}/f.db"
