"""What the database's failures mean to an operator."""

import errno
import sqlite3
from typing import Final

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from fwai.errors import StoreError

_DAMAGED: Final = (
    "the file is damaged; stop the server, move it and its -wal and -shm files away, then "
    "restore a backup in its place (without one, the start makes a new and empty database)"
)
_FIXES: Final = (
    ("unable to open", "make the directory and the file writable for the service's user"),
    ("readonly", "make the file, its -wal and -shm files and the directory writable"),
    ("is full", "free disk space; what was being written is kept and tried again"),
    ("locked", "another program holds the database; stop it"),
    ("not a database", _DAMAGED),
    ("malformed", _DAMAGED),
    ("disk i/o error", "the disk failed or is full; check it, then restore a backup if needed"),
    ("no such table", "the schema is missing; run python -m fwai.store.migrate URL"),
    ("connect call failed", "start the server, or correct DATABASE_URL"),
    ("invalidcatalogname", "create the database, or correct DATABASE_URL"),
    ("invalidpassword", "correct the user and the password in DATABASE_URL"),
    ("invalidauthorization", "correct the user and the password in DATABASE_URL"),
    ("undefinedtable", "the schema is missing; run python -m fwai.store.migrate URL"),
)
_NO_FIX: Final = "look at the database and at this server's log"


def store_error(place: str, exc: BaseException) -> StoreError:
    """Say what failed where and what to do, without the statement or its values."""
    cause = cause_of(exc)
    what = _what(cause)
    if isinstance(cause, TimeoutError):  # it has no words of its own
        return StoreError(f"database {place}: no answer in time; look at its load and its locks")
    for sign, fix in _FIXES:
        if sign in what.lower():
            return StoreError(f"database {place}: {what}; {fix}")
    return StoreError(f"database {place}: {what}")


def cause_of(exc: BaseException) -> BaseException:
    """Return the driver's own error inside SQLAlchemy's."""
    if not isinstance(exc, DBAPIError) or exc.orig is None:
        return exc
    return exc.orig.__cause__ or exc.orig


def words_of(exc: BaseException) -> tuple[str, str]:
    """Say what failed and what to do, without the place, the statement or its values."""
    cause = cause_of(exc)
    if isinstance(cause, TimeoutError | NoConnectionError):
        return "it does not answer in time", "look at its load and its locks"
    what = _what(cause)
    fix = next((fix for sign, fix in _FIXES if sign in what.lower()), _NO_FIX)
    if isinstance(cause, OSError):  # its text may hold an address
        what = errno.errorcode.get(cause.errno or 0, type(cause).__name__)
    return f"it takes nothing ({what})", fix


def is_fault_of_row(exc: BaseException) -> bool:
    """Whether what was to be written is at fault, so that another try cannot help.

    Drivers have errors of their own for values that they cannot send, such as half a character.
    """
    if isinstance(exc, DBAPIError):
        state = getattr(exc.orig, "sqlstate", None) or ""
        unsendable = "binding parameter" in str(exc.orig)
        return isinstance(exc, IntegrityError | DataError) or state.startswith("22") or unsendable
    if isinstance(exc, StatementError):
        return True
    return not isinstance(exc, SQLAlchemyError | OSError | TimeoutError)


def _what(cause: BaseException) -> str:
    return str(cause) if isinstance(cause, sqlite3.Error | OSError) else type(cause).__name__
