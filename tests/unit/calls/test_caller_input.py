"""What the model hears where the caller's line brings nothing."""

import asyncio
from typing import Final

import pytest

import virtual_time
from fakes import FakeAgent, FakeCaller
from fwai.audio.pcm import silence
from fwai.calls.caller_input import FILL_AT_MOST_S, FILL_FROM_S, CallerInput

SECOND: Final = 32_000
PIECE: Final = silence(40, 8_000)
SPEECH: Final = b"\x00\x20\x00\xe0" * 160


class Recording:
    """A recorder that remembers when each piece of the caller's began."""

    def __init__(self) -> None:
        self.began: list[float] = []

    def caller(self, pcm: bytes, at: float) -> None:
        self.began.append(at)

    def agent(self, pcm: bytes, at: float) -> None: ...

    def cut(self, at: float) -> None: ...

    async def run(self) -> None: ...

    def close(self) -> None: ...


def a_line(recorder: Recording | None = None) -> tuple[CallerInput, FakeAgent]:
    agent = FakeAgent()
    return CallerInput(FakeCaller(), agent, recorder, 100.0), agent  # type: ignore[arg-type]


def filled(heard_at: float | None, *looks: float) -> list[float]:
    """Return how many seconds of silence the model heard at each look."""

    async def main() -> list[float]:
        caller, agent = a_line()
        if heard_at is not None:
            caller.hear(PIECE, heard_at)
        seconds = []
        for now in looks:
            before = len(agent.heard)
            caller.fill(now)
            seconds.append((len(agent.heard) - before) / SECOND)
        assert not any(agent.heard)
        assert agent.speech_heard == 0
        await asyncio.sleep(0)
        return seconds

    return virtual_time.run(main())


@pytest.mark.parametrize(
    ("heard_at", "looks", "seconds"),
    [
        pytest.param(None, (100.5, 101.0, 102.0), (0.0, 1.0, 1.0), id="from the start"),
        pytest.param(105.0, (105.5, 106.5, 107.0, 107.5), (0.0, 1.5, 0.0, 1.0), id="a cut line"),
        pytest.param(105.0, (105.0 + FILL_FROM_S,), (FILL_FROM_S,), id="as early as it may be"),
        pytest.param(105.0, (115.0, 116.0), (FILL_AT_MOST_S, 1.0), id="a look that comes late"),
    ],
)
def test_what_is_missing_is_filled_once(
    heard_at: float | None, looks: tuple[float, ...], seconds: tuple[float, ...]
) -> None:
    assert filled(heard_at, *looks) == pytest.approx(seconds, abs=0.001)


def test_audio_that_comes_again_is_heard_after_the_silence() -> None:
    async def main() -> None:
        caller, agent = a_line()
        caller.fill(101.0)
        caller.hear(SPEECH, 101.2)
        caller.fill(101.5)

        silent = SECOND
        assert not any(agent.heard[:silent])
        assert any(agent.heard[silent:])
        assert len(agent.heard) < silent + 2_000
        await asyncio.sleep(0)

    virtual_time.run(main())


def test_what_the_caller_said_is_measured_and_recorded_where_it_began() -> None:
    async def main() -> None:
        recorder = Recording()
        caller, _ = a_line(recorder)
        assert caller.stopped_at is None
        speech = [caller.hear(SPEECH, 100.04 + 0.04 * n) for n in range(5)]
        quiet = [caller.hear(PIECE, 100.24 + 0.04 * n) for n in range(25)]

        assert any(speech)
        assert not quiet[-1]
        assert caller.total_ms == pytest.approx(30 * 40.0)
        assert caller.audio_at == pytest.approx(101.2)
        assert caller.stopped_at == pytest.approx(100.2, abs=0.05)
        assert recorder.began == pytest.approx([100.0 + 0.04 * n for n in range(30)])
        await asyncio.sleep(0)

    virtual_time.run(main())
