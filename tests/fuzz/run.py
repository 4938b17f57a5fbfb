"""Gives every wire hostile messages and prints what came of them; ``make fuzz`` runs it."""

import argparse
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parents[2] / "src")]

from fuzz.judge import MAX_SHOWN, Verdict, as_entry, keep, run  # noqa: E402
from fuzz.wires import WIRES  # noqa: E402

FOLDER = HERE.parents[2] / "fuzz-failures"


def show(verdicts: list[Verdict]) -> None:
    """Print the table, as docs/SECURITY.md has it."""
    print(
        "| wire | messages | accepted | refused | longest message | memory growth | seed | faults |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for one in verdicts:
        print(
            f"| {one.wire} | {one.messages} | {one.accepted} | {one.refused} "
            f"| {one.longest_ms:.1f} ms | {one.growth_kb / 1024:.1f} MB | {one.seed} "
            f"| {len(one.faults)} |"
        )


def tell(verdict: Verdict) -> None:
    """Print each fault, its message as a line for the corpus, and where that was written."""
    for what, message in verdict.faults:
        print(f"{verdict.wire}: {what}\n  {as_entry(message)[:MAX_SHOWN]}", file=sys.stderr)
    for path in keep(verdict, FOLDER):
        print(f"{verdict.wire}: the line for the corpus is in {path}", file=sys.stderr)


def progress(number: int) -> None:
    """Say that it goes on."""
    if number and number % 10_000 == 0:
        print(f"{number} ...", file=sys.stderr, flush=True)


def main() -> int:
    """Run one wire, or all of them; 1 when something was found."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--wire", default="", help="one of: " + ", ".join(WIRES))
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0, help="0 takes the time")
    args = parser.parse_args()
    names = args.wire.split(",") if args.wire else list(WIRES)
    if unknown := [name for name in names if name not in WIRES]:
        parser.error(f"no such wire: {', '.join(unknown)}; there are {', '.join(WIRES)}")
    verdicts = []
    for name in names:
        began = time.monotonic()
        verdict = run(WIRES[name](), args.count, args.seed or int(time.time()), progress=progress)
        verdicts.append(verdict)
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        tell(verdict)
    show(verdicts)
    return int(any(one.faults for one in verdicts))


if __name__ == "__main__":
    sys.exit(main())
