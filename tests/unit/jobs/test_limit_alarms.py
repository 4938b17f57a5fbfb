"""That a limit was reached is told once an hour, also when the database was away."""

import asyncio
from collections.abc import Awaitable, Callable
from zoneinfo import ZoneInfo

from structlog.testing import capture_logs

from fwai.domain.quota import Quota
from fwai.interfaces.limits import UNHEARD
from fwai.jobs.events import Events
from fwai.jobs.limit_alarms import MOST_LIMITS, PAUSE_S, LimitAlarm
from unit.jobs.kit import MemoryJobs, loop_clock
from virtual_time import run as virtual

EVENTS = Events("https://n8n.example.com", None, None)  # type: ignore[arg-type]


def story(act: Callable[[LimitAlarm, MemoryJobs], Awaitable[None]]) -> list[dict[str, object]]:
    """Run ``act`` beside an alarm on a clock that jumps; return the data of what was told."""

    async def main() -> list[dict[str, object]]:
        clock = loop_clock()
        queue, alarm = MemoryJobs(clock), LimitAlarm(ZoneInfo("Asia/Kolkata"), clock)
        async with asyncio.TaskGroup() as group:
            group.create_task(alarm.run(queue, EVENTS))
            await act(alarm, queue)
            alarm.stop()
        bodies = [job.payload["body"] for job in queue.rows.values()]
        assert {body["type"] for body in bodies} <= {"limit.reached"}
        return [body["data"] for body in bodies]

    return virtual(main())


def test_a_flood_is_told_once_an_hour_and_logged_once_a_minute() -> None:
    async def act(alarm: LimitAlarm, _queue: MemoryJobs) -> None:
        for _ in range(7_200):
            alarm.reached("CALLS_WAITING", 20)
            await asyncio.sleep(1)

    with capture_logs() as logs:
        told = story(act)

    assert told == 2 * [
        {
            "limit": "calls_waiting",
            "most": 20,
            "day": "2026-11-24",
            "setting": "CALLS_WAITING",
            "fix": "look on the list of calls whose they are; raise CALLS_WAITING if that is right",
        }
    ]
    assert len([log for log in logs if log["event"] == "limit_reached"]) == 120


def test_each_limit_is_told_of() -> None:
    async def act(alarm: LimitAlarm, _queue: MemoryJobs) -> None:
        for limit in ("ONE", "OTHER", "ONE"):
            alarm.reached(limit, 1)
        await asyncio.sleep(0.1)

    assert [data["limit"] for data in story(act)] == ["one", "other"]


def test_what_was_reached_at_the_very_end_is_told_still() -> None:
    async def act(alarm: LimitAlarm, _: MemoryJobs) -> None:
        await asyncio.sleep(0.1)
        alarm.reached("ONE", 1)

    assert len(story(act)) == 1


def test_while_the_database_is_away_it_waits_with_its_day() -> None:
    """In Kolkata it is half past nine in the morning when the story begins."""

    async def act(alarm: LimitAlarm, queue: MemoryJobs) -> None:
        alarm.reached("ONE", 1)
        queue.sick = 2_000
        await asyncio.sleep(15 * 3600.0)
        queue.sick = 0
        await asyncio.sleep(2 * PAUSE_S)

    (data,) = story(act)
    assert data["day"] == "2026-11-24"


def test_what_is_remembered_has_a_bound() -> None:
    async def act(alarm: LimitAlarm, _: MemoryJobs) -> None:
        for number in range(1_000):
            alarm.reached(f"LIMIT_{number}", 1)
        assert len(alarm.times) == MOST_LIMITS

    assert len(story(act)) == MOST_LIMITS


SMS = Quota("send_sms", 2, "text messages to dictated numbers", "DAILY_SMS_LIMIT")


def test_a_daily_limit_is_told_once_a_day() -> None:
    async def act(alarm: LimitAlarm, _: MemoryJobs) -> None:
        for day in ("2026-11-24", "2026-11-24", "2026-11-25"):
            alarm.used_up(SMS, day)
            await asyncio.sleep(7_200)

    with capture_logs() as logs:
        told = story(act)

    common = {"limit": "send_sms", "most": 2, "setting": "DAILY_SMS_LIMIT", "fix": SMS.fix}
    assert told == [{**common, "day": "2026-11-24"}, {**common, "day": "2026-11-25"}]
    assert [log["event"] for log in logs] == ["limit_reached"] * 2


def test_a_daily_limit_is_told_once_by_whichever_process_and_after_a_restart() -> None:
    async def main() -> list[str]:
        clock = loop_clock()
        queue = MemoryJobs(clock)
        for _ in range(3):
            alarm = LimitAlarm(ZoneInfo("Asia/Kolkata"), clock)
            alarm.used_up(SMS, "2026-11-24")
            alarm.stop()
            await alarm.run(queue, EVENTS)
        return [job.key for job in queue.rows.values()]

    assert virtual(main()) == ["event:limit.reached:2026-11-24:send_sms:0"]


def test_who_hears_of_no_limit_is_told_nothing() -> None:
    UNHEARD.reached("ONE", 1)
    UNHEARD.used_up(SMS, "2026-11-24")
