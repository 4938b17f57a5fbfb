"""State that the connections of one simulated mail server share: mail, faults, login."""

import asyncio
import re
import ssl
from collections import deque
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Final, Literal

from fwai.simulator.mail.fault import MailFault, SmtpStage

KEEP: Final = 1000
MAX_LINE_BYTES: Final = 998

TlsMode = Literal["none", "starttls", "tls"]


@dataclass(frozen=True, slots=True)
class ReceivedMail:
    """A message that was accepted.

    Attributes:
        sender: Of the envelope.
        recipients: Of the envelope.
        raw: As it came, without the dots that SMTP adds.
        message: Parsed.
        user: Who had logged in; may be empty.
        tls: Whether it came encrypted.
    """

    sender: str
    recipients: tuple[str, ...]
    raw: bytes = field(repr=False)
    message: EmailMessage = field(repr=False)
    user: str
    tls: bool


class MailState:
    """Keeps the mail that came, the faults that are due, and the login.

    Args:
        user: The only one that may log in; empty asks nobody to.
        password: Of the user.
        tls: ``starttls`` offers it and allows AUTH only behind it; ``tls`` begins with it.

    Attributes:
        messages: The last 1000 that were accepted.
        faults: What goes wrong next; append a `MailFault`.
        violations: What clients did wrong; the last 1000.
        context: The server's side of TLS; None without it.
    """

    def __init__(self, user: str, password: str, tls: TlsMode) -> None:
        self.messages: deque[ReceivedMail] = deque(maxlen=KEEP)
        self.faults: list[MailFault] = []
        self.violations: deque[str] = deque(maxlen=KEEP)
        self.user = user
        self.password = password
        self.tls: TlsMode = tls
        self.context: ssl.SSLContext | None = None
        self._received = 0
        self._arrived = asyncio.Condition()

    async def wait_for(self, count: int, timeout_s: float = 5.0) -> list[ReceivedMail]:
        """Wait until ``count`` messages have come since the start, and return what is kept.

        Raises:
            TimeoutError: They did not come in time.
        """
        async with asyncio.timeout(timeout_s), self._arrived:
            await self._arrived.wait_for(lambda: self._received >= count)
        return list(self.messages)

    async def keep(self, mail: ReceivedMail) -> None:
        """Take a message in, and note what strict receivers would hold against it."""
        self.violations.extend(_violations(mail))
        async with self._arrived:
            self.messages.append(mail)
            self._received += 1
            self._arrived.notify_all()

    def strike(self, at: SmtpStage) -> MailFault | None:
        """Return the fault that strikes now, and count it."""
        fault = next((one for one in self.faults if one.at == at), None)
        if fault is not None:
            fault.times -= 1
            if fault.times <= 0:
                self.faults.remove(fault)
        return fault


def _violations(mail: ReceivedMail) -> list[str]:
    """Return what strict receivers would hold against a message."""
    found = []
    if re.search(rb"\r(?!\n)|(?<!\r)\n", mail.raw):
        found.append("a bare CR or LF")
    if any(len(line) > MAX_LINE_BYTES for line in mail.raw.split(b"\r\n")):
        found.append(f"a line of more than {MAX_LINE_BYTES} bytes")
    if not mail.raw.isascii():
        found.append("8-bit characters, which were not announced")
    for name in ("From", "To", "Date", "Message-ID", "Subject"):
        if len(mail.message.get_all(name, [])) != 1:
            found += [f"not exactly one {name}"]
    return found
