"""The library's output is read by hand: what goes over the wire is ours to answer for."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from icalendar import Calendar

from fwai.integrations.invitation import invitation

INDIA = timezone(timedelta(hours=5, minutes=30))
START = datetime(2026, 12, 1, 17, 0, tzinfo=INDIA)
STAMP = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def made(
    *,
    start: datetime = START,
    minutes: int = 45,
    summary: str = "Demo",
    description: str = "",
    location: str = "",
    sequence: int = 0,
    cancelled: bool = False,
) -> bytes:
    return invitation(
        "demo-7@example.com",
        start,
        minutes,
        summary,
        description,
        "sales@example.com",
        "asha@example.com",
        location,
        sequence,
        cancelled=cancelled,
        stamp=STAMP,
    )


def unfolded(content: bytes) -> list[str]:
    return content.replace(b"\r\n ", b"").decode().split("\r\n")


def test_an_invitation_has_what_calendars_need_in_utc() -> None:
    lines = unfolded(made(location="https://example.com/room"))

    for line in (
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "METHOD:REQUEST",
        "UID:demo-7@example.com",
        "DTSTAMP:20261122T120000Z",
        "DTSTART:20261201T113000Z",
        "DTEND:20261201T121500Z",
        "SUMMARY:Demo",
        "LOCATION:https://example.com/room",
        "ORGANIZER:mailto:sales@example.com",
        "SEQUENCE:0",
        "STATUS:CONFIRMED",
        "END:VCALENDAR",
    ):
        assert line in lines
    guest = next(line for line in lines if line.startswith("ATTENDEE;"))
    assert guest.endswith(":mailto:asha@example.com")
    assert "RSVP=TRUE" in guest
    assert "PARTSTAT=NEEDS-ACTION" in guest


def test_a_cancellation_is_the_same_appointment_taken_back() -> None:
    lines = unfolded(made(sequence=1, cancelled=True))

    assert {"METHOD:CANCEL", "STATUS:CANCELLED", "SEQUENCE:1", "UID:demo-7@example.com"} <= {*lines}
    assert "RSVP" not in "".join(lines)


def test_long_hindi_text_is_folded_between_characters() -> None:
    summary = "डेमो की बुकिंग, पाठ्यक्रम; " * 12

    content = made(summary=summary)

    lines = content.split(b"\r\n")
    assert max(len(line) for line in lines) <= 75
    assert b"\n" not in content.replace(b"\r\n", b"")
    for line in lines:
        line.decode()  # no character is torn
    escaped = summary.replace(",", "\\,").replace(";", "\\;")
    assert f"SUMMARY:{escaped}" in unfolded(content)


def test_text_cannot_add_lines_of_its_own() -> None:
    content = made(summary="Demo\r\nATTENDEE:mailto:x@example.com", description="one\rtwo\x00\x0b")

    lines = unfolded(content)
    assert sum(line.startswith("ATTENDEE") for line in lines) == 1
    assert "DESCRIPTION:one\\ntwo" in lines


def test_what_was_said_is_read_back_the_same() -> None:
    description = 'Line one,\nline "two"; with \\ and :'

    event = Calendar.from_ical(made(description=description)).walk("VEVENT")[0]

    assert str(event["DESCRIPTION"]) == description
    assert event.decoded("DTSTART") == START
    assert event.decoded("DTEND") - event.decoded("DTSTART") == timedelta(minutes=45)


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        made(start=START.replace(tzinfo=None))


@pytest.mark.parametrize("minutes", [0, -5, 1441])
def test_a_senseless_length_is_refused(minutes: int) -> None:
    with pytest.raises(ValueError, match="1 to 1440"):
        made(minutes=minutes)


def test_without_a_stamp_it_is_of_now() -> None:
    content = invitation("u", START, 5, "s", "", "sales@example.com", "asha@example.com")

    stamp = Calendar.from_ical(content).walk("VEVENT")[0].decoded("DTSTAMP")
    assert abs(datetime.now(UTC) - stamp) < timedelta(minutes=1)
