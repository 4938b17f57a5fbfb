"""Refusals are counted each, and told of once a minute."""

from structlog.testing import capture_logs

from fwai.http.refusal_log import MAX_REASONS, RefusalLog


def test_each_reason_is_told_of_once_a_minute_with_how_many_there_were() -> None:
    now = 100.0
    refusals = RefusalLog("webhook_refused", lambda: now)

    with capture_logs() as lines:
        for _ in range(50):
            refusals.add("signature", path="/x")
        refusals.add("nonce")
        now += 60
        refusals.add("signature", path="/x")

    assert [(line["reason"], line["refused"]) for line in lines] == [
        ("signature", 1),
        ("nonce", 1),
        ("signature", 51),
    ]
    assert {line["event"] for line in lines} == {"webhook_refused"}


def test_reasons_that_somebody_makes_up_take_no_more_room() -> None:
    refusals = RefusalLog("webhook_refused")

    with capture_logs():
        for number in range(MAX_REASONS + 100):
            refusals.add(str(number))

    assert len(refusals.counts) <= MAX_REASONS + 1
    assert sum(refusals.counts.values()) == MAX_REASONS + 100


def test_each_kind_of_address_is_told_of_by_itself() -> None:
    refusals = RefusalLog("stream_refused", lambda: 100.0)

    with capture_logs() as lines:
        for address in ("ipv4", "ipv6", "unproven") * 300:
            refusals.add("token", address, provider="plivo")

    told = [(line["address"], line["refused"]) for line in lines]
    assert told == [("ipv4", 1), ("ipv6", 1), ("unproven", 1)]
    assert set(refusals.counts.values()) == {300}
