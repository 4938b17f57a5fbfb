"""What is known of people, on each database."""

import asyncio

import pytest

from fwai.domain.contact import MAX_ENTRIES, MAX_TEXT, Contact, MemoryEntry
from fwai.store.contacts import MAX_REASON, Contacts
from fwai.store.database import Database
from unit.store.kit import OTHER_PHONE, PHONE, Clock, at


@pytest.fixture
def contacts(database: Database, clock: Clock) -> Contacts:
    return Contacts(database, clock=clock)


def entry(number: int, text: str = "asked about the price") -> MemoryEntry:
    return MemoryEntry(at(number), f"c-{number}", "FWAI_Core", text)


async def test_of_somebody_unknown_nothing_is_known(contacts: Contacts) -> None:
    assert await contacts.get(PHONE) == Contact(PHONE)
    assert not await contacts.do_not_call(PHONE)
    assert await contacts.page_do_not_call() == []


async def test_calls_are_remembered_the_newest_few(contacts: Contacts) -> None:
    for number in range(MAX_ENTRIES + 1):
        await contacts.remember(PHONE, entry(number))
    last = await contacts.remember(PHONE, entry(MAX_ENTRIES + 1))

    contact = await contacts.get(PHONE)

    assert contact == last
    assert contact.memory == tuple(entry(number) for number in range(2, MAX_ENTRIES + 2))
    assert await contacts.get(OTHER_PHONE) == Contact(OTHER_PHONE)


async def test_a_call_is_remembered_once_as_it_was_told_last(contacts: Contacts) -> None:
    await contacts.remember(PHONE, entry(1))

    await contacts.remember(PHONE, entry(1, "booked a demo"))

    assert (await contacts.get(PHONE)).memory == (entry(1, "booked a demo"),)


async def test_what_is_remembered_is_cut_and_cleaned(contacts: Contacts) -> None:
    told = await contacts.remember(PHONE, entry(1, "a\x00\ud800" + "x" * 999))

    assert told.memory[0].text == "a?" + "x" * (MAX_TEXT - 2)
    assert await contacts.get(PHONE) == told


async def test_calls_remembered_at_once_are_all_kept(
    contacts: Contacts, other_database: Database, clock: Clock
) -> None:
    other = Contacts(other_database, clock=clock)

    await asyncio.gather(
        *(
            one.remember(PHONE, entry(number))
            for number, one in enumerate((contacts, other, contacts, other))
        )
    )

    assert len((await contacts.get(PHONE)).memory) == 4


async def test_calls_are_forbidden_and_permitted(contacts: Contacts) -> None:
    await contacts.remember(PHONE, entry(1))

    await contacts.set_do_not_call(PHONE, True, "asked for it")
    await contacts.set_do_not_call(OTHER_PHONE, True, "x" * 999)

    assert await contacts.do_not_call(PHONE)
    assert await contacts.get(PHONE) == Contact(PHONE, (entry(1),), True, "asked for it")
    assert (await contacts.get(OTHER_PHONE)).reason == "x" * MAX_REASON
    await contacts.set_do_not_call(PHONE, False, "")
    assert await contacts.get(PHONE) == Contact(PHONE, (entry(1),))
    await contacts.remember(OTHER_PHONE, entry(2))
    assert await contacts.do_not_call(OTHER_PHONE), "what is remembered permits nothing"


async def test_pages_hold_who_must_not_be_called(contacts: Contacts) -> None:
    phones = [f"+91999990000{digit}" for digit in range(5)]
    for phone in reversed(phones):
        await contacts.set_do_not_call(phone, True, "")
    await contacts.set_do_not_call(phones[2], False, "")

    first = await contacts.page_do_not_call(limit=3)
    rest = await contacts.page_do_not_call(first[-1].phone, 3)

    assert [contact.phone for contact in first] == [phones[0], phones[1], phones[3]]
    assert [contact.phone for contact in rest] == [phones[4]]
