"""What a caller gets whose agent cannot be brought back; nobody is told more than is so."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import time
from pathlib import Path

import pytest

import virtual_time
from fakes import CALL
from fwai.calls.bounded_reads import BoundedReads
from fwai.domain.call import Call, CallId
from fwai.domain.hours import CallingHours
from fwai.domain.sentence import Fallback
from fwai.errors import ApiError, StoreError
from fwai.interfaces.calls import CallTransfer
from fwai.store.file_writer import flushed_silently
from fwai.store.voice_messages import VoiceMessages
from fwai.tools.callbacks import CallbackScheduler
from fwai.tools.recipient import ANYBODY
from fwai.tools.soon_callback import SoonCallbacks
from fwai.tools.transfer_call import TRANSFER_S
from fwai.wiring.fallback import KEEP_S, AgentFallback
from unit.tools.kit import INDIA, Announced, Quotas, noon
from unit.tools.test_callbacks import Book, People

PCM = b"\1\0" * 800
TRANSFER, VOICEMAIL, APOLOGY = Fallback.TRANSFER, Fallback.VOICEMAIL, Fallback.APOLOGY


class Line:
    """Hands calls over, or fails to."""

    def __init__(self, error: Exception | None = None, *, hangs: bool = False) -> None:
        self.error = error
        self.hangs = hangs
        self.transferred: list[str] = []

    async def transfer(self, provider_call_id: str) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        self.transferred.append(provider_call_id)


class Sick(People):
    """People whose database does what it is told."""

    def __init__(self, act: Callable[[], None]) -> None:
        super().__init__()
        self.act = act

    async def do_not_call(self, phone: str) -> bool:
        self.act()
        return False


class Slow(People):
    async def do_not_call(self, phone: str) -> bool:
        await asyncio.sleep(60)
        return False


class Nowhere(VoiceMessages):
    """Keeps a message at once, without a thread, which no virtual clock waits for."""

    async def keep(self, call_id: CallId, pcm: bytes, sample_rate: int) -> None:
        pass


class Desk:
    """The fallback of a server, and what it is made of."""

    def __init__(
        self,
        reads: BoundedReads,
        folder: Path,
        *,
        wanted: Fallback = VOICEMAIL,
        line: CallTransfer | None = None,
        people: People | None = None,
        messages: VoiceMessages | None = None,
    ) -> None:
        self.book, self.people, self.quotas = Book(), people or People(), Quotas()
        scheduler = CallbackScheduler(
            self.book, Announced(), ("plivo",), "FWAI_Core", ANYBODY, self.quotas
        )
        hours = CallingHours(time(9), time(21))
        soon = SoonCallbacks(scheduler, self.people, zone=INDIA, hours=hours, clock=noon)
        self.fallback = AgentFallback(
            wanted,
            {} if line is None else {"plivo": line},
            soon,
            messages or VoiceMessages(folder, flushed_silently),
            reads,
        )


# ---- which ---------------------------------------------------------------------------------------

WITHHELD = replace(CALL, caller="")
BROWSER = replace(CALL, caller="", provider="browser")
WHATSAPP = replace(CALL, provider="whatsapp")
UNNAMED = replace(CALL, provider_call_id="")
LISTENING = replace(CALL, listen_only=True)


@pytest.mark.parametrize(
    ("wanted", "call", "kind"),
    [
        (TRANSFER, CALL, TRANSFER),
        (TRANSFER, WITHHELD, TRANSFER),
        (TRANSFER, WHATSAPP, VOICEMAIL),
        (TRANSFER, UNNAMED, VOICEMAIL),
        (TRANSFER, replace(UNNAMED, caller=""), APOLOGY),
        (TRANSFER, BROWSER, APOLOGY),
        (TRANSFER, LISTENING, APOLOGY),
        (VOICEMAIL, CALL, VOICEMAIL),
        (VOICEMAIL, WITHHELD, APOLOGY),
        (VOICEMAIL, BROWSER, APOLOGY),
        (APOLOGY, CALL, APOLOGY),
    ],
)
async def test_a_caller_gets_what_is_wanted_as_far_as_it_is_possible(
    tmp_path: Path, wanted: Fallback, call: Call, kind: Fallback
) -> None:
    desk = Desk(BoundedReads(), tmp_path, wanted=wanted, line=Line())

    assert desk.fallback.kind(call) is kind


# ---- a transfer ----------------------------------------------------------------------------------


async def test_a_transfer_is_asked_of_the_call_s_provider(tmp_path: Path) -> None:
    line = Line()

    assert await Desk(BoundedReads(), tmp_path, line=line).fallback.transfer(CALL)

    assert line.transferred == [CALL.provider_call_id]


@pytest.mark.parametrize("line", [None, Line(ApiError("plivo", "no")), Line(ValueError("ours"))])
async def test_a_transfer_that_fails_says_so_and_raises_nothing(
    tmp_path: Path, line: Line | None
) -> None:
    assert not await Desk(BoundedReads(), tmp_path, line=line).fallback.transfer(CALL)


def test_a_provider_that_does_not_answer_is_not_waited_for(tmp_path: Path) -> None:
    async def main() -> float:
        desk = Desk(BoundedReads(), tmp_path, line=Line(hangs=True))
        started = asyncio.get_running_loop().time()
        assert not await desk.fallback.transfer(CALL)
        return asyncio.get_running_loop().time() - started

    assert virtual_time.run(main()) == pytest.approx(TRANSFER_S, abs=0.1)


# ---- a voice message -----------------------------------------------------------------------------


async def test_a_message_is_kept_and_a_callback_promised_once(tmp_path: Path) -> None:
    async with BoundedReads() as reads:
        desk = Desk(reads, tmp_path)

        assert await desk.fallback.keep_message(CALL, PCM, 8000)
        assert await desk.fallback.keep_message(CALL, PCM, 8000)

    (callback,) = desk.book.kept.values()
    assert callback.note == f"left a voice message: voice-messages/{CALL.id}.wav"
    assert (tmp_path / f"{CALL.id}.wav").stat().st_size == 44 + len(PCM)
    assert len(desk.quotas.taken) == 1


def gone() -> None:
    raise StoreError("database: away")


def broken() -> None:
    raise ValueError("a fault of ours")


@pytest.mark.parametrize("act", [gone, broken])
async def test_a_message_without_a_callback_is_not_said_to_be_kept(
    tmp_path: Path, act: Callable[[], None]
) -> None:
    async with BoundedReads() as reads:
        desk = Desk(reads, tmp_path, people=Sick(act))

        assert not await desk.fallback.keep_message(CALL, PCM, 8000)

    assert desk.book.kept == {}


async def test_without_room_for_the_message_nobody_is_promised_a_call(tmp_path: Path) -> None:
    folder = tmp_path / "voice-messages"
    folder.write_bytes(b"in the way")
    async with BoundedReads() as reads:
        desk = Desk(reads, folder)

        assert not await desk.fallback.keep_message(CALL, PCM, 8000)

    assert desk.book.kept == {}


async def test_nobody_who_cannot_be_called_is_told_that_they_will_be(tmp_path: Path) -> None:
    async with BoundedReads() as reads:
        desk = Desk(reads, tmp_path)

        assert not await desk.fallback.keep_message(WITHHELD, PCM, 8000)


def test_a_database_that_hangs_is_waited_for_as_long_as_a_caller_waits(tmp_path: Path) -> None:
    async def main() -> float:
        async with BoundedReads() as reads:
            desk = Desk(
                reads, tmp_path, people=Slow(), messages=Nowhere(tmp_path, flushed_silently)
            )
            started = asyncio.get_running_loop().time()
            assert not await desk.fallback.keep_message(CALL, PCM, 8000)
            assert desk.book.kept == {}
            return asyncio.get_running_loop().time() - started

    assert virtual_time.run(main()) == pytest.approx(KEEP_S)
