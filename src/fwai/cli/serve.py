"""Command ``serve``: runs the server, as a demo or for this machine only until it is configured.

With nothing configured it is a demo, whose model and telephones are simulated. With the model's key
alone people talk to the agents from a browser on this machine. Both end at once with Ctrl-C: nobody
is there whose call should not be cut.
"""

import signal
import sys
import time
from collections.abc import Sequence
from typing import Final

import structlog

from fwai import log
from fwai.cli.interrupt import stopped
from fwai.cli.loop import run
from fwai.config.settings import Settings
from fwai.domain.host import is_loopback
from fwai.server.serving import listen
from fwai.server.serving import serve as serve_http
from fwai.wiring.app import freeze, open_server
from fwai.wiring.installation import load_installation

TALK_ONLY: Final = """
  A key for Gemini and no telephone yet: the agents answer this machine only.

    talk to them                    http://{host}:{port}/console/talk
    change what they say            {prompts}
    let them answer a telephone     put CALL_PROVIDER=plivo (or exotel, whatsapp) into .env, with
                                    its keys and PUBLIC_URL=https://your.domain; what is missing
                                    is named at the next start
    stop                            Ctrl-C
"""
HOST_NOT_USED: Final = "\n  HOST={host} is not used until then: only this machine is answered.\n"
LOOPBACK: Final = "127.0.0.1"
EVERY_ADDRESS: Final = ("0.0.0.0", "::")  # noqa: S104 - to tell of it
BEHIND_A_PROXY: Final = (
    "behind nginx on this machine set HOST=127.0.0.1, so that nobody comes past it; in a "
    "container, or behind a proxy on another machine, keep this port for the proxy by a firewall"
)


def serve(started: float) -> int:
    """Run the server until a signal; ``started`` is `time.perf_counter` when the process began.

    Raises:
        ConfigError: Every fault of settings, prompts.json, availability.json and folders.
        StoreError: The database cannot be used.
    """
    settings, warnings = load_installation()
    log.configure("DEBUG" if settings.debug else settings.log_level, settings.log_format)
    for one in warnings:
        structlog.get_logger().warning(
            "setting_unknown", place=one.place, setting=one.name, fix=one.fix
        )
    return run(_serve(settings, [str(one) for one in warnings], started))


async def _serve(settings: Settings, warnings: Sequence[str], started: float) -> int:
    if settings.talk_only:
        return await _talk(settings, warnings, started)
    if not settings.demo:
        await _listen_and_serve(settings, warnings, started)
        return 0
    # A real server never loads the simulators.
    from fwai.demo.world import demo_notice, simulated_world_for

    async with simulated_world_for(settings) as world:
        notice = demo_notice(settings, world.settings)
        return _ended_by(
            await _listen_and_serve(
                world.settings, warnings, started, notice, demo=True, drain_s=0.0
            )
        )


async def _talk(given: Settings, warnings: Sequence[str], started: float) -> int:
    host = given.host if is_loopback(given.host) else LOOPBACK
    settings = given.model_copy(update={"host": host, "browser_calls": True})
    shown = f"[{host}]" if ":" in host else "localhost" if host == LOOPBACK else host
    notice = TALK_ONLY.format(host=shown, port=settings.port, prompts=settings.prompts_file)
    if host != given.host and "host" in given.model_fields_set:
        notice += HOST_NOT_USED.format(host=given.host)
    return _ended_by(await _listen_and_serve(settings, warnings, started, notice, drain_s=0.0))


def is_exposed(settings: Settings) -> bool:
    """Whether a server that the world reaches by its URL also listens on every address."""
    return bool(settings.base_url) and settings.host in EVERY_ADDRESS


def _ended_by(signal_number: int | None) -> int:
    """Return the exit code after a signal; Ctrl-C is answered in one line."""
    return stopped() if signal_number == signal.SIGINT else 0


async def _listen_and_serve(
    settings: Settings,
    warnings: Sequence[str],
    started: float,
    notice: str = "",
    *,
    demo: bool = False,
    drain_s: float | None = None,
) -> int | None:
    """Serve until a signal and return it; ``drain_s`` is how long calls may go on after that."""
    listener = listen(settings.host, settings.port)
    if is_exposed(settings) and not demo:
        structlog.get_logger().warning(
            "listens_on_every_address", host=settings.host, port=settings.port, fix=BEHIND_A_PROXY
        )
    async with open_server(settings, warnings=warnings, demo=demo) as server:
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
        longest_s = float(settings.max_call_seconds) if drain_s is None else drain_s
        return await serve_http(server, listener, drain_s=longest_s)
