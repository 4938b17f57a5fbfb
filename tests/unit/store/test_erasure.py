"""Names of files that only SQLite keeps; what erasing does is in the contract's suite."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from fwai.domain.call import CallState
from fwai.domain.erasure import Erased
from fwai.store import database
from fwai.store.erasure import LOG_BUSY, Erasure
from unit.store.kit import BUSY, ENDING, PHONE, T0, Kept, a_call


@pytest.mark.parametrize("name", ["a\0b.wav", "x" * 250 + ".wav"])
async def test_a_name_that_is_no_path_keeps_nobody(kept: Kept, name: str) -> None:
    await kept.calls.open(a_call(), CallState.RINGING, T0)
    await kept.calls.set_recording(a_call().id, Path(name))
    await kept.calls.end(a_call(), BUSY, T0)

    erased = await Erasure(kept.database, None, kept.recordings).erase(PHONE)

    assert erased == Erased(calls=1)


async def test_nothing_of_the_person_is_in_the_files_of_the_database(kept: Kept) -> None:
    """Not in the log that SQLite writes first either, nor in pages that it has freed."""
    path = Path(kept.database.place)
    secret = "the fees of the evening course"
    for n in range(20):
        call = replace(a_call(f"a-{n}"), caller=PHONE)
        await kept.calls.open(call, CallState.IN_PROGRESS, T0)
        kept.calls.log(call).caller_said(secret, T0, 1)
        await kept.calls.end(call, ENDING, T0 + 1)
    await kept.flush()
    assert secret.encode() in in_files(path)

    erased = await Erasure(kept.database, kept.transcripts, None, kept.flush).erase(PHONE)

    assert (erased.calls, erased.left) == (20, [])
    assert secret.encode() not in in_files(path)
    assert PHONE[1:].encode() not in in_files(path)


async def test_a_log_that_somebody_reads_is_told(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "EMPTY_TRIES", 1)
    monkeypatch.setattr(database, "EMPTY_WAIT_MS", 10)
    await kept.calls.open(a_call(), CallState.RINGING, T0)
    await kept.calls.end(a_call(), BUSY, T0)
    with closing(sqlite3.connect(kept.database.place)) as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM calls").fetchall()
        erased = await Erasure(kept.database, None, None).erase(PHONE)
        assert [one.why for one in erased.left] == [LOG_BUSY]
    assert (await Erasure(kept.database, None, None).erase(PHONE)).left == []


def in_files(path: Path) -> bytes:
    """Return what the database's files hold: its own, and its log's."""
    return b"".join(one.read_bytes() for one in path.parent.glob(f"{path.name}*"))
