"""A caller's leg over a real socket: who is let in, what comes through, and how it ends."""

import asyncio
import json
import socket
import struct
from contextlib import suppress
from dataclasses import replace

import pytest
from structlog.testing import capture_logs
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Opcode

from fwai import log
from fwai.adapters import media_stream
from fwai.domain.events import CallerAudio, CallerHungUp, DtmfPressed, MarkReached
from fwai.simulator.plivo.signature import PlivoSigner
from unit.adapters.media_server import (
    HOOKS,
    PATH,
    TOKEN,
    MediaServer,
    frame,
    media,
    on_uvloop,
    serving,
    start,
    until,
)

STOP = '{"event":"stop"}'
KEY = '{"event":"dtmf","dtmf":{"digit":"5"}}'
AUDIO = CallerAudio(bytes(640))  # two messages of mu-law silence
SPEECH = bytes(320)


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
    async with serving() as server, server.connect() as client:
        carried = await server.call(client)

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


@pytest.mark.parametrize("first", [start(call="other"), start(account="MA2"), start(account="SA1")])
@on_uvloop
async def test_a_stream_of_another_call_or_account_is_closed(first: str) -> None:
    async with serving() as server, server.connect() as client:
        await client.send(first)
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
    async with serving() as server, server.connect() as client:
        carried = await server.call(client)
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
    async with serving() as server, server.connect() as client:
        carried = await server.call(client)
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
    async with serving() as server, server.connect() as client:
        carried = await server.call(client)

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
    async with serving() as server, server.connect() as client:
        carried = await server.call(client)
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


# ---- bad messages -------------------------------------------------------------------------------

GARBAGE = ["garbage", "{}", '{"event":"media","media":{"payload":"!"}}', start()]


@pytest.mark.parametrize("bad", GARBAGE)
@on_uvloop
async def test_three_bad_messages_in_a_row_end_the_leg(bad: str) -> None:
    async with serving() as server, server.connect() as client:
        carried = await server.call(client)
        for _ in range(3):
            await client.send(bad)
        await client.wait_closed()
        await until(lambda: carried.hang_ups)

        assert client.close_code == 1003
        assert carried.heard == [CallerHungUp(failed=True)]
        assert carried.leg.wire_errors == 3


@on_uvloop
async def test_bad_messages_among_good_ones_are_dropped_and_counted() -> None:
    async with serving() as server, server.connect() as client:
        carried = await server.call(client)
        for message in ("bad", "bad", KEY, "bad", "bad", '{"event":"new"}', "bad", KEY):
            await client.send(message)
        await until(lambda: len(carried.heard) == 2)

        assert carried.leg.wire_errors == 5
        assert carried.hang_ups == []


@pytest.mark.parametrize(
    "bad", [b'{"event":"dtmf","dtmf":{"digit":"\xff"}}', b'{"event":"x","a":' + b"[" * 20_000]
)
@on_uvloop
async def test_text_that_is_no_text_is_one_bad_message(bad: bytes) -> None:
    async with serving() as server, server.connect() as client:
        carried = await server.call(client)
        await client.send(bad, text=True)
        await client.send(KEY)
        await until(lambda: carried.heard)

        assert carried.heard == [DtmfPressed("5")]
        assert carried.leg.wire_errors == 1


@on_uvloop
async def test_a_flood_of_bad_messages_is_reported_once() -> None:
    with capture_logs() as logs:
        async with serving() as server, server.raw() as client:
            client.sendall(frame(b"bad") * 500)
            await server.quiet()

    assert [line["event"] for line in logs].count("stream_closed_on_errors") == 1
    assert server.calls.calls[0].leg.wire_errors == 3


@pytest.mark.parametrize(
    "message",
    ["x" * 65_537, ["x" * 40_000, "x" * 40_000], ["", *["x" * 9000] * 8]],
    ids=["whole", "two fragments", "many fragments"],
)
@on_uvloop
async def test_a_message_that_is_too_long_closes_its_socket_and_no_other(
    message: str | list[str],
) -> None:
    async with serving() as server, server.connect() as client, server.connect() as other:
        carried, undisturbed = await server.call(client), await server.call(other)
        with suppress(ConnectionClosed):  # as early as while it is sent
            await client.send(message)
        await client.wait_closed()
        await until(lambda: carried.hang_ups)
        await other.send(KEY)
        await until(lambda: undisturbed.heard)

        assert client.close_code == 1009
        assert len(carried.hang_ups) == 1
        assert undisturbed.heard == [DtmfPressed("5")]


@on_uvloop
async def test_the_longest_message_is_understood() -> None:
    async with serving() as server, server.connect() as client:
        carried = await server.call(client)
        await client.send(KEY[:-1] + f',"x":"{"y" * (65_536 - len(KEY) - 7)}"}}')
        await until(lambda: carried.heard)

        assert carried.heard == [DtmfPressed("5")]


@pytest.mark.parametrize(
    "bad",
    [
        frame(b"x", masked=False),
        frame(b"x", opcode=3),
        frame(b"x" * 3, opcode=9, fin=False),
        frame(b"\x00", opcode=8),
        b"\xff" * 50,
    ],
    ids=["no mask", "opcode", "cut ping", "half a close code", "noise"],
)
@on_uvloop
async def test_a_breach_of_the_websocket_protocol_ends_one_leg(bad: bytes) -> None:
    async with serving() as server, server.connect() as other:
        undisturbed = await server.call(other)
        async with server.raw() as client:
            client.sendall(bad)
            await until(lambda: server.calls.calls[1].hang_ups)

        assert len(server.calls.calls[1].hang_ups) == 1
        assert undisturbed.hang_ups == []


# ---- how it ends --------------------------------------------------------------------------------


@on_uvloop
async def test_a_connection_that_breaks_is_one_hang_up() -> None:
    async with serving() as server, server.connect() as client:
        carried = await server.call(client)
        client.transport.abort()
        await server.quiet()

        assert carried.heard == [CallerHungUp()]


@pytest.mark.parametrize("code", [1000, 1001, 1011, 3000, 4999])
@on_uvloop
async def test_a_peer_that_closes_is_answered_and_one_hang_up(code: int) -> None:
    async with serving() as server, server.connect() as client:
        carried = await server.call(client)
        await client.close(code, "bye")
        await server.quiet()

        assert client.protocol.close_rcvd is not None
        assert carried.heard == [CallerHungUp()]


@on_uvloop
async def test_a_close_without_a_code_is_one_hang_up() -> None:
    async with serving() as server, server.connect() as client:
        carried = await server.call(client)
        client.transport.write(frame(b"", opcode=Opcode.CLOSE))
        await server.quiet()

        assert carried.heard == [CallerHungUp()]


@on_uvloop
async def test_stop_and_close_are_one_hang_up() -> None:
    async with serving() as server, server.connect() as client:
        carried = await server.call(client)
        await client.send(STOP)
        await client.send(STOP)
        await client.close()
        await server.quiet()

        assert carried.heard == [CallerHungUp()]


@on_uvloop
async def test_a_leg_that_is_closed_says_goodbye_properly() -> None:
    async with serving() as server, server.connect() as client:
        carried = await server.call(client)
        carried.over.set()
        await client.wait_closed()
        await server.quiet()

        assert client.close_code == 1000
        assert carried.heard == []


@on_uvloop
async def test_a_peer_in_full_flow_still_gets_the_goodbye() -> None:
    async with serving() as server, server.connect() as client:
        carried = await server.call(client)
        for _ in range(200):
            await client.send(media())
        carried.over.set()
        with suppress(ConnectionClosed):
            while True:
                await client.send(media())
                await asyncio.sleep(0)

        assert client.close_code == 1000


@on_uvloop
async def test_a_closed_leg_takes_everything_and_does_nothing() -> None:
    async with serving() as server, server.connect() as client:
        carried = await server.call(client)
        carried.over.set()
        await server.quiet()

        carried.leg.play(SPEECH)
        carried.leg.clear()
        marked = carried.leg.mark("x")
        await carried.leg.close()
        await carried.leg.gone()

        assert not marked


# ---- a peer that does not read ------------------------------------------------------------------


async def fill(server: MediaServer) -> None:
    """Speak until the peer's and the kernel's buffers are full."""
    leg = server.calls.calls[-1].leg
    async with asyncio.timeout(5.0):
        while not leg.dropped_messages:
            leg.play(bytes(48_000))
            await asyncio.sleep(0)


@on_uvloop
async def test_speech_for_a_peer_that_does_not_read_is_dropped_and_counted() -> None:
    async with serving() as server, server.connect() as other:
        undisturbed = await server.call(other)
        async with server.raw(receive_buffer=4096):
            await fill(server)
            slow = server.calls.calls[1]
            before = slow.leg.dropped_messages
            slow.leg.play(SPEECH)
            undisturbed.leg.play(SPEECH)
            heard = json.loads(await other.recv())

            assert slow.leg.dropped_messages == before + 1
            assert slow.leg.mark("still goes in")
            assert slow.hang_ups == []
            assert heard["event"] == "playAudio"
            assert undisturbed.leg.dropped_messages == 0


@on_uvloop
async def test_a_peer_that_reads_again_is_spoken_to_again() -> None:
    async with serving() as server, server.raw(receive_buffer=4096) as client:
        await fill(server)
        leg = server.calls.calls[0].leg
        client.setblocking(False)

        def taken() -> bool:
            with suppress(BlockingIOError):
                client.recv(1 << 20)
            dropped = leg.dropped_messages
            leg.play(SPEECH)
            return leg.dropped_messages == dropped

        await until(taken)

        assert server.calls.calls[0].hang_ups == []


@on_uvloop
async def test_a_peer_that_takes_nothing_for_too_long_has_broken_its_leg(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(media_stream, "STALLED_S", 0.05)

    async with serving() as server, server.connect() as other:
        undisturbed = await server.call(other)
        async with server.raw(receive_buffer=4096):
            await fill(server)
            slow = server.calls.calls[1]

            def gone() -> bool:
                slow.leg.play(SPEECH)
                return bool(slow.hang_ups)

            await until(gone)

            assert slow.heard == [CallerHungUp(failed=True)]
            assert undisturbed.hang_ups == []


@on_uvloop
async def test_closing_does_not_wait_for_a_peer_that_does_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(media_stream, "CLOSE_S", 0.05)

    async with serving() as server, server.raw(receive_buffer=4096):
        await fill(server)
        server.calls.calls[0].over.set()
        await server.quiet()

        assert server.calls.calls[0].heard == []


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
