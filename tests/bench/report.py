"""Prints the figures beside their targets."""

from typing import Any, Final

Row = dict[str, Any]

RATIO: Final = 1.3
HEAD: Final = (
    "target         calls  CPU ms/call-s  core  MB/call  to model p50/p95/p99   "
    "to caller p50/p95/p99  barge-in p50/p95/p99  gaps>20ms longest  left"
)


def show_row(row: Row) -> None:
    """Print one line as soon as it was measured."""
    if not show_row.__dict__.setdefault("head", False):
        print(HEAD)
        show_row.__dict__["head"] = True
    spreads = [
        "{p50:6.1f}/{p95:5.1f}/{p99:6.1f}".format(**row[name])
        for name in ("to_model_ms", "to_caller_ms", "barge_in_ms")
    ]
    print(
        f"{row['target']:13s}{row['calls']:7d}{row['cpu_ms_per_call_s']:13.2f}"
        f"{row['server_core']:8.2f}{mb_per_call(row):8.2f}   {spreads[0]:21s}  {spreads[1]:21s} "
        f"{spreads[2]:21s}{row['gaps_over_20ms']:7d}{row['gaps_ms']['max']:9.0f} ms"
        f"{row['calls_left']:5d}",
        flush=True,
    )
    for name, words in _FAULTS.items():
        if row[name]:
            print(f"{'':13s}!! {words}: {row[name]}")
    if row["load_core"] > 0.7 or row["load_late_ms"]["p99"] > 10:
        print(
            f"{'':13s}!! the load itself was busy: {row['load_core']:.2f} of its core, "
            f"its timer late by p99 {row['load_late_ms']['p99']} ms"
        )
    if max(row["server_waited"], row["load_waited"]) > 0.03 or row["steal"] > 0.02:
        print(
            f"{'':13s}!! others disturbed: the server waited for its core {row['server_waited']:.1%}"
            f" of the time, the load {row['load_waited']:.1%}, the hypervisor took {row['steal']:.1%}"
        )


_FAULTS: Final = {
    "refused": "answers that refused a call",
    "dropped_calls": "calls the server ended",
    "lost_audio_calls": "calls of which the model did not hear all",
    "short_replies": "replies not delivered to the end",
    "no_clear": "interruptions without clearAudio",
    "after_clear": "audio sent after clearAudio",
}


def mb_per_call(row: Row) -> float:
    """Resident memory that came with the calls, per call."""
    grown_kb = row["memory_kb"]["rss"] - row["memory_before_kb"]["rss"]
    return float(grown_kb / 1024 / max(row["calls"], 1))


def show(report: Row) -> None:
    """Print the servers at rest and the verdict on every target."""
    print("\nmachine:", ", ".join(f"{key} {value}" for key, value in report["machine"].items()))
    for name, server in report["servers"].items():
        memory = server["idle_memory_kb"]
        print(
            f"{name:13s} ready after {server['start_s']:.2f} s, idle {memory['rss'] / 1024:.0f} MB "
            f"RSS ({memory['pss'] / 1024:.0f} PSS), {server['idle_cpu_ms_per_s']:.1f} ms CPU a second"
        )
    print()
    for verdict in verdicts(report):
        print(verdict)


def verdicts(report: Row) -> list[str]:
    """Judge what the product was measured at; what was not measured is not judged."""
    rows = {(row["target"], row["calls"]): row for row in report["rows"]}
    lines = _ratios(rows)
    if (row := rows.get(("fwai", 20))) is not None:
        lines += [
            _judge("20 calls: caller to model p99, ms", row["to_model_ms"]["p99"], 25),
            _judge("20 calls: model to caller p99, ms", row["to_caller_ms"]["p99"], 15),
            _judge("20 calls: barge-in to clearAudio p99, ms", row["barge_in_ms"]["p99"], 10),
        ]
    if (row := rows.get(("fwai", 100))) is not None:
        lines += [
            _judge("100 calls: caller to model p99, ms", row["to_model_ms"]["p99"], 50),
            _judge("100 calls: model to caller p99, ms", row["to_caller_ms"]["p99"], 50),
            _judge("100 calls: audible gaps over 20 ms", row["gaps_over_20ms"], 0),
        ]
    ours = [row for row in report["rows"] if row["target"] == "fwai"]
    if ours:
        lines.append(_judge("memory per call, MB", mb_per_call(max(ours, key=_calls)), 1))
    if (server := report["servers"].get("fwai")) is not None:
        lines += [
            _judge("idle RSS, MB", server["idle_memory_kb"]["rss"] / 1024, 120),
            _judge("start to ready, s", server["start_s"], 2.5),
        ]
    if (most := report["holds"]) is not None:
        lines.append(f"      most calls that hold: {most['calls']} (limit: {most['limit']})")
    return lines


def _ratios(rows: dict[tuple[str, int], Row]) -> list[str]:
    lines = []
    for (target, calls), row in rows.items():
        if target != "fwai":
            continue
        own = row["cpu_ms_per_call_s"]
        if (plain := rows.get(("floor", calls))) is not None:
            ratio = own / plain["cpu_ms_per_call_s"]
            name = f"{calls} calls: CPU, times the uvicorn floor"
            lines.append(_judge(name, ratio, RATIO) if calls == 40 else f"      {name}: {ratio:.2f}")
        if (bare := rows.get(("picows-floor", calls))) is not None:
            ratio = own / bare["cpu_ms_per_call_s"]
            lines.append(f"      {calls} calls: CPU, times the picows floor: {ratio:.2f}")
    return lines


def _judge(name: str, value: float, target: float) -> str:
    verdict = "PASS" if value <= target else "MISS"
    over = "" if verdict == "PASS" else f"  (over by {(value / target - 1) * 100:.0f} %)" * bool(target)
    return f"{verdict}  {name}: {value:.2f}, target {target:g}{over}"


def _calls(row: Row) -> int:
    return int(row["calls"])
