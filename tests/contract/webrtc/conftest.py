from collections.abc import AsyncIterator

import aioice.ice
import pytest

from contract.webrtc.lab import Lab


@pytest.fixture
async def lab(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Lab]:
    # aiortc's own peers leave 127.0.0.1 out; here nothing may leave this machine.
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda **_: ["127.0.0.1"])
    made = Lab()
    yield made
    await made.close()
