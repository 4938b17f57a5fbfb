"""Both peers of the server: a carrier's media stream and a session of the Live model."""

import asyncio
import re
import uuid
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from picows import WSFrame, WSListener, WSMsgType, WSTransport

from bench import script
from bench.measure import now_s
from bench.wires import CLEAR, MARK, PLAY, Wire

WITHHELD: Final = 32  # samples at 16 kHz that the resampler holds back: 2 ms
SAMPLES_PER_FRAME: Final = 320
RING: Final = 512
NUMBER: Final = re.compile(rb"\+9170000(\d{5})")
NO_NUMBER: Final = b"caller's number is ."


@dataclass(slots=True)
class Marks:
    """What was measured in the window; appended to only while ``on``."""

    on: bool = False
    to_model: list[float] = field(default_factory=list)
    to_caller: list[float] = field(default_factory=list)
    barge_in: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    replies: int = 0
    played_bytes: int = 0
    after_clear: int = 0
    short_replies: int = 0
    no_clear: int = 0
    media_in: int = 0
    model_in: int = 0


class Phone(WSListener):
    """A carrier's media stream: sends frames, plays what it gets, and notices when it runs dry.

    Args:
        wire: The kind of its messages.
        per_message: How many frames of 20 ms one message of the carrier holds.
    """

    def __init__(self, index: int, marks: Marks, wire: type[Wire], per_message: int = 1) -> None:
        super().__init__()
        self.index = index
        self.number = f"+9170000{index:05d}"
        self.wire = wire(str(uuid.uuid4()))
        self.transport: WSTransport | None = None
        self.model: Model | None = None
        self.closed = False
        self.frames = 0
        self.sent_at = [0.0] * RING
        self.marks = marks
        self._per_message = per_message
        self._gathered = 0
        self._first_frame = 0  # of the cycle
        # playback of the reply that is going on
        self.until = 0.0
        self.got = 0
        self.due = 0
        self.first_written = 0.0
        self.interrupted_at = 0.0
        self.cleared = False

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.closed = True
        self.transport = None

    def start(self, account_id: str, into_cycle_s: float) -> None:
        """Say which call this is; media follows with the next tick of its group."""
        self._first_frame = round(into_cycle_s / script.FRAME_S)
        assert self.transport is not None
        for message in self.wire.start(account_id, self.number):
            self.transport.send(WSMsgType.TEXT, message)

    def send_frame(self, frames: Sequence[bytes]) -> None:
        """Let 20 ms pass, and send a message when it is full."""
        if self.transport is None:
            return
        self._gathered += 1
        if self._gathered < self._per_message:
            return
        self._gathered = 0
        n, per = self.frames, self._per_message
        payload = frames[(n + self._first_frame) // per % len(frames)]
        message = self.wire.media(n // per + 1, n * 20, payload)
        now = now_s()
        for i in range(per):
            self.sent_at[(n + i) % RING] = now
        self.frames = n + per
        self.transport.send(WSMsgType.TEXT, message)

    # ---- the agent's voice --------------------------------------------------------------------

    def begin_reply(self) -> None:
        """The model is about to send the first sound of a reply."""
        marks = self.marks
        if marks.on:
            marks.replies += 1
            # 60 ms: what a resampler that is never flushed and a last frame may keep.
            if self.due - self.got > 0.06 * self.wire.bytes_per_s and not self.cleared:
                marks.short_replies += 1
            if self.interrupted_at:
                marks.no_clear += 1
        self.got = self.due = 0
        self.interrupted_at = 0.0
        self.cleared = False
        self.first_written = now_s()

    def interrupt(self) -> None:
        """The model is about to say that the caller interrupted it."""
        self.interrupted_at = now_s()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type != WSMsgType.TEXT:
            if frame.msg_type == WSMsgType.CLOSE:
                transport.disconnect()
            return
        message = frame.get_payload_as_bytes()
        kind = self.wire.kind(message)
        if kind == PLAY:
            self._play(message)
        elif kind == CLEAR:
            self._clear()
        elif kind == MARK:
            name = self.wire.name(message)
            delay_s = max(self.until - now_s(), 0.0)
            asyncio.get_running_loop().call_later(delay_s, self._played, name)

    def _play(self, message: bytes) -> None:
        now = now_s()
        marks = self.marks
        start = message.index(b'"payload":"') + 11
        size = message.index(b'"', start) - start
        n_bytes = size // 4 * 3 - message.count(b"=", start + size - 2, start + size)
        if marks.on:
            marks.media_in += 1
            marks.played_bytes += n_bytes
            if self.cleared:
                marks.after_clear += 1
            if self.first_written:
                marks.to_caller.append(now - self.first_written)
            elif now > self.until and not self.cleared:
                marks.gaps.append(now - self.until)
        self.first_written = 0.0
        self.got += n_bytes
        self.until = max(self.until, now) + n_bytes / self.wire.bytes_per_s

    def _clear(self) -> None:
        now = now_s()
        if self.marks.on and self.interrupted_at:
            self.marks.barge_in.append(now - self.interrupted_at)
        self.interrupted_at = 0.0
        self.until = now
        self.cleared = True

    def _played(self, name: str) -> None:
        if self.transport is not None and not self.cleared:
            self.transport.send(WSMsgType.TEXT, self.wire.played(name))


class Telephone(Protocol):
    """What a session of the model knows of its telephone."""

    marks: Marks
    model: "Model | None"
    due: int
    sent_at: list[float]

    @property
    def wire(self) -> "Wire | type[Wire]":
        """How fast its line takes sound."""
        ...

    def begin_reply(self) -> None:
        """The model is about to send the first sound of a reply."""
        ...

    def interrupt(self) -> None:
        """The model is about to say that the caller interrupted it."""
        ...


class Model(WSListener):
    """One session of the Live model.

    Args:
        phones: Those of the carrier, by the number that they call with.
        browsers: Those that have none, in the order in which they call.
    """

    def __init__(self, phones: Sequence[Phone], browsers: "deque[Telephone]") -> None:
        super().__init__()
        self._phones = phones
        self._browsers = browsers
        self.transport: WSTransport | None = None
        self.phone: Telephone | None = None
        self.samples = 0

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.transport = None

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            if frame.msg_type == WSMsgType.CLOSE:
                transport.disconnect()
            return
        message = frame.get_payload_as_bytes()
        if b'"audio"' in message[:40]:
            self._hear(message)
        elif b'"setup"' in message[:16]:
            match = NUMBER.search(message)
            if match is not None:
                self.phone = self._phones[int(match[1])]
            elif NO_NUMBER in message and self._browsers:
                self.phone = self._browsers.popleft()
            if self.phone is not None:
                self.phone.model = self
            transport.send(WSMsgType.BINARY, b'{"setupComplete":{}}')

    def _hear(self, message: bytes) -> None:
        now = now_s()
        start = message.index(b'"data":"') + 8
        size = message.index(b'"', start) - start
        n_bytes = size // 4 * 3 - message.count(b"=", start + size - 2, start + size)
        if self.phone is not None and self.phone.marks.on:
            oldest = (self.samples + WITHHELD) // SAMPLES_PER_FRAME
            self.phone.marks.to_model.append(now - self.phone.sent_at[oldest % RING])
            self.phone.marks.model_in += 1
        self.samples += n_bytes // 2

    def say(self, step: script.Step) -> None:
        """Send one message of the script."""
        if self.transport is None or self.phone is None:
            return
        if step.first:
            self.phone.begin_reply()
        if step.kind == script.INTERRUPTED:
            self.phone.interrupt()
        self.phone.due += step.pcm_bytes * self.phone.wire.bytes_per_s // 48_000  # from 24 kHz
        self.transport.send(WSMsgType.BINARY, step.message)
