"""What the demo prints in the end."""

import io

from fwai.demo.report import ConsoleReport
from fwai.demo.verdict import Verdict
from fwai.simulator.common.caller import Network

NETWORK = Network(
    sent=1285,
    dropped=32,
    server_lost=31,
    server_jitter_ms=25.2,
    received=1250,
    lost=34,
    jitter_ms=1.6,
    late_ms=41.0,
    drift_ms=-0.4,
)


def shown(network: Network | None) -> str:
    out = io.StringIO()
    ConsoleReport(out).report(Verdict(network=network))
    return out.getvalue()


def test_the_figures_of_both_directions_are_shown() -> None:
    text = shown(NETWORK)

    assert "1285 packets, 32 lost on the way; the server missed 31, jitter 25.2 ms" in text
    assert "1250 packets, 34 lost, jitter 1.6 ms, the latest 41 ms late" in text
    assert "delay -0.4 ms" in text


def test_a_telephone_has_no_packets_to_show() -> None:
    assert "What the network did" not in shown(None)


def test_a_machine_that_stood_still_is_named_beside_what_failed() -> None:
    def printed(verdict: Verdict) -> str:
        out = io.StringIO()
        ConsoleReport(out).report(verdict)
        return out.getvalue()

    gap = "1 gap in the agent's speech, the longest 82 ms"
    assert "stood still for 82 ms" in printed(Verdict(problems=[gap], standstill_ms=82.0))
    assert "stood still" not in printed(Verdict(problems=[gap]))
    assert "stood still" not in printed(Verdict(standstill_ms=82.0)), "it passed all the same"
