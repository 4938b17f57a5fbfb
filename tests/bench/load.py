"""The load: N Plivo telephones and the Live model, in one process on a core of its own.

Everything that can be is made before; one timer for all calls sends their frames in ten groups, 2 ms
apart, and the model's messages when they are due. All times are read on this process's clock.
Prints one JSON object. Run by ``suite.py``; by hand: ``python -m bench.load --help``.
"""

import argparse
import asyncio
import gc
import heapq
import json
import os
import re
import secrets
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode, urlsplit
from xml.etree import ElementTree as ET

import uvloop
from bench import script
from bench.measure import Spread, cpu_s, memory_kb, now_s, steal_s, waited_s
from picows import (
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    ws_connect,
    ws_create_server,
)

from fwai.simulator.plivo_signature import PlivoSigner

GROUPS: Final = 10
TICK_S: Final = script.FRAME_S / GROUPS
RAMP_PER_S: Final = 20.0
REFUSED_TRIES: Final = 5
HTTP_S: Final = 10.0
GAP_S: Final = 0.020
WITHHELD: Final = 32  # samples at 16 kHz that the resampler holds back: 2 ms
SAMPLES_PER_FRAME: Final = 320
RING: Final = 512
NUMBER: Final = re.compile(rb"\+9170000(\d{5})")
LINE: Final = "+918888800000"


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
    """A carrier's media stream: sends frames, plays what it gets, and notices when it runs dry."""

    def __init__(self, index: int, marks: Marks) -> None:
        super().__init__()
        self.index = index
        self.number = f"+9170000{index:05d}"
        self.call_id = f"{secrets.token_hex(8)}-{index}"
        self.stream_id = secrets.token_hex(16)
        self.transport: WSTransport | None = None
        self.model: Model | None = None
        self.closed = False
        self.frames = 0
        self.sent_at = [0.0] * RING
        self._marks = marks
        stream = f'"streamId":"{self.stream_id}"'.encode()
        self._head = b'{"event":"media","sequenceNumber":%d,' + stream
        self._head += b',"media":{"track":"inbound","timestamp":"%d","chunk":%d,"payload":"'
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
        body = {
            "callId": self.call_id,
            "streamId": self.stream_id,
            "accountId": account_id,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000},
        }
        assert self.transport is not None
        message = {"event": "start", "sequenceNumber": 0, "start": body, "extra_headers": ""}
        self.transport.send(WSMsgType.TEXT, json.dumps(message).encode())

    def send_frame(self, frames: Sequence[bytes]) -> None:
        """Send the next 20 ms."""
        if self.transport is None:
            return
        n = self.frames
        message = (
            self._head % (n + 1, n * 20, n + 1)
            + frames[(n + self._first_frame) % script.CYCLE_FRAMES]
            + b'"},"extra_headers":""}'
        )
        self.sent_at[n % RING] = now_s()
        self.frames = n + 1
        self.transport.send(WSMsgType.TEXT, message)

    # ---- the agent's voice --------------------------------------------------------------------

    def begin_reply(self) -> None:
        """The model is about to send the first sound of a reply."""
        marks = self._marks
        if marks.on:
            marks.replies += 1
            # 60 ms: what a resampler that is never flushed and a last frame may keep.
            if self.due - self.got > 480 and not self.cleared:
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
        if b"playAudio" in message[:24]:
            self._play(message)
        elif b"clearAudio" in message[:64]:
            self._clear()
        elif b"checkpoint" in message[:64]:
            name = json.loads(message)["name"]
            delay_s = max(self.until - now_s(), 0.0)
            asyncio.get_running_loop().call_later(delay_s, self._played, name)

    def _play(self, message: bytes) -> None:
        now = now_s()
        marks = self._marks
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
        self.until = max(self.until, now) + n_bytes / 8000

    def _clear(self) -> None:
        now = now_s()
        if self._marks.on and self.interrupted_at:
            self._marks.barge_in.append(now - self.interrupted_at)
        self.interrupted_at = 0.0
        self.until = now
        self.cleared = True

    def _played(self, name: str) -> None:
        if self.transport is not None and not self.cleared:
            body = {"event": "playedStream", "streamId": self.stream_id, "name": name}
            self.transport.send(WSMsgType.TEXT, json.dumps(body).encode())


class Model(WSListener):
    """One session of the Live model."""

    def __init__(self, load: "Load") -> None:
        super().__init__()
        self._load = load
        self._marks = load.marks
        self.transport: WSTransport | None = None
        self.phone: Phone | None = None
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
                self.phone = self._load.phones[int(match[1])]
                self.phone.model = self
            transport.send(WSMsgType.BINARY, b'{"setupComplete":{}}')

    def _hear(self, message: bytes) -> None:
        now = now_s()
        start = message.index(b'"data":"') + 8
        size = message.index(b'"', start) - start
        n_bytes = size // 4 * 3 - message.count(b"=", start + size - 2, start + size)
        if self._marks.on and self.phone is not None:
            oldest = (self.samples + WITHHELD) // SAMPLES_PER_FRAME
            self._marks.to_model.append(now - self.phone.sent_at[oldest % RING])
            self._marks.model_in += 1
        self.samples += n_bytes // 2

    def say(self, step: script.Step) -> None:
        """Send one message of the script."""
        if self.transport is None or self.phone is None:
            return
        if step.first:
            self.phone.begin_reply()
        if step.kind == script.INTERRUPTED:
            self.phone.interrupt()
        self.phone.due += step.pcm_bytes // 6  # 24 kHz s16le to 8 kHz mu-law
        self.transport.send(WSMsgType.BINARY, step.message)


@dataclass(frozen=True, slots=True)
class Plan:
    """What one run does; the account is the one the server was told."""

    base_url: str
    model_port: int
    calls: int
    seconds: float
    settle_s: float
    server_pid: int
    auth_id: str
    auth_token: str


class Load:
    """All calls of one run."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.marks = Marks()
        self.phones = [Phone(i, self.marks) for i in range(plan.calls)]
        self._script = script.build()
        self._signer = PlivoSigner(plan.auth_token)
        self._groups: list[list[Phone]] = [[] for _ in range(GROUPS)]
        self._agenda: list[tuple[float, int, int, int]] = []  # due, call, turn, step
        self._origin = 0.0
        self._tick_no = 0
        self._ticking = True
        self.refused = 0

    async def run(self) -> dict[str, Any]:
        """Open all calls, measure, close them; return the figures."""
        plan = self.plan
        loop = asyncio.get_running_loop()

        def session(_: WSUpgradeRequest) -> Model:
            return Model(self)

        server = await ws_create_server(session, "127.0.0.1", plan.model_port)
        gc.collect()
        gc.freeze()
        gc.disable()
        self._origin = now_s()
        self._tick(loop)
        opened = await self._ramp()
        await asyncio.sleep(plan.settle_s)
        figures = await self._measure(opened)
        await self._hang_up()
        self._ticking = False
        server.close()
        return figures | {"lost_audio_calls": self._lost_audio(opened), "refused": self.refused}

    async def _measure(self, opened: list[Phone]) -> dict[str, Any]:
        plan, marks = self.plan, self.marks
        own_pid = os.getpid()
        started, server_s, own_s, steal = now_s(), cpu_s(plan.server_pid), cpu_s(own_pid), steal_s()
        waited, own_waited = waited_s(plan.server_pid), waited_s(own_pid)
        marks.on = True
        await asyncio.sleep(plan.seconds)
        marks.on = False
        elapsed_s = now_s() - started
        used_s = cpu_s(plan.server_pid) - server_s
        return {
            "calls": len(opened),
            "seconds": round(elapsed_s, 2),
            "cpu_ms_per_call_s": round(used_s * 1000 / elapsed_s / max(len(opened), 1), 3),
            "server_core": round(used_s / elapsed_s, 3),
            "load_core": round((cpu_s(own_pid) - own_s) / elapsed_s, 3),
            "server_waited": round((waited_s(plan.server_pid) - waited) / elapsed_s, 3),
            "load_waited": round((waited_s(own_pid) - own_waited) / elapsed_s, 3),
            "steal": round((steal_s() - steal) / elapsed_s, 3),
            "memory_kb": memory_kb(plan.server_pid),
            "to_model_ms": Spread.of(marks.to_model).dump(),
            "to_caller_ms": Spread.of(marks.to_caller).dump(),
            "barge_in_ms": Spread.of(marks.barge_in).dump(),
            "gaps_over_20ms": sum(gap > GAP_S for gap in marks.gaps),
            "gaps_ms": Spread.of(marks.gaps).dump(),
            "load_late_ms": Spread.of(marks.late).dump(),
            "replies": marks.replies,
            "played_share": round(marks.played_bytes / 8000 / elapsed_s / max(len(opened), 1), 3),
            "after_clear": marks.after_clear,
            "short_replies": marks.short_replies,
            "no_clear": marks.no_clear,
            "play_messages_per_call_s": round(marks.media_in / elapsed_s / max(len(opened), 1), 1),
            "model_messages_per_call_s": round(marks.model_in / elapsed_s / max(len(opened), 1), 1),
            "dropped_calls": sum(phone.closed for phone in opened),
        }

    def _lost_audio(self, opened: list[Phone]) -> int:
        """Count calls of which the model did not hear all but the last, unfilled message."""
        lost = 0
        for phone in opened:
            heard = phone.model.samples if phone.model is not None else 0
            missing = phone.frames * SAMPLES_PER_FRAME - WITHHELD - heard
            lost += not 0 <= missing <= 2 * SAMPLES_PER_FRAME
        return lost

    # ---- opening and closing ------------------------------------------------------------------

    async def _ramp(self) -> list[Phone]:
        tasks: list[asyncio.Task[bool]] = []
        async with asyncio.TaskGroup() as group:
            for phone in self.phones:
                tasks.append(group.create_task(self._dial(phone)))
                await asyncio.sleep(1 / RAMP_PER_S)
        return [phone for phone, task in zip(self.phones, tasks, strict=True) if task.result()]

    async def _dial(self, phone: Phone) -> bool:
        url = f"{self.plan.base_url}/plivo/answer?v=1"
        form = {
            "CallUUID": phone.call_id,
            "From": phone.number,
            "To": LINE,
            "Direction": "inbound",
            "CallStatus": "ringing",
            "Event": "StartApp",
        }
        for _ in range(REFUSED_TRIES):
            xml = await _post(url, form, self._signer.voice("POST", url, form))
            stream = ET.fromstring(xml).findtext("Stream")
            if stream is not None:
                break
            self.refused += 1
            await asyncio.sleep(1.0)
        else:
            return False
        await ws_connect(lambda: phone, stream, extra_headers=self._signer.upgrade(stream))
        # Cycles are spread evenly, so that at any time half of the calls hear a reply.
        into_cycle_s = script.SPEECH_S * (1 - phone.index / self.plan.calls)
        phone.start(self.plan.auth_id, into_cycle_s)
        self._groups[phone.index % GROUPS].append(phone)
        first = self._script.turn(phone.index, 0)[0].at_s
        due = now_s() + 0.5 - into_cycle_s + first
        heapq.heappush(self._agenda, (due, phone.index, 0, 0))
        return True

    async def _hang_up(self) -> None:
        for group in self._groups:
            group.clear()
        self._agenda.clear()
        await asyncio.sleep(0.3)
        for phone in self.phones:
            if phone.transport is not None:
                phone.transport.send_close()
                phone.transport.disconnect()
        await asyncio.sleep(0.5)

    # ---- time ---------------------------------------------------------------------------------

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        frames = self._script.frames
        now = now_s()
        while (due := self._origin + self._tick_no * TICK_S) <= now:
            if self.marks.on:
                self.marks.late.append(now - due)
            for phone in self._groups[self._tick_no % GROUPS]:
                phone.send_frame(frames)
            self._tick_no += 1
        self._speak(now)
        if self._ticking:
            loop.call_later(max(due - now_s(), 0.001), self._tick, loop)

    def _speak(self, now: float) -> None:
        """Send what the model has to say by now."""
        agenda = self._agenda
        while agenda and agenda[0][0] <= now:
            due, index, turn, place = heapq.heappop(agenda)
            steps = self._script.turn(index, turn)
            step = steps[place]
            model = self.phones[index].model
            if model is not None:
                model.say(step)
            if place + 1 < len(steps):
                following = (due + steps[place + 1].at_s - step.at_s, index, turn, place + 1)
            else:
                after = self._script.turn(index, turn + 1)
                wait_s = script.CYCLE_S - step.at_s + after[0].at_s
                following = (due + wait_s, index, turn + 1, 0)
            heapq.heappush(agenda, following)


async def _post(url: str, form: dict[str, str], headers: dict[str, str]) -> str:
    parts = urlsplit(url)
    body = urlencode(form).encode()
    lines = [
        f"POST {parts.path}?{parts.query} HTTP/1.1",
        f"Host: {parts.netloc}",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    async with asyncio.timeout(HTTP_S):
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        answer = await reader.read()
        writer.close()
    head, _, text = answer.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1]
    if status != b"200":
        raise RuntimeError(f"the answer webhook was refused: {status.decode()}")
    return text.decode()


def main() -> int:
    """Run one load and print its figures."""
    parser = argparse.ArgumentParser(prog="bench.load")
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--model-port", type=int, required=True)
    parser.add_argument("--calls", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--settle-s", type=float, default=5.0)
    parser.add_argument("--server-pid", type=int, required=True)
    parser.add_argument("--auth-id", required=True)
    parser.add_argument("--auth-token", required=True)
    plan = Plan(**vars(parser.parse_args()))
    print(json.dumps(uvloop.run(Load(plan).run())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
