"""Messages: which form goes out, what is kept of it, and where its statuses go."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from fakes import InMemoryCallPermissions
from fwai.adapters.whatsapp.client import GraphError
from fwai.adapters.whatsapp.events import MessageStatus, Party, Problem
from fwai.adapters.whatsapp.messages import MAX_REPORT_TASKS, WhatsAppMessages
from fwai.adapters.whatsapp.permissions import PermissionUpdates
from fwai.domain.call_permission import CallPermission
from fwai.domain.delivery import SentMessage
from fwai.errors import ApiError, BusyError, StoreError
from unit.adapters.handler_kit import FakeReports
from unit.adapters.whatsapp.kit import NOW, USER

TEMPLATE = {"name": "call_summary", "language": {"code": "en"}}
CLOSED = GraphError(Problem(131047), 400)


class Api:
    """Takes messages; ``faults`` by kind."""

    def __init__(self, **faults: Exception) -> None:
        self.faults = faults
        self.sent: list[str] = []
        self.references: list[str] = []

    async def send(
        self, to: Party, kind: str, content: Mapping[str, Any], reference: str = ""
    ) -> str:
        self.sent.append(kind)
        self.references.append(reference)
        if kind in self.faults:
            raise self.faults[kind]
        return f"wamid.{len(self.sent)}"


class Log:
    """Keeps what was sent; ``sick`` fails instead."""

    def __init__(self) -> None:
        self.kept: list[SentMessage] = []
        self.sick = False

    async def sent(self, message: SentMessage) -> None:
        if self.sick:
            raise StoreError("disk")
        self.kept.append(message)


class Desk:
    """Messages with their world."""

    def __init__(
        self, group: asyncio.TaskGroup, *, heard: bool = True, **faults: Exception
    ) -> None:
        self.api = Api(**faults)
        self.reports = FakeReports()
        self.log = Log()
        store = InMemoryCallPermissions()
        if heard:
            store._kept[USER.key] = CallPermission().heard_from(NOW)
        permissions = PermissionUpdates(store)
        self.messages = WhatsAppMessages(
            self.api, permissions, group, self.reports, self.log, lambda: NOW
        )

    def status(
        self, status: str, *codes: int, message_id: str = "wamid.1", reference: str = ""
    ) -> None:
        problems = tuple(Problem(code) for code in codes)
        event = MessageStatus(message_id, status, USER, NOW, problems, reference)
        self.messages.status(event)


async def test_text_inside_the_window_and_a_template_outside() -> None:
    async with asyncio.TaskGroup() as group:
        inside, outside = Desk(group), Desk(group, heard=False)
        await inside.messages.send(USER, "Hi", TEMPLATE)
        await outside.messages.send(USER, "Hi", TEMPLATE)
        await inside.messages.send(USER, "", TEMPLATE)
        with pytest.raises(ApiError, match="template"):
            await outside.messages.send(USER, "Hi")
        with pytest.raises(ApiError, match="4096"):
            await inside.messages.send(USER, "x" * 4097)
    assert inside.api.sent == ["text", "template"]
    assert outside.api.sent == ["template"]


async def test_a_store_that_cannot_be_read_means_a_template() -> None:
    class Sick(InMemoryCallPermissions):
        async def load(self, user: str) -> CallPermission:
            raise StoreError("disk")

    async with asyncio.TaskGroup() as group:
        api = Api()
        await WhatsAppMessages(api, PermissionUpdates(Sick()), group).send(USER, "Hi", TEMPLATE)
    assert api.sent == ["template"]


async def test_a_text_that_meta_refuses_at_once_becomes_a_template() -> None:
    async with asyncio.TaskGroup() as group:
        desk = Desk(group, text=CLOSED)
        await desk.messages.send(USER, "Hi", TEMPLATE)
        with pytest.raises(GraphError):
            await desk.messages.send(USER, "Hi")
        other = Desk(group, text=GraphError(Problem(131026), 400))
        with pytest.raises(GraphError):
            await other.messages.send(USER, "Hi", TEMPLATE)
    assert desk.api.sent == ["text", "template", "text"]
    assert other.api.sent == ["text"]


# ---- what is kept and passed on -----------------------------------------------------------------


async def test_what_went_out_is_kept_with_what_stands_in_for_it() -> None:
    async with asyncio.TaskGroup() as group:
        inside, outside = Desk(group), Desk(group, heard=False)
        await inside.messages.send_text(USER.number, "Hi", TEMPLATE, "job-7")
        await outside.messages.send_text(USER.number, "Hi", TEMPLATE, "job-8")

    assert inside.log.kept == [SentMessage("whatsapp", "wamid.1", "job-7", USER.number, TEMPLATE)]
    assert outside.log.kept == [SentMessage("whatsapp", "wamid.1", "job-8", USER.number, None)]


async def test_a_message_that_cannot_be_kept_is_out_nevertheless() -> None:
    async with asyncio.TaskGroup() as group:
        desk = Desk(group)
        desk.log.sick = True
        with capture_logs() as logs:
            assert await desk.messages.send(USER, "Hi", TEMPLATE) == "wamid.1"

    assert [one["event"] for one in logs] == ["whatsapp_message_not_kept"]


async def test_every_status_is_passed_on_as_meta_says_it() -> None:
    async with asyncio.TaskGroup() as group:
        desk = Desk(group)
        desk.status("read", message_id="wamid.9", reference="job-8")
        desk.status("failed", 131026, 131047)
        desk.status("sent")

    assert desk.reports.heard == [
        ("whatsapp", "wamid.9", "read", "job-8", ""),
        ("whatsapp", "wamid.1", "failed", "", "131026 131047"),
        ("whatsapp", "wamid.1", "sent", "", ""),
    ]


async def test_a_report_that_cannot_be_kept_yet_harms_nobody() -> None:
    class Sick(FakeReports):
        async def reported(self, *told: object, **more: object) -> None:
            raise StoreError("disk")

    async with asyncio.TaskGroup() as group:
        contacts = PermissionUpdates(InMemoryCallPermissions())
        messages = WhatsAppMessages(Api(), contacts, group, Sick())
        with capture_logs() as logs:
            messages.status(MessageStatus("wamid.1", "sent", USER, NOW))
            for _ in range(3):
                await asyncio.sleep(0)

    assert "whatsapp_report_late" in [one["event"] for one in logs]


async def test_where_nobody_takes_reports_they_are_only_logged() -> None:
    async with asyncio.TaskGroup() as group:
        messages = WhatsAppMessages(Api(), PermissionUpdates(InMemoryCallPermissions()), group)
        messages.status(MessageStatus("wamid.1", "sent", USER, NOW))


async def test_only_so_many_reports_wait_and_meta_is_asked_to_come_again() -> None:
    async with asyncio.TaskGroup() as group:
        desk = Desk(group)
        for number in range(MAX_REPORT_TASKS):
            desk.status("sent", message_id=str(number))
        with pytest.raises(BusyError):
            desk.status("sent")

    assert len(desk.reports.heard) == MAX_REPORT_TASKS
