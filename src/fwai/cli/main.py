"""Entry point of the command line: dispatches commands and reports errors.

Each command's module is imported only when it runs: `serve` must start fast.
"""

import argparse
import gc
import sys
import time
from collections.abc import Sequence
from typing import Final

from fwai.cli.arguments import parser
from fwai.config.loading import limit_library_threads
from fwai.errors import ConfigError, StoreError

EXIT_FAILED: Final = 1
EXIT_CONFIG: Final = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command named on the command line and return the process's exit code."""
    started = time.perf_counter()
    gc.disable()  # until `freeze`: what is built at start stays, so looking for garbage is in vain
    args = parser().parse_args(argv)
    limit_library_threads()
    try:
        return _run(args, started)
    except ConfigError as exc:
        print("The server cannot start. Please correct:", file=sys.stderr)  # noqa: T201
        for problem in exc.problems:
            print(f"  - {problem}", file=sys.stderr)  # noqa: T201
        return EXIT_CONFIG
    except StoreError as exc:
        print(f"The server cannot start: {exc}", file=sys.stderr)  # noqa: T201
        return EXIT_FAILED


def _run(args: argparse.Namespace, started: float) -> int:
    match args.command:
        case "demo":
            from fwai.cli.demo import demo

            return demo(args)
        case "simulator":
            from fwai.cli.demo import simulator

            return simulator(args)
        case "faults":
            from fwai.cli.faults import faults

            return faults(args)
        case "init":
            from fwai.cli.init import init

            return init(args)
        case "call" | "jobs":
            from fwai.cli.remote import run

            return run(args)
        case _:
            from fwai.cli.serve import serve

            return serve(started)
