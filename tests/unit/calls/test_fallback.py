"""What a caller gets whose agent is lost for good: each way to its end, on a clock that jumps."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pytest

import virtual_time
from fakes import CALL
from fwai.calls.fallback import (
    APOLOGY_ONLY,
    MESSAGE_S,
    PAUSE_S,
    SPEAK_WITHIN_S,
    TONE_HZ,
    FallbackEnding,
    VoiceMessage,
    message_tone,
)
from fwai.domain.call import Call, EndReason
from fwai.domain.sentence import Fallback, Sentence, SpokenSentence

RATE: Final = 8_000
PIECE_S: Final = 0.04
PIECE: Final = b"\x01\x00" * int(RATE * PIECE_S)
SENTENCE_S: Final = 2.0
HANGS: Final = 1e4
MOST_S: Final = 20.0  # that anybody waits for what hangs
LOOSE_S: Final = 0.3


@dataclass
class Actions:
    """What can be done for the caller; each thing takes a while, and is done or not."""

    what: Fallback
    done: bool = True
    takes_s: float = 1.0
    transfers: int = 0
    kept: list[bytes] = field(default_factory=list)
    leaving: list[EndReason | None] = field(default_factory=list)
    ending: FallbackEnding | None = None

    def kind(self, call: Call) -> Fallback:
        return self.what

    async def transfer(self, call: Call) -> bool:
        self.transfers += 1
        assert self.ending is not None
        self.leaving.append(self.ending.leaving)
        await asyncio.sleep(self.takes_s)
        return self.done

    async def keep_message(self, call: Call, pcm: bytes, sample_rate: int) -> bool:
        assert sample_rate == RATE
        await asyncio.sleep(self.takes_s)
        self.kept.append(pcm)
        return self.done


@dataclass
class Outcome:
    said: list[tuple[Sentence, bytes]]
    reasons: list[EndReason]
    took_s: float
    ending: FallbackEnding
    stays: bool | None

    @property
    def sentences(self) -> list[Sentence]:
        return [sentence for sentence, _ in self.said]


def fall_back(
    actions: Actions,
    *,
    speaks: Sequence[tuple[float, float]] = (),
    hears_s: float = SENTENCE_S,
    leaves_s: float | None = None,
) -> Outcome:
    """Carry one fallback to its end.

    Args:
        actions: What can be done.
        speaks: From when to when the caller does, in seconds after the tone.
        hears_s: How long a sentence takes to be heard.
        leaves_s: When the caller hangs up, in seconds from the start.
    """

    async def main() -> Outcome:
        loop = asyncio.get_running_loop()
        started = loop.time()
        said: list[tuple[Sentence, bytes]] = []
        reasons: list[EndReason] = []
        stays: list[bool] = []

        def say(sentence: Sentence, then: bytes) -> SpokenSentence:
            said.append((sentence, then))
            return SpokenSentence("words", b"")

        ending = FallbackEnding(
            CALL, actions, say, lambda: asyncio.sleep(hears_s), reasons.append, RATE
        )
        actions.ending = ending

        async def caller() -> None:
            while not reasons:
                await asyncio.sleep(PIECE_S)
                now = loop.time()
                if leaves_s is not None and now - started >= leaves_s:
                    stays.append(ending.caller_left())
                    return
                since = now - started - hears_s
                if ending.message is not None:
                    speech = any(begin < since <= end for begin, end in speaks)
                    ending.message.hear(PIECE, now, speech=speech)

        async with asyncio.TaskGroup() as tasks:
            talking = tasks.create_task(caller())
            await ending.run()
            took_s = loop.time() - started
            talking.cancel()
        return Outcome(said, reasons, took_s, ending, stays[0] if stays else None)

    return virtual_time.run(main())


# ---- a person ------------------------------------------------------------


def test_a_transfer_that_is_made_is_the_end() -> None:
    actions = Actions(Fallback.TRANSFER)

    call = fall_back(actions)

    assert call.sentences == [Sentence.CONNECTING]
    assert call.reasons == [EndReason.TRANSFERRED]
    assert actions.leaving == [EndReason.TRANSFERRED], "known before the stream is taken away"
    assert call.took_s == pytest.approx(SENTENCE_S + 1.0)


@pytest.mark.parametrize("takes_s", [1.0, HANGS], ids=["refused", "hangs"])
def test_a_transfer_that_fails_ends_with_the_apology(takes_s: float) -> None:
    actions = Actions(Fallback.TRANSFER, done=takes_s == HANGS, takes_s=takes_s)

    call = fall_back(actions)

    assert call.sentences == [Sentence.CONNECTING, Sentence.APOLOGY]
    assert call.reasons == [EndReason.AGENT_FAILED]
    assert call.ending.leaving is None
    assert call.took_s <= 2 * SENTENCE_S + min(takes_s, MOST_S) + LOOSE_S


# ---- a voice message ------------------------------------------------------------


def test_a_voice_message_is_thanked_for_once_it_is_kept() -> None:
    actions = Actions(Fallback.VOICEMAIL)

    call = fall_back(actions, speaks=[(1, 4), (5, 7)])

    assert call.said == [(Sentence.LEAVE_MESSAGE, message_tone()), (Sentence.MESSAGE_KEPT, b"")]
    assert call.reasons == [EndReason.AGENT_FAILED]
    (pcm,) = actions.kept
    assert len(pcm) / 2 / RATE == pytest.approx(7 + PAUSE_S, abs=LOOSE_S)
    assert call.ending.message is None


def test_a_pause_within_a_message_does_not_end_it() -> None:
    actions = Actions(Fallback.VOICEMAIL)

    fall_back(actions, speaks=[(0, 2), (2 + PAUSE_S - 0.5, 9)])

    assert len(actions.kept[0]) / 2 / RATE == pytest.approx(9 + PAUSE_S, abs=LOOSE_S)


@pytest.mark.parametrize("speaks", [[], [(2, 2.3)]], ids=["nothing", "a cough"])
def test_nothing_that_was_said_is_no_message(speaks: Sequence[tuple[float, float]]) -> None:
    actions = Actions(Fallback.VOICEMAIL)

    call = fall_back(actions, speaks=speaks)

    assert actions.kept == []
    assert call.sentences == [Sentence.LEAVE_MESSAGE, Sentence.APOLOGY]
    assert call.reasons == [EndReason.AGENT_FAILED]
    assert call.took_s < 2 * SENTENCE_S + SPEAK_WITHIN_S + LOOSE_S


@pytest.mark.parametrize("takes_s", [1.0, HANGS], ids=["fails", "hangs"])
def test_a_message_that_cannot_be_kept_is_not_thanked_for(takes_s: float) -> None:
    actions = Actions(Fallback.VOICEMAIL, done=False, takes_s=takes_s)

    call = fall_back(actions, speaks=[(0, 3)])

    assert call.sentences == [Sentence.LEAVE_MESSAGE, Sentence.APOLOGY]
    assert call.reasons == [EndReason.AGENT_FAILED]
    assert call.took_s <= 2 * SENTENCE_S + 3 + PAUSE_S + min(takes_s, MOST_S) + LOOSE_S


def test_a_caller_who_talks_on_is_heard_for_a_minute() -> None:
    actions = Actions(Fallback.VOICEMAIL)

    call = fall_back(actions, speaks=[(0, 300)])

    assert len(actions.kept[0]) / 2 / RATE == pytest.approx(MESSAGE_S, abs=LOOSE_S)
    assert call.sentences[-1] is Sentence.MESSAGE_KEPT


def test_what_a_caller_said_who_hangs_up_in_the_middle_is_kept() -> None:
    actions = Actions(Fallback.VOICEMAIL)

    call = fall_back(actions, speaks=[(0, 60)], leaves_s=SENTENCE_S + 5)

    assert call.stays is True
    assert len(actions.kept[0]) / 2 / RATE == pytest.approx(5, abs=LOOSE_S)
    assert call.sentences == [Sentence.LEAVE_MESSAGE], "nobody is there to be thanked"
    assert call.took_s == pytest.approx(SENTENCE_S + 5 + 1.0, abs=LOOSE_S)


def test_a_message_is_kept_of_a_caller_who_hangs_up_while_it_is_being_kept() -> None:
    actions = Actions(Fallback.VOICEMAIL, takes_s=5.0)

    call = fall_back(actions, speaks=[(0, 3)], leaves_s=SENTENCE_S + 3 + PAUSE_S + 1)

    assert call.stays is True
    assert len(actions.kept) == 1
    assert call.sentences == [Sentence.LEAVE_MESSAGE]


def test_nothing_is_left_to_do_for_a_caller_who_hangs_up_before_the_tone() -> None:
    call = fall_back(Actions(Fallback.VOICEMAIL), leaves_s=1.0)

    assert call.stays is False


# ---- an apology ------------------------------------------------------------


def test_an_apology_is_heard_before_the_call_ends() -> None:
    call = fall_back(Actions(Fallback.APOLOGY))

    assert call.said == [(Sentence.APOLOGY, b"")]
    assert call.reasons == [EndReason.AGENT_FAILED]
    assert call.took_s == pytest.approx(SENTENCE_S)


def test_a_sentence_whose_end_is_never_told_does_not_keep_the_call_open() -> None:
    call = fall_back(Actions(Fallback.APOLOGY), hears_s=HANGS)

    assert call.reasons == [EndReason.AGENT_FAILED]
    assert call.took_s <= MOST_S


def test_where_nothing_is_configured_there_is_the_apology() -> None:
    async def main() -> tuple[bool, bool]:
        kept = await APOLOGY_ONLY.keep_message(CALL, b"", RATE)
        return await APOLOGY_ONLY.transfer(CALL), kept

    assert APOLOGY_ONLY.kind(CALL) is Fallback.APOLOGY
    assert virtual_time.run(main()) == (False, False)


# ---- its sound ------------------------------------------------------------


def test_the_tone_is_one_pitch_that_begins_and_ends_softly() -> None:
    tone = np.frombuffer(message_tone(), "<i2").astype(float)

    assert len(tone) == 0.4 * TONE_HZ
    peak = int(np.argmax(np.abs(np.fft.rfft(tone))))
    assert peak / 0.4 == pytest.approx(1_000.0)
    assert abs(tone[0]) < 10
    assert abs(tone[-1]) < 10
    assert 5_000 < np.abs(tone).max() <= 6_000


@pytest.mark.parametrize(
    ("heard", "over_s"),
    [
        pytest.param(lambda _: None, SPEAK_WITHIN_S, id="nothing"),
        pytest.param(lambda one: one.hear(PIECE, 2.0, speech=True), 2 + PAUSE_S, id="a word"),
        pytest.param(lambda one: one.hear(PIECE, 59.0, speech=True), MESSAGE_S, id="at the end"),
    ],
)
def test_a_message_is_over_once_nothing_seems_to_follow(
    heard: Callable[[VoiceMessage], None], over_s: float
) -> None:
    message = VoiceMessage(RATE, 0.0)
    heard(message)

    assert not message.over(over_s - 0.1)
    assert message.over(over_s)
