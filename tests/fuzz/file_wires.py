"""Session descriptions of browsers and of Meta, and prompts.json."""

import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from fastapi import FastAPI

from fuzz.asgi import MEMORY, Asked, answered
from fuzz.corpus import found
from fuzz.judge import Prepared, Wire
from fuzz.mutator import Mutator
from fwai.adapters.webrtc import peer
from fwai.adapters.webrtc.clock import MediaClock
from fwai.adapters.webrtc.leg import LegLimits
from fwai.adapters.webrtc.ports import UdpPorts
from fwai.adapters.whatsapp.peer import WebRtcPeer
from fwai.adapters.whatsapp.sdp import check_remote_sdp, prepare_local_sdp
from fwai.config.home_country import home_regions
from fwai.errors import ConfigError, WireError
from fwai.gemini.models import LANGUAGES, VOICES
from fwai.prompts.loader import load_prompts
from fwai.wiring.tools import TOOL_NAMES
from unit.adapters.browser.kit import Calls, desk

PORTS: Final = (43_000, 43_099)
MAX_SDP_BYTES: Final = 48 * 1024
MAX_PROMPTS_BYTES: Final = 64 * 1024  # it is read at the start only
CONNECTS: Final = 0.05  # share of Meta's descriptions that are tried
CONNECT_S: Final = 0.01


class _Descriptions:
    """The browser's route, and what WhatsApp's calls do with a description."""

    def __init__(self, mutator: Mutator, app: FastAPI) -> None:
        self._chance = mutator.chance
        self._app = app
        limits = LegLimits(connect_s=CONNECT_S)
        self._options = peer.PeerOptions(
            UdpPorts(*PORTS), MediaClock(), limits=limits, loopback=True
        )
        self._meta = WebRtcPeer(self._options)

    def prepare(self, message: bytes) -> Asked | str:
        if self._chance.random() < 0.5:
            said = json.dumps({"sdp": message.decode(errors="surrogateescape")}).encode()
            return Asked("POST", b"/console/talk/calls", "application/json", said)
        return message.decode(errors="replace")

    async def deliver(self, prepared: Prepared) -> bool:
        if isinstance(prepared, Asked):
            status, _ = await answered(self._app, prepared)
            return status == 503  # all that could be answered: nobody takes calls here
        try:
            check_remote_sdp(prepared)
            leg, answer = await self._meta.answer(prepared)
        except WireError:
            return False
        try:
            with suppress(WireError):  # an offer that only receives cannot be answered to Meta
                prepare_local_sdp(answer, answer=True)
            if self._chance.random() < CONNECTS:
                with suppress(WireError, OSError):
                    await leg.connect()
        finally:
            await leg.close()
        return True


@asynccontextmanager
async def _opened(mutator: Mutator) -> AsyncIterator[_Descriptions]:
    async with desk(Calls(gone=True)) as house:
        yield _Descriptions(mutator, house.app)


def sdp_wire() -> Wire:
    return Wire("sdp", Mutator.lines, found("sdp"), MAX_SDP_BYTES, _opened)


# ---- prompts.json -------------------------------------------------------------------------------


class _Loader:
    """The loader, as a start of the server calls it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def prepare(self, message: bytes) -> bytes:
        self._path.write_bytes(message)
        return message

    async def deliver(self, prepared: Prepared) -> bool:
        try:
            load_prompts(
                self._path,
                voices=VOICES,
                tools=TOOL_NAMES,
                languages=LANGUAGES,
                regions=home_regions("Asia/Kolkata"),
            )
        except ConfigError as exc:
            said = "\n".join(exc.problems)
            assert said.strip(), "refused without a word"
            said.encode()  # it is printed
            return False
        return True


@asynccontextmanager
async def _folder(_: Mutator) -> AsyncIterator[_Loader]:
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=MEMORY) as folder:
        yield _Loader(Path(folder) / "prompts.json")


def prompts_wire() -> Wire:
    default = (Path(__file__).parents[2] / "prompts.json").read_bytes()
    seeds = [default, *found("prompts")]
    return Wire("prompts", Mutator.json, seeds, MAX_PROMPTS_BYTES, _folder)
