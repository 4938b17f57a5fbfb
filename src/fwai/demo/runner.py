"""Runs the demo: starts server and simulators, places one call per provider, evaluates them."""

import asyncio
import gc
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from fwai import log
from fwai.calls.session import CallSession
from fwai.demo.report import ConsoleReport
from fwai.demo.standstill import StandstillWatch
from fwai.demo.verdict import Verdict, evaluate
from fwai.demo.world import SimulatedWorld, open_simulated_world
from fwai.domain.call import CallEnding
from fwai.server.serving import DrainingServer, listen
from fwai.simulator.common.caller import AwaitHangUp, BargeIn, CallReport, Hear, Say, Step
from fwai.simulator.meta.network import NetworkConditions
from fwai.wiring.app import Server, freeze, open_server

CALL_S: Final = 75.0
SETTLE_S: Final = 3.0

SCRIPT: Final[Sequence[Step]] = (
    Hear("greeting"),
    Say("ask_courses"),
    BargeIn("barge_in", after_ms=2500),
    Hear("price_answer"),
    Say("ask_sms"),
    Hear("sms_sent"),
    Say("goodbye"),
    Hear("goodbye_answer"),
    AwaitHangUp(),
)
# WhatsApp has no SMS: its script asks a question instead.
WHATSAPP_SCRIPT: Final[Sequence[Step]] = (
    *SCRIPT[:4],
    Say("ask_ai"),
    Hear("ai_answer"),
    *SCRIPT[6:],
)
NETWORKS: Final[Mapping[str, NetworkConditions]] = {
    "clear": NetworkConditions(),
    "bad": NetworkConditions(loss=0.02, jitter_ms=60.0),
}


async def run_demo(
    *,
    providers: Sequence[str],
    audio: str,
    sample_rate: int,
    as_json: bool,
    keep: str | None,
    network: str = "clear",
) -> Mapping[str, Verdict]:
    """Run the demo, and return how each call went, by its provider.

    Args:
        providers: Providers to simulate, one call each.
        audio: Format of Plivo's stream.
        sample_rate: Sample rate of Exotel's stream, in Hz.
        as_json: Print one JSON object at the end and nothing else.
        keep: Folder of transcript, recording and database; None makes a temporary one.
        network: Conditions of WhatsApp's network, a key of `NETWORKS`.
    """
    log.configure("WARNING", "auto")
    console = ConsoleReport(quiet=as_json)
    folder = Path(keep) if keep else Path(tempfile.mkdtemp(prefix="fwai-demo-"))
    verdicts: dict[str, Verdict] = {}
    for provider in providers:
        settings = {
            "call_provider": provider,
            "plivo_audio": audio,
            "exotel_sample_rate": sample_rate,
        }
        where = folder / provider if len(providers) > 1 else folder
        verdicts[provider] = await _run_call(where, settings, NETWORKS[network], console)
    if as_json:
        ok = all(verdict.ok for verdict in verdicts.values())
        each = {provider: verdict.as_json() for provider, verdict in verdicts.items()}
        output = {"ok": ok, "calls": each} if len(each) > 1 else each[providers[0]]
        print(json.dumps(output, indent=2), flush=True)  # noqa: T201 - the command's output
    return verdicts


async def _run_call(
    folder: Path, settings: Mapping[str, object], network: NetworkConditions, console: ConsoleReport
) -> Verdict:
    started = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    verdict = Verdict(database=str(folder / "fwai.db"))
    before = _tasks()
    await _run_server_and_call(folder, settings, network, console, verdict, started)
    if leaked := await _leaked_tasks(before):
        verdict.problems.append(f"tasks left behind: {', '.join(leaked)}")
    verdict.transcript = _newest(folder / "transcripts", "*.jsonl")
    verdict.recording = _newest(folder / "recordings", "*.wav")
    if not verdict.transcript or not verdict.recording:
        verdict.problems.append("no transcript or no recording was kept")
    console.report(verdict)
    return verdict


async def _run_server_and_call(
    folder: Path,
    settings: Mapping[str, object],
    network: NetworkConditions,
    console: ConsoleReport,
    verdict: Verdict,
    started: float,
) -> None:
    listener = listen("127.0.0.1", 0)
    port = int(listener.getsockname()[1])
    overrides = {
        "data_dir": folder,
        "database_url": f"sqlite+aiosqlite:///{folder / 'fwai.db'}",
        "transcripts_dir": folder / "transcripts",
        "record_calls": True,
        **settings,
    }
    sessions: list[CallSession] = []

    def on_over(session: CallSession, _: CallEnding) -> None:
        sessions.append(session)

    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(open_simulated_world(port, overrides))
        opening = open_server(world.settings, on_over=on_over, demo=True)
        server = await stack.enter_async_context(opening)
        freeze()
        http = DrainingServer(server, drain_s=SETTLE_S, signals=False)  # Ctrl-C ends it all
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        tasks.create_task(http.serve(sockets=[listener]), name="http")
        while not http.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        verdict.start_s = time.perf_counter() - started
        console.print_opening(port, verdict.start_s)
        report = await _watched_call(world, network, console, verdict)
        await _wait_until_closed(server, world, verdict)
        http.should_exit = True
    turns = sessions[0].replies.turns if sessions else []
    evaluate(verdict, report, turns)
    verdict.deeds += [f"SMS to …{number[-4:]}: {text}" for number, text in world.messages]
    verdict.deeds += [
        f"WhatsApp message to …{number[-4:]}: {text}" for number, text in world.whatsapp_messages
    ]
    if world.meta is None and not world.messages:
        verdict.problems.append("the agent said it sent a message and none was sent")
    if report.ended_by in {"agent", "api"}:
        verdict.deeds.append("the agent ended the call")
    else:
        verdict.problems.append("the agent did not hang up")


async def _watched_call(
    world: SimulatedWorld, network: NetworkConditions, console: ConsoleReport, verdict: Verdict
) -> CallReport:
    watch = StandstillWatch()
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watch.run(), name="standstill_watch")
        report = await _call(world, network, console)
        watching.cancel()
    verdict.standstill_ms = watch.longest_ms
    return report


async def _call(
    world: SimulatedWorld, network: NetworkConditions, console: ConsoleReport
) -> CallReport:
    async with asyncio.timeout(CALL_S):
        if world.meta is not None:
            return await world.whatsapp_user(console.event, network=network).call(WHATSAPP_SCRIPT)
        if world.exotel is not None:
            return await world.exotel_phone(on_event=console.event).call(SCRIPT)
        return await world.phone(on_event=console.event).call(SCRIPT)


async def _wait_until_closed(server: Server, world: SimulatedWorld, verdict: Verdict) -> None:
    """Wait until the server has closed the call; what is still open then is reported as a leak."""
    deadline = asyncio.get_running_loop().time() + SETTLE_S
    while server.calls.active or world.model.open_sessions:
        if asyncio.get_running_loop().time() > deadline:
            verdict.problems.append(
                f"left open: {server.calls.active} calls, "
                f"{world.model.open_sessions} model sessions"
            )
            return
        await asyncio.sleep(0.05)


def _tasks() -> frozenset[asyncio.Task[object]]:
    return frozenset(asyncio.all_tasks())


async def _leaked_tasks(before: frozenset[asyncio.Task[object]]) -> list[str]:
    await asyncio.sleep(0.1)  # transports close in the loop's next rounds
    gc.collect()
    return sorted(task.get_name() for task in _tasks() - before if not task.done())


def _newest(folder: Path, pattern: str) -> str:
    files = sorted(folder.rglob(pattern))
    return str(files[-1]) if files else ""
