"""Argument parser of the command line."""

import argparse
from typing import Final

from fwai import __version__

SIMULATED_PROVIDERS: Final = ("plivo", "exotel", "whatsapp")
"""Providers whose callers the demo can simulate."""
KEY_HELP: Final = "of the API; without it one of API_KEYS, or else the file that the server keeps"


def parser() -> argparse.ArgumentParser:
    """Build the argument parser."""
    top = argparse.ArgumentParser(
        prog="fwai", description="A self-hosted phone agent that speaks with Gemini Live."
    )
    top.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = top.add_subparsers(dest="command", metavar="command")
    commands.add_parser("serve", help="answer calls (the default)")
    init = commands.add_parser("init", help="write prompts.json, .env and the folders here")
    init.add_argument("folder", nargs="?", default=".", help="where; this folder by default")
    _add_demo(commands)
    simulator = commands.add_parser("simulator", help="the Gemini Live simulator by itself")
    simulator.add_argument("--port", type=int, default=8003)
    simulator.add_argument("--verbose", action="store_true")
    _add_faults(commands)
    _add_remote(commands)
    return top


def _add_faults(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    faults = commands.add_parser("faults", help="calls in which the model misbehaves, judged")
    faults.add_argument("--only", default="", metavar="WORD", help="rows with it in their name")
    faults.add_argument("--json", action="store_true", help="print one JSON document")
    faults.add_argument("--random", type=_count, default=0, metavar="COUNT", help="random faults")
    faults.add_argument("--seed", type=int, default=1, help="of the random faults")
    faults.add_argument(
        "--rounds", type=_count, default=1, help="how often calls without a fault are held"
    )
    faults.add_argument("--jobs", type=_count, default=0, help="processes; one per processor")
    faults.add_argument("--rows", nargs="*", default=[], metavar="FILE", help="rows of your own")
    faults.add_argument(
        "--write", metavar="FILE", help="where the table goes; docs/RELIABILITY.md for all rows"
    )


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise ValueError
    return count


def _add_demo(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    demo = commands.add_parser("demo", help="one whole call on this machine, with no account")
    demo.add_argument("--json", action="store_true", help="print one JSON object at the end")
    demo.add_argument(
        "--provider",
        choices=(*SIMULATED_PROVIDERS, "all"),
        default=SIMULATED_PROVIDERS[0],
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
    demo.add_argument(
        "--play",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="let the call be heard afterwards; by default one call is, on a terminal",
    )
    demo.add_argument("--keep", metavar="DIR", help="where transcript and recording are kept")


def _add_remote(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands that call the running server's API."""
    call = commands.add_parser("call", help="let the running server call somebody")
    call.add_argument("--to", required=True, metavar="NUMBER", help="whom, as +919999900000")
    call.add_argument("--provider", default="", help="who carries it; the first one by default")
    call.add_argument("--agent", default="", help="who speaks; the first one by default")
    call.add_argument("--note", default="", help="what the agent should know: {{note}}")
    call.add_argument("--key", default="", help=KEY_HELP)
    call.add_argument("--no-wait", action="store_true", help="do not wait for its end")
    call.add_argument("--json", action="store_true", help="print JSON")
    jobs = commands.add_parser("jobs", help="what could not be done, and trying it again")
    jobs.add_argument("--state", default="dead,unknown", help="states, by commas")
    jobs.add_argument("--retry", metavar="ID", help="try one again; events: all dead events")
    jobs.add_argument("--key", default="", help=KEY_HELP)
    jobs.add_argument("--json", action="store_true", help="print JSON")
