"""A caller's leg over a real socket: who is let in, what comes through, and how it ends."""

import json
import socket
import struct
from dataclasses import replace

import pytest
from structlog.testing import capture_logs
from websockets.exceptions import InvalidStatus

from fwai import log
from fwai.adapters import media_stream
from fwai.domain.events import CallerAudio, CallerHungUp, DtmfPressed, MarkReached
from fwai.simulator.plivo.signature import PlivoSigner
from unit.adapters.media_server import (
    HOOKS,
    KEY,
    PATH,
    SPEECH,
    STOP,
    TOKEN,
    MediaServer,
    carrying,
    frame,
    media,
    on_uvloop,
    serving,
    start,
    until,
)

AUDIO = CallerAudio(bytes(640))  # two messages of mu-law silence


async def refused(server: MediaServer, url: str = "", headers: dict[str, str] | None = None) -> int:
    """Return the HTTP status of a connection that is not let in."""
    with pytest.raises(InvalidStatus) as answer:
        async with server.connect(url, additional_headers=headers or {}):
            pass
    return answer.value.response.status_code


# ---- who is let in ------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["", "?t=", "?t=a-guess", f"?token={TOKEN}", f"?t={TOKEN}&t=x"])
@on_uvloop
async def test_a_stream_without_a_good_token_is_refused_before_it_is_accepted(query: str) -> None:
    async with serving() as server:
        status = await refused(server, f"ws://127.0.0.1:{server.port}/plivo/stream{query}")

        assert status == 403
        assert server.calls.calls == []


@on_uvloop
async def test_a_stream_that_says_its_call_is_carried() -> None:
    async with carrying() as (_, _, carried):
        assert carried.leg.sample_rate == 8000
        assert carried.leg.max_call_s is None


@on_uvloop
async def test_a_stream_that_says_nothing_is_closed_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(media_stream, "START_S", 0.05)

    async with serving() as server, server.connect() as client:
        await client.wait_closed()

        assert client.close_code == 1008
        assert server.calls.calls == []


@pytest.mark.parametrize("account", ["500025", "SA1", "", "ma1"])
@on_uvloop
async def test_token_and_call_bind_a_stream_and_another_account_is_said_once(account: str) -> None:
    """Live streams carry an internal number there."""
    with capture_logs() as logs:
        async with serving() as server:
            for count in (1, 2):
                async with server.connect() as client:
                    await client.send(start(account=account))
                    await until(lambda count=count: len(server.calls.calls) == count)  # type: ignore[misc]

    told = [line for line in logs if line["event"] == "stream_account_differs"]
    assert [line["account"] for line in told] == (
        [account[-4:]] if account in ("500025", "SA1") else []
    )
    assert not any("500025" in str(line) for line in logs)


@pytest.mark.parametrize("call", ["other", "C-1", "c-1 ", "c-"])
@on_uvloop
async def test_a_stream_of_another_call_is_closed(call: str) -> None:
    async with serving() as server, server.connect() as client:
        await client.send(start(call=call))
        await client.wait_closed()

        assert client.close_code == 1008
        assert server.calls.calls == []


@on_uvloop
async def test_a_stream_that_leaves_before_it_says_its_call_is_forgotten() -> None:
    async with serving() as server:
        async with server.connect():
            pass
        await server.quiet()

        assert server.calls.calls == []


@pytest.mark.parametrize("reset", [False, True])
@on_uvloop
async def test_a_peer_that_leaves_during_the_handshake_disturbs_nobody(reset: bool) -> None:
    async with serving() as server, server.connect() as other:
        for _ in range(10):
            with server.upgrade() as client:
                if reset:
                    linger = struct.pack("ii", 1, 0)
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        carried = await server.call(other)

        assert carried.heard == []


@on_uvloop
async def test_a_long_upgrade_request_is_understood() -> None:
    """Proxies add headers; picows by itself takes less than a buffer of them."""
    headers = {f"X-Long-{n}": "x" * 7000 for n in range(4)}

    async with serving() as server, server.connect(additional_headers=headers) as client:
        assert (await server.call(client)).heard == []


@on_uvloop
async def test_messages_before_the_handshake_is_answered_disturb_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No client may do that; the one that does is not understood."""
    monkeypatch.setattr(media_stream, "START_S", 0.05)

    async with serving() as server, server.connect() as other:
        carried = await server.call(other)
        with server.upgrade(more=frame(start().encode())):
            await until(lambda: len(server.http.server_state.tasks) == 1)

        assert carried.hang_ups == []


@pytest.mark.parametrize(
    ("policy", "token", "carried"),
    [
        ("require", "account-token", True),
        ("require", "a-guess", False),
        ("require", "", False),
        ("log", "a-guess", True),
        ("log", "", True),
        ("off", "", True),
    ],
)
@on_uvloop
async def test_the_handshakes_signature_counts_as_the_setting_says(
    policy: str, token: str, carried: bool
) -> None:
    signed = PlivoSigner(token).upgrade(f"wss://voice.example.com{PATH}") if token else {}

    async with serving(replace(HOOKS, ws_signature=policy)) as server:
        if carried:
            async with server.connect(additional_headers=signed) as client:
                await server.call(client)
        else:
            assert await refused(server, headers=signed) == 403


# ---- what comes through -------------------------------------------------------------------------


@on_uvloop
async def test_audio_is_gathered_and_expanded_and_events_come_at_once() -> None:
    async with carrying() as (_, client, carried):
        for message in (media(), media(), media(), KEY, media(), STOP):
            await client.send(message)
        await until(lambda: carried.hang_ups)

        assert carried.heard == [
            AUDIO,
            CallerAudio(bytes(320)),
            DtmfPressed("5"),
            CallerAudio(bytes(320)),
            CallerHungUp(),
        ]


@on_uvloop
async def test_what_comes_before_the_start_is_not_heard() -> None:
    async with serving() as server, server.connect() as client:
        for message in (media(), KEY, STOP):
            await client.send(message)
        carried = await server.call(client)
        for message in (media(), media()):
            await client.send(message)
        await until(lambda: carried.heard)

        assert carried.heard == [AUDIO]


@on_uvloop
async def test_what_comes_before_somebody_listens_is_delivered_in_order() -> None:
    async with serving(listens=False) as server, server.connect() as client:
        carried = await server.call(client)
        for message in (media(), media(), KEY):
            await client.send(message)
        await (await client.ping())

        server.calls.listens.set()
        await until(lambda: carried.heard)

        assert carried.heard == [AUDIO, DtmfPressed("5")]


@on_uvloop
async def test_fragmented_and_binary_messages_are_messages() -> None:
    async with serving() as server, server.connect() as client:
        text = start()
        await client.send([text[:1], text[1:50], text[50:]])
        await until(lambda: server.calls.calls)
        await client.send(media().encode())
        await client.send([media().encode()[:30], media().encode()[30:]])
        await until(lambda: server.calls.calls[0].heard)

        assert server.calls.calls[0].heard == [AUDIO]


@on_uvloop
async def test_a_ping_between_fragments_is_answered() -> None:
    async with carrying() as (_, client, carried):
        protocol = client.protocol
        protocol.send_text(KEY[:9].encode(), fin=False)
        protocol.send_ping(b"are you there")
        protocol.send_continuation(KEY[9:].encode(), fin=True)
        client.send_data()
        await (await client.ping())
        await until(lambda: carried.heard)

        assert carried.heard == [DtmfPressed("5")]


@on_uvloop
async def test_what_the_leg_plays_clears_and_marks_reaches_the_peer_as_text() -> None:
    async with carrying() as (_, client, carried):
        carried.leg.play(SPEECH)
        carried.leg.clear()
        marked = carried.leg.mark("end-1")
        sent = [json.loads(await client.recv(decode=True)) for _ in range(3)]
        await client.send('{"event":"playedStream","name":"end-1"}')
        await until(lambda: carried.heard)

        assert marked
        assert [message["event"] for message in sent] == ["playAudio", "clearAudio", "checkpoint"]
        assert carried.heard == [MarkReached("end-1")]


@on_uvloop
async def test_a_receipt_that_nobody_waits_for_is_not_told() -> None:
    async with carrying() as (_, client, carried):
        for name in ("cleared", "reached"):
            carried.leg.mark(name)
            if name == "cleared":
                carried.leg.clear()
        for name in ("never asked for", "cleared", "reached", "reached"):
            await client.send(json.dumps({"event": "playedStream", "name": name}))
        await client.send(KEY)
        await until(lambda: DtmfPressed("5") in carried.heard)

        assert carried.heard == [MarkReached("reached"), DtmfPressed("5")]


@on_uvloop
async def test_two_streams_do_not_mix() -> None:
    async with serving() as server, server.connect() as one, server.connect() as two:
        first, second = await server.call(one), await server.call(two, rate=16_000)
        await one.send(KEY)
        await two.send('{"event":"dtmf","dtmf":{"digit":"7"}}')
        await until(lambda: first.heard and second.heard)

        assert (first.heard, second.heard) == ([DtmfPressed("5")], [DtmfPressed("7")])
        assert (first.leg.sample_rate, second.leg.sample_rate) == (8000, 16_000)


# ---- logs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["DEBUG", "INFO"])
@pytest.mark.usefixtures("logging_as_before")
def test_no_log_line_shows_a_token_a_url_or_what_was_said(
    level: str, capsys: pytest.CaptureFixture[str]
) -> None:
    @on_uvloop
    async def calls() -> None:
        async with serving() as server:
            await refused(server, f"ws://127.0.0.1:{server.port}/plivo/stream?t=a-guess")
            async with server.connect() as client:
                await server.call(client)
                for message in (media(), "my card number", KEY, STOP):
                    await client.send(message)
                await server.quiet()

    writer = log.configure(level, "json")
    calls()
    writer.close()

    said = "".join(capsys.readouterr())
    assert "stream_refused" in said
    assert not any(word in said for word in (TOKEN, "a-guess", "/plivo/stream", "my card", "ws://"))
