"""Messages: which form goes out, what replaces it, and statuses in any order."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from fakes import InMemoryCallPermissions
from fwai.adapters.whatsapp.client import GraphError
from fwai.adapters.whatsapp.events import MessageStatus, Party, Problem
from fwai.adapters.whatsapp.messages import MAX_REMEMBERED, MAX_REPORT_TASKS, WhatsAppMessages
from fwai.adapters.whatsapp.permissions import PermissionUpdates
from fwai.domain.call_permission import CallPermission
from fwai.errors import ApiError, StoreError
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


class WebhookRouter:
    """Messages with their world."""

    def __init__(
        self, group: asyncio.TaskGroup, *, heard: bool = True, **faults: Exception
    ) -> None:
        self.api = Api(**faults)
        self.reports = FakeReports()
        store = InMemoryCallPermissions()
        if heard:
            store._kept[USER.key] = CallPermission().heard_from(NOW)
        self.messages = WhatsAppMessages(
            self.api,
            PermissionUpdates(store),
            group,
            self.reports,
            lambda: NOW,
        )

    @property
    def statuses(self) -> list[tuple[str, str]]:
        return [(message_id, status) for _, message_id, status, _, _ in self.reports.heard]

    def status(
        self, status: str, *codes: int, message_id: str = "wamid.1", reference: str = ""
    ) -> None:
        problems = tuple(Problem(code) for code in codes)
        event = MessageStatus(message_id, status, USER, NOW, problems, reference)
        self.messages.status(event)


async def test_text_inside_the_window_and_a_template_outside() -> None:
    async with asyncio.TaskGroup() as group:
        inside, outside = WebhookRouter(group), WebhookRouter(group, heard=False)
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
        desk = WebhookRouter(group, text=CLOSED)
        await desk.messages.send(USER, "Hi", TEMPLATE)
        with pytest.raises(GraphError):
            await desk.messages.send(USER, "Hi")
        other = WebhookRouter(group, text=GraphError(Problem(131026), 400))
        with pytest.raises(GraphError):
            await other.messages.send(USER, "Hi", TEMPLATE)
    assert desk.api.sent == ["text", "template", "text"]
    assert other.api.sent == ["text"]


async def test_a_text_that_meta_refuses_later_becomes_a_template_once() -> None:
    async with asyncio.TaskGroup() as group:
        desk = WebhookRouter(group)
        await desk.messages.send(USER, "Hi", TEMPLATE)
        desk.status("failed", 131047)
        desk.status("failed", 131047)
        sick = WebhookRouter(group, template=CLOSED)
        await sick.messages.send(USER, "Hi", TEMPLATE)
        sick.status("failed", 131047)
        other = WebhookRouter(group)
        await other.messages.send(USER, "Hi", TEMPLATE)
        other.status("failed", 131026)
    assert desk.api.sent == ["text", "template"]
    assert sick.api.sent == ["text", "template"]
    assert other.api.sent == ["text"]


@pytest.mark.parametrize("early", [["sent"], ["failed"], ["sent", "failed"]])
async def test_a_status_that_is_faster_than_the_answer_loses_no_template(early: list[str]) -> None:
    async with asyncio.TaskGroup() as group:
        desk = WebhookRouter(group)
        for status in early:
            desk.status(status, *([131047] if status == "failed" else []))
        await desk.messages.send(USER, "Hi", TEMPLATE, "job-7")
        desk.status("failed", 131047)
        await asyncio.sleep(0)
        desk.status("delivered", message_id="wamid.2")

    assert desk.api.sent == ["text", "template"]
    assert desk.api.references == ["job-7", "job-7"]
    assert desk.reports.heard[-1] == ("whatsapp", "wamid.2", "delivered", "job-7", "")


async def test_what_failed_early_for_another_reason_stays_failed() -> None:
    async with asyncio.TaskGroup() as group:
        desk = WebhookRouter(group)
        desk.status("failed", 131026, reference="job-7")
        await desk.messages.send(USER, "Hi", TEMPLATE, "job-7")

    assert desk.api.sent == ["text"]
    assert desk.reports.heard == [("whatsapp", "wamid.1", "failed", "job-7", "131026")]


async def test_an_early_status_without_our_reference_learns_it() -> None:
    async with asyncio.TaskGroup() as group:
        desk = WebhookRouter(group)
        desk.status("sent", reference="")
        await asyncio.sleep(0)
        await desk.messages.send(USER, "Hi", TEMPLATE, "job-7")
        desk.status("delivered")

    assert desk.reports.heard[-1] == ("whatsapp", "wamid.1", "delivered", "job-7", "")


async def test_each_report_has_its_own_error() -> None:
    async with asyncio.TaskGroup() as group:
        desk = WebhookRouter(group)
        desk.status("sent")
        desk.status("failed", 131026)  # before the first report was made

    assert [error for *_, error in desk.reports.heard] == ["", "131026"]


async def test_statuses_only_move_forward() -> None:
    async with asyncio.TaskGroup() as group:
        desk = WebhookRouter(group)
        await desk.messages.send(USER, "Hi")
        for status in ("delivered", "sent", "delivered", "failed", "odd", "read", "sent"):
            desk.status(status)
    assert [one for _, one in desk.statuses] == ["delivered", "read"]


async def test_a_failed_message_stays_failed() -> None:
    async with asyncio.TaskGroup() as group:
        desk = WebhookRouter(group)
        await desk.messages.send(USER, "Hi")
        for status in ("sent", "failed", "delivered", "read", "failed"):
            desk.status(status)
    assert [one for _, one in desk.statuses] == ["sent", "failed"]


async def test_a_status_may_be_faster_than_the_answer_and_memory_is_bounded() -> None:
    async with asyncio.TaskGroup() as group:
        desk = WebhookRouter(group)
        desk.status("delivered")
        await desk.messages.send(USER, "Hi")
        desk.status("sent")
        for number in range(MAX_REMEMBERED + 3):
            desk.status("sent", message_id=str(number))
    assert desk.statuses[:2] == [("wamid.1", "delivered"), ("0", "sent")]
    assert len(desk.messages._sent) == MAX_REMEMBERED


# ---- reports ------------------------------------------------------------------------------------


async def test_what_is_reported_names_what_the_message_was_sent_with() -> None:
    async with asyncio.TaskGroup() as group:
        desk = WebhookRouter(group)
        await desk.messages.send_text(USER.number, "Hi", None, "job-7")
        for status in ("sent", "delivered", "sent"):
            desk.status(status)

    assert desk.api.references == ["job-7"]
    assert desk.reports.heard == [
        ("whatsapp", "wamid.1", "sent", "job-7", ""),
        ("whatsapp", "wamid.1", "delivered", "job-7", ""),
    ]


async def test_after_a_restart_metas_own_word_names_it() -> None:
    async with asyncio.TaskGroup() as group:
        desk = WebhookRouter(group)
        desk.status("sent", message_id="wamid.9", reference="job-8")
        desk.status("failed", 131026, message_id="wamid.9")

    assert desk.reports.heard == [
        ("whatsapp", "wamid.9", "sent", "job-8", ""),
        ("whatsapp", "wamid.9", "failed", "job-8", "131026"),
    ]


async def test_a_text_that_a_template_replaces_has_not_failed() -> None:
    async with asyncio.TaskGroup() as group:
        desk = WebhookRouter(group)
        await desk.messages.send(USER, "Hi", TEMPLATE, "job-7")
        desk.status("failed", 131047)
        for _ in range(3):
            await asyncio.sleep(0)
        desk.status("delivered", message_id="wamid.2")

    assert desk.api.references == ["job-7", "job-7"]
    assert desk.reports.heard == [("whatsapp", "wamid.2", "delivered", "job-7", "")]


async def test_a_text_whose_template_fails_too_has() -> None:
    async with asyncio.TaskGroup() as group:
        desk = WebhookRouter(group, template=CLOSED)
        await desk.messages.send(USER, "Hi", TEMPLATE, "job-7")
        desk.status("failed", 131047)

    assert desk.reports.heard == [("whatsapp", "wamid.1", "failed", "job-7", "131047")]


async def test_a_report_that_cannot_be_kept_harms_nobody() -> None:
    class Sick(FakeReports):
        async def reported(self, *told: object, **more: object) -> None:
            raise StoreError("disk")

    async with asyncio.TaskGroup() as group:
        api = Api()
        messages = WhatsAppMessages(
            api, PermissionUpdates(InMemoryCallPermissions()), group, Sick()
        )
        messages.status(MessageStatus("wamid.1", "sent", USER, NOW))


async def test_only_so_many_reports_wait() -> None:
    async with asyncio.TaskGroup() as group:
        desk = WebhookRouter(group)
        for number in range(MAX_REPORT_TASKS + 3):
            desk.status("sent", message_id=str(number))

    assert len(desk.reports.heard) == MAX_REPORT_TASKS
