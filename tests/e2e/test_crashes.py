"""Each acting tool, with the server killed at each step: its effect happens once.

One world outlives all the servers. A test arms the running one, runs a tool as n8n does, lets the
server die, starts it again on the same database, repeats the request with its Idempotency-Key, and
counts what the world has seen.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest
import pytest_asyncio

from e2e.crash_world import (
    AFTER_RESTART_S,
    API,
    DONE_AGAIN,
    DONE_ONCE,
    MAIL,
    RINGS_S,
    ROW,
    SILENT,
    SLOW,
    SLOW_META,
    SMS,
    SOON_S,
    TEMPLATE,
    WRITTEN,
    CrashWorld,
    Effects,
    address_of,
    at,
    cases,
    crash_world,
)
from fwai.simulator.common.caller import AwaitHangUp, HangUp, Hear, Say, Step, Wait
from fwai.simulator.common.fate import Fate, MessageFate
from fwai.simulator.common.rest import ApiFault
from fwai.simulator.gemini.scenario import Fault, Reply, Scenario, ToolRequest
from fwai.simulator.gemini.scenario import demo as demo_scenario

AGREES: list[Step] = [Hear("price_answer"), Say("hmm")]

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[CrashWorld]:
    async with crash_world(tmp_path_factory.mktemp("crashes")) as one:
        yield one


async def die_and_repeat(
    world: CrashWorld,
    tool: str,
    arguments: dict[str, Any],
    phone: str,
    providers: str = "plivo",
) -> dict[str, Any]:
    """Order what kills the armed server, start another one, order it again."""
    key = f"{tool}-{phone}"
    await world.order(tool, arguments, phone, key)
    await world.died()
    await world.serve(providers)
    return dict(await world.repeat(tool, arguments, phone, key))


# ---- messages -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("point", "kind"), cases(("send_sms", (*WRITTEN, *DONE_ONCE)), (ROW, API)))
async def test_a_text_message_is_sent_once(world: CrashWorld, point: str, kind: str) -> None:
    await world.serve()
    phone = world.person()
    world.world.provider.message_fate(phone, SLOW)
    world.arm(point, kind)

    answer = await die_and_repeat(world, "send_sms", SMS, phone)
    states = await world.settled(phone)

    assert world.effects(phone) == Effects(sms=1)
    assert states["send_sms"] == "done"
    assert answer["status"] in ("ok", "pending")


async def test_a_text_message_is_sent_once_when_the_server_dies_waiting_for_the_answer(
    world: CrashWorld,
) -> None:
    await world.serve()
    phone, key = world.person(), "in-flight"
    world.world.provider.message_fate(phone, SLOW)
    world.world.provider.faults.append(ApiFault(path="Message/", hang_s=30, carried_out=True))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(world.order("send_sms", SMS, phone, key))
        async with asyncio.timeout(10):
            while not world.effects(phone).sms:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        world.kill()
    await world.serve()
    await world.repeat("send_sms", SMS, phone, key)
    await world.settled(phone)

    assert world.effects(phone) == Effects(sms=1)


@pytest.mark.parametrize(("point", "kind"), cases(("send_sms", (*WRITTEN, *DONE_ONCE)), (ROW, API)))
async def test_a_text_message_through_exotel_is_sent_once(
    world: CrashWorld, point: str, kind: str
) -> None:
    await world.serve("exotel")
    phone = world.person()
    assert world.world.exotel is not None
    world.world.exotel.message_fate(phone, SLOW)
    world.arm(point, kind)

    await die_and_repeat(world, "send_sms", SMS, phone, "exotel")
    states = await world.settled(phone)

    assert world.effects(phone) == Effects(sms=1)
    assert states["send_sms"] == "done"


@pytest.mark.parametrize(
    ("point", "kind"), cases(("send_whatsapp", (*WRITTEN, *DONE_ONCE)), (ROW, API))
)
async def test_a_whatsapp_message_is_sent_once(world: CrashWorld, point: str, kind: str) -> None:
    await world.serve("whatsapp")
    phone = world.person()
    assert world.world.meta is not None
    world.world.meta.fates.append(SLOW_META)
    world.arm(point, kind)

    await die_and_repeat(world, "send_whatsapp", TEMPLATE, phone, "whatsapp")
    states = await world.settled(phone)

    assert world.effects(phone) == Effects(whatsapp=1)
    assert states["send_whatsapp"] == "done"


@pytest.mark.parametrize(
    ("point", "kind"), cases(("send_email", (*WRITTEN, *DONE_AGAIN)), (ROW, API))
)
async def test_a_mail_is_one_message_to_its_receiver(
    world: CrashWorld, point: str, kind: str
) -> None:
    await world.serve()
    phone = world.person()
    mail = address_of(phone)
    world.arm(point, kind)

    await die_and_repeat(world, "send_email", {**MAIL, "to": mail}, phone)
    states = await world.settled(phone)

    assert world.effects(phone, mail) == Effects(mails=1)
    assert states["send_email"] == "done"
    handed_over_twice = point in ("request:after", "settle:before")
    assert len(world.letters(mail)) == 1 + handed_over_twice


# ---- demos --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("point", "kind"),
    cases(
        (ROW, (*API, "book:after_commit")),
        ("send_email", ("enqueue:before_commit", *DONE_AGAIN)),
        ("send_sms", DONE_ONCE),
    ),
)
async def test_a_demo_is_booked_once_with_one_invitation_and_one_confirmation(
    world: CrashWorld, point: str, kind: str
) -> None:
    await world.serve()
    phone = world.person()
    mail = address_of(phone)
    world.world.provider.message_fate(phone, SLOW)
    world.arm(point, kind)

    answer = await die_and_repeat(world, "book_demo", demo(mail), phone)
    await world.settled(phone)

    assert world.effects(phone, mail) == Effects(bookings=1, mails=1, sms=1)
    assert answer["status"] == "ok"


def demo(mail: str) -> dict[str, Any]:
    when = "tomorrow 5 pm"
    return {"when": when, "name": "Asha", "interest": "fees", "email": mail, "confirmed": True}


# ---- callbacks ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("point", "kind"),
    cases((ROW, (*API, "schedule:after_commit")), ("callback", ("enqueue:before_commit",))),
)
async def test_a_callback_is_promised_once_and_dialled_once(
    world: CrashWorld, point: str, kind: str
) -> None:
    await world.serve()
    phone = world.person()
    world.world.provider.fate(phone, Fate(script=[Wait(200), HangUp()]))
    world.arm(point, kind)

    await die_and_repeat(world, "schedule_callback", {"when": at(AFTER_RESTART_S)}, phone)
    await world.settled(phone)

    assert world.effects(phone) == Effects(callbacks=1, calls=1)
    assert called(world, phone) == [("done", 1)]


@pytest.mark.parametrize(
    ("point", "kind"),
    cases(
        ("callback", ("lease:after", "settle:before", "settle:after")),
        (ROW, ("started:before", "started:after", "call:placed")),
        ("dial", ("enqueue:before_commit", *DONE_ONCE)),
    ),
)
async def test_a_promised_callback_is_dialled_once(
    world: CrashWorld, point: str, kind: str
) -> None:
    await world.serve()
    phone = world.person()
    rings_s = RINGS_S if point in ("request:after", "settle:before", "settle:after") else 0.2
    world.world.provider.fate(phone, Fate(script=[Wait(200), HangUp()], ring_s=rings_s))
    world.arm(point, kind)

    await die_and_repeat(world, "schedule_callback", {"when": at(SOON_S)}, phone)
    await world.settled(phone)

    assert world.effects(phone) == Effects(callbacks=1, calls=1)
    assert called(world, phone) == [("done", 1)]


def called(world: CrashWorld, phone: str) -> list[tuple[Any, ...]]:
    return world.rows("select state, attempts from callbacks where phone = ?", phone)


# ---- in a live call -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("point", "kind"),
    cases(
        ("send_sms", ("enqueue:after_commit", "lease:after", "begin:after")),
        ("send_sms", ("request:after", "settle:before")),
    ),
)
async def test_a_text_message_that_the_model_asked_for_is_sent_once(
    world: CrashWorld, point: str, kind: str
) -> None:
    await world.serve()
    phone = world.person()
    world.world.provider.message_fate(phone, SLOW)
    asks_at_once(world, ToolRequest("send_sms", SMS))
    world.arm(point, kind)

    await call_until_death(world, phone)
    await world.serve()
    states = await world.settled(phone)

    assert world.effects(phone) == Effects(sms=1)
    assert states["send_sms"] == "done"


@pytest.mark.parametrize(
    ("point", "kind"),
    cases(
        (ROW, ("book:after_commit",)),
        ("send_email", ("lease:after", "request:after", "settle:before")),
        ("send_sms", ("begin:after", "request:after", "settle:before")),
    ),
)
async def test_a_demo_that_the_model_booked_is_booked_once(
    world: CrashWorld, point: str, kind: str
) -> None:
    await world.serve()
    phone = world.person()
    mail = address_of(phone)
    world.world.provider.message_fate(phone, SLOW)
    booking = ToolRequest("book_demo", demo(mail))
    reads_back(world, (booking,), (booking,))
    world.arm(point, kind)

    await call_until_death(world, phone, AGREES)
    await world.serve()
    await world.settled(phone)

    assert world.effects(phone, mail) == Effects(bookings=1, mails=1, sms=1)


async def test_what_was_not_committed_in_a_live_call_was_told_to_nobody_and_does_not_happen(
    world: CrashWorld,
) -> None:
    await world.serve()
    phone = world.person()
    asks_at_once(world, ToolRequest("send_sms", SMS))
    world.arm("enqueue:before_commit", "send_sms")

    await call_until_death(world, phone)
    await world.serve()
    await world.settled(phone)

    assert world.effects(phone) == Effects()
    assert world.world.model.sessions[-1].tool_responses == []


def asks_at_once(world: CrashWorld, *tools: ToolRequest, faults: tuple[Fault, ...] = ()) -> None:
    """Let the model use tools as soon as it is connected."""
    world.world.model.scenario = Scenario(
        replies={"greeting": Reply(tools=tools, then="done"), "done": Reply(clip="sms_sent")},
        greeting="greeting",
        fallback="done",
        faults=faults,
    )


def reads_back(
    world: CrashWorld, first: tuple[ToolRequest, ...], again: tuple[ToolRequest, ...]
) -> None:
    """Let the model use tools, read back what they refuse, and use them again after a yes."""
    world.world.model.scenario = Scenario(
        replies={
            "greeting": Reply(tools=first, then="done", otherwise="read_back"),
            "read_back": Reply(clip="price_answer"),
            "again": Reply(tools=again, then="done", otherwise="sorry"),
            "done": Reply(clip="sms_sent"),
            "sorry": Reply(clip="fallback"),
        },
        greeting="greeting",
        fallback="sorry",
        heard={"hmm": "again"},
    )


async def call_until_death(world: CrashWorld, phone: str, says: Sequence[Step] = ()) -> None:
    async with asyncio.TaskGroup() as tasks:
        call = tasks.create_task(world.world.phone(number=phone).call([*says, AwaitHangUp(15)]))
        await world.died()
        async with asyncio.timeout(10):
            await call


# ---- what cannot be known -----------------------------------------------------------------------


async def test_without_reports_a_message_that_may_be_out_is_sent_again_after_the_time_for_them(
    world: CrashWorld,
) -> None:
    await world.serve()
    phone = world.person()
    world.world.provider.message_fate(phone, SILENT)
    world.arm("request:after", "send_sms")

    await die_and_repeat(world, "send_sms", SMS, phone)
    states = await world.settled(phone)

    assert world.effects(phone) == Effects(sms=2)
    assert states["send_sms"] == "done"


async def test_a_call_whose_news_are_all_lost_is_dialled_again_after_the_time_for_them(
    world: CrashWorld,
) -> None:
    await world.serve()
    phone = world.person()
    # The telephone is answered, and given up, while nobody is there to hear of it.
    world.world.provider.fate(phone, Fate(ring_s=0), Fate(script=[Wait(200), HangUp()]))
    world.arm("request:after", "dial")
    await world.order("schedule_callback", {"when": at(SOON_S)}, phone, "lost-news")
    await world.died()
    async with asyncio.timeout(10):
        await world.world.provider.calls[-1].done.wait()

    await world.serve()
    await world.settled(phone)

    assert world.effects(phone) == Effects(callbacks=1, calls=2)
    assert called(world, phone) == [("done", 1)]


async def test_a_call_whose_placing_has_no_answer_is_unknown_and_never_dialled_again(
    world: CrashWorld,
) -> None:
    await world.serve()
    phone = world.person()
    world.world.provider.fate(phone, Fate(outcome="queued", lost="error"))

    await world.repeat("schedule_callback", {"when": at(0.5)}, phone, "placed-or-not")
    async with asyncio.timeout(10):
        while world.states(phone).get("dial") != "unknown":  # noqa: ASYNC110 - it is a database
            await asyncio.sleep(0.05)
    world.kill()
    await world.serve()
    await asyncio.sleep(2)

    assert world.effects(phone) == Effects(callbacks=1, calls=1)
    (job_id,) = world.rows("select id from jobs where kind = 'dial' and phone = ?", phone)[0]
    assert job_id in [job["job_id"] for job in await world.jobs(status="unknown", kind="dial")]


async def test_an_answer_that_is_lost_is_unknown_shown_and_never_repeated_by_itself(
    world: CrashWorld,
) -> None:
    await world.serve()
    phone, key = world.person(), "lost-answer"
    world.world.provider.message_fate(phone, MessageFate(statuses=(), lost="error"))

    answer = await world.repeat("send_sms", SMS, phone, key)
    again = await world.repeat("send_sms", SMS, phone, key)
    world.kill()
    await world.serve()
    after_restart = await world.repeat("send_sms", SMS, phone, key)
    await asyncio.sleep(1)

    assert answer["status"] in ("failed", "unknown")
    assert "not known" in answer["message"]
    assert again == after_restart == answer
    assert world.states(phone)["send_sms"] == "unknown"
    assert world.effects(phone) == Effects(sms=1)
    (job_id,) = world.rows("select id from jobs where phone = ?", phone)[0]
    assert job_id in [job["job_id"] for job in await world.jobs(status="unknown")]


# ---- at once, and again -------------------------------------------------------------------------


async def test_the_same_request_twice_at_once_has_one_effect(world: CrashWorld) -> None:
    await world.serve()
    phone, key = world.person(), "twice-at-once"

    async with asyncio.TaskGroup() as tasks:
        both = [tasks.create_task(world.order("send_sms", SMS, phone, key)) for _ in range(2)]
    first, second = (one.result() for one in both)
    await world.settled(phone)

    assert isinstance(first, httpx.Response)
    assert isinstance(second, httpx.Response)
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    assert world.effects(phone) == Effects(sms=1)


async def test_a_model_that_repeats_itself_has_one_effect_and_an_answer_each_time(
    world: CrashWorld,
) -> None:
    await world.serve()
    phone = world.person()
    mail = address_of(phone)
    sms, booking = ToolRequest("send_sms", SMS), ToolRequest("book_demo", demo(mail))
    reads_back(world, (sms, sms, booking, booking), (booking, booking))

    await world.world.phone(number=phone).call([*AGREES, Wait(2000), HangUp()])
    await world.settled(phone)

    # One text is the model's, the other one confirms the booking.
    assert world.effects(phone, mail) == Effects(sms=2, bookings=1, mails=1)
    answers = world.world.model.sessions[-1].tool_responses
    assert len(answers) == 6


async def test_a_session_that_is_lost_in_the_middle_of_a_tool_gets_one_effect_and_one_answer(
    world: CrashWorld,
) -> None:
    await world.serve()
    phone = world.person()
    first = len(world.world.model.sessions)
    lost = Fault(kind="close", at="tool", session=first, code=1011)
    world.world.model.scenario = demo_scenario().with_faults(lost)

    await world.world.phone(number=phone).call(
        [Hear("greeting"), Say("ask_sms"), Wait(3000), HangUp()]
    )
    await world.settled(phone)

    before, after = world.world.model.sessions[first:]
    assert world.effects(phone) == Effects(sms=1)
    assert (len(before.tool_calls), len(after.tool_calls)) == (1, 0)
    assert after.resumed
    # What the lost session was answered it never heard: the one that follows is told in words.
    assert [text[:19] for text in after.texts] == ["Result of send_sms:"]
    assert after.tool_responses == []


async def test_a_session_that_forgot_its_tool_call_and_repeats_it_has_no_second_effect(
    world: CrashWorld,
) -> None:
    await world.serve()
    phone = world.person()
    first = len(world.world.model.sessions)
    lost = Fault(kind="close", at="tool", session=first, code=1011)
    asks_at_once(world, ToolRequest("send_sms", SMS), faults=(lost,))

    await world.world.phone(number=phone).call([Wait(3000), HangUp()])
    await world.settled(phone)

    before, after = world.world.model.sessions[first:]
    assert not after.resumed
    assert world.effects(phone) == Effects(sms=1)
    assert (len(before.tool_calls), len(after.tool_calls)) == (1, 1)
    assert [answer["id"] for answer in after.tool_responses] == [after.tool_calls[0]["id"]]
