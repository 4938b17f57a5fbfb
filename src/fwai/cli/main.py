"""The command line: which commands there are, and how their failures are told.

Each command's module is imported only when it runs: `serve` must start fast.
"""

import argparse
import gc
import sys
import time
from collections.abc import Sequence
from typing import Final

from fwai import __version__
from fwai.config.loading import quiet_libraries
from fwai.errors import ConfigError, StoreError

EXIT_FAILED: Final = 1
EXIT_CONFIG: Final = 2
EXIT_INTERRUPTED: Final = 130
PHONES: Final = ("plivo", "exotel", "whatsapp")  # that can be simulated


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command named on the command line and return the process's exit code."""
    started = time.perf_counter()
    gc.disable()  # until `freeze`: what is built at start stays, so looking for garbage is in vain
    args = _parser().parse_args(argv)
    quiet_libraries()
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
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _run(args: argparse.Namespace, started: float) -> int:
    match args.command:
        case "demo":
            from fwai.cli.demo import demo

            return demo(args)
        case "simulator":
            from fwai.cli.demo import simulator

            return simulator(args)
        case "init":
            from fwai.cli.init import init

            return init(args)
        case "call" | "jobs":
            from fwai.cli.remote import run

            return run(args)
        case _:
            from fwai.cli.serve import serve

            return serve(started)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fwai", description="A self-hosted phone agent that speaks with Gemini Live."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command")
    commands.add_parser("serve", help="answer calls (the default)")
    init = commands.add_parser("init", help="write prompts.json, .env and the folders here")
    init.add_argument("folder", nargs="?", default=".", help="where; this folder by default")
    _add_demo(commands)
    simulator = commands.add_parser("simulator", help="the Gemini Live simulator by itself")
    simulator.add_argument("--port", type=int, default=8003)
    simulator.add_argument("--verbose", action="store_true")
    _add_remote(commands)
    return parser


def _add_demo(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    demo = commands.add_parser("demo", help="one whole call on this machine, with no account")
    demo.add_argument("--json", action="store_true", help="print one JSON object at the end")
    demo.add_argument(
        "--provider",
        choices=(*PHONES, "all"),
        default=PHONES[0],
        help="whose telephone to play; all plays one call after the other",
    )
    demo.add_argument(
        "--audio", choices=("mulaw8k", "l16_16k"), default="mulaw8k", help="of Plivo's stream"
    )
    demo.add_argument(
        "--sample-rate",
        type=int,
        choices=(8000, 16000, 24000),
        default=8000,
        help="of Exotel's stream, in Hz",
    )
    demo.add_argument(
        "--network",
        "--weather",
        choices=("clear", "bad"),
        default="clear",
        help="WhatsApp's; bad loses 2 %% and is up to 60 ms late",
    )
    demo.add_argument("--keep", metavar="DIR", help="where transcript and recording are kept")


def _add_remote(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands that ask the running server's API."""
    call = commands.add_parser("call", help="let the running server call somebody")
    call.add_argument("--to", required=True, metavar="NUMBER", help="whom, as +919999900000")
    call.add_argument("--provider", default="", help="who carries it; the first one by default")
    call.add_argument("--agent", default="", help="who speaks; the first one by default")
    call.add_argument("--note", default="", help="what the agent should know: {{note}}")
    call.add_argument("--no-wait", action="store_true", help="do not wait for its end")
    call.add_argument("--json", action="store_true", help="print JSON")
    jobs = commands.add_parser("jobs", help="what could not be done, and trying it again")
    jobs.add_argument("--state", default="dead,unknown", help="states, by commas")
    jobs.add_argument("--retry", metavar="ID", help="try one again; events: all dead events")
    jobs.add_argument("--json", action="store_true", help="print JSON")
