"""Whatever goes wrong at the carrier when a call ends, it ended for the reason it ended for."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

import virtual_time  # noqa: F401 - `inside` runs on its clock
from fakes import HANG_UP, FakeCaller, FakeControl
from fwai.adapters.plivo.client import PlivoClient
from fwai.adapters.plivo.line import PlivoLine
from fwai.audio.pcm import silence
from fwai.calls.hang_up import CarrierHangUp
from fwai.domain.call import CallState, EndReason
from fwai.domain.events import CallerAudio, CallerEvent
from fwai.domain.job import Dead, Retry
from fwai.errors import (
    AgentError,
    ApiAuthError,
    ApiError,
    ApiUnknownError,
    BusyError,
    FieldError,
    RefusedError,
    StoreError,
    WireError,
)
from fwai.tools.transfer_call import hand_over
from unit.calls.test_manager import House, inside
from unit.jobs.kit import a_job, no_mark

ERRORS: Final[list[Exception]] = [
    ApiError("plivo", "refused (HTTP 400)", status=400),
    ApiError("plivo", "too many requests", status=429, retryable=True),
    ApiAuthError("plivo", "refused (HTTP 401)", status=401),
    ApiUnknownError("plivo", "server error (HTTP 503)", status=503),
    BusyError("plivo: the account carries as many calls as it may"),
    WireError("no SDP"),
    StoreError("disk"),
    AgentError("gone"),
    FieldError("to", "no"),
    RefusedError("no", "no"),
    TimeoutError(),
    ConnectionResetError(),
    httpx.ConnectError("no route"),
    httpx.ReadTimeout("late"),
    httpx.InvalidURL("no url"),
    RuntimeError("Cannot send a request, as the client has been closed."),
    ValueError("unreadable"),
    KeyError("CallUUID"),
]
each_error = pytest.mark.parametrize("error", ERRORS, ids=lambda error: repr(error)[:40])


@each_error
def test_an_operators_hang_up_stays_his(error: Exception) -> None:
    async def act(house: House) -> None:
        house.control = FakeControl(error)  # type: ignore[arg-type]
        token = await house.offer()
        asyncio.get_running_loop().call_later(
            2.0, lambda: house.calls.hang_up(next(iter(house.archive.calls)))
        )
        await house.calls.carry(token, "carrier-1", FakeCaller())

    house = inside(act)

    assert house.reasons == [EndReason.OPERATOR]
    assert house.states == [CallState.COMPLETED]
    assert house.control.hung_up == ["carrier-1"]


@each_error
def test_one_that_rings_is_the_operators_too(error: Exception) -> None:
    async def act(house: House) -> None:
        house.control = FakeControl(error)  # type: ignore[arg-type]
        await house.offer()
        await asyncio.sleep(1)
        assert house.calls.hang_up(next(iter(house.archive.calls)))
        await asyncio.sleep(1)

    house = inside(act)

    assert house.reasons == [EndReason.OPERATOR]
    assert house.states == [CallState.CANCELED]


class BrokenLeg(FakeCaller):
    """A stream that cannot even be closed."""

    fault: Exception = RuntimeError("bug")

    async def close(self) -> None:
        await super().close()
        raise self.fault


@each_error
@pytest.mark.parametrize("ends", ["operator", "caller"])
def test_a_stream_that_cannot_be_closed_changes_no_reason(error: Exception, ends: str) -> None:
    async def act(house: House) -> None:
        token = await house.offer()
        leg = BrokenLeg([(3.0, HANG_UP)] if ends == "caller" else [])
        leg.fault = error
        loop = asyncio.get_running_loop()
        if ends == "operator":
            loop.call_later(2.0, lambda: house.calls.hang_up(next(iter(house.archive.calls))))
        await house.calls.carry(token, "carrier-1", leg)

    wanted = EndReason.OPERATOR if ends == "operator" else EndReason.CALLER_HUNG_UP
    assert inside(act).reasons == [wanted]


class BrokenRecorder:
    """A disk that is full at the end of the call."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return lambda *_: None

    async def close(self) -> None:
        raise StoreError("disk")


def test_a_recording_that_cannot_be_finished_changes_no_reason() -> None:
    async def act(house: House) -> None:
        token = await house.offer()
        await house.calls.carry(token, "carrier-1", FakeCaller([(2.0, HANG_UP)]))

    house = inside(act, recorder=(BrokenRecorder(), Path("a.wav")))

    assert house.reasons == [EndReason.CALLER_HUNG_UP]


@each_error
async def test_a_transfer_that_fails_is_one_that_did_not_happen(error: Exception) -> None:
    class Line:
        async def transfer(self, provider_call_id: str) -> None:
            raise error

    deliberate = type(error).__module__ == "fwai.errors" or isinstance(error, TimeoutError)
    if deliberate:
        assert not await hand_over(Line(), "carrier-1")
    else:  # the goodbye that waits for it takes it for the same
        with pytest.raises(type(error)):
            await hand_over(Line(), "carrier-1")


@each_error
def test_a_transfer_that_breaks_leaves_the_caller_with_the_agent(error: Exception) -> None:
    async def act(house: House) -> None:
        token = await house.offer()

        async def transfer() -> bool:
            raise error

        def connect() -> None:
            session = house.calls.session(next(iter(house.archive.calls)))
            assert session is not None
            session.finish(EndReason.TRANSFERRED, transfer)

        asyncio.get_running_loop().call_later(1.0, connect)
        sound: list[tuple[float, CallerEvent]] = [
            (0.5 * number, CallerAudio(silence(500, 8000))) for number in range(24)
        ]
        await house.calls.carry(token, "carrier-1", FakeCaller([*sound, (12.0, HANG_UP)]))

    assert inside(act).reasons == [EndReason.CALLER_HUNG_UP]


@pytest.mark.parametrize("body", ['{"error": "Concurrency limit reached"}', "forbidden"])
@pytest.mark.parametrize("status", [400, 401, 403, 429, 500, 503])
@pytest.mark.parametrize("request_", ["hang up", "transfer", "sms", "dial"])
async def test_only_a_new_call_finds_plivo_busy(request_: str, status: int, body: str) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(status, text=body))
    async with httpx.AsyncClient(transport=transport) as http:
        client = PlivoClient(http, "MA", "token", "+918888800000")
        line = PlivoLine(client, "+918888800000", "https://voice.example.com")
        ways: dict[str, Callable[[], Awaitable[object]]] = {
            "hang up": lambda: line.hang_up("uuid-1"),
            "transfer": lambda: line.transfer("uuid-1"),
            "sms": lambda: line.send_sms("+919999900001", "hi"),
            "dial": lambda: client.dial(
                "+919999900001", answer_url="a", hangup_url="h", ring_url="r"
            ),
        }
        with pytest.raises((ApiError, BusyError)) as raised:
            await ways[request_]()

    full = status == 403 and "oncurrency" in body
    assert isinstance(raised.value, BusyError) == (full and request_ == "dial")
    if full and isinstance(raised.value, ApiError):
        assert raised.value.retryable


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (BusyError("busy"), True),
        (ApiError("plivo", "429", status=429, retryable=True), True),
        (ApiUnknownError("plivo", "no answer"), True),
        (ApiError("plivo", "refused", status=400), False),
    ],
)
async def test_what_a_dead_process_left_is_hung_up_in_the_end(
    error: Exception, again: bool
) -> None:
    job = a_job("hang_up", payload={"provider": "plivo", "provider_call_id": "uuid-1"})

    outcome = await CarrierHangUp({"plivo": FakeControl(error)})(job, no_mark)  # type: ignore[arg-type]

    assert isinstance(outcome, Retry if again else Dead)
