"""A little of everything, for tests that look at all of it."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from fwai.domain.booking import NewBooking
from fwai.domain.call import CallId
from fwai.domain.callback import NewCallback
from fwai.domain.contact import MemoryEntry
from fwai.domain.events import ToolCall, ToolResult
from fwai.domain.job import Dead, NewJob
from unit.store.kit import NOW, PHONE, T0
from unit.web.kit import KEY, House


@dataclass(frozen=True)
class Known:
    """What is there, by the names of path parameters."""

    home: House
    ids: dict[str, list[str]]


async def fill(home: House) -> Known:
    home.client.headers["X-API-Key"] = KEY
    session = await home.carry("c-1")
    log = home.kept.calls.log(session.call)
    log.caller_said("I want a demo.", T0 + 1, 1)
    log.agent_said("Tomorrow at five?", T0 + 3, 1)
    result = ToolResult("t", "note", ok=True, text="Noted.", data={})
    log.tool_finished(ToolCall("t", "note", {"text": "x"}), result, T0 + 4, 12.0)
    await home.over("c-1")
    await home.carry("c-2", "+919999900002")
    callback, _ = await home.services.schedule(
        NewCallback("k1", PHONE, "", "FWAI_Core", NOW + timedelta(hours=2), "about the fees", "c-1")
    )
    new = NewBooking("b1", PHONE, "Asha", "Hindi", NOW + timedelta(days=1), 30, "a@example.com")
    booking = await home.services.bookings.book(new, 1)  # type: ignore[attr-defined]
    entry = MemoryEntry(NOW, "c-1", "FWAI_Core", "Wants a demo.")
    await home.services.contacts.remember(PHONE, entry)  # type: ignore[attr-defined]
    await home.services.contacts.set_do_not_call("+919999900009", True, "asked")
    jobs = home.services.jobs
    for number in range(3):
        payload = {"body": {"type": "call.ended", "data": {"to": PHONE}}, "url": "https://e.com"}
        await jobs.enqueue(NewJob("event", f"event:{number}", payload, phone=PHONE))  # type: ignore[attr-defined]
    for job in await jobs.lease(2, ["event"]):  # type: ignore[attr-defined]
        await jobs.settle(job, Dead("the receiver answers 500"))  # type: ignore[attr-defined]
    placed = [(await home.post("/calls", {"to": PHONE})).json()["call_id"] for _ in range(3)]
    wav = home.kept.recordings / "c-1.wav"
    wav.write_bytes(bytes(100))
    await home.kept.calls.set_recording(CallId("c-1"), Path("c-1.wav"))
    return Known(
        home,
        {
            "call_id": ["c-1", "c-2", placed[0]],
            "callback_id": [callback.id],
            "booking_id": [booking.id],
            "job_id": [job.id for job in await jobs.page()],
            "phone": [PHONE, "+919999900002", "919999900003"],
            "name": ["note", "transfer_call", "core_only", "send_sms"],
        },
    )
