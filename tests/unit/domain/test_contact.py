import json
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from fwai.domain.contact import (
    MAX_ENTRIES,
    MAX_TEXT,
    MemoryEntry,
    entry_json,
    read_entry,
    remembered,
)

T = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)


def entry(number: int, text: str = "x") -> MemoryEntry:
    return MemoryEntry(T + timedelta(days=number), f"c-{number}", "FWAI_Core", text)


@given(order=st.permutations(range(9)))
def test_the_newest_calls_are_kept_whatever_order_they_are_written_in(order: list[int]) -> None:
    memory: tuple[MemoryEntry, ...] = ()
    for number in order:
        memory = remembered(memory, entry(number))

    kept = [one.call_id for one in memory]
    assert kept == [f"c-{number}" for number in range(9 - MAX_ENTRIES, 9)]


def test_a_call_that_is_written_again_replaces_itself() -> None:
    memory = remembered(remembered((), entry(1)), entry(2))

    assert [one.text for one in remembered(memory, entry(1, "summary"))] == ["summary", "x"]


def test_an_entry_survives_being_kept_and_is_bounded() -> None:
    assert read_entry(json.loads(json.dumps(entry_json(entry(1))))) == entry(1)
    assert len(entry_json(entry(1, "x" * 5000))["text"]) == MAX_TEXT
