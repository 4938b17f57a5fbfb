"""One connection: how it opens, what it tolerates, how it ends."""

import asyncio
import socket

import pytest
from websockets.frames import Frame

from fwai.domain.events import AgentAudio, AgentSaid, TurnEnded
from fwai.errors import AgentError
from fwai.gemini.connection import LiveConnection, LiveEndpoint, close_error
from fwai.gemini.messages import HandleIssued, ServerMessage
from fwai.simulator.common.jumping_loop import settle
from unit.gemini.fake_live import TURN_DONE, FakeLive, Plan, agent_said, audio, handle

METHOD = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
SETUP = b'{"setup":{"model":"models/m","sessionResumption":{}}}'
FOREIGN = b'{"futureSignal":{"level":1}}'
BROKEN = b'{"serverContent":"broken"}'


async def opened(service: FakeLive, open_s: float = 10.0) -> LiveConnection:
    return await LiveConnection.open(LiveEndpoint(service.url, "K", open_s), SETUP)


async def refused(service: FakeLive, open_s: float = 10.0) -> AgentError:
    with pytest.raises(AgentError) as caught:
        await opened(service, open_s)
    return caught.value


def now() -> float:
    return asyncio.get_running_loop().time()


# ---- the address --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("wss://live.example", f"wss://live.example{METHOD}"),
        ("ws://127.0.0.1:8003/", f"ws://127.0.0.1:8003{METHOD}"),
        ("ws://proxy.example/live/", "ws://proxy.example/live"),
    ],
)
def test_the_url_gets_the_method_unless_it_has_a_path(base_url: str, url: str) -> None:
    assert LiveEndpoint(base_url, "K").url == url


def test_the_key_is_in_no_repr() -> None:
    assert "SECRET" not in repr(LiveEndpoint("ws://x", "SECRET"))


# ---- opening ------------------------------------------------------------------------------------


async def test_the_key_goes_as_a_header_and_the_setup_first() -> None:
    async with FakeLive() as service:
        connection = await opened(service)
        line = await service.line(0)
        connection.close()

    assert line.key == "K"
    assert line.setup == {"setup": {"model": "models/m", "sessionResumption": {}}}


@pytest.mark.parametrize(
    ("status", "again"),
    [(400, False), (401, False), (403, False), (404, False), (429, True), (500, True), (503, True)],
)
async def test_a_refused_upgrade_says_whether_to_try_again(status: int, again: bool) -> None:
    async with FakeLive(Plan("refuse", status=status)) as service:
        error = await refused(service)

    assert (error.code, error.resumable, error.fresh) == (status, again, again)


@pytest.mark.parametrize("how", ["silent", "hang"])
async def test_connecting_and_set_up_share_one_deadline(how: str) -> None:
    plan = Plan("silent") if how == "silent" else Plan("hang")
    async with FakeLive(plan) as service:
        began = now()
        error = await refused(service, open_s=3.0)

        assert now() - began == pytest.approx(3.0, abs=0.1)
        assert (error.code, error.resumable, error.fresh) == (None, True, True)
        await settle(0.1)
        assert service.open == 0


async def test_nobody_listening_is_an_error_at_once() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        began = now()
        with pytest.raises(AgentError) as caught:
            await LiveConnection.open(
                LiveEndpoint(f"ws://127.0.0.1:{unused.getsockname()[1]}", "K"), SETUP
            )

    assert caught.value.resumable
    assert now() - began < 0.1


@pytest.mark.parametrize("how", ["drop", "abort"])
async def test_a_connection_that_ends_while_opening_is_an_error_at_once(how: str) -> None:
    async with FakeLive(Plan("drop") if how == "drop" else Plan("abort")) as service:
        began = now()
        error = await refused(service)

        assert error.resumable
        assert now() - began < 0.1


async def test_a_close_instead_of_an_answer_keeps_its_code() -> None:
    async with FakeLive(Plan("close", code=1007, reason="bad")) as service:
        error = await refused(service)

    assert (error.code, error.resumable, error.fresh) == (1007, False, True)


@pytest.mark.parametrize(
    ("error", "code", "resumable", "fresh"),
    [
        ({"code": 503, "status": "UNAVAILABLE"}, 503, True, True),
        ({"code": 429}, 429, True, True),
        ({"code": 400}, 1007, False, True),
        ({"code": 404}, 1008, False, True),
        ({"code": 401}, 401, False, False),
        ({"code": "403"}, 403, False, False),
        ({}, None, True, True),
        ("Overloaded.", None, True, True),
    ],
)
async def test_an_error_object_as_first_frame_is_no_session(
    error: object, code: int | None, resumable: bool, fresh: bool
) -> None:
    async with FakeLive(Plan("hang", first=({"error": error},))) as service:
        began = now()
        failed = await refused(service)
        await settle()

        assert (failed.code, failed.resumable, failed.fresh) == (code, resumable, fresh)
        assert now() - began < 0.1
        assert service.open == 0


@pytest.mark.parametrize("first", [{"futureSignal": 1}, {"error": None}, {}])
async def test_an_odd_first_frame_is_passed_over(first: dict[str, object]) -> None:
    async with FakeLive(Plan(first=(first,))) as service:
        connection = await opened(service)

        assert connection.is_open
        connection.close()


async def test_a_set_up_confirmed_in_snake_case_is_confirmed() -> None:
    async with FakeLive(Plan("hang", first=({"setup_complete": {}},))) as service:
        connection = await opened(service)

        assert connection.is_open
        connection.close()


async def test_another_first_frame_alone_is_no_session() -> None:
    async with FakeLive(Plan("hang", first=(handle("h"),))) as service:
        error = await refused(service, open_s=1.0)

    assert str(error) == "live: no answer in time"


async def test_what_came_before_and_with_the_setup_is_delivered_first() -> None:
    heard: list[ServerMessage] = []
    async with FakeLive(Plan(first=(handle("h"), TURN_DONE))) as service:
        connection = await opened(service)
        await settle()
        connection.listen(heard.append)
        await service.lines[0].send(agent_said("a"))
        connection.close()

    assert heard == [HandleIssued("h"), TurnEnded(), AgentSaid("a")]


async def test_what_nobody_listens_to_is_bounded() -> None:
    heard: list[ServerMessage] = []
    async with FakeLive() as service:
        connection = await opened(service)
        line = await service.line(0)
        await line.send(*[agent_said(str(number)) for number in range(150)])
        connection.listen(heard.append)
        connection.close()

    assert heard == [AgentSaid(str(number)) for number in range(100)]


async def test_being_cancelled_while_connecting_leaves_no_socket() -> None:
    """The answer to the upgrade comes when nobody waits for it any more."""
    async with FakeLive(Plan("silent")) as service:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await opened(service)
        service._over.set()
        await settle(0.1)

        assert service.open == 0


async def test_being_cancelled_at_the_moment_of_acceptance_leaves_no_socket() -> None:
    """Both wake the task in the same pass of the loop; the cancellation wins."""

    class Racing(LiveConnection):
        def _receive(self, payload: memoryview) -> None:
            super()._receive(payload)
            opening.cancel()

    async with FakeLive() as service:
        opening = asyncio.ensure_future(Racing.open(LiveEndpoint(service.url, "K"), SETUP))
        with pytest.raises(asyncio.CancelledError):
            await opening
        await settle(0.1)

        assert len(service.lines) == 1
        assert service.open == 0


# ---- talking ------------------------------------------------------------------------------------


async def test_two_unreadable_messages_in_a_row_are_borne() -> None:
    heard: list[ServerMessage] = []
    async with FakeLive() as service:
        connection = await opened(service)
        connection.listen(heard.append)
        line = await service.line(0)
        await line.send(BROKEN, b"no json", audio(b"\1\0"), BROKEN, BROKEN, agent_said("a"))

        assert heard == [AgentAudio(b"\1\0"), AgentSaid("a")]
        assert connection.unreadable == 4
        assert not connection.lost.done()
        connection.close()


async def test_messages_of_kinds_nobody_knows_and_errors_end_nothing() -> None:
    heard: list[ServerMessage] = []
    async with FakeLive() as service:
        connection = await opened(service)
        connection.listen(heard.append)
        line = await service.line(0)
        for _ in range(20):
            await line.send(FOREIGN, {"error": {"code": 503}}, {"server_content": {}})
        await line.send({"server_content": {"output_transcription": {"text": "a"}}})
        await settle()

        assert [event for event in heard if isinstance(event, AgentSaid)] == [AgentSaid("a")]
        assert connection.unreadable == 0
        assert not connection.lost.done()
        connection.close()


async def test_three_unreadable_messages_in_a_row_end_the_connection() -> None:
    async with FakeLive() as service:
        connection = await opened(service)
        connection.listen(lambda _: None)
        line = await service.line(0)
        await line.send(BROKEN, BROKEN, BROKEN)
        error = connection.lost.result()
        await settle()

        assert (error.resumable, error.fresh) == (True, True)
        assert not connection.is_open
        assert service.open == 0


@pytest.mark.parametrize("size", [70_000, 3_000_000])
async def test_a_long_message_comes_whole(size: int) -> None:
    heard: list[ServerMessage] = []
    async with FakeLive() as service:
        connection = await opened(service)
        connection.listen(heard.append)
        await (await service.line(0)).send(audio(bytes(size)))
        await settle(0.1)
        connection.close()

    assert heard == [AgentAudio(bytes(size))]


async def test_a_message_in_fragments_comes_whole() -> None:
    heard: list[ServerMessage] = []
    async with FakeLive() as service:
        connection = await opened(service)
        connection.listen(heard.append)
        line = await service.line(0)
        await line.socket.send(
            [b'{"serverContent":', b'{"outputTranscription":', b'{"text":"a"}}}']
        )
        await settle()
        connection.close()

    assert heard == [AgentSaid("a")]


async def test_a_peer_that_does_not_read_costs_audio_and_no_control_message() -> None:
    async with FakeLive() as service:
        connection = await opened(service)
        line = await service.line(0)
        line.stop_reading()
        big = b'{"realtimeInput":{"audio":{"data":"' + b"A" * 4_000_000 + b'","mimeType":"x"}}}'
        taken = [connection.send_audio(big), connection.send_audio(big), connection.send(SETUP)]
        await settle()

        assert taken == [True, False, True]
        assert connection.dropped == 1
        line.go_on_reading()
        await settle(0.1)
        assert len(line.of_kind("realtimeInput")) == 1
        assert len(line.of_kind("setup")) == 1
        assert connection.send_audio(big)
        connection.close()
        await settle(0.1)


async def test_a_link_that_takes_nothing_for_five_seconds_is_dead() -> None:
    """Nothing else would tell: the service has nothing to say to a caller it cannot hear."""
    big = bytes(4_000_000)
    async with FakeLive() as service:
        connection = await opened(service)
        line = await service.line(0)
        line.stop_reading()
        connection.send_audio(big)
        connection.send_audio(big)
        await settle(4.9)
        connection.send_audio(big)
        borne = not connection.lost.done()
        await settle(0.2)

        assert borne
        assert connection.lost.result().resumable
        assert "takes nothing" in str(connection.lost.result())
        assert not connection.is_open
        line.go_on_reading()
        await settle(0.1)


async def test_pings_of_the_service_are_answered_once_and_not_each_of_a_flood() -> None:
    async with FakeLive() as service:
        connection = await opened(service)
        line = await service.line(0)
        pongs: list[bytes] = []
        take = line.socket.protocol.recv_frame

        def note(one: Frame) -> None:
            pongs.append(bytes(one.data))
            take(one)

        line.socket.protocol.recv_frame = note  # type: ignore[method-assign, assignment]
        line.socket.transport.write(b"".join(b"\x89\x01%c" % n for n in range(100)))
        await settle(1.0)

        assert pongs == [b"\x00", b"c"]
        connection.close()
        await settle(0.1)


async def test_a_link_that_recovers_is_borne_again() -> None:
    wall = b'{"realtimeInput":{"x":"' + b"A" * 20_000_000 + b'"}}'  # more than the kernel takes
    async with FakeLive() as service:
        connection = await opened(service)
        line = await service.line(0)
        taken = []
        for _ in range(2):
            line.stop_reading()
            connection.send(wall)
            taken.append(connection.send_audio(b"{}"))
            await settle(4.0)
            line.go_on_reading()
            await settle(0.1)
            taken.append(connection.send_audio(b"{}"))

        assert taken == [False, True, False, True]
        assert not connection.lost.done()
        connection.close()
        await settle(0.1)


# ---- ending -------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [1000, 1007, 1008, 1011, 4000])
async def test_the_close_code_of_the_service_is_known(code: int) -> None:
    async with FakeLive() as service:
        connection = await opened(service)
        connection.listen(lambda _: None)
        await (await service.line(0)).close(code, "why")

        assert connection.lost.result().code == code
        assert not connection.is_open
        assert not connection.send(SETUP)


async def test_a_broken_link_is_1006() -> None:
    async with FakeLive() as service:
        connection = await opened(service)
        await (await service.line(0)).abort()

        assert connection.lost.result().code == 1006


async def test_nothing_is_delivered_after_close() -> None:
    heard: list[ServerMessage] = []
    async with FakeLive() as service:
        connection = await opened(service)
        connection.listen(heard.append)
        line = await service.line(0)
        connection.close()
        await line.send(agent_said("late"))
        await settle()

        assert heard == []
        assert line.socket.close_code == 1000
        assert connection.lost.done()


async def test_a_peer_that_does_not_read_cannot_keep_the_socket() -> None:
    """What waits for the kernel would hold the transport for as long as the peer likes."""
    async with FakeLive() as service:
        connection = await opened(service)
        line = await service.line(0)
        line.stop_reading()
        connection.send(bytes(4_000_000))
        connection.close()
        await settle()
        held = not connection.lost.done()
        await settle(3.0)

        assert held
        assert connection.lost.done()
        line.go_on_reading()


async def test_closing_twice_is_harmless() -> None:
    async with FakeLive() as service:
        connection = await opened(service)
        connection.close()
        connection.close()
        await settle()

        assert connection.lost.done()


@pytest.mark.parametrize(
    ("code", "reason", "resumable", "fresh"),
    [
        (1000, "", True, True),
        (1001, "going away", True, True),
        (1005, "", True, True),
        (1006, "", True, True),
        (1007, "Request contains an invalid argument.", False, True),
        (1008, "Operation is not implemented, or supported, or enabled", True, True),
        (1009, "", True, True),
        (1011, "Internal error encountered.", True, True),
        (1011, "Deadline expired before operation could complete.", True, True),
        (1011, "You exceeded your current quota, please check your plan", True, True),
        (1008, "RESOURCE_EXHAUSTED", True, True),
        (4321, "", True, True),
    ],
)
def test_what_a_close_code_means(code: int, reason: str, resumable: bool, fresh: bool) -> None:
    error = close_error(code, reason)

    assert (error.code, error.resumable, error.fresh) == (code, resumable, fresh)
    assert reason == "" or reason not in str(error)
