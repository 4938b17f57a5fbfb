"""What a WebRTC leg costs and how long its receive path keeps sound.

The server is a child process pinned to one core: legs that hear and speak all the time. The callers
are in this process, on the other core, and send packets that were encoded before. Delays are from
the instant a caller sends a packet to the instant the server hands its sound on.

    python tests/bench/webrtc.py [--seconds 10] [--calls 1,4,8] [--rate 24000] [--pyav] [--brief]
"""

import argparse
import asyncio
import contextlib
import gc
import json
import os
import random
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).parents[2] / "src")]

import uvloop  # noqa: E402

from bench.measure import Spread, cpu_s, memory_kb  # noqa: E402 - the path comes first
from fwai.adapters.webrtc import opus, peer, rtp, sdp  # noqa: E402
from fwai.adapters.webrtc.audio_receiver import AudioReceiver  # noqa: E402
from fwai.adapters.webrtc.clock import MediaClock  # noqa: E402
from fwai.adapters.webrtc.datagrams import DroppedDatagrams  # noqa: E402
from fwai.adapters.webrtc.leg import WebRtcLeg  # noqa: E402
from fwai.adapters.webrtc.ports import Address, UdpPorts  # noqa: E402
from fwai.adapters.webrtc.transport import MediaTransport  # noqa: E402
from fwai.audio.resample import Resampler  # noqa: E402
from fwai.domain.events import CallerAudio, CallerEvent  # noqa: E402
from fwai.simulator.common.clips import ClipLibrary  # noqa: E402

FRAME_S: Final = 0.020
CHUNK_S: Final = 0.080  # as the session plays
SETTLE_S: Final = 2.0
OPUS: Final = sdp.Sound()
CALLERS: Final = (
    (20_000, 0),
    (20_000, 10),
    (32_000, 0),
    (32_000, 3),
)  # bitrate, and the loss their encoder expects, in %

Figures = dict[str, object]


# ---- the server, in a child process -----------------------------------------------------------


@dataclass
class Served:
    """One leg and what it handed on: pairs of time and samples so far."""

    leg: WebRtcLeg
    heard: list[tuple[float, int]] = field(default_factory=list)
    samples: int = 0

    def hear(self, event: CallerEvent) -> None:
        if isinstance(event, CallerAudio):
            self.samples += len(event.pcm) // 2
            self.heard.append((time.monotonic(), self.samples))


class Service:
    """Carries out the orders of the parent."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._options = peer.PeerOptions(
            UdpPorts(20_000, 20_999), MediaClock(), None, rate, loopback=True
        )
        self._served: list[Served] = []
        self._talking = False

    async def obey(self, order: dict[str, str]) -> object:
        match order["do"]:
            case "offer":
                leg, answer = await peer.answer(order["sdp"], self._options)
                self._served.append(Served(leg))
                return answer
            case "connect":
                served = self._served[-1]
                await served.leg.connect()
                served.leg.listen(served.hear)
                served.leg.release()
            case "talk":
                self._talking = True
            case "freeze":
                gc.collect()
                gc.freeze()
            case "close":
                return await self._close()
        return None

    async def _close(self) -> list[list[tuple[float, int]]]:
        heard = [one.heard for one in self._served]
        for one in self._served:
            await one.leg.close()
        self._served.clear()
        return heard

    async def talk(self) -> None:
        """Play speech on all legs without end, as the session does."""
        loop = asyncio.get_running_loop()
        speech = ClipLibrary.load()["courses_answer"].pcm(self._rate)
        at, due, size = 0, loop.time(), int(self._rate * CHUNK_S) * 2
        while True:
            due += CHUNK_S
            await asyncio.sleep(due - loop.time())
            at = (at + size) % (len(speech) - size)
            for one in self._served if self._talking else ():
                one.leg.play(speech[at : at + size])


async def serve(rate: int, core: int) -> None:
    """Obey JSON lines on stdin; answer on stdout."""
    os.sched_setaffinity(0, {core})
    lines = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
    )
    service = Service(rate)
    async with asyncio.TaskGroup() as tasks:
        talker = tasks.create_task(service.talk(), name="talk")
        while line := await lines.readline():
            sys.stdout.write(json.dumps(await service.obey(json.loads(line))) + "\n")
            sys.stdout.flush()
        talker.cancel()


class Server:
    """The child process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @property
    def pid(self) -> int:
        return self.process.pid

    async def ask(self, do: str, **more: object) -> Any:  # noqa: ANN401 - JSON
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write((json.dumps({"do": do, **more}) + "\n").encode())
        return json.loads(await self.process.stdout.readline())


async def start(rate: int, core: int) -> Server:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, __file__, "--serve", str(core), "--rate", str(rate)),
        *([] if opus.library() else ["--pyav"]),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 26,
    )
    return Server(process)


# ---- the callers ------------------------------------------------------------------------------


class Caller:
    """Sends prepared packets on time and remembers when."""

    def __init__(self, way: MediaTransport, payloads: list[bytes], lost: set[int]) -> None:
        self._way = way
        self._payloads = payloads
        self.lost = lost
        self.sent: list[float] = []

    def beat(self, now: float, frames: int, skipped: int) -> None:
        for _ in range(frames + skipped):
            number = len(self.sent)
            payload = self._payloads[number % len(self._payloads)]
            packet = rtp.Packet(111, False, number & 0xFFFF, number * 960, 7, payload)
            self.sent.append(time.monotonic())
            if number not in self.lost:
                self._way.send(rtp.build(packet))

    def broken(self) -> None:
        raise AssertionError

    async def close(self) -> None:
        await self._way.close()


async def call(server: Server, payloads: list[bytes], lost: set[int]) -> Caller:
    way = MediaTransport(
        UdpPorts(30_000, 30_999),
        [Address("127.0.0.1", "127.0.0.1")],
        DroppedDatagrams(time.monotonic),
    )
    await way.open()
    local = sdp.Local(*way.credentials, way.fingerprint, way.announced, 7, "caller")
    answer = await server.ask("offer", sdp=sdp.write_offer(local, 16_000))
    async with asyncio.TaskGroup() as both:
        both.create_task(way.connect(sdp.read(answer), offered=True))
        both.create_task(server.ask("connect"))
    return Caller(way, payloads, lost)


def encoded(
    name: str = "courses_answer", bitrate: int = 20_000, expected_loss: int = 0
) -> list[bytes]:
    """Return the packets of a clip, with second copies when loss is expected."""
    pcm = ClipLibrary.load()[name].pcm(16_000)
    encoder = opus.encoder(16_000, bitrate=bitrate, complexity=5, max_rate=16_000)
    encoder.expect_loss(expected_loss)
    return [encoder.encode(pcm[at : at + 640]) for at in range(0, len(pcm) - 639, 640)]


def delays(caller: Caller, heard: list[tuple[float, int]], frame: int) -> list[float]:
    """Return for each packet that was not lost how long after it was sent its sound was handed on.

    Sound is found by its place: what is lost is made up, so a place is never shifted.
    """
    found, at = [], 0
    for when, samples in heard:
        end = (samples + frame // 10) // frame  # a codec that converts may hold 2 ms back
        found += [when - caller.sent[n] for n in range(at, end) if n not in caller.lost]
        at = end
    return found


def around_loss(late: list[list[float]], lost: set[int]) -> Figures:
    """Return the delays of what was sent before the first lost packet, and of all after it."""
    if not lost:
        return {}
    first = min(lost)
    return {
        "delay_before_loss_ms": Spread.of(d for one in late for d in one[5:first]).dump(),
        "delay_after_loss_ms": Spread.of(d for one in late for d in one[first:]).dump(),
    }


@dataclass(frozen=True, slots=True)
class Plan:
    """One measurement.

    Attributes:
        loss: The share of packets that is lost.
        one_lost: One packet of each call is lost instead, in the middle of the window.
        talk: The agents speak, too.
    """

    calls: int
    seconds: float
    rate: int
    loss: float = 0.0
    one_lost: bool = False
    talk: bool = True
    core: int = 0

    def lost(self) -> set[int]:
        """Return the numbers of the packets that do not arrive."""
        if self.one_lost:
            return {int((SETTLE_S + self.seconds / 2) / FRAME_S)}
        random_ = random.Random(self.calls)
        count = int((self.seconds + SETTLE_S + 5) / FRAME_S)
        return {n for n in range(20, count) if random_.random() < self.loss}


async def measure(plan: Plan) -> Figures:
    """Measure one number of calls with a server of its own."""
    server = await start(plan.rate, plan.core)
    lost = plan.lost()
    try:
        found, late = await talk_to(server, plan, lost)
    finally:
        with contextlib.suppress(ProcessLookupError):
            server.process.kill()
        await server.process.wait()
    return {
        "calls": plan.calls,
        "talk": plan.talk,
        "loss": plan.loss,
        **found,
        **around_loss(late, lost),
        "delay_ms": Spread.of(delay for one in late for delay in one[5:]).dump(),
        "delay_of_first_and_last_second_ms": [
            Spread.of(delay for one in late for delay in one[part]).p50
            for part in (slice(5, 55), slice(-50, None))
        ],
    }


async def talk_to(server: Server, plan: Plan, lost: set[int]) -> tuple[Figures, list[list[float]]]:
    """Return what the calls cost, and the delays of each of them."""
    payloads, clock, calls = encoded(), MediaClock(), plan.calls
    warm = await call(server, payloads, set())  # what the first call loads is not counted
    await warm.close()
    await server.ask("close")
    await server.ask("freeze")
    rss, setup = memory_kb(server.pid)["rss"], cpu_s(server.pid)
    callers = [await call(server, payloads, lost) for _ in range(calls)]
    setup = cpu_s(server.pid) - setup
    if plan.talk:
        await server.ask("talk")
    for one in callers:
        clock.add(one)
    await asyncio.sleep(SETTLE_S)
    cpu, at = cpu_s(server.pid), time.monotonic()
    await asyncio.sleep(plan.seconds)
    cpu, elapsed = cpu_s(server.pid) - cpu, time.monotonic() - at
    rss = memory_kb(server.pid)["rss"] - rss
    for one in callers:
        clock.remove(one)
    heard = await server.ask("close")
    for one in callers:
        await one.close()
    return {
        "cpu_ms_per_call_second": round(cpu * 1000 / elapsed / calls, 2),
        "setup_cpu_ms": round(setup * 1000 / calls, 1),
        "rss_mb_per_call": round(rss / 1024 / calls, 2),
    }, [delays(one, each, plan.rate // 50) for one, each in zip(callers, heard, strict=True)]


# ---- quality and small costs, without a network ------------------------------------------------


def received(payloads: list[bytes], lost: set[int], rate: int) -> bytes:
    """Return what the receive path makes of packets, in no time."""
    pcm = bytearray()

    def tell(event: CallerEvent) -> None:
        if isinstance(event, CallerAudio):
            pcm.extend(event.pcm)

    sound = AudioReceiver(rate, OPUS, tell)
    for number, payload in enumerate(payloads):
        now = number * FRAME_S
        if number not in lost:
            sound.give_up_missing(now)
            packet = rtp.Packet(111, False, number, number * 960, 7, payload)
            sound.receive(rtp.build(packet), now)
    sound.give_up_missing(1e9)
    sound.hand_on()
    return bytes(pcm)


def quality(loss: float, bitrate: int, expected_loss: int, seeds: int = 10) -> Figures:
    try:
        import numpy as np
        import pesq
    except ImportError:
        return {"loss": "pesq is not installed"}
    names = ("courses_answer", "price_answer", "greeting", "book_demo")
    clean: list[float] = []
    lossy: list[float] = []
    for name in names:
        payloads = encoded(name, bitrate, expected_loss)
        reference = np.frombuffer(ClipLibrary.load()[name].pcm(16_000), "<i2")
        for seed in range(-1, seeds):
            random_ = random.Random(seed)
            share = loss if seed >= 0 else 0.0
            lost = {n for n in range(1, len(payloads) - 1) if random_.random() < share}
            heard = np.frombuffer(received(payloads, lost, 16_000), "<i2")
            score = float(pesq.pesq(16_000, reference[: len(heard)], heard, "wb"))
            (clean if seed < 0 else lossy).append(score)
    means = [sum(found) / len(found) for found in (clean, lossy)]
    return {
        "loss": loss,
        "bitrate": bitrate,
        "copies": expected_loss > 0,
        "clean": round(means[0], 3),
        "lossy": round(means[1], 3),
        "worse_by": round(means[0] - means[1], 3),
        "worst_call": round(min(lossy), 3),
    }


def conversions() -> dict[str, float]:
    """What the session's own conversion costs at either rate, in ms per call-second."""
    found = {}
    for name, in_hz, out_hz in (
        ("24 to 16 kHz, caller at a 24 kHz leg", 24_000, 16_000),
        ("24 to 16 kHz, agent at a 16 kHz leg", 24_000, 16_000),
    ):
        resampler = Resampler(in_hz, out_hz)
        frame = bytes(in_hz * 2 * (40 if "caller" in name else 80) // 1000)
        times = 1000 // (40 if "caller" in name else 80)
        at = time.process_time()
        for _ in range(times * 20):
            resampler.feed(frame)
        found[name] = round((time.process_time() - at) * 1000 / 20, 2)
    return found


async def bench(calls: list[int], seconds: float, rate: int, core: int) -> list[Figures]:
    plans = [Plan(n, seconds, rate) for n in calls]
    plans.append(Plan(calls[-1], seconds, rate, talk=False))
    plans.append(Plan(calls[0], seconds, rate, loss=0.02))
    plans.append(Plan(calls[-1], seconds, rate, loss=0.02))
    return [await measure(replace(plan, core=core)) for plan in plans]


async def brief(calls: int, seconds: float, rate: int, core: int) -> Figures:
    """Return the figures of issue 3, for the suite."""
    clean = Plan(calls, seconds, rate, core=core)
    return {
        "libopus": "the system's" if opus.library() else "PyAV's",
        "clean": await measure(clean),
        "one_lost": await measure(replace(clean, one_lost=True)),
        "quality": [quality(0.02, bitrate, copies, seeds=4) for bitrate, copies in CALLERS],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--calls", default="1,4,8", help="numbers of simultaneous calls")
    parser.add_argument("--rate", type=int, default=24_000, help="of the legs, in Hz")
    parser.add_argument("--pyav", action="store_true", help="as if the system had no libopus")
    parser.add_argument("--brief", action="store_true", help="the last number only, as one line")
    parser.add_argument("--core", type=int, default=0, help="of the server")
    parser.add_argument("--serve", type=int, metavar="CORE", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.pyav:
        opus.LIBRARIES = ()
    if arguments.serve is not None:
        uvloop.run(serve(arguments.rate, arguments.serve))
        return
    calls = [int(number) for number in arguments.calls.split(",")]
    rest = set(os.sched_getaffinity(0)) - {arguments.core}
    os.sched_setaffinity(0, rest or {arguments.core})
    measured = (arguments.seconds, arguments.rate, arguments.core)
    if arguments.brief:
        print(json.dumps(asyncio.run(brief(calls[-1], *measured))))
        return
    print("libopus:", "the system's" if opus.library() else "PyAV's")
    for found in asyncio.run(bench(calls, *measured)):
        print(json.dumps(found))
    for bitrate, expected_loss in CALLERS:
        print("PESQ:", json.dumps(quality(0.02, bitrate, expected_loss)))
    print("session's resampling:", conversions())


if __name__ == "__main__":
    main()
