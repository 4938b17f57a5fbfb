"""Evaluates a demo call by what the simulated caller heard."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from fwai.domain.turns import TurnTimes
from fwai.simulator.common.caller import CallReport, Heard, Network, Said


@dataclass(frozen=True, slots=True)
class TurnLatency:
    """Latency of one answer, in milliseconds from the end of the caller's speech; None: unmeasured.

    Attributes:
        name: The caller's phrase that it answers.
        heard_ms: Until the caller heard the first sound, measured on the telephone.
        model_ms: Until the model's first audio reached the server.
        server_ms: From there until the server handed it to the provider.
    """

    name: str
    heard_ms: float | None
    model_ms: float | None
    server_ms: float | None


@dataclass(slots=True)
class Verdict:
    """Result of a demo call.

    Attributes:
        problems: Why it failed; empty when it passed.
        turns: Latency of each answer.
        barge_in_ms: From the caller's first sound to silence; None when nothing was interrupted.
        barge_in_server_ms: The server's share, from the model's interruption to the clear command.
        greeting_ms: From the answer to the agent's first sound.
        conversation: Utterances in order, as the caller heard them.
        deeds: Effects of the tools, in words.
        transcript: Its path, or empty.
        recording: Its path, or empty.
        database: Its path.
        start_s: From start to ready, in seconds.
        standstill_ms: The longest that the machine stood still during the call; other programs
            had its processors.
        network: Packet statistics of a WebRTC call; None on the telephone.
    """

    problems: list[str] = field(default_factory=list)
    turns: list[TurnLatency] = field(default_factory=list)
    barge_in_ms: float | None = None
    barge_in_server_ms: float | None = None
    greeting_ms: float | None = None
    conversation: list[dict[str, Any]] = field(default_factory=list)
    deeds: list[str] = field(default_factory=list)
    transcript: str = ""
    recording: str = ""
    database: str = ""
    start_s: float = 0.0
    standstill_ms: float = 0.0
    network: Network | None = None

    @property
    def ok(self) -> bool:
        """Whether the demo passed."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return {"ok": self.ok, **asdict(self)}


def evaluate(verdict: Verdict, report: CallReport, turns: Sequence[TurnTimes]) -> None:
    """Fill in ``verdict`` from the caller's report and the server's turn times."""
    verdict.problems += report.problems
    verdict.greeting_ms = report.greeting_ms
    verdict.conversation = _conversation(report)
    verdict.network = report.network
    if report.greeting_ms is None:
        verdict.problems.append("the caller never heard the agent")
    barge_ins = [said for said in report.said if said.barge_in]
    stopped = [said.stop_ms for said in barge_ins if said.stop_ms is not None]
    if barge_ins and not stopped:
        verdict.problems.append("the barge-in did not stop the agent")
    verdict.barge_in_ms = stopped[0] if stopped else None
    verdict.barge_in_server_ms = next(
        (turn.barge_in_s * 1000.0 for turn in turns if turn.barge_in_s is not None), None
    )
    answers = [turn for turn in turns if turn.caller_stopped is not None]
    for index, said in enumerate(report.said):
        verdict.turns.append(_latency(said, answers[index] if index < len(answers) else None))


def _latency(said: Said, turn: TurnTimes | None) -> TurnLatency:
    model_ms = server_ms = None
    if turn is not None and turn.model_audio is not None and turn.caller_stopped is not None:
        model_ms = (turn.model_audio - turn.caller_stopped) * 1000.0
        if turn.played is not None:
            server_ms = (turn.played - turn.model_audio) * 1000.0
    return TurnLatency(said.clip, said.response_ms, model_ms, server_ms)


def _conversation(report: CallReport) -> list[dict[str, Any]]:
    lines: list[tuple[float, dict[str, Any]]] = [
        (said.start_ms, {"role": "caller", "clip": said.clip, "at_ms": round(said.start_ms)})
        for said in report.said
    ]
    lines += [(heard.start_ms, _heard(heard)) for heard in report.heard]
    return [line for _, line in sorted(lines, key=lambda pair: pair[0])]


def _heard(heard: Heard) -> dict[str, Any]:
    return {
        "role": "agent",
        "clip": heard.clip,
        "at_ms": round(heard.start_ms),
        "score": round(heard.score, 3),
        "whole": heard.whole,
    }
