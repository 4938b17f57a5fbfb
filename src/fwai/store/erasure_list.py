"""Whom the installation has erased, so that an older copy of the database brings nobody back.

Theory of operation. Each erasure is written to a file beside the database before anything is
removed, and to the database when it is done. At the start, what the file has and the database does
not know was begun and not finished, or is undone by a restored backup: those people are erased
again. Neither holds a number: only its HMAC under a key that is in a file of its own, because ten
digits are soon tried out without one.
"""

import asyncio
import hashlib
import hmac
import json
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import select

from fwai.errors import StoreError
from fwai.secret_file import kept_secret
from fwai.store.database import Database
from fwai.store.folders import make_folder
from fwai.store.job_tables import erasures

LIST_MODE: Final = 0o640
KEY_FILE: Final = "erasure_key"
LIST_FILE: Final = "erased.jsonl"
DIGEST_CHARS: Final = 64
LOST_KEY: Final = (
    f"put it back from a backup, or remove both {KEY_FILE} and {LIST_FILE}: then a restored backup "
    "brings back who was erased"
)


class ErasureListError(StoreError):
    """The list or its key cannot be used; the text names the file."""


@dataclass(frozen=True, slots=True)
class ErasureList:
    """The list of one installation.

    Args:
        database: Knows which erasures are done in it.
        folder: Holds the list and its key; both are made when they are first needed.
    """

    database: Database
    folder: Path

    async def note(self, phone: str, at: datetime) -> str:
        """Write down that a person is to be erased, and return their digest.

        Raises:
            StoreError: The list or its key cannot be written.
        """
        return await asyncio.to_thread(self._note, phone, at)

    async def done(self, digest: str, at: datetime) -> None:
        """Write into the database that a person is erased from it.

        Raises:
            StoreError: The database failed.
        """
        adding = self.database.insert(erasures).values(digest=digest, erased_at=at)
        latest = adding.on_conflict_do_update(index_elements=["digest"], set_={"erased_at": at})
        async with self.database.write() as connection:
            await connection.execute(latest)

    async def undone(self) -> Mapping[str, datetime]:
        """Return digests of people whose last erasure this database does not know, and its time.

        Raises:
            StoreError: The database failed, or the list cannot be read.
        """
        noted = await asyncio.to_thread(self._read)
        if not noted:
            return {}
        async with self.database.read() as connection:
            rows = (await connection.execute(select(erasures))).all()
        known = {row.digest: row.erased_at for row in rows}
        return {
            digest: at for digest, at in noted.items() if digest not in known or known[digest] < at
        }

    async def matching(self, digests: Collection[str], phones: Iterable[str]) -> dict[str, str]:
        """Return which of ``phones`` have one of ``digests``, with it.

        Raises:
            StoreError: The key cannot be read.
        """
        numbers = list(phones)
        return await asyncio.to_thread(self._matching, digests, numbers)

    def _matching(self, digests: Collection[str], phones: list[str]) -> dict[str, str]:
        key = self._key()
        found = ((phone, _digest(key, phone)) for phone in phones)
        return {phone: digest for phone, digest in found if digest in digests}

    def _note(self, phone: str, at: datetime) -> str:
        digest = _digest(self._key(), phone)
        line = json.dumps({"digest": digest, "at": at.isoformat()}) + "\n"
        path = self.folder / LIST_FILE
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, LIST_MODE)
            with os.fdopen(handle, "r+b") as file:
                size = file.seek(0, os.SEEK_END)
                if size and os.pread(handle, 1, size - 1) != b"\n":
                    line = "\n" + line  # a crash cut the line before
                file.write(line.encode())
                file.flush()
                os.fsync(handle)
        except OSError as exc:
            raise ErasureListError(f"the list of erasures {path}: {exc.strerror}") from exc
        return digest

    def _read(self) -> dict[str, datetime]:
        path = self.folder / LIST_FILE
        try:
            lines = path.read_bytes().splitlines()
        except FileNotFoundError:
            return {}
        except OSError as exc:
            raise ErasureListError(f"the list of erasures {path}: {exc.strerror}") from exc
        return dict(entry for line in lines if (entry := _entry(line)) is not None)

    def _key(self) -> bytes:
        path = self.folder / KEY_FILE
        try:
            make_folder(self.folder)
            return bytes.fromhex(kept_secret(path, LOST_KEY))
        except ValueError:
            raise ErasureListError(f"{path} holds no key; {LOST_KEY}") from None
        except OSError as exc:
            raise ErasureListError(f"{path} cannot be made: {exc.strerror}") from exc
        except StoreError as exc:
            raise ErasureListError(f"the list of erasures has no key: {exc}") from exc


def _digest(key: bytes, phone: str) -> str:
    return hmac.new(key, phone.lstrip("+").encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def _entry(line: bytes) -> tuple[str, datetime] | None:
    """Return a line's digest and time; None when a crash cut it."""
    try:
        entry = json.loads(line)
        digest, at = str(entry["digest"]), datetime.fromisoformat(entry["at"])
    except (ValueError, KeyError, TypeError):
        return None
    return (digest, at) if len(digest) == DIGEST_CHARS and at.tzinfo is not None else None
