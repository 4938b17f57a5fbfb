"""Commands ``demo`` and ``simulator``: simulated calls, and the Gemini Live simulator."""

import argparse
import gc
import os
import sys
from pathlib import Path
from typing import Final

from fwai.cli.arguments import SIMULATED_PROVIDERS
from fwai.cli.loop import run
from fwai.cli.play import offer
from fwai.config.loading import unattended
from fwai.demo.runner import run_demo
from fwai.simulator.gemini import server as gemini

EXIT_FAILED: Final = 1


def demo(args: argparse.Namespace) -> int:
    """Run simulated calls and return 0 when every one passed."""
    if args.keep and (fault := _unusable(Path(args.keep))):
        print(f"{fault}; choose another folder", file=sys.stderr)  # noqa: T201
        return EXIT_FAILED
    verdicts = run(
        run_demo(
            providers=SIMULATED_PROVIDERS if args.provider == "all" else (args.provider,),
            audio=args.audio,
            sample_rate=args.sample_rate,
            as_json=args.json,
            keep=args.keep,
            network=args.network,
        )
    )
    if not args.json:
        # Several calls take minutes to hear: only for whoever asks for it.
        attended = sys.stdout.isatty() and not unattended() and len(verdicts) == 1
        aloud = attended if args.play is None else args.play
        for verdict in verdicts.values():
            if verdict.recording and args.play is not False:
                offer(Path(verdict.recording), aloud=aloud)
    return 0 if all(verdict.ok for verdict in verdicts.values()) else EXIT_FAILED


def _unusable(folder: Path) -> str:
    """Return why nothing can be kept in a folder, which is made; empty when it can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        return f"{exc.filename or folder}: {exc.strerror}"
    return "" if os.access(folder, os.W_OK | os.X_OK) else f"{folder}: Permission denied"


def simulator(args: argparse.Namespace) -> int:
    """Run the Gemini simulator until it is stopped."""
    gc.enable()
    extra = ["--verbose"] if args.verbose else []
    return gemini.main(["--port", str(args.port), *extra]) or 0
