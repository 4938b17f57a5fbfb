"""What becomes of messages, and what Meta reports of it."""

from collections.abc import Mapping
from typing import Any

import pytest

from fwai.simulator.meta.messages import WINDOW_CLOSED, MessageFate, MetaMessages

TEXT = {"to": "919900000001", "type": "text", "text": {"body": "Hi"}}


class Told:
    """Keeps what is posted."""

    def __init__(self) -> None:
        self.statuses: list[Mapping[str, Any]] = []

    async def __call__(self, value: Mapping[str, Any]) -> None:
        self.statuses += value["statuses"]


async def send(fate: MessageFate | None = None, **fields: str) -> tuple[MetaMessages, Told]:
    told = Told()
    messages = MetaMessages(told)
    if fate is not None:
        messages.fates.append(fate)
    await messages.follow(messages.take({**TEXT, **fields}))
    return messages, told


async def test_a_message_is_sent_then_delivered_and_echoes_its_reference() -> None:
    messages, told = await send(MessageFate(after_s=0), biz_opaque_callback_data="job-7")

    (message,) = messages.sent
    assert (message.to, message.text, message.reference) == ("919900000001", "Hi", "job-7")
    assert message.statuses == ["sent", "delivered"]
    assert [one["status"] for one in told.statuses] == ["sent", "delivered"]
    assert {one["id"] for one in told.statuses} == {message.id}
    assert {one["biz_opaque_callback_data"] for one in told.statuses} == {"job-7"}
    assert {one["recipient_id"] for one in told.statuses} == {"919900000001"}


async def test_without_a_reference_nothing_is_echoed() -> None:
    _, told = await send(MessageFate(after_s=0))

    assert not any("biz_opaque_callback_data" in one for one in told.statuses)


async def test_a_closed_window_fails_after_the_send() -> None:
    fate = MessageFate((), after_s=0, error=WINDOW_CLOSED)

    messages, told = await send(fate, biz_opaque_callback_data="job-7")

    (status,) = told.statuses
    assert status["status"] == "failed"
    assert status["errors"][0]["code"] == 131047
    assert status["biz_opaque_callback_data"] == "job-7"
    assert messages.sent[0].statuses == ["failed"]


async def test_a_fate_strikes_one_message_only() -> None:
    messages, _ = await send(MessageFate((), after_s=0, error=WINDOW_CLOSED))
    second = messages.take(TEXT)

    assert second.fate == MessageFate()


async def test_a_user_without_a_number_is_named_by_id() -> None:
    _, told = await send(MessageFate(after_s=0), to="", recipient="IN.123")

    assert {one["recipient_user_id"] for one in told.statuses} == {"IN.123"}


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (TEXT, ""),
        ({"to": "", "type": "text", "text": {}}, "missing"),
        ({"to": "91", "type": "template"}, "missing"),
        ({**TEXT, "biz_opaque_callback_data": "x" * 513}, "512"),
    ],
)
def test_what_is_wrong_with_a_message_is_said(body: Mapping[str, Any], complaint: str) -> None:
    wrong = MetaMessages.wrong_with(body)

    assert complaint in wrong
    assert bool(wrong) is bool(complaint)
