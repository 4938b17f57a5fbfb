"""A mail server on this machine that keeps what it is sent, and fails when told to.

Source: RFC 5321 (SMTP), RFC 3207 (STARTTLS), RFC 4954 (AUTH), RFC 1870 (SIZE); read 2026-11-22.

Theory of operation: one task for each connection, one command at a time, in the order a strict
server wants: EHLO, STARTTLS when it is offered, AUTH when there is a password, MAIL, RCPT, DATA.
What a client does against the rules is answered as a server would, and counted in ``violations``.
A fault strikes at the moment it names, in place of the answer.
"""

import asyncio
import base64
import binascii
import email
import hmac
import re
import socket
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default as MODERN  # noqa: N812
from types import TracebackType
from typing import Final, Literal, Self

from fwai.simulator.mail.fault import MailFault, SimulatedWorld

KEEP: Final = 1000
MAX_BYTES: Final = 10_000_000
MAX_LINE_BYTES: Final = 998
MAX_RECIPIENTS: Final = 100
IDLE_LIMIT_S: Final = 60.0
SHUTDOWN_LIMIT_S: Final = 10.0
_PATH: Final = re.compile(r"(FROM|TO):<([^<>\s]*)>((?: [A-Z0-9-]+(?:=[!-<>-~]+)?)*)", re.IGNORECASE)

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


class _GoneError(Exception):
    """The connection is over, by a fault or by QUIT."""


class Mailbox:
    """A mail server on 127.0.0.1; use as an async context manager.

    Args:
        user: The only one that may log in; empty asks nobody to.
        password: Of the user.
        tls: ``starttls`` offers it and allows AUTH only behind it; ``tls`` begins with it.
        port: 0 is any free one.

    Attributes:
        messages: The last 1000 that were accepted.
        faults: What goes wrong next; append a `MailFault`.
        violations: What clients did wrong; the last 1000.
        connections: How many there have been.
        trust: For a client that is to trust the server's certificate; None without TLS.
    """

    def __init__(
        self, user: str = "", password: str = "", *, tls: TlsMode = "none", port: int = 0
    ) -> None:
        self.messages: deque[ReceivedMail] = deque(maxlen=KEEP)
        self.faults: list[MailFault] = []
        self.violations: deque[str] = deque(maxlen=KEEP)
        self.connections = 0
        self.trust: ssl.SSLContext | None = None
        self.user = user
        self.password = password
        self.tls: TlsMode = tls
        self.context: ssl.SSLContext | None = None
        self._wanted_port = port
        self._received = 0
        self._arrived = asyncio.Condition()
        self._tasks = asyncio.TaskGroup()
        self._sessions: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server
        self._listener: socket.socket

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    async def wait_for(self, count: int, timeout_s: float = 5.0) -> list[ReceivedMail]:
        """Wait until ``count`` messages have come since the start, and return what is kept.

        Raises:
            TimeoutError: They did not come in time.
        """
        async with asyncio.timeout(timeout_s), self._arrived:
            await self._arrived.wait_for(lambda: self._received >= count)
        return list(self.messages)

    async def wait_until_alone(self, timeout_s: float = 5.0) -> None:
        """Wait until no client is connected.

        Raises:
            TimeoutError: One stayed.
        """
        if self._sessions:
            await asyncio.wait(self._sessions, timeout=timeout_s)
        if self._sessions:
            raise TimeoutError("a client is still connected")

    async def keep(self, mail: ReceivedMail) -> None:
        """Take a message in."""
        async with self._arrived:
            self.messages.append(mail)
            self._received += 1
            self._arrived.notify_all()

    def strike(self, at: SimulatedWorld) -> MailFault | None:
        """Return the fault that strikes now, and count it."""
        fault = next((one for one in self.faults if one.at == at), None)
        if fault is not None:
            fault.times -= 1
            if fault.times <= 0:
                self.faults.remove(fault)
        return fault

    async def __aenter__(self) -> Self:
        if self.tls != "none":
            from fwai.simulator.mail.certificate import self_signed

            self.context, self.trust = await asyncio.to_thread(self_signed)
        self._listener = socket.create_server(("127.0.0.1", self._wanted_port))
        await self._tasks.__aenter__()
        self._server = await asyncio.start_server(
            self._welcome,
            sock=self._listener,
            ssl=self.context if self.tls == "tls" else None,
            limit=1 << 20,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        for task in self._sessions:
            task.cancel()
        if kind is not None and not issubclass(kind, asyncio.CancelledError):
            kind = failure = trace = None  # it goes its way as it is, not inside a group
        async with asyncio.timeout(SHUTDOWN_LIMIT_S):
            await self._tasks.__aexit__(kind, failure, trace)
            await self._server.wait_closed()

    def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        session = _Session(self, reader, writer)
        task = self._tasks.create_task(session.run(), name="mailbox_session")
        self._sessions.add(task)
        task.add_done_callback(self._sessions.discard)


class _Session:
    """One connection."""

    def __init__(
        self, box: Mailbox, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._box = box
        self._reader = reader
        self._writer = writer
        self._tls = box.tls == "tls"
        self._greeted = False
        self._user = ""
        self._sender: str | None = None
        self._recipients: list[str] = []
        self._commands: Mapping[str, Callable[[str], Awaitable[None]]] = {
            "EHLO": self._ehlo,
            "HELO": self._helo,
            "STARTTLS": self._starttls,
            "AUTH": self._auth,
            "MAIL": self._mail,
            "RCPT": self._rcpt,
            "DATA": self._data,
            "RSET": self._rset,
            "NOOP": self._noop,
            "QUIT": self._quit,
        }

    async def run(self) -> None:
        """Serve the connection until either side ends it."""
        try:
            if not await self._struck("connect"):
                await self._say("220 mailbox.example.com ESMTP")
            while True:
                line = await self._line()
                verb, _, rest = line.partition(" ")
                command = self._commands.get(verb.upper())
                if command is None:
                    self._box.violations.append("an unknown command")
                    await self._say("500 5.5.1 command unrecognized")
                else:
                    await command(rest.strip())
        except (_GoneError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the client left, was late, or was sent away
        finally:
            self._writer.close()

    # ---- lines ----------------------------------------------------------------------------------

    async def _say(self, *lines: str) -> None:
        """Send one answer; all lines have the code of the first."""
        code = lines[0][:3]
        texts = [lines[0][4:], *lines[1:]]
        for text in texts[:-1]:
            self._writer.write(f"{code}-{text}\r\n".encode())
        self._writer.write(f"{code} {texts[-1]}\r\n".encode())
        async with asyncio.timeout(IDLE_LIMIT_S):
            await self._writer.drain()

    async def _line(self) -> str:
        async with asyncio.timeout(IDLE_LIMIT_S):
            line = await self._reader.readuntil(b"\r\n")
        return line[:-2].decode("utf-8", "replace")

    async def _struck(self, at: SimulatedWorld, address: str = "") -> bool:
        """Let a fault happen instead of the answer, if there is one for this moment."""
        fault = self._box.strike(at)
        if fault is None:
            return False
        if fault.reply:
            await self._say(fault.reply.format(address=address))
        if fault.then == "hang":
            async with asyncio.timeout(IDLE_LIMIT_S):
                await self._reader.read()
        if fault.then != "go_on":
            raise _GoneError
        return True

    async def _out_of_order(self, text: str) -> None:
        self._box.violations.append(text)
        await self._say(f"503 5.5.1 {text}")

    # ---- commands -------------------------------------------------------------------------------

    async def _ehlo(self, _name: str) -> None:
        if await self._struck("ehlo"):
            return
        self._greeted = True
        self._forget()
        offers = [f"SIZE {MAX_BYTES}"]
        if self._box.tls == "starttls" and not self._tls:
            offers.append("STARTTLS")
        elif self._box.user:
            offers.append("AUTH PLAIN LOGIN")
        await self._say("250 mailbox.example.com", *offers)

    async def _helo(self, _name: str) -> None:
        self._greeted = True
        self._forget()
        await self._say("250 mailbox.example.com")

    async def _starttls(self, _rest: str) -> None:
        if await self._struck("starttls"):
            return
        context = self._box.context
        if self._box.tls != "starttls" or self._tls or context is None:
            await self._out_of_order("STARTTLS is not offered")
            return
        await self._say("220 2.0.0 go ahead")
        await self._writer.start_tls(context, ssl_handshake_timeout=SHUTDOWN_LIMIT_S)
        self._tls, self._greeted, self._user = True, False, ""

    async def _auth(self, rest: str) -> None:
        if self._box.tls == "starttls" and not self._tls:
            self._box.violations.append("a password was sent without TLS")
            await self._say("538 5.7.11 encryption required")
            return
        method, _, initial = rest.partition(" ")
        credentials = await self._credentials(method.upper(), initial)
        if credentials is None:
            await self._say("501 5.5.2 cannot read that")
            return
        if await self._struck("auth"):
            return
        expected = f"{self._box.user}\0{self._box.password}".encode()
        if not self._box.user or not hmac.compare_digest(credentials, expected):
            await self._say("535 5.7.8 authentication credentials invalid")
            return
        self._user = self._box.user
        await self._say("235 2.7.0 welcome")

    async def _credentials(self, method: str, initial: str) -> bytes | None:
        """Return user and password with a NUL between them, or None."""
        try:
            if method == "PLAIN":
                answer = initial or await self._asked("")
                _, user, password = base64.b64decode(answer, validate=True).split(b"\0")
            elif method == "LOGIN":
                answer = initial or await self._asked("Username:")
                user = base64.b64decode(answer, validate=True)
                password = base64.b64decode(await self._asked("Password:"), validate=True)
            else:
                return None
        except (ValueError, binascii.Error):
            return None
        return user + b"\0" + password

    async def _asked(self, question: str) -> str:
        await self._say(f"334 {base64.b64encode(question.encode()).decode()}")
        return await self._line()

    async def _mail(self, rest: str) -> None:
        path = _PATH.fullmatch(rest)
        if not self._greeted or self._sender is not None:
            await self._out_of_order("MAIL comes once, after EHLO")
        elif self._box.tls == "starttls" and not self._tls:
            await self._say("530 5.7.0 must issue a STARTTLS command first")
        elif self._box.user and not self._user:
            await self._say("530 5.7.0 authentication required")
        elif path is None or path[1].upper() != "FROM":
            self._box.violations.append("MAIL without a path")
            await self._say("501 5.5.4 write MAIL FROM:<address>")
        elif (size := re.search(r"SIZE=(\d{1,12})", path[3])) and int(size[1]) > MAX_BYTES:
            await self._say("552 5.3.4 message too big")
        elif not await self._struck("mail", path[2]):
            self._sender = path[2]
            await self._say("250 2.1.0 ok")

    async def _rcpt(self, rest: str) -> None:
        path = _PATH.fullmatch(rest)
        if self._sender is None:
            await self._out_of_order("RCPT comes after MAIL")
        elif path is None or path[1].upper() != "TO" or not path[2]:
            self._box.violations.append("RCPT without a path")
            await self._say("501 5.5.4 write RCPT TO:<address>")
        elif len(self._recipients) >= MAX_RECIPIENTS:
            await self._say("452 4.5.3 too many recipients")
        elif not await self._struck("rcpt", path[2]):
            self._recipients.append(path[2])
            await self._say("250 2.1.5 ok")

    async def _data(self, _rest: str) -> None:
        if self._sender is None or not self._recipients:
            await self._out_of_order("DATA comes after RCPT")
            return
        if await self._struck("data"):
            return
        await self._say("354 end with a dot")
        raw = await self._text()
        if raw is None:
            await self._say("552 5.3.4 message too big")
            return
        message = email.message_from_bytes(raw, policy=MODERN)
        mail = ReceivedMail(
            self._sender, tuple(self._recipients), raw, message, self._user, self._tls
        )
        self._forget()
        fault = next((one for one in self._box.faults if one.at == "text"), None)
        if fault is None or fault.kept:
            self._box.violations.extend(_violations(mail))
            await self._box.keep(mail)
        if not await self._struck("text"):
            await self._say("250 2.0.0 kept")

    async def _text(self) -> bytes | None:
        """Return the text, or None when it is too long; it is read to its end all the same."""
        lines: list[bytes] = []
        size = 0
        while True:
            async with asyncio.timeout(IDLE_LIMIT_S):
                line = await self._reader.readuntil(b"\r\n")
            if line == b".\r\n":
                return b"".join(lines) if size <= MAX_BYTES else None
            line = line.removeprefix(b".")
            size += len(line)
            if size <= MAX_BYTES:
                lines.append(line)

    async def _rset(self, _rest: str) -> None:
        self._forget()
        await self._say("250 2.0.0 ok")

    async def _noop(self, _rest: str) -> None:
        await self._say("250 2.0.0 ok")

    async def _quit(self, _rest: str) -> None:
        await self._say("221 2.0.0 bye")
        raise _GoneError

    def _forget(self) -> None:
        self._sender, self._recipients = None, []


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
