"""The order of what providers say of a message, word by word."""

from itertools import permutations

import pytest

from fwai.domain.delivery import FINAL, NOTHING_KNOWN, UNHEARD_OF, MessageReport, standing

ON_THE_WAY = (
    ("plivo", ["queued", "sent"]),
    ("exotel", ["queued", "sending", "submitted", "sent"]),
    ("exotel", ["queued", "submitted", "DELIVERED_TO_OPERATOR", "sent"]),
    ("exotel", ["PENDING_OPERATOR", "SUBMITTED_TO_OPERATOR", "sent"]),
    ("whatsapp", ["accepted", "sent"]),
)
ENDS = ("delivered", "read", "failed", "undelivered", "rejected", "failed_dnd", "failed-dnd",
        "DELIVERED_TO_HANDSET", "FAILED_EXPIRED", "deleted", "DELIVERY_FAILED",
        "sent_failed", "PENDING_EXPIRED", "QUEUED-REJECTED", "sent error",
        "NOT_DELIVERED")  # fmt: skip


def known_after(words: list[str]) -> tuple[str, list[str]]:
    """Return the last word that counted, and all that did."""
    rank, counted = NOTHING_KNOWN, []
    for word in words:
        one = standing(word)
        if rank < one.above:
            rank = one.rank
            counted.append(word)
    return counted[-1], counted


@pytest.mark.parametrize(("provider", "words"), ON_THE_WAY)
def test_words_on_the_way_have_one_order_in_which_none_is_said_twice(
    provider: str, words: list[str]
) -> None:
    for order in permutations(words):
        last, counted = known_after([*order, *order])
        assert last == words[-1], (provider, order)
        assert counted == sorted(counted, key=words.index)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("late", ["queued", "accepted", "sent", "submitted", "of a new kind"])
def test_nothing_on_the_way_comes_after_an_end(end: str, late: str) -> None:
    assert known_after([end, late]) == (end, [end])
    assert known_after([late, end]) == (end, [late, end])


@pytest.mark.parametrize("failed", ["failed", "undelivered", "rejected", "FAILED_DND"])
def test_what_arrived_does_not_fail_and_what_failed_does_not_arrive(failed: str) -> None:
    assert known_after(["delivered", failed])[1] == ["delivered"]
    assert known_after([failed, "delivered", "read"])[1] == [failed]
    assert known_after(["read", failed, "delivered"])[1] == ["read"]


@pytest.mark.parametrize("failed", ["FAILED_EXPIRED", "PENDING_EXPIRED", "sent_failed"])
def test_what_the_operator_has_may_still_fail_or_arrive(failed: str) -> None:
    assert known_after(["DELIVERED_TO_OPERATOR", failed])[0] == failed
    assert known_after(["DELIVERED_TO_OPERATOR", "DELIVERED_TO_HANDSET", failed])[0] == (
        "DELIVERED_TO_HANDSET"
    )


def test_what_arrived_may_be_read() -> None:
    assert known_after(["delivered", "read", "delivered"])[1] == ["delivered", "read"]


@pytest.mark.parametrize("word", ["buffered", "", "SENTINEL", "x" * 60, "not yet", "_", "-"])
def test_a_word_that_nobody_knows_counts_before_an_end_and_after_the_way(word: str) -> None:
    assert standing(word).rank == UNHEARD_OF
    assert known_after(["sent", word, "sent", "delivered", word])[1] == ["sent", word, "delivered"]


def test_a_word_that_nobody_knows_is_a_failure_with_an_error() -> None:
    assert standing("buffered", "30008").rank > FINAL
    assert standing("PENDING_SOMEWHERE", "30008").rank > FINAL
    assert standing("DELIVERED_SOMEWHERE", "30008").rank > FINAL
    assert standing(" Sent ", "30008") == standing("sent")


@pytest.mark.parametrize(
    ("provider", "status", "error", "asks"),
    [
        ("whatsapp", "failed", "131047", True),
        ("whatsapp", "failed", "131026 131047", True),
        ("whatsapp", "failed", "1310470", False),
        ("whatsapp", "failed", "131026", False),
        ("whatsapp", "sent", "131047", False),
        ("plivo", "failed", "131047", False),
        ("whatsapp", "failed", "", False),
    ],
)
def test_only_a_closed_window_of_whatsapp_asks_for_the_template(
    provider: str, status: str, error: str, *, asks: bool
) -> None:
    report = MessageReport(provider, "m", status, error=error)
    assert report.asks_for_template is asks
