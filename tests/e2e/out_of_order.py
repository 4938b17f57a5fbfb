"""What goes wrong around a server, and how it is put right again."""

import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from e2e.acting_world import Bureau
from fwai.simulator.common.caller import HangUp, Wait
from fwai.simulator.common.fate import Fate
from fwai.simulator.common.rest import ApiFault
from fwai.simulator.gemini.scenario import Fault

BRIEFLY = Fate(script=[Wait(600), HangUp()])
PATIENTLY = Fate(script=[Wait(20_000), HangUp()])


def bad_login() -> ApiFault:
    """Return a provider's refusal of our credentials for the next message."""
    return ApiFault(401, {"error": "authentication failed"}, path="Message")


async def ready(office: Bureau) -> tuple[int, dict[str, Any]]:
    """Return what load balancers and monitors see: without a key, as they ask."""
    answer = await office.api.get("/readyz", headers={"authorization": ""})
    return answer.status_code, dict(answer.json())


async def text(office: Bureau, to: str, words: str) -> str:
    """Send a text message; return how the tool says it went."""
    body = {"to": to, "arguments": {"text": words}}
    return str((await office.api.post("/api/tools/send_sms", json=body)).json()["status"])


@asynccontextmanager
async def model_fails(office: Bureau, *faults: Fault) -> AsyncIterator[None]:
    """Let the model fail within the block."""
    model = office.house.world.model
    before = model.scenario
    model.scenario = msgspec.structs.replace(before, faults=tuple(faults))
    try:
        yield
    finally:
        model.scenario = before


def block(*folders: Path) -> None:
    """Put files where folders belong: mode bits stop no root."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
        folder.write_text("in the way")


def unblock(*folders: Path) -> None:
    """Take those files away again."""
    for folder in folders:
        folder.unlink()


def told(office: Bureau, *kinds: str) -> Sequence[tuple[str, str]]:
    """Return the failures that n8n was told of: type and what."""
    return [(event.kind, event.data["what"]) for event in office.flow.events if event.kind in kinds]
