"""Carries one media stream as Plivo does.

Theory of operation: see ``common.stream``. A server that reads too slowly makes frames late: that
lateness is what Plivo buffers, so it is reported at 30, 60 and 90 % of 40 s and drops the stream at
100 %.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final
from uuid import uuid4

from fwai.errors import WireError
from fwai.simulator.common.line import Line
from fwai.simulator.common.stream import ProviderStream, StreamEnd
from fwai.simulator.common.wire import Checkpoint, ClearAudio, PlayAudio
from fwai.simulator.plivo.malformed import KINDS
from fwai.simulator.plivo.signature import PlivoSigner
from fwai.simulator.plivo.wire import Command, Encoder, FormatMismatchError, SendDtmf, decode
from fwai.simulator.plivo.xml import StreamInstruction

DEGRADED: Final = (0.9, 0.6, 0.3)
NOT_KEPT_ALIVE_S: Final = 2.0
"""How long a call lives on when ``keepCallAlive`` is not true."""


@dataclass(frozen=True, slots=True)
class Account:
    """The account and call of a stream, and how its upgrade is signed.

    Attributes:
        call_id: The call's id.
        auth_id: The account's id.
        signer: Signs the upgrade.
        tls: Trust for ``wss://``; None takes the machine's.
        send_stop: Whether a ``stop`` message precedes the close at the end of the call.
    """

    call_id: str
    auth_id: str
    signer: PlivoSigner
    tls: ssl.SSLContext | None = None
    send_stop: bool = False


class MediaStream(ProviderStream[Command]):
    """Carries one media stream to the server.

    Args:
        instruction: What the answer said about it.
        account: Whose it is.
        line: The call it belongs to.
        notify: Called with the stream id, each event of the status callback, and its fields.
    """

    provider: ClassVar[str] = "plivo"
    attempts: ClassVar[int] = 3
    reader_limit_s: ClassVar[float] = 40.0

    def __init__(
        self,
        instruction: StreamInstruction,
        account: Account,
        line: Line,
        notify: Callable[..., None],
    ) -> None:
        super().__init__(instruction.url, instruction.audio, line, account.tls)
        self.stream_id = str(uuid4())
        self._instruction = instruction
        self._account = account
        self._notify = notify
        self._encoder = Encoder(self.stream_id, instruction.extra_headers)
        self._degraded = list(DEGRADED)

    # ---- towards the server --------------------------------------------------------------------

    def _upgrade_headers(self) -> dict[str, str]:
        return self._account.signer.upgrade(self._url)

    def _dtmf(self, digit: str) -> str:
        return self._encoder.dtmf(digit, round(self._line.now_s() * 1000))

    def _malformed(self, kind: str) -> str | bytes:
        return KINDS[kind](self.stream_id)

    async def _start(self) -> None:
        account = self._account
        await self._send(self._encoder.start(account.call_id, account.auth_id, self._audio))
        self._notify(self.stream_id, "StartStream")

    async def _send_frame(self, payload: str) -> None:
        await self._send(self._encoder.media(payload))

    async def _tell_played(self, name: str) -> None:
        await self._send(self._encoder.played(name))
        self._notify(self.stream_id, "PlayedStream", Name=name)

    def _stop_message(self) -> str | None:
        return self._encoder.stop() if self._account.send_stop else None

    def _limit_s(self) -> float | None:
        instruction = self._instruction
        return instruction.timeout_s if instruction.keep_call_alive else NOT_KEPT_ALIVE_S

    def _late(self, late_s: float) -> None:
        if self._degraded and late_s > self._degraded[-1] * self.reader_limit_s:
            share = f"{self._degraded.pop():.0%}"
            self._notify(self.stream_id, "DegradedStream", StatusReason=share)

    def _over(self, end: StreamEnd) -> None:
        dropped = self._aborted or end in {StreamEnd.BROKEN, StreamEnd.REFUSED}
        reason = "connection_failed" if end is StreamEnd.REFUSED else str(end)
        event = "DroppedStream" if dropped else "StopStream"
        self._notify(self.stream_id, event, StatusReason=reason)

    # ---- from the server -----------------------------------------------------------------------

    def _decode(self, message: str | bytes) -> Command:
        return decode(message, self.stream_id, self._audio)

    async def _refuse(self, error: WireError) -> None:
        if isinstance(error, FormatMismatchError):
            await self._send(self._encoder.error("invalid_content_type"))

    async def _carry_out(self, command: Command) -> None:
        line, now_s = self._line, self._line.now_s()
        match command:
            case PlayAudio() if not self._instruction.bidirectional:
                line.violate("playAudio on a stream that is not bidirectional")
            case PlayAudio():
                if not line.ear.play(command.pcm, now_s):
                    line.violate("more than 40 s of speech ahead (buffer_overflow)")
                    await self._send(self._encoder.error("buffer_overflow"))
            case Checkpoint():
                if not line.ear.checkpoint(command.name, now_s):
                    line.violate("more than 1000 checkpoints ahead")
            case ClearAudio():
                reached, unheard_ms = line.ear.clear(now_s)
                line.cleared(now_s, unheard_ms)
                await self._tell_all_played(reached)
                await self._send(self._encoder.cleared())
                self._notify(self.stream_id, "ClearedAudio")
            case SendDtmf():
                line.pressed(command.digits)
