"""The command line: serve (the default), demo, simulator, call, jobs."""

import argparse
import asyncio
import gc
import sys
import time
from collections.abc import Coroutine, Sequence
from typing import Any, Final, TypeVar

from fwai.config.settings import Settings, load_settings, quiet_libraries
from fwai.errors import ConfigError, StoreError

EXIT_CONFIG: Final = 2
EXIT_FAILED: Final = 1
PHONES: Final = ("plivo", "exotel", "whatsapp")  # that can be simulated

T = TypeVar("T")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command named on the command line and return the process's exit code."""
    started = time.perf_counter()
    gc.disable()  # until `freeze`: what is built at start stays, so looking for garbage is in vain
    args = _parser().parse_args(argv)
    quiet_libraries()
    try:
        if args.command == "demo":
            return _demo(args)
        if args.command == "simulator":
            return _simulator(args)
        if args.command in ("call", "jobs"):
            from fwai.cli.remote import run

            return run(args)
        return _serve(started)
    except ConfigError as exc:
        print("The server cannot start. Please correct:", file=sys.stderr)  # noqa: T201
        for problem in exc.problems:
            print(f"  - {problem}", file=sys.stderr)  # noqa: T201
        return EXIT_CONFIG
    except StoreError as exc:
        print(f"The server cannot start: {exc}", file=sys.stderr)  # noqa: T201
        return EXIT_FAILED
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    from fwai.cli.remote import add_commands

    parser = argparse.ArgumentParser(
        prog="run.py", description="A self-hosted phone agent that speaks with Gemini Live."
    )
    commands = parser.add_subparsers(dest="command", metavar="command")
    commands.add_parser("serve", help="answer calls (the default)")
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
        help="of WhatsApp's network; bad loses 2 %% and is up to 60 ms late",
    )
    demo.add_argument("--keep", metavar="DIR", help="where transcript and recording are kept")
    simulator = commands.add_parser("simulator", help="the Gemini Live simulator by itself")
    simulator.add_argument("--port", type=int, default=8003)
    simulator.add_argument("--verbose", action="store_true")
    add_commands(commands)
    return parser


def _serve(started: float) -> int:
    from fwai import log

    settings = load_settings()
    log.configure("DEBUG" if settings.debug else settings.log_level, settings.log_format)
    _run(_stay(settings, started))
    return 0


async def _stay(settings: Settings, started: float) -> None:
    if not settings.demo:
        await _listen_and_serve(settings, started, "")
        return
    # A real server never loads the simulators.
    from fwai.demo.world import GO_LIVE, simulated_world_for

    async with simulated_world_for(settings) as world:
        await _listen_and_serve(world.settings, started, GO_LIVE.format(port=settings.port))


async def _listen_and_serve(settings: Settings, started: float, notice: str) -> None:
    import structlog

    from fwai.server.serving import listen, serve
    from fwai.wiring.app import freeze, open_server

    listener = listen(settings.host, settings.port)
    async with open_server(settings) as server:
        freeze()
        structlog.get_logger().info(
            "server_ready",
            host=settings.host,
            port=settings.port,
            providers=list(settings.call_provider),
            agents=sorted(server.agents),
            start_s=round(time.perf_counter() - started, 2),
        )
        if notice:
            print(notice, file=sys.stderr, flush=True)  # noqa: T201
        await serve(server, listener, drain_s=float(settings.max_call_seconds))


def _demo(args: argparse.Namespace) -> int:
    from fwai.demo.runner import run_demo

    providers = PHONES if args.provider == "all" else (args.provider,)
    return _run(
        run_demo(
            providers=providers,
            audio=args.audio,
            sample_rate=args.sample_rate,
            as_json=args.json,
            keep=args.keep,
            network=args.network,
        )
    )


def _simulator(args: argparse.Namespace) -> int:
    from fwai.simulator.gemini import server as gemini_live

    gc.enable()
    extra = ["--verbose"] if args.verbose else []
    return gemini_live.main(["--port", str(args.port), *extra]) or 0


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run on uvloop, or on asyncio's own loop where there is none."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


if __name__ == "__main__":
    sys.exit(main())
