"""Console output of the demo: the live conversation, then latencies and results."""

import sys
from collections.abc import Mapping
from typing import Final, TextIO

from fwai.demo.timeline import TimeLine
from fwai.demo.verdict import Verdict
from fwai.simulator.common.caller import Network

_BAR: Final = 40


class ConsoleReport:
    """Prints the demo's progress and result; colours only on a terminal.

    Args:
        out: Output stream; stdout by default.
        quiet: Print nothing; for ``--json``.
    """

    def __init__(self, out: TextIO | None = None, *, quiet: bool = False) -> None:
        self._out = out if out is not None else sys.stdout
        self._quiet = quiet
        self._colour = self._out.isatty()
        self._lines = TimeLine(self.line)

    def line(self, text: str = "") -> None:
        """Print one line."""
        if not self._quiet:
            print(text, file=self._out, flush=True)

    def print_opening(self, port: int, start_s: float) -> None:
        """Print the introduction."""
        self.line(self._bold("FWAI demo: one whole telephone call on this machine"))
        self.line(
            "The server, the speech path, tools and storage are the real ones; the telephone,"
        )
        self.line("the provider's API and the model are simulated. The agent is scripted: it plays")
        self.line("recorded sentences and does not speak your prompt. With GOOGLE_API_KEY in .env")
        self.line("`make run` lets you talk to your own agents, in the browser.")
        self.line(f"Server ready on 127.0.0.1:{port} in {start_s:.1f} s. Calling...\n")

    def event(self, kind: str, **facts: object) -> None:
        """Take what the simulated caller does and hears, to be printed in order of time.

        It is ``on_event`` of a phone.
        """
        at_ms = _number(facts.get("at_ms"))
        match kind:
            case "stream_opened":
                self._at(at_ms, self._dim("the call is answered"))
            case "caller_says":
                self._at(at_ms, f"{self._cyan('Caller')}  {facts.get('text')}")
            case "agent_started":
                self._lines.begin(at_ms)
            case "agent_heard":
                words = facts.get("text") or "(not intelligible)"
                said = f"{self._green('Agent ')}  {words}{self._cut(facts)}"
                self._at(_number(facts.get("start_ms")), said)
            case "cleared":
                left_ms = _number(facts.get("unheard_ms"))
                taken = f"barge-in: {left_ms:.0f} ms of speech taken back"
                self._at(at_ms, self._dim(taken))
            case "gap":
                self._at(at_ms, self._red("gap in the agent speech"))
            case "ended":
                self._at(at_ms, self._dim(f"the call is over: {facts.get('cause')}"))
            case _:
                pass
        self._lines.pass_to(at_ms)

    def report(self, verdict: Verdict) -> None:
        """Print latencies, the tools' effects, file paths and the verdict."""
        self._lines.finish()
        self.line()
        self._waterfall(verdict)
        self.line()
        if verdict.network is not None:
            self._network(verdict.network)
            self.line()
        self.line(self._bold("What the tools did"))
        for deed in verdict.deeds or ["nothing"]:
            self.line(f"  {deed}")
        self.line()
        self.line(self._bold("What was kept"))
        for name, path in (("transcript", verdict.transcript), ("recording", verdict.recording)):
            self.line(f"  {name:<11} {path or 'nothing'}")
        self.line(f"  {'database':<11} {verdict.database}")
        self.line()
        if verdict.problems:
            self.line(self._red("FAILED"))
            for problem in verdict.problems:
                self.line(f"  - {problem}")
            if verdict.standstill_ms:
                self.line(
                    f"The machine stood still for {verdict.standstill_ms:.0f} ms in the call: "
                    "other programs had its\nprocessors. Close them and run it again; if it fails "
                    "on a quiet machine, that is a fault."
                )
        else:
            self.line(
                self._green("PASSED")
                + "  the caller heard every answer, the barge-in stopped the agent, "
                "nothing was left behind"
            )

    def _waterfall(self, verdict: Verdict) -> None:
        self.line(self._bold("Latency per turn, from the end of the caller's speech"))
        self.line(
            self._dim("  turn                    model hears and thinks | server | provider plays")
        )
        longest = max((turn.heard_ms or 0.0 for turn in verdict.turns), default=0.0) or 1.0
        for number, turn in enumerate(verdict.turns, 1):
            if turn.heard_ms is None or turn.model_ms is None or turn.server_ms is None:
                continue
            rest = max(turn.heard_ms - turn.model_ms - turn.server_ms, 0.0)
            cells = [round(_BAR * part / longest) for part in (turn.model_ms, turn.server_ms, rest)]
            bar = "█" * cells[0] + "▓" * max(cells[1], 1) + "░" * cells[2]
            words = f"{turn.model_ms:4.0f} + {_ms(turn.server_ms)} + {rest:3.0f} ms"
            self.line(
                f"  {number} {turn.name:<16} {bar:<{_BAR + 2}} {turn.heard_ms:5.0f} = {words}"
            )
        if verdict.barge_in_ms is not None:
            self.line(
                f"  barge-in: silent {verdict.barge_in_ms:.0f} ms after the caller's first sound, "
                f"of which {_ms(verdict.barge_in_server_ms or 0.0)} ms in the server"
            )

    def _network(self, network: Network) -> None:
        heard = network.server_jitter_ms
        jitter = "not reported" if heard is None else f"{heard:.1f} ms"
        self.line(self._bold("What the network did"))
        self.line(
            f"  caller to server  {network.sent} packets, {network.dropped} lost on the way; "
            f"the server missed {network.server_lost}, jitter {jitter}"
        )
        self.line(
            f"  server to caller  {network.received} packets, {network.lost} lost, "
            f"jitter {network.jitter_ms:.1f} ms, the latest {network.late_ms:.0f} ms late, "
            f"delay {network.drift_ms:+.1f} ms from beginning to end"
        )

    def _at(self, at_ms: float, text: str) -> None:
        self._lines.add(at_ms, f"  {at_ms / 1000:5.1f} s  {text}")

    def _cut(self, facts: Mapping[str, object]) -> str:
        if facts.get("whole"):
            return ""
        heard_s = (_number(facts.get("end_ms")) - _number(facts.get("start_ms"))) / 1000
        return self._dim(f"  (interrupted after {heard_s:.1f} s)")

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text

    def _bold(self, text: str) -> str:
        return self._paint("1", text)

    def _dim(self, text: str) -> str:
        return self._paint("2", text)

    def _red(self, text: str) -> str:
        return self._paint("31", text)

    def _green(self, text: str) -> str:
        return self._paint("32", text)

    def _cyan(self, text: str) -> str:
        return self._paint("36", text)


def _ms(value: float) -> str:
    """Format milliseconds; the loop's clock does not resolve less than one."""
    return f"{value:2.0f}" if value >= 1.0 else "<1"


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
