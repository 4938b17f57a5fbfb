"""Judges the figures by their targets; what was not measured is not judged."""

from typing import Any, Final

Row = dict[str, Any]

RATIO: Final = 1.3
EXOTEL_RATIO: Final = 1.10
NO_CPU_MS: Final = 0.1  # per second: a ten-thousandth of a core

FAULTS: Final = {
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


def verdicts(report: Row) -> list[str]:
    """Return a line for each target."""
    lines = _calls(report)
    for part, judge in _PARTS.items():
        if part in report:
            lines += judge(report[part])
    return lines


def _calls(report: Row) -> list[str]:
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
        faults = sum(row[name] for row in ours for name in (*FAULTS, "calls_left"))
        lines.append(_judge("calls refused, cut, cut short, deaf or left over", faults, 0))
    if (server := report["servers"].get("fwai")) is not None:
        lines += [
            _judge("idle RSS, MB", server["idle_memory_kb"]["rss"] / 1024, 106),
            _judge("start to ready, s", server["start_s"], 2.5),
            _judge("CPU until ready, s", server["start_cpu_s"], 0.45),
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


def _exotel(found: Row) -> list[str]:
    lines = []
    for each in found["ratios"]:
        cost = each["cpu_ms_per_call_s"]
        name = f"{each['calls']} calls: CPU, Exotel ({each['message_ms']} ms messages) over Plivo"
        spread = f"; pairs {' '.join(f'{ratio:.2f}' for ratio in sorted(each['ratios']))}"
        spread += f"; {cost['exotel']:.2f} and {cost['plivo']:.2f} ms per call-second"
        lines.append(_judge(f"{name}, median", each["median"], EXOTEL_RATIO) + spread)
    faults = sum(row[name] for row in found["rows"] for name in (*FAULTS, "calls_left"))
    return [*lines, _judge("Exotel and Plivo in turns: calls with faults", faults, 0)]


def _webrtc(found: Row) -> list[str]:
    clean, lossy, calls = found["clean"], found["one_lost"], found["clean"]["calls"]
    name = f"WebRTC, {calls} calls"
    lines = [
        _judge(f"{name}: CPU ms per call-second", clean["cpu_ms_per_call_second"], 45),
        _judge(f"{name}: memory per call, MB", clean["rss_mb_per_call"], 3),
        _judge_p99(f"{name}: receive delay", clean["delay_ms"], 60),
        _judge_p99(f"{name}: receive delay before a loss", lossy["delay_before_loss_ms"], 60),
        _judge_p99(f"{name}: receive delay after it", lossy["delay_after_loss_ms"], 60),
    ]
    for each in found["quality"]:
        if "clean" not in each:
            return [*lines, f"      WebRTC: PESQ not measured: {each['loss']}"]
        copies = "with" if each["copies"] else "without"
        name = f"WebRTC: PESQ lost at 2 % loss, {each['bitrate'] // 1000} kbit/s {copies} copies"
        lines.append(f"{_judge(name, each['worse_by'], 0.3)}; {each['clean']:.2f} when clean")
    return lines


def _idle(found: Row) -> list[str]:
    lines = []
    for name, rest in found.items():
        memory = rest["idle_memory_kb"]["rss"] / 1024
        loaded = ", ".join(rest["webrtc_libraries"]) or "nothing of aiortc and av"
        line = f"idle RSS with {name}, MB"
        judged = _judge(line, memory, 106) if name == "plivo" else f"      {line}: {memory:.1f}"
        took = f"ready after {rest['start_s']:.2f} s, {rest['start_cpu_s']:.2f} s CPU"
        lines.append(f"{judged}; loaded: {loaded}; {took}")
    plain = len(found["plivo"]["webrtc_libraries"])
    return [*lines, _judge("plivo only: libraries of WebRTC loaded", plain, 0)]


def _api(found: Row) -> list[str]:
    before, under, after = found["rows"]
    lines = [_judge_p99("POST /api/calls at 50 a second", under["api"]["ms"], 30)]
    bad = sum(n for what, n in under["api"]["answers"].items() if what != "202 scheduled")
    lines.append(_judge("POST /api/calls: answers but 202, scheduled", bad, 0))
    for name, row in (("before", before), ("with it", under), ("after", after)):
        way = "{p50:.1f}/{p95:.1f}/{p99:.1f}"
        lines.append(
            f"      {row['calls']} calls {name}: to model {way.format(**row['to_model_ms'])}, "
            f"to caller {way.format(**row['to_caller_ms'])}, "
            f"barge-in {way.format(**row['barge_in_ms'])} ms, gaps over 20 ms "
            f"{row['gaps_over_20ms']}, {row['cpu_ms_per_call_s']:.2f} ms CPU per call-second, "
            f"{row['server_core']:.0%} of the core"
        )
    return lines


def _jobs(found: Row) -> list[str]:
    empty, full = found["jobs"]
    more = full["idle_cpu_ms_per_s"] - empty["idle_cpu_ms_per_s"]
    name = f"jobs: idle CPU that {full['waiting']} callbacks add, ms per second"
    both = f"; {empty['idle_cpu_ms_per_s']:.3f} without, {full['idle_cpu_ms_per_s']:.3f} with them"
    return [
        _judge_p99("jobs: enqueue to start, nothing waiting", empty["start_ms"], 50),
        _judge_p99(f"jobs: enqueue to start, {full['waiting']} waiting", full["start_ms"], 50),
        _judge(name, more, NO_CPU_MS) + both,
    ]


def _judge(name: str, value: float, target: float) -> str:
    if value <= target:
        return f"PASS  {name}: {value:.2f}, target {target:g}"
    over = f", over by {(value / target - 1) * 100:.0f} %" if target else ""
    return f"MISS  {name}: {value:.2f}, target {target:g}{over}"


_PARTS: Final = {
    "exotel": _exotel,
    "webrtc": _webrtc,
    "idle": _idle,
    "api": _api,
    "jobs": _jobs,
}
