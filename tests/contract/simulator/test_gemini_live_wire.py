"""The simulated Live service against a bare WebSocket client, for what no SDK would send."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

import children
from fwai.errors import ConfigError
from fwai.simulator.gemini.scenario import Fault, Reply, Scenario, demo
from fwai.simulator.gemini.server import GeminiLiveSimulator, main

SETUP = {"setup": {"model": "models/gemini-3.8-live"}}


@asynccontextmanager
async def wire(
    simulator: GeminiLiveSimulator, path: str = "/ws?key=K"
) -> AsyncIterator[ClientConnection]:
    async with connect(simulator.url + path, proxy=None, max_queue=None) as socket:
        yield socket


async def send(socket: ClientConnection, frame: dict[str, Any]) -> None:
    await socket.send(json.dumps(frame))


async def receive(socket: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(5):
        message = await socket.recv()
    assert isinstance(message, bytes)
    frame: dict[str, Any] = json.loads(message)
    return frame


async def closed(socket: ClientConnection) -> tuple[int | None, str | None]:
    with pytest.raises(ConnectionClosed):
        await receive_all(socket)
    return socket.close_code, socket.close_reason


async def receive_all(socket: ClientConnection) -> None:
    while True:
        await receive(socket)


@pytest.mark.parametrize(
    ("path", "headers", "auth"),
    [
        ("//ws/google.ai.generativelanguage.v1beta", {"x-goog-api-key": "K"}, "x-goog-api-key"),
        ("/ws", {"Authorization": "Token auth_tokens/K"}, "authorization"),
        ("/?key=K", {}, "key"),
        ("/?access_token=K", {}, "access_token"),
    ],
)
async def test_a_key_may_come_in_four_ways(path: str, headers: dict[str, str], auth: str) -> None:
    async with (
        GeminiLiveSimulator() as simulator,
        connect(simulator.url + path, additional_headers=headers, proxy=None),
    ):
        assert simulator.sessions[0].auth == auth


@pytest.mark.parametrize("path", ["/", "/?key=wrong"])
async def test_no_key_or_a_wrong_one_is_refused(path: str) -> None:
    async with GeminiLiveSimulator(api_key="right") as simulator:
        with pytest.raises(InvalidStatus) as caught:
            async with wire(simulator, path):
                pass

        assert caught.value.response.status_code == 403
        assert simulator.sessions[0].refused == 403


@pytest.mark.parametrize(
    "frame",
    [
        SETUP,
        {"realtimeInput": {"colour": 1}},
        {"realtimeInput": {"audio": {"data": "AAAA", "mimeType": "video/mp4"}}},
        {"realtimeInput": {"activityStart": {}}},
        {"clientContent": {"turns": [{"role": "system", "parts": []}]}},
        {"clientContent": {"turns": [{"role": "user", "parts": [{"functionCall": {}}]}]}},
        {"toolResponse": {"functionResponses": [{"name": "f", "response": {}}]}},
        {"toolResponse": {}},
    ],
)
async def test_what_a_client_must_not_say_closes_with_1007(frame: dict[str, Any]) -> None:
    async with GeminiLiveSimulator() as simulator, wire(simulator) as socket:
        await send(socket, SETUP)
        await receive(socket)
        await send(socket, frame)

        code, reason = await closed(socket)

        assert code == 1007
        assert reason


async def test_setup_must_come_first() -> None:
    async with GeminiLiveSimulator() as simulator, wire(simulator) as socket:
        await send(socket, {"realtimeInput": {"text": "hi"}})

        assert (await closed(socket))[0] == 1007


async def test_the_model_must_stay_when_resuming() -> None:
    async with GeminiLiveSimulator(clock_scale=50) as simulator:
        async with wire(simulator) as socket:
            await send(socket, {"setup": {**SETUP["setup"], "sessionResumption": {}}})
            await send(socket, {"realtimeInput": {"text": "hi"}})
            await simulator.wait(lambda: bool(simulator.sessions[0].handles))
        handle = simulator.sessions[0].handles[0]
        other = {"model": "models/gemini-3.1-flash-live-preview"}
        async with wire(simulator) as socket:
            await send(socket, {"setup": {**other, "sessionResumption": {"handle": handle}}})

            assert (await closed(socket))[0] == 1007


async def test_old_media_chunks_and_video_are_taken_and_half_a_sample_is_noted() -> None:
    blob = {"data": "AAAA", "mime_type": "audio/pcm"}
    async with GeminiLiveSimulator() as simulator, wire(simulator) as socket:
        await send(socket, SETUP)
        await send(socket, {"realtime_input": {"media_chunks": [blob, blob], "video": {}}})
        await simulator.wait(lambda: len(simulator.sessions[0].violations) == 2)

        assert simulator.sessions[0].audio_ms == 0.125


async def test_tools_can_be_changed_in_the_middle() -> None:
    scenario = demo()
    update = {"tools": {"tools": [{"functionDeclarations": [{"name": "end_call"}]}]}}
    async with (
        GeminiLiveSimulator(scenario, clock_scale=50) as simulator,
        wire(simulator) as socket,
    ):
        await send(socket, SETUP)
        await send(socket, {"contextUpdate": update})
        await send(socket, {"realtimeInput": {"text": "hi"}})
        await send(socket, {"realtimeInput": {"text": "goodbye"}})
        await simulator.wait(lambda: bool(simulator.sessions[0].tool_calls))

        assert simulator.sessions[0].tool_calls[0]["name"] == "end_call"


async def test_initial_history_starts_no_turn() -> None:
    setup = {"setup": {**SETUP["setup"], "historyConfig": {"initialHistoryInClientContent": True}}}
    turn = {"role": "model", "parts": [{"text": "Welcome."}]}
    async with GeminiLiveSimulator(clock_scale=50) as simulator, wire(simulator) as socket:
        await send(socket, setup)
        await send(socket, {"clientContent": {"turns": [turn], "turnComplete": True}})
        await send(socket, {"realtimeInput": {"text": "little time"}})
        await simulator.wait(lambda: simulator.sessions[0].turns == 1)

        assert simulator.sessions[0].replies == ["time_warning"]


async def test_too_many_instructions_drop_the_oldest() -> None:
    async with GeminiLiveSimulator() as simulator, wire(simulator) as socket:
        await send(socket, SETUP)
        for number in range(12):
            await send(socket, {"realtimeInput": {"text": str(number)}})
        await simulator.wait(lambda: len(simulator.sessions[0].texts) == 12)

        assert simulator.sessions[0].violations


async def test_a_chain_of_replies_comes_to_an_end() -> None:
    scenario = Scenario(replies={"a": Reply(then="a")}, greeting="a", fallback="a")
    async with (
        GeminiLiveSimulator(scenario, clock_scale=50) as simulator,
        wire(simulator) as socket,
    ):
        await send(socket, SETUP)
        await send(socket, {"realtimeInput": {"text": "hi"}})
        await simulator.wait(lambda: simulator.sessions[0].turns == 1)

        assert len(simulator.sessions[0].replies) == 8


async def test_a_stopping_simulator_closes_its_sessions() -> None:
    async with GeminiLiveSimulator() as simulator:
        socket = await connect(f"{simulator.url}/?key=K", proxy=None)
        await send(socket, SETUP)
        await receive(socket)

    assert (await closed(socket))[0] == 1001
    assert simulator.sessions[0].closed_by == "server"
    assert simulator.open_sessions == 0


async def test_a_fault_struck_by_hand_needs_a_moment_and_an_open_session() -> None:
    async with GeminiLiveSimulator() as simulator:
        with pytest.raises(LookupError):
            simulator.strike(Fault(kind="close"))
        with pytest.raises(ValueError, match="mute"):
            simulator.strike(Fault(kind="mute"))


async def test_waiting_has_an_end() -> None:
    async with GeminiLiveSimulator() as simulator:
        with pytest.raises(TimeoutError):
            await simulator.wait(lambda: False, timeout_s=0.01)


def test_a_scenario_that_does_not_fit_together_is_refused() -> None:
    with pytest.raises(ConfigError, match="nobody"):
        GeminiLiveSimulator(Scenario(replies={}, greeting="nobody", fallback="nobody"))


def test_the_command_line_explains_a_broken_scenario(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--scenario", str(tmp_path / "none.json")]) == 2
    assert "none.json" in capsys.readouterr().err


async def test_it_runs_on_its_own() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fwai.simulator.gemini.server", "--port", "0"),
        stdout=subprocess.PIPE,
        env=children.environment(),
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            line = (await process.stdout.readline()).decode()
        url = line.removeprefix("LISTENING ").strip()
        async with connect(f"{url}/?key=K", proxy=None) as socket:
            await send(socket, SETUP)
            assert "setupComplete" in await receive(socket)
    finally:
        process.terminate()
        await process.wait()

    assert line.startswith("LISTENING ws://127.0.0.1:")
