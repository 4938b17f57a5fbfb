"""The audit list on each database."""

from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from fwai.domain.audit import ERASED, AuditEntry
from fwai.domain.keeping import KeepTime, KeepTimes
from fwai.domain.phone import masked
from fwai.store.audit import AuditList, forget_calls, forget_numbers
from fwai.store.crash_recovery import Folders
from fwai.store.database import Database
from fwai.store.keeping import Keeping
from unit.store.kit import KOLKATA, NOW, OTHER_PHONE, PHONE, Kept


def entry(number: int, object_: str = "", minutes: int = 0) -> AuditEntry:
    return AuditEntry(
        id=f"aud_{number:024x}",
        at=NOW + timedelta(minutes=minutes),
        key="k" * 40,
        role="operator",
        address="2001:db8:1111:2222:3333:4444:5555:6666",
        action="change_contact",
        object=object_,
        status=200,
    )


@pytest.fixture
def audit(database: Database, kept: Kept) -> AuditList:
    return AuditList(database, kept.writer)


async def test_what_was_added_is_read_back_newest_first_and_in_pages(audit: AuditList) -> None:
    entries = [entry(number, f"c-{number}", minutes=number // 2) for number in range(7)]
    for one in entries:
        audit.add(one)

    pages = [await audit.page(limit=3)]
    while len(pages[-1]) == 3:
        last = pages[-1][-1]
        pages.append(await audit.page(after=(last.at, last.id), limit=3))

    assert [one for page in pages for one in page] == entries[::-1]


async def test_an_entry_written_twice_is_one(audit: AuditList) -> None:
    audit.add(entry(1))
    audit.add(entry(1))

    assert await audit.page() == [entry(1)]


async def test_what_was_a_persons_is_taken_out_and_the_entry_stays(
    audit: AuditList, database: Database
) -> None:
    objects = ["c-1", "c-2", masked(PHONE), masked(OTHER_PHONE), ""]
    for number, one in enumerate(objects):
        audit.add(entry(number, one))
    await audit.page()

    async def forget(connection: AsyncConnection) -> None:
        await forget_calls(connection, ["c-1", "c-9"])
        await forget_numbers(connection, [PHONE, PHONE.lstrip("+")])

    async with database.write() as connection:
        await forget(connection)

    told = [one.object for one in reversed(await audit.page())]
    assert told == [ERASED, "c-2", ERASED, masked(OTHER_PHONE), ""]


@pytest.mark.parametrize(("days", "left"), [(30, [2, 1]), (0, [2, 1, 0])])
async def test_it_is_kept_as_long_as_calls_are(
    audit: AuditList, database: Database, kept: Kept, days: int, left: list[int]
) -> None:
    for number, age in enumerate([30, 29, 0]):
        audit.add(entry(number, minutes=-age * 24 * 60))
    keeping = Keeping(database, Folders(None, None, KOLKATA), kept.flush)

    removed = await keeping.expire(KeepTimes(KeepTime(days), KeepTime(0)), NOW, 60.0)

    assert [int(one.id.removeprefix("aud_"), 16) for one in await audit.page()] == left
    assert removed.audit == 3 - len(left)
