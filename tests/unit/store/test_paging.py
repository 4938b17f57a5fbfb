"""How SQLite finds pages; what they hold is in the contract's suite."""

from collections.abc import Mapping
from typing import Any

import pytest

from fwai.domain.call import CallId, CallState, Direction
from fwai.domain.callback import CallbackState
from fwai.store.bookings import Bookings
from fwai.store.call_reader import CallReader
from fwai.store.callbacks import Callbacks
from fwai.store.database import Database
from unit.store.kit import NOW, PHONE, Clock, at, jobs_in, plans

AFTER = {"after": (NOW, CallId("c-1"))}
LIVE = (CallState.DIALING, CallState.RINGING, CallState.IN_PROGRESS)


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({}, "ix_calls_created_at_id"),
        (AFTER, "ix_calls_created_at_id (created_at<?)"),
        ({"direction": Direction.INBOUND} | AFTER, "ix_calls_created_at_id (created_at<?)"),
        ({"created_from": NOW}, "ix_calls_created_at_id (created_at>?)"),
        ({"states": [CallState.FAILED]}, "ix_calls_state_created_at (state=?)"),
        ({"states": LIVE}, "ix_calls_state_created_at (state=?)"),
        ({"states": LIVE} | AFTER, "ix_calls_state_created_at (state=? AND created_at<?)"),
        ({"provider": "plivo"}, "ix_calls_provider_created_at (provider=?)"),
        ({"provider": "plivo"} | AFTER, "ix_calls_provider_created_at (provider=? AND cre"),
        ({"phone": PHONE}, "ix_calls_caller_created_at (caller=?)"),
        ({"phone": PHONE} | AFTER, "ix_calls_caller_created_at (caller=? AND created_at<?)"),
    ],
    ids=str,
)
async def test_a_page_of_calls_is_found_by_index(
    database: Database, filters: Mapping[str, Any], index: str
) -> None:
    plan = await plans(database, CallReader(database).page(**filters))

    assert index in plan
    assert "FOR ORDER BY" not in plan, "at most calls of the very same moment are left to sort"


@pytest.mark.parametrize(
    "filters",
    [
        {"states": [CallState.FAILED], "phone": PHONE, "provider": "plivo"},
        {"phone": PHONE, "created_from": NOW, "created_to": at(9)},
    ],
    ids=str,
)
async def test_filters_together_read_no_whole_table(
    database: Database, filters: Mapping[str, Any]
) -> None:
    plan = await plans(database, CallReader(database).page(**filters))

    assert "SCAN" not in plan
    assert "SEARCH calls USING INDEX" in plan


async def test_calls_that_ring_are_found_by_index(database: Database) -> None:
    plan = await plans(database, CallReader(database).waiting_outbound())

    assert "SEARCH calls USING INDEX ix_calls_state_created_at (state=?)" in plan


async def test_callbacks_and_demos_are_found_by_index(database: Database) -> None:
    jobs = jobs_in(database, Clock())
    callbacks = Callbacks(database, jobs)
    bookings = Bookings(database, jobs)

    due = await plans(
        database, callbacks.page(states=[CallbackState.SCHEDULED], due_before=NOW, after=(NOW, ""))
    )
    open_for = await plans(database, callbacks.open_for(PHONE))
    taken = await plans(database, bookings.taken(NOW, 30))
    page = await plans(database, bookings.page(from_=NOW, after=(NOW, "")))

    assert "ix_callbacks_state_due_at (state=? AND due_at>? AND due_at<?)" in due
    assert "ix_callbacks_phone (phone=?)" in open_for
    assert "ix_bookings_starts_at (starts_at>? AND starts_at<?)" in taken
    assert "ix_bookings_starts_at (starts_at>?)" in page
