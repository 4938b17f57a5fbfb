"""A daily limit that is reached is told once, stands until the day is over, and has its fix."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from fwai.domain.quota import NEW_RECIPIENTS, UNLIMITED, Quota
from fwai.errors import StoreError
from fwai.jobs.quotas import Quotas

INDIA = ZoneInfo("Asia/Kolkata")
SMS = Quota("send_sms", 2, "text messages to dictated numbers", "DAILY_SMS_LIMIT")
NEW = Quota(NEW_RECIPIENTS, 1, "messages to people we have not written to before", "DAILY_NEW")
TO = "+919999900009"


class Memory:
    """Counts in memory. Implements ``QuotaStore``."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, str], int] = {}
        self.known: set[str] = set()
        self.error: StoreError | None = None

    async def take(
        self,
        day: str,
        most: Mapping[str, int],
        *,
        recipient: str = "",
        asked_by: str = "",
        if_new: str = "",
    ) -> tuple[str, Collection[str]]:
        if self.error is not None:
            raise self.error
        wanted = [one for one in most if one != if_new or recipient not in self.known]
        full = next((one for one in wanted if self.counts.get((day, one), 0) >= most[one]), "")
        for name in [] if full else wanted:
            self.counts[day, name] = self.counts.get((day, name), 0) + 1
        if not full and recipient:
            self.known.add(recipient)
        reached = [one for one in wanted if self.counts.get((day, one), 0) >= most[one]]
        return full, reached

    async def give_back(self, day: str, name: str) -> None:
        self.counts[day, name] -= 1

    async def used(self, day: str) -> Mapping[str, int]:
        return {name: count for (of, name), count in self.counts.items() if of == day}


class Alarms:
    """Remembers which were told to be used up. Implements ``DailyLimitAlarms``."""

    def __init__(self) -> None:
        self.told: list[tuple[Quota, str]] = []

    def used_up(self, quota: Quota, day: str) -> None:
        self.told.append((quota, day))


class Desk:
    """The limits of a server, at a time that is moved."""

    def __init__(self, store: Memory | None = None, *quotas: Quota) -> None:
        self.store = store or Memory()
        self.now = datetime(2026, 11, 24, 12, 0, tzinfo=INDIA).astimezone(UTC)
        self.alarms = Alarms()
        self.quotas = Quotas(
            self.store, quotas or (SMS, NEW), INDIA, self.alarms, clock=lambda: self.now
        )

    @property
    def warnings(self) -> list[str]:
        return [one.sentence for one in self.quotas.standing()]


async def test_what_is_used_up_is_said_in_words_and_what_has_no_limit_is_not_counted() -> None:
    desk = Desk()

    found = [await desk.quotas.take("send_sms") for _ in range(3)]

    assert found == ["", "", "text messages to dictated numbers"]
    assert await desk.quotas.take("call") == ""
    assert desk.store.counts == {("2026-11-24", "send_sms"): 2}


async def test_people_who_were_never_written_to_have_a_limit_of_their_own() -> None:
    desk = Desk()

    assert await desk.quotas.take("send_sms", TO) == ""
    assert await desk.quotas.take("send_sms", "+919999900008") == NEW.label
    assert await desk.quotas.take("send_sms", TO) == ""


async def test_reached_limits_stand_with_their_fix_until_the_day_is_over_where_we_are() -> None:
    desk = Desk()
    await desk.quotas.take("send_sms")
    assert desk.warnings == []
    await desk.quotas.take("send_sms")

    (warning,) = desk.warnings
    assert warning == (
        "limits: send_sms: the 2 text messages to dictated numbers of today are used up, since "
        "2026-11-24T06:30:00Z; look in the transcripts of the day who asked for them; raise "
        "DAILY_SMS_LIMIT if that is right"
    )
    desk.now += timedelta(hours=11, minutes=59)  # 23:59 in India, 18:29 UTC
    assert desk.warnings == [warning]
    desk.now += timedelta(minutes=2)
    assert desk.warnings == []
    assert await desk.quotas.take("send_sms") == ""


async def test_a_reached_limit_is_told_once_a_day() -> None:
    desk = Desk()

    for _ in range(5):
        await desk.quotas.take("send_sms")
    assert desk.alarms.told == [(SMS, "2026-11-24")]

    desk.now += timedelta(days=1)
    for _ in range(3):
        await desk.quotas.take("send_sms")
    assert desk.alarms.told == [(SMS, "2026-11-24"), (SMS, "2026-11-25")]


async def test_a_process_that_starts_knows_what_was_reached_before() -> None:
    first = Desk()
    for _ in range(2):
        await first.quotas.take("send_sms")
    second = Desk(first.store)

    await second.quotas.open()

    assert [one.trouble.what for one in second.quotas.standing()] == ["send_sms"]
    assert second.alarms.told == [(SMS, "2026-11-24")]
    assert not any(one.trouble.stops_calls for one in second.quotas.standing())


async def test_what_was_not_sent_is_given_back() -> None:
    desk = Desk()
    await desk.quotas.take("send_sms")
    await desk.quotas.give_back("send_sms")
    await desk.quotas.give_back("call")

    assert desk.store.counts == {("2026-11-24", "send_sms"): 0}


async def test_without_the_database_nothing_is_let_pass() -> None:
    desk = Desk()
    desk.store.error = StoreError("database away")

    with pytest.raises(StoreError):
        await desk.quotas.take("send_sms")


async def test_where_nothing_is_limited_everything_passes() -> None:
    assert await UNLIMITED.take("send_sms", TO, TO) == ""
    await UNLIMITED.give_back("send_sms")
