"""Commands ``demo`` and ``simulator``: simulated calls, and the Gemini Live simulator."""

import argparse
import gc

from fwai.cli.arguments import SIMULATED_PROVIDERS
from fwai.cli.loop import run
from fwai.demo.runner import run_demo
from fwai.simulator.gemini import server as gemini


def demo(args: argparse.Namespace) -> int:
    """Run simulated calls and return 0 when every one passed."""
    return run(
        run_demo(
            providers=SIMULATED_PROVIDERS if args.provider == "all" else (args.provider,),
            audio=args.audio,
            sample_rate=args.sample_rate,
            as_json=args.json,
            keep=args.keep,
            network=args.network,
        )
    )


def simulator(args: argparse.Namespace) -> int:
    """Run the Gemini simulator until it is stopped."""
    gc.enable()
    extra = ["--verbose"] if args.verbose else []
    return gemini.main(["--port", str(args.port), *extra]) or 0
