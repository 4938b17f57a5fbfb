"""Serves one SMTP connection, one command at a time, in the order a strict server wants.

EHLO, STARTTLS when it is offered, AUTH when there is a password, MAIL, RCPT, DATA. What a client
does against the rules is answered as a server would, and counted in ``violations``. A fault
strikes at the moment it names, in place of the answer.
"""

import asyncio
import base64
import binascii
import email
import hmac
import re
from collections.abc import Awaitable, Callable, Mapping
from email.policy import default as MODERN  # noqa: N812
from typing import Final

from fwai.simulator.mail.fault import SmtpStage
from fwai.simulator.mail.state import MailState, ReceivedMail

MAX_BYTES: Final = 10_000_000
MAX_RECIPIENTS: Final = 100
IDLE_LIMIT_S: Final = 60.0
TLS_LIMIT_S: Final = 10.0
_PATH: Final = re.compile(r"(FROM|TO):<([^<>\s]*)>((?: [A-Z0-9-]+(?:=[!-<>-~]+)?)*)", re.IGNORECASE)


class _GoneError(Exception):
    """The connection is over, by a fault or by QUIT."""


class SmtpSession:
    """Serves one connection."""

    def __init__(
        self, state: MailState, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._state = state
        self._reader = reader
        self._writer = writer
        self._tls = state.tls == "tls"
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
                    self._state.violations.append("an unknown command")
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

    async def _struck(self, at: SmtpStage, address: str = "") -> bool:
        """Let a fault happen instead of the answer, if there is one for this moment."""
        fault = self._state.strike(at)
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
        self._state.violations.append(text)
        await self._say(f"503 5.5.1 {text}")

    # ---- commands -------------------------------------------------------------------------------

    async def _ehlo(self, _name: str) -> None:
        if await self._struck("ehlo"):
            return
        self._greeted = True
        self._forget()
        offers = [f"SIZE {MAX_BYTES}"]
        if self._state.tls == "starttls" and not self._tls:
            offers.append("STARTTLS")
        elif self._state.user:
            offers.append("AUTH PLAIN LOGIN")
        await self._say("250 mailbox.example.com", *offers)

    async def _helo(self, _name: str) -> None:
        self._greeted = True
        self._forget()
        await self._say("250 mailbox.example.com")

    async def _starttls(self, _rest: str) -> None:
        if await self._struck("starttls"):
            return
        context = self._state.context
        if self._state.tls != "starttls" or self._tls or context is None:
            await self._out_of_order("STARTTLS is not offered")
            return
        await self._say("220 2.0.0 go ahead")
        await self._writer.start_tls(context, ssl_handshake_timeout=TLS_LIMIT_S)
        self._tls, self._greeted, self._user = True, False, ""

    async def _auth(self, rest: str) -> None:
        if self._state.tls == "starttls" and not self._tls:
            self._state.violations.append("a password was sent without TLS")
            await self._say("538 5.7.11 encryption required")
            return
        method, _, initial = rest.partition(" ")
        credentials = await self._credentials(method.upper(), initial)
        if credentials is None:
            await self._say("501 5.5.2 cannot read that")
            return
        if await self._struck("auth"):
            return
        expected = f"{self._state.user}\0{self._state.password}".encode()
        if not self._state.user or not hmac.compare_digest(credentials, expected):
            await self._say("535 5.7.8 authentication credentials invalid")
            return
        self._user = self._state.user
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
        elif self._state.tls == "starttls" and not self._tls:
            await self._say("530 5.7.0 must issue a STARTTLS command first")
        elif self._state.user and not self._user:
            await self._say("530 5.7.0 authentication required")
        elif path is None or path[1].upper() != "FROM":
            self._state.violations.append("MAIL without a path")
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
            self._state.violations.append("RCPT without a path")
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
        fault = next((one for one in self._state.faults if one.at == "text"), None)
        if fault is None or fault.kept:
            await self._state.keep(mail)
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
