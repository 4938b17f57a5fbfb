"""The simulated mail server keeps to the rules, and holds clients to them."""

import asyncio
import smtplib

import aiosmtplib
import pytest

from fwai.simulator.mail.server import Mailbox


async def talk(box: Mailbox, *lines: str) -> list[str]:
    """Say each line and return the first three digits of each answer, the greeting first."""
    reader, writer = await asyncio.open_connection("127.0.0.1", box.port)
    try:
        answers = [await answer(reader)]
        for line in lines:
            writer.write(line.encode() + b"\r\n")
            answers.append(await answer(reader))
        return answers
    finally:
        writer.close()
        await writer.wait_closed()


async def answer(reader: asyncio.StreamReader) -> str:
    async with asyncio.timeout(5):
        line = await reader.readuntil(b"\r\n")
        while line[3:4] == b"-":
            line = await reader.readuntil(b"\r\n")
    return line[:3].decode()


async def test_commands_out_of_order_are_refused_and_noted() -> None:
    async with Mailbox() as box:
        said = await talk(
            box,
            "MAIL FROM:<a@example.com>",
            "EHLO me",
            "RCPT TO:<b@example.com>",
            "DATA",
            "MAIL FROM:a@example.com",
            "MAIL FROM:<a@example.com>",
            "MAIL FROM:<a@example.com>",
            "RCPT TO:b@example.com",
            "STARTTLS",
            "WHAT",
            "QUIT",
        )

    assert " ".join(said) == "220 503 250 503 503 501 250 503 501 503 500 221"
    assert len(box.violations) == 8


async def test_a_password_is_wanted_before_mail_and_tls_before_a_password() -> None:
    async with Mailbox("desk", "word") as box:
        assert await talk(box, "EHLO me", "MAIL FROM:<a@example.com>") == ["220", "250", "530"]
    async with Mailbox("desk", "word", tls="starttls") as box:
        said = await talk(
            box, "EHLO me", "AUTH PLAIN AGRlc2sAd29yZA==", "MAIL FROM:<a@example.com>"
        )
        assert said == ["220", "250", "538", "530"]
        assert list(box.violations) == ["a password was sent without TLS"]


@pytest.mark.parametrize(
    ("lines", "codes"),
    [
        (["AUTH PLAIN AGRlc2sAd29yZA=="], ["235"]),
        (["AUTH PLAIN", "AGRlc2sAd29yZA=="], ["334", "235"]),
        (["AUTH LOGIN", "ZGVzaw==", "d29yZA=="], ["334", "334", "235"]),
        (["AUTH LOGIN ZGVzaw==", "d29yZA=="], ["334", "235"]),
        (["AUTH PLAIN AGRlc2sAd3Jvbmc="], ["535"]),
        (["AUTH PLAIN ?"], ["501"]),
        (["AUTH PLAIN", "*"], ["334", "501"]),
        (["AUTH CRAM-MD5"], ["501"]),
    ],
)
async def test_both_ways_to_log_in(lines: list[str], codes: list[str]) -> None:
    async with Mailbox("desk", "word") as box:
        assert await talk(box, "EHLO me", *lines) == ["220", "250", *codes]


async def test_what_is_too_large_is_refused_before_it_is_sent() -> None:
    async with Mailbox() as box:
        said = await talk(box, "EHLO me", "MAIL FROM:<a@example.com> SIZE=10000001")

    assert said[-1] == "552"


async def test_what_strict_receivers_mind_is_noted() -> None:
    async with Mailbox() as box:
        said = await talk(
            box,
            "HELO me",
            "MAIL FROM:<a@example.com>",
            "RCPT TO:<b@example.com>",
            "DATA",
            f"From: a@example.com\nSubject: é\r\n\r\n{'x' * 999}\r\n.",
        )
        (mail,) = await box.wait_for(1)

    assert said[-1] == "250"
    assert mail.message["From"] == "a@example.com"
    assert {"a bare CR or LF", "a line of more than 998 bytes"} <= {*box.violations}
    assert "8-bit characters, which were not announced" in box.violations
    assert "not exactly one Message-ID" in box.violations


async def test_python_s_own_client_can_deliver() -> None:
    def deliver(port: int) -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=5) as client:
            client.sendmail("a@example.com", ["b@example.com", "c@example.com"], "Subject: x\n\n.y")

    async with Mailbox() as box:
        await asyncio.to_thread(deliver, box.port)
        (mail,) = await box.wait_for(1)

    assert mail.recipients == ("b@example.com", "c@example.com")
    assert mail.raw == b"Subject: x\r\n\r\n.y\r\n"


async def test_waiting_for_mail_that_does_not_come_ends() -> None:
    async with Mailbox() as box:
        with pytest.raises(TimeoutError):
            await box.wait_for(1, timeout_s=0.01)


async def test_it_ends_though_a_client_stays() -> None:
    async with Mailbox() as box:
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=box.port, start_tls=False)
        await client.connect()
    client.close()

    assert box.connections == 1
