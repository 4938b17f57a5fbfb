"""Command ``faults``: runs the fault matrix and writes its table."""

import argparse
import json
import sys
from pathlib import Path
from typing import Final

from fwai.errors import ConfigError
from fwai.faults import matrix, report
from fwai.faults.row import Plan
from fwai.faults.verdict import Verdict

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
_RELIABILITY: Final = Path("docs/RELIABILITY.md")


def faults(args: argparse.Namespace) -> int:
    """Run the matrix; return 0 when all rows hold, 1 when some do not, 2 when used wrongly."""
    try:
        rows = matrix.plans(
            args.only,
            files=[Path(file) for file in args.rows],
            random=args.random,
            seed=args.seed,
            rounds=args.rounds,
        )
        verdicts = _run(args, rows)
        seeded = f"Seed {args.seed}, {args.random} schedules." if args.random else ""
        whole = not (args.only or args.random or args.rows)
        target = args.write or (str(_RELIABILITY) if whole and _RELIABILITY.exists() else "")
        if target:
            report.write(Path(target), report.table(verdicts, seeded))
    except ConfigError as exc:
        for problem in exc.problems:
            print(problem, file=sys.stderr)  # noqa: T201
        return EXIT_USAGE
    failed = [verdict for verdict in verdicts if not verdict.holds]
    if args.json:
        document = {
            "ok": not failed,
            "holds": len(verdicts) - len(failed),
            "rows": [verdict.as_json() for verdict in verdicts],
        }
        if args.random:
            document |= {"seed": args.seed, "count": args.random}
        print(json.dumps(document, indent=2, ensure_ascii=False))  # noqa: T201
    else:
        print(f"\n{report.summary(verdicts)}. {seeded}".rstrip())  # noqa: T201
    return EXIT_FAILED if failed else 0


def _run(args: argparse.Namespace, rows: list[Plan]) -> list[Verdict]:
    verdicts = []
    for verdict in matrix.run(rows, args.jobs):
        verdicts.append(verdict)
        if not args.json:
            print(report.line(verdict), flush=True)  # noqa: T201
    return verdicts
