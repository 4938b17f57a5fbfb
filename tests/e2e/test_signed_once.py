"""A webhook that was signed once is worth one request, across restarts and processes."""

from pathlib import Path

import httpx
import pytest

from e2e.house import House, running
from fwai.simulator.plivo.signature import PlivoSigner

CALL = "6f2c9d84-0a1e-4b7c-9d3f-2e5a7b8c9d01"
OTHER = "b7c9d013-2e5a-4f6a-8c1d-0a9e8d7c6b5f"
FORM = {"CallUUID": CALL, "From": "919999900001", "Direction": "inbound", "Event": "StartApp"}
REPORT = {"MessageUUID": "m-1", "Status": "sent"}


async def posted(house: House, path: str, form: dict[str, str], headers: dict[str, str]) -> int:
    here = f"http://127.0.0.1:{house.world.settings.port}"
    async with httpx.AsyncClient(base_url=here, timeout=10) as http:
        return (await http.post(f"/plivo/{path}?v=1", data=form, headers=headers)).status_code


async def test_after_a_restart_a_captured_webhook_says_nothing_else(tmp_path: Path) -> None:
    """The server has the same address each time, as behind a proxy."""
    async with running(tmp_path) as house:
        base = house.url
        signer = PlivoSigner(house.world.settings.plivo_tokens[0])
        report = signer.message("POST", f"{base}/plivo/message-status?v=1")
        token = house.world.settings.plivo_auth_token
        assert await posted(house, "message-status", REPORT, report) == 200
        assert await posted(house, "message-status", REPORT, report) == 200

    async with running(tmp_path, public_url=base, plivo_auth_token=token) as house:
        assert house.world.settings.base_url == base
        again = await posted(house, "message-status", REPORT, report)
        other = await posted(house, "message-status", {**REPORT, "MessageUUID": OTHER}, report)

    assert (again, other) == (200, 403)


@pytest.mark.parametrize("ended", [True, False])
async def test_a_captured_answer_opens_no_second_call(tmp_path: Path, ended: bool) -> None:
    async with running(tmp_path) as house:
        base = house.url
        signer = PlivoSigner(house.world.settings.plivo_tokens[0])
        answer = signer.voice("POST", f"{base}/plivo/answer?v=1", FORM)
        over = {**FORM, "CallStatus": "completed", "Event": "Hangup"}
        hang_up = signer.voice("POST", f"{base}/plivo/hangup?v=1", over)
        assert await posted(house, "answer", FORM, answer) == 200
        assert house.server.calls.active == 1
        if ended:
            assert await posted(house, "hangup", over, hang_up) == 200
            await house.quiet()

        # As its V3 signature can be cut: the caller's number is a field of nobody.
        cut = {
            "CallUUID": CALL,
            "Direction": "inbound",
            "Event": "StartApp",
            "From9199": "99900001",
        }
        assert await posted(house, "answer", cut, answer) == 403
        assert await posted(house, "answer", FORM, answer) == 200
        assert house.server.calls.active == (0 if ended else 1)
        await posted(house, "hangup", over, hang_up)
        await house.quiet()
        sessions = len(house.world.model.sessions)

    assert sessions == 1
