"""No setting is dead: each is read by what builds the server, and not only by its own check."""

import sys
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar

from e2e.acting_world import agents_file, new_secret
from fwai.config.settings import Settings
from fwai.demo.world import open_simulated_world
from fwai.server.serving import listen
from fwai.wiring.app import open_server

# What `serve` reads before anything is built: tests/e2e/test_commands.py starts it with them.
OF_THE_PROCESS = {"debug", "host", "log_format", "log_level", "port"}
NOT_A_USE = ("fwai.config", __name__)


def reader(frame: FrameType | None) -> str:
    """Return the module that wants a value, past the properties and functions of the settings."""
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if not module.startswith(NOT_A_USE):
            return module
        frame = frame.f_back
    return ""


class WatchedSettings(Settings):
    """Settings that keep which of their fields the server read.

    Attributes:
        used: Names of the fields.
    """

    used: ClassVar[set[str]] = set()

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401 - any field
        if name in Settings.model_fields and reader(sys._getframe(1)).startswith("fwai."):
            WatchedSettings.used.add(name)
        return super().__getattribute__(name)


async def test_every_setting_is_read_by_a_server_with_everything_turned_on(
    tmp_path: Path,
) -> None:
    WatchedSettings.used.clear()
    everything = {
        "call_provider": "plivo,exotel,whatsapp",
        "browser_calls": True,
        "data_dir": tmp_path,
        "database_url": f"sqlite+aiosqlite:///{tmp_path / 'fwai.db'}",
        "transcripts_dir": tmp_path / "transcripts",
        "prompts_file": agents_file(tmp_path, summary=True, voice=""),
        "events_webhook_url": "http://127.0.0.1:9/events",
        "events_webhook_secret": new_secret(),
        "gemini_text_model": "gemini-3.8-flash",
        "human_handoff_number": "+919999900009",
        "smtp_host": "127.0.0.1",
        "smtp_user": "desk@example.com",
        "smtp_security": "none",
    }
    with closing(listen("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
        async with open_simulated_world(port, everything) as world:
            given = {name: getattr(world.settings, name) for name in Settings.model_fields}
            # The older name is looked at where the newer one is not set.
            given |= {"public_url": "", "plivo_callback_url": given["public_url"]}
            async with open_server(WatchedSettings.model_construct(**given)):
                pass

    assert set(Settings.model_fields) - WatchedSettings.used == OF_THE_PROCESS
