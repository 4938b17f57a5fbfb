"""While the model is known to be down: nobody is rung up, who calls is taken, a message is kept."""

import asyncio
import time
import wave
from pathlib import Path

import pytest

from e2e.acting_world import bureau
from e2e.out_of_order import BRIEFLY, PATIENTLY, model_fails, ready
from fakes import CALL
from fwai.domain.call import CallEnding, CallState, EndReason
from fwai.domain.sentence import Fallback
from fwai.simulator.common.caller import HangUp, Step, Wait
from fwai.simulator.gemini.scenario import Fault

PERSON, OTHER = "+919999900003", "+919999900004"
REFUSED = Fault(kind="refuse", status=403)
LEAVES: list[Step] = [Wait(500), HangUp()]


@pytest.mark.timeout(120)
async def test_calls_to_be_placed_wait_for_the_model_and_calls_that_come_in_are_taken(
    tmp_path: Path,
) -> None:
    async with bureau(tmp_path, ai_down="voicemail") as office:
        provider = office.house.world.provider
        provider.fate(PERSON, PATIENTLY)
        async with model_fails(office, REFUSED):
            await office.ended(await office.call(PERSON))
            code, body = await ready(office)
            assert code == 503
            (said,) = body["warnings"]
            assert "callers get to leave a message where one is possible at once (Gemini" in said

            provider.fate(OTHER, BRIEFLY)
            waits = await office.call(OTHER)
            await office.in_state(waits, "scheduled")
            (job,) = [one for one in await office.jobs("waiting") if one["kind"] == "dial"]
            assert job["error"] == "the model cannot be reached"

            async with asyncio.timeout(30):
                await office.house.world.phone(number=OTHER).call(LEAVES)
            came = await office.api.get("/api/calls", params={"direction": "inbound"})
            assert len(came.json()["calls"]) == 1, "it was taken"

        ended = await office.ended(waits)
        assert ended.data["status"] == "completed"
        assert (await ready(office))[1]["warnings"] == []


@pytest.mark.timeout(60)
async def test_a_voice_message_is_kept_told_and_erased(tmp_path: Path) -> None:
    call = CALL
    async with bureau(tmp_path, ai_down="voicemail") as office:
        server = office.house.server
        assert server.fallback.kind(call) is Fallback.VOICEMAIL
        await server.store.calls.open(call, CallState.IN_PROGRESS, time.time())

        assert await server.fallback.keep_message(call, bytes(16_000), 8000)

        told = await office.flow.wait_event("callback.scheduled")
        note = f"left a voice message: voice-messages/{call.id}.wav"
        assert (told.data["note"], told.data["call_id"]) == (note, call.id)
        path = tmp_path / "voice-messages" / f"{call.id}.wav"
        with wave.open(str(path)) as sound:
            assert (sound.getframerate(), sound.getnframes()) == (8000, 8000)

        ending = CallEnding(CallState.COMPLETED, EndReason.CALLER_HUNG_UP)
        await server.store.calls.end(call, ending, time.time())
        erased = await office.api.delete(f"/api/contacts/{call.caller}")
        assert erased.status_code == 200, erased.text
        assert not path.exists()
        assert await server.store.callbacks.page() == []
