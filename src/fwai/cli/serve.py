"""Command ``serve``: runs the server; in demo mode when nothing is configured."""

import sys
import time

import structlog

from fwai import log
from fwai.cli.loop import run
from fwai.config.loading import load_settings
from fwai.config.settings import Settings
from fwai.server.serving import listen
from fwai.server.serving import serve as serve_http
from fwai.wiring.app import freeze, open_server


def serve(started: float) -> int:
    """Run the server until a signal; ``started`` is `time.perf_counter` when the process began.

    Raises:
        ConfigError: The settings or prompts.json are invalid.
        StoreError: The database or a directory cannot be used.
    """
    settings = load_settings()
    log.configure("DEBUG" if settings.debug else settings.log_level, settings.log_format)
    run(_serve(settings, started))
    return 0


async def _serve(settings: Settings, started: float) -> None:
    if not settings.demo:
        await _listen_and_serve(settings, started, "")
        return
    # A real server never loads the simulators.
    from fwai.demo.world import GO_LIVE, simulated_world_for

    async with simulated_world_for(settings) as world:
        await _listen_and_serve(world.settings, started, GO_LIVE.format(port=settings.port))


async def _listen_and_serve(settings: Settings, started: float, notice: str) -> None:
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
        await serve_http(server, listener, drain_s=float(settings.max_call_seconds))
