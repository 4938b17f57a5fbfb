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
            f"{'':13s}!! others disturbed: of the time the server waited for its core "
            f"{row['server_waited']:.1%}, the load {row['load_waited']:.1%}, "
            f"the hypervisor took {row['steal']:.1%}"
        )
    if row["major_faults"]:
        print(f"{'':13s}!! the server waited {row['major_faults']} times for a page from disk")


_FAULTS: Final = {
    "refused": "answers that refused a call",
    "dropped_calls": "calls the server ended",
    "lost_audio_calls": "calls of which the model did not hear all",
    "short_replies": "replies not delivered to the end",
    "no_clear": "interruptions without clearAudio",
    "after_clear": "audio sent after clearAudio",
}


def mb_per_call(row: Row) -> float:
    """Resident memory above that of the idle server, per call."""
    grown_kb = row["memory_kb"]["rss"] - row["idle_memory_kb"]["rss"]
    return float(grown_kb / 1024 / max(row["calls"], 1))


def show(report: Row) -> None:
    """Print the servers at rest and the verdict on every target."""
    print("\nmachine:", ", ".join(f"{key} {value}" for key, value in report["machine"].items()))
    for name, server in report["servers"].items():
        memory = server["idle_memory_kb"]
        print(
            f"{name:13s} ready after {server['start_s']:.2f} s "
            f"(at first {server['first_start_s']:.2f}), idle RSS {memory['rss'] / 1024:.0f} MB "
            f"(PSS {memory['pss'] / 1024:.0f}), {server['idle_cpu_ms_per_s']:.1f} ms CPU a second"
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
            _judge_p99("20 calls: caller to model", row["to_model_ms"], 25),
            _judge_p99("20 calls: model to caller", row["to_caller_ms"], 15),
            _judge_p99("20 calls: barge-in to clearAudio", row["barge_in_ms"], 10),
        ]
    if (row := rows.get(("fwai", 100))) is not None:
        lines += [
            _judge_p99("100 calls: caller to model", row["to_model_ms"], 50),
            _judge_p99("100 calls: model to caller", row["to_caller_ms"], 50),
            _judge("100 calls: audible gaps over 20 ms", row["gaps_over_20ms"], 0),
        ]
    ours = [row for row in report["rows"] if row["target"] == "fwai"]
    if ours:
        lines.append(_judge("memory per call, MB", max(map(mb_per_call, ours)), 1))
        faults = sum(row[name] for row in ours for name in (*_FAULTS, "calls_left"))
        lines.append(_judge("calls refused, cut, cut short, deaf or left over", faults, 0))
    if (server := report["servers"].get("fwai")) is not None:
        lines += [
            _judge("idle RSS, MB", server["idle_memory_kb"]["rss"] / 1024, 120),
            _judge("start to ready, s", server["start_s"], 2.5),
        ]
    if (most := report["holds"]) is not None:
        lines.append(f"      most calls that hold: {most['calls']} (limit: the {most['limit']})")
    return lines


def _ratios(rows: dict[tuple[str, int], Row]) -> list[str]:
    lines = []
    for (target, calls), row in rows.items():
        if target != "fwai" or not row["replies"]:
            continue
        own = row["cpu_ms_per_call_s"]
        if (plain := rows.get(("floor", calls))) is not None:
            ratio = own / plain["cpu_ms_per_call_s"]
            name = f"{calls} calls: CPU, times the uvicorn floor"
            lines.append(
                _judge(name, ratio, RATIO) if calls == 40 else f"      {name}: {ratio:.2f}"
            )
        if (bare := rows.get(("picows-floor", calls))) is not None:
            ratio = own / bare["cpu_ms_per_call_s"]
            lines.append(f"      {calls} calls: CPU, times the picows floor: {ratio:.2f}")
    return lines


def _judge_p99(name: str, spread: Row, target_ms: float) -> str:
    if not spread["n"]:
        return f"MISS  {name}: nothing was measured"
    return _judge(f"{name} p99, ms ({spread['n']} samples)", spread["p99"], target_ms)


def _judge(name: str, value: float, target: float) -> str:
    if value <= target:
        return f"PASS  {name}: {value:.2f}, target {target:g}"
    over = f", over by {(value / target - 1) * 100:.0f} %" if target else ""
    return f"MISS  {name}: {value:.2f}, target {target:g}{over}"
