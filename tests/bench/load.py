"""The load: N Plivo telephones and the Live model, in one process on a core of its own.

Everything that can be is made before; one timer for all calls sends their frames in ten groups,
2 ms apart, and the model's messages when they are due. All times are of this process's clock.
Prints one JSON object. Run by ``suite.py``; by hand: ``python -m bench.load --help``.
"""

import argparse
import asyncio
import gc
import heapq
import html
import json
import os
import re
import sys
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import uvloop
from picows import WSUpgradeRequest, ws_connect, ws_create_server

from bench import script
from bench.measure import Spread, cpu_s, major_faults, memory_kb, now_s, steal_s, waited_s
from bench.peers import SAMPLES_PER_FRAME, WITHHELD, Marks, Model, Phone
from fwai.simulator.plivo_signature import PlivoSigner

GROUPS: Final = 10
TICK_S: Final = script.FRAME_S / GROUPS
RAMP_PER_S: Final = 20.0
REFUSED_TRIES: Final = 5
HTTP_S: Final = 10.0
GAP_S: Final = 0.020
STREAM: Final = re.compile(r"<Stream\b[^>]*>([^<]+)</Stream>")
LINE: Final = "+918888800000"


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
            return Model(self.phones, self.marks)

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
        faults = major_faults(plan.server_pid)
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
            "major_faults": major_faults(plan.server_pid) - faults,
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
            if (stream := STREAM.search(xml)) is not None:
                break
            self.refused += 1
            await asyncio.sleep(1.0)
        else:
            return False
        stream_url = html.unescape(stream[1])
        await ws_connect(lambda: phone, stream_url, extra_headers=self._signer.upgrade(stream_url))
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
