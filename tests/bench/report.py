"""Prints the figures beside their targets; see `verdicts` for what is judged how."""

from typing import Any, Final

from bench.verdicts import FAULTS, mb_per_call, verdicts

Row = dict[str, Any]

HEAD: Final = (
    "target           calls  CPU ms/call-s  core  MB/call  to model p50/p95/p99   "
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
        f"{_name(row):15s}{row['calls']:7d}{row['cpu_ms_per_call_s']:13.2f}"
        f"{row['server_core']:8.2f}{mb_per_call(row):8.2f}   {spreads[0]:21s}  {spreads[1]:21s} "
        f"{spreads[2]:21s}{row['gaps_over_20ms']:7d}{row['gaps_ms']['max']:9.0f} ms"
        f"{row['calls_left']:5d}",
        flush=True,
    )
    for name, words in FAULTS.items():
        if row[name]:
            print(f"{'':13s}!! {words}: {row[name]}")
    if row["api"]:
        print(
            f"{'':13s}"
            + "POST /api/calls p50/p95/p99 {p50:.1f}/{p95:.1f}/{p99:.1f} ms, ".format(
                **row["api"]["ms"]
            )
            + f"at {row['api']['rate']:g} a second; answers {row['api']['answers']}"
        )
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


def _name(row: Row) -> str:
    """Return whose calls they were; those of Plivo are the usual ones."""
    if row["target"] != "fwai" or row["provider"] == "plivo":
        return str(row["target"])
    return f"{row['provider']} {row['message_ms']} ms"


def show(report: Row) -> None:
    """Print the servers at rest and the verdict on every target."""
    print("\nmachine:", ", ".join(f"{key} {value}" for key, value in report["machine"].items()))
    for name, server in report["servers"].items():
        memory = server["idle_memory_kb"]
        print(
            f"{name:13s} ready after {server['start_s']:.2f} s "
            f"(at first {server['first_start_s']:.2f}) and {server['start_cpu_s']:.2f} s CPU, "
            f"idle RSS {memory['rss'] / 1024:.0f} MB "
            f"(PSS {memory['pss'] / 1024:.0f}), {server['idle_cpu_ms_per_s']:.1f} ms CPU a second"
        )
    print()
    for verdict in verdicts(report):
        print(verdict)
