"""What no column can hold is left out of a value; the row is written all the same."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, select, update

from fwai.store.database import Database
from fwai.store.job_tables import callbacks, contacts
from fwai.store.storable import _row

NOW = datetime(2026, 11, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("half \ud800", "half ?"),
        ("nul\x00", "nul"),
        ("👩 नमस्ते\x00", "👩 नमस्ते"),
        ("As\u202eha", "As\u202eha"),
    ],
    ids=ascii,
)
async def test_a_text_and_a_json_value_are_stored_as_far_as_they_are_text(
    database: Database, text: str, kept: str
) -> None:
    row = {"phone": text, "memory": [{"text": text, text: [1]}], "do_not_call": False}
    async with database.write() as connection:
        await connection.execute(insert(contacts).values(**row, reason=text, written_at=NOW))
        await connection.execute(update(contacts).values(reason=f"{text}!"))
        found = (await connection.execute(select(contacts))).mappings().one()
        by_text = await connection.scalar(select(contacts.c.phone).where(contacts.c.phone == text))

    assert (found["phone"], found["reason"]) == (kept, f"{kept}!")
    assert found["memory"] == [{"text": kept, kept: [1]}]
    assert by_text == kept


async def test_of_many_rows_at_once_none_keeps_the_others_out(database: Database) -> None:
    rows = [
        {
            "id": f"cb_{number}", "key": f"k{number}", "phone": "", "provider": "", "agent": "",
            "due_at": NOW, "note": note, "state": "scheduled", "attempts": 0,
            "source_call_id": "", "last_call_id": "", "created_at": NOW, "written_at": NOW,
        }
        for number, note in enumerate(("a", "\udfff", "\x00", "b"))
    ]  # fmt: skip
    async with database.write() as connection:
        await connection.execute(insert(callbacks), rows)
        notes = await connection.scalars(select(callbacks.c.note).order_by(callbacks.c.id))

        assert list(notes) == ["a", "?", "", "b"]


def test_rows_of_every_shape_a_driver_takes() -> None:
    assert _row({"a": "x\0", "n": 1}) == {"a": "x", "n": 1}
    assert _row(("x\0", 2)) == ("x", 2)
    assert _row(["x\0"]) == ["x"]
    assert _row(None) is None
