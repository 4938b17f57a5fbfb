"""The load: telephones of Plivo or Exotel and the Live model, in one process on its own core.

Everything that can be is made before; one timer for all calls sends their frames in ten groups,
2 ms apart, and the model's messages when they are due. All times are of this process's clock.
Prints one JSON object. Run by ``suite.py``; by hand: ``python -m bench.load --help``.
"""

import argparse
import asyncio
import gc
import heapq
import json
import os
import sys
from collections import deque
from dataclasses import dataclass
from typing import Any, Final

import uvloop
from picows import WSUpgradeRequest, ws_connect, ws_create_server

from bench import script
from bench.api_client import ApiClient
from bench.dialling import Dialler
from bench.measure import Spread, cpu_s, major_faults, memory_kb, now_s, steal_s, waited_s
from bench.peers import SAMPLES_PER_FRAME, WITHHELD, Marks, Model, Phone, Telephone
from bench.web_phone import WebPhone, encoded, figures
from bench.wires import WIRES

GROUPS: Final = 10
TICK_S: Final = script.FRAME_S / GROUPS
RAMP_PER_S: Final = 20.0
WEB_S: Final = 0.5  # for one call from a browser to connect
REFUSED_TRIES: Final = 5
GAP_S: Final = 0.020


@dataclass(frozen=True, slots=True)
class Plan:
    """What one run does; account and secret are those the server was told.

    Attributes:
        message_ms: How much of a caller's voice is in one message, a multiple of 20 ms.
        api_rate: Calls placed by the API in each second of the window; the key is the secret.
        web_calls: Calls from browsers, besides.
    """

    base_url: str
    model_port: int
    calls: int
    seconds: float
    settle_s: float
    server_pid: int
    provider: str
    account: str
    secret: str
    message_ms: int
    api_rate: float
    web_calls: int


class Load:
    """All calls of one run."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.marks = Marks()
        wire, per_message = WIRES[plan.provider], plan.message_ms // 20
        self.phones = [Phone(i, self.marks, wire, per_message) for i in range(plan.calls)]
        voice = encoded() if plan.web_calls else []
        self.browsers = [WebPhone(plan.calls + i, voice) for i in range(plan.web_calls)]
        self._calling = deque[Telephone]()
        linear = plan.provider == "exotel"
        self._script = script.build(linear=linear, per_message=per_message)
        self._dialler = Dialler(plan.base_url, plan.provider, plan.secret)
        self._groups: list[list[Phone | WebPhone]] = [[] for _ in range(GROUPS)]
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
            return Model(self.phones, self._calling)

        server = await ws_create_server(session, "127.0.0.1", plan.model_port)
        gc.collect()
        gc.freeze()
        gc.disable()
        self._origin = now_s()
        self._tick(loop)
        opened = await self._ramp()
        await self._call_from_browsers()
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
        for phone in self.browsers:
            phone.begin_window()
        marks.on = True
        api = await self._pass_window()
        marks.on = False
        for phone in self.browsers:
            phone.end_window()
        elapsed_s = now_s() - started
        used_s = cpu_s(plan.server_pid) - server_s
        every = len(opened) + len(self.browsers)
        per_s = WIRES[plan.provider].bytes_per_s * max(len(opened), 1)
        return {
            "provider": plan.provider,
            "message_ms": plan.message_ms,
            "api": api,
            "calls": len(opened),
            "seconds": round(elapsed_s, 2),
            "cpu_ms_per_call_s": round(used_s * 1000 / elapsed_s / max(every, 1), 3),
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
            "played_share": round(marks.played_bytes / per_s / elapsed_s, 3),
            "after_clear": marks.after_clear,
            "short_replies": marks.short_replies,
            "no_clear": marks.no_clear,
            "play_messages_per_call_s": round(marks.media_in / elapsed_s / max(len(opened), 1), 1),
            "model_messages_per_call_s": round(marks.model_in / elapsed_s / max(len(opened), 1), 1),
            "dropped_calls": sum(phone.closed for phone in opened),
            "web": figures(self.browsers),
        }

    async def _pass_window(self) -> dict[str, Any] | None:
        """Let the window pass; place calls by the API meanwhile, if that is planned."""
        plan = self.plan
        if not plan.api_rate:
            await asyncio.sleep(plan.seconds)
            return None
        client = ApiClient(plan.base_url, plan.secret, plan.api_rate)
        await client.run(plan.seconds)
        return client.figures()

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
        for _ in range(REFUSED_TRIES):
            stream = await self._dialler.stream(phone.wire.call_id, phone.number)
            if stream is not None:
                break
            self.refused += 1
            await asyncio.sleep(1.0)
        else:
            return False
        await ws_connect(lambda: phone, stream[0], extra_headers=stream[1])
        # Cycles are spread evenly, so that at any time half of the calls hear a reply.
        into_cycle_s = script.SPEECH_S * (1 - phone.index / self.plan.calls)
        phone.start(self.plan.account, into_cycle_s)
        self._begin(phone, into_cycle_s)
        return True

    async def _call_from_browsers(self) -> None:
        """Let one after the other call: nothing but their order tells the model who is who."""
        ready_s = now_s() + WEB_S * self.plan.web_calls
        for number, phone in enumerate(self.browsers):
            into_cycle_s = script.SPEECH_S * (1 - number / len(self.browsers))
            for last in (False, True):
                self._calling.clear()
                self._calling.append(phone)
                try:
                    await phone.dial(self.plan.base_url, self.plan.secret, into_cycle_s)
                except TimeoutError:  # on a machine that is busy
                    if last:
                        raise
                else:
                    break
            self._begin(phone, into_cycle_s)
        await asyncio.sleep(max(ready_s - now_s(), 0.0))

    def _begin(self, phone: Phone | WebPhone, into_cycle_s: float) -> None:
        """Let a phone and its model speak from now on."""
        self._groups[phone.index % GROUPS].append(phone)
        first = self._script.turn(phone.index, 0)[0].at_s
        due = now_s() + 0.5 - into_cycle_s + first
        heapq.heappush(self._agenda, (due, phone.index, 0, 0))

    async def _hang_up(self) -> None:
        for group in self._groups:
            group.clear()
        self._agenda.clear()
        await asyncio.sleep(0.3)
        for phone in self.phones:
            if phone.transport is not None:
                phone.transport.send_close()
                phone.transport.disconnect()
        for browser in self.browsers:
            await browser.hang_up()
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
            model = self._telephone(index).model
            if model is not None:
                model.say(step)
            if place + 1 < len(steps):
                following = (due + steps[place + 1].at_s - step.at_s, index, turn, place + 1)
            else:
                after = self._script.turn(index, turn + 1)
                wait_s = script.CYCLE_S - step.at_s + after[0].at_s
                following = (due + wait_s, index, turn + 1, 0)
            heapq.heappush(agenda, following)

    def _telephone(self, index: int) -> Telephone:
        own = len(self.phones)
        return self.phones[index] if index < own else self.browsers[index - own]


def main() -> int:
    """Run one load and print its figures."""
    parser = argparse.ArgumentParser(prog="bench.load")
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--model-port", type=int, required=True)
    parser.add_argument("--calls", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--settle-s", type=float, default=5.0)
    parser.add_argument("--server-pid", type=int, required=True)
    parser.add_argument("--provider", choices=tuple(WIRES), default="plivo")
    parser.add_argument("--account", required=True)
    parser.add_argument("--secret", required=True)
    parser.add_argument("--message-ms", type=int, default=20)
    parser.add_argument("--api-rate", type=float, default=0.0)
    parser.add_argument("--web-calls", type=int, default=0)
    plan = Plan(**vars(parser.parse_args()))
    print(json.dumps(uvloop.run(Load(plan).run())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
