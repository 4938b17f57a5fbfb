"""A booking knows of its invitation before it leaves, and forgets it only when it was refused."""

from datetime import datetime
from typing import Any

import pytest

from fwai.domain.job import Job
from fwai.errors import ApiAuthError, ApiError, ApiUnknownError, StoreError
from fwai.jobs.invitations import noting_invitations
from unit.jobs.kit import T0, a_job


class Book:
    def __init__(self, *, on: bool = True) -> None:
        self.on = on
        self.story: list[str] = []

    async def inviting(self, booking_id: str, at: datetime) -> bool:
        assert at == T0
        self.story.append(f"inviting {booking_id}")
        return self.on

    async def not_invited(self, booking_id: str, at: datetime) -> None:
        assert at == T0
        self.story.append(f"not {booking_id}")


async def send(book: Book, invitation: Any, fault: Exception | None = None) -> str:  # noqa: ANN401
    async def sent(job: Job) -> str:
        book.story.append("sent")
        if fault is not None:
            raise fault
        return "<m-1>"

    payload = {"to": "asha@example.com", "invitation": invitation}
    return await noting_invitations(sent, book, lambda: T0)(a_job("send_email", payload=payload))


async def test_the_note_is_there_before_the_mail_leaves() -> None:
    book = Book()

    assert await send(book, {"uid": "bk_1"}) == "<m-1>"

    assert book.story == ["inviting bk_1", "sent"]


@pytest.mark.parametrize("invitation", [None, {"uid": "bk_1", "cancelled": True}])
async def test_other_mail_is_nobodys_invitation(invitation: object) -> None:
    book = Book()

    await send(book, invitation)

    assert book.story == ["sent"]


async def test_what_is_off_is_not_sent() -> None:
    book = Book(on=False)

    with pytest.raises(ValueError, match="canceled"):
        await send(book, {"uid": "bk_1"})

    assert book.story == ["inviting bk_1"]


@pytest.mark.parametrize(
    ("fault", "taken_back"),
    [
        (ApiError("smtp", "recipient refused"), True),
        (ApiError("smtp", "no connection", retryable=True), True),
        (ApiAuthError("smtp", "login refused"), True),
        (ValueError("no such template"), True),
        (ApiUnknownError("smtp", "no answer to the text"), False),
        (RuntimeError("bug"), False),
        (TimeoutError(), False),
        (StoreError("disk"), False),
    ],
)
async def test_only_a_refusal_takes_it_back(fault: Exception, taken_back: bool) -> None:
    book = Book()

    with pytest.raises(type(fault)):
        await send(book, {"uid": "bk_1"}, fault)

    assert book.story == ["inviting bk_1", "sent", *(["not bk_1"] if taken_back else [])]
