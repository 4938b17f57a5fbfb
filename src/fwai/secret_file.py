"""Secrets of ours in files that only the service's user can read, made when they are missing."""

import asyncio
import os
import secrets
import stat
from pathlib import Path
from typing import Final

import structlog

from fwai.errors import StoreError

LOCAL_KEY_FILE: Final = "local_key"
"""In the data folder: the key of the commands ``call`` and ``jobs``."""
SESSION_SECRET_FILE: Final = "session_secret"  # noqa: S105 - a file's name
"""In the data folder: what signs session cookies. Deleted, it ends all sessions."""
SECRET_BYTES: Final = 32
MAKE_ANEW: Final = "delete it, and a new one is made"
LOOK_S: Final = 5.0
_MODE: Final = 0o600
_OTHERS: Final = 0o077

_log = structlog.get_logger()


def read_secret(path: Path, fix: str = "") -> str:
    """Return the secret in a file; empty when there is no such file.

    Args:
        path: The file.
        fix: What to do about a file that holds none, where making a new one would lose something;
            a file that others could read is then closed to them and used on.

    Raises:
        StoreError: It cannot be read, is no file of one, or others could have read it.
    """
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if fix and stat.S_IMODE(mode) & _OTHERS:
                mode &= ~_OTHERS
                os.fchmod(file.fileno(), stat.S_IMODE(mode))
                _log.warning("secret_file_closed", file=path.name)
            text = file.read(4 * SECRET_BYTES).decode("ascii").strip()
    except FileNotFoundError:
        return ""
    except OSError as exc:
        raise StoreError(f"{path} cannot be read: {exc.strerror}") from None
    except UnicodeDecodeError:
        raise StoreError(f"{path} holds no secret; {fix or MAKE_ANEW}") from None
    if not stat.S_ISREG(mode) or len(text) != 2 * SECRET_BYTES:
        raise StoreError(f"{path} holds no secret; {fix or MAKE_ANEW}")
    if stat.S_IMODE(mode) & _OTHERS:
        raise StoreError(f"{path} can be read by others; {MAKE_ANEW}")
    return text


def kept_secret(path: Path, fix: str = "") -> str:
    """Return the secret in a file, after making one when there is none or others could read it.

    Of several processes that make it at once all return the same.

    Args:
        path: The file; its folder is made, too.
        fix: Given for a secret that must not be replaced: what to do when its file is unusable.

    Raises:
        StoreError: It can be neither read nor made.
    """
    try:
        found = read_secret(path, fix)
    except StoreError as exc:
        if fix:
            raise
        _log.warning("secret_file_replaced", file=path.name, cause=str(exc))
        found = ""
        _remove(path)
    return found or _make(path)


class SessionSecret:
    """What signs session cookies. Whoever deletes its file ends all sessions, within seconds.

    Args:
        path: Where it is kept, so that a restart ends no session; None keeps it nowhere.
        look_s: Between two looks at it.

    Attributes:
        value: The secret.
    """

    def __init__(self, path: Path | None = None, *, look_s: float = LOOK_S) -> None:
        self._path = path
        self._look_s = look_s
        self.value = secrets.token_hex(SECRET_BYTES) if path is None else kept_secret(path)

    async def run(self) -> None:
        """Look every few seconds whether the file was deleted or replaced; never returns."""
        while self._path is not None:
            await asyncio.sleep(self._look_s)
            try:
                value = await asyncio.to_thread(kept_secret, self._path)
            except StoreError:
                continue  # the one that we have goes on
            if value != self.value:
                self.value = value
                _log.warning("sessions_ended", cause="the file of their secret is another one")


def _make(path: Path) -> str:
    """Make the file; it appears under its name only when it is whole."""
    mine = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    value = secrets.token_hex(SECRET_BYTES)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE), "w") as file:
            file.write(f"{value}\n")
            file.flush()
            os.fsync(file.fileno())  # what it protects may be written at once, and outlive a crash
        try:
            path.hardlink_to(mine)
        except FileExistsError:
            value = read_secret(path)
        except OSError:  # a file system without hard links
            mine.replace(path)
        finally:
            mine.unlink(missing_ok=True)
    except OSError as exc:
        raise StoreError(
            f"{path} cannot be made: {exc.strerror}; let the service's user write there"
        ) from None
    if not value:
        raise StoreError(f"{path} was removed at the moment it was made; try again")
    return value


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as exc:
        raise StoreError(f"{path} can be neither used nor removed: {exc.strerror}") from None
