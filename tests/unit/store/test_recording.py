import asyncio
import tracemalloc
import wave
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from fwai.errors import StoreError
from fwai.store.file_writer import FileWriter
from fwai.store.recording import HEADER_BYTES, WavRecorder, repair

RATE = 8000
FRAME = 160
START = 1000.0
Samples = npt.NDArray[np.int16]


class FakeFiles(FileWriter):
    """Keeps what is written in memory, and refuses to see a final sample change."""

    def __init__(self) -> None:
        super().__init__()
        self.header = b""
        self.data = bytearray()

    def write_at(self, path: Path, offset: int, data: bytes) -> None:
        del path
        if offset == 0:
            self.header = data
            return
        assert offset - HEADER_BYTES >= len(self.data), "a final part was written again"
        self.data.extend(bytes(offset - HEADER_BYTES - len(self.data)) + data)

    def sides(self) -> tuple[Samples, Samples]:
        frames = np.frombuffer(bytes(self.data), dtype="<i2").reshape(-1, 2)
        return frames[:, 0], frames[:, 1]


def recorder(files: FileWriter, rate: int = RATE) -> WavRecorder:
    return WavRecorder(Path("c.wav"), rate, START, files)


def speech(number: int, length: int = FRAME) -> bytes:
    """Return a frame whose samples say which frame they are of."""
    return np.full(length, number + 1, dtype="<i2").tobytes()


def closed(made: WavRecorder, files: FakeFiles) -> tuple[Samples, Samples]:
    asyncio.run(made.close())
    caller, agent = files.sides()
    assert files.header[40:44] == len(files.data).to_bytes(4, "little")
    return caller, agent


def runs(side: Samples) -> list[tuple[int, int]]:
    """Return (value, first index) of each run of equal samples that is no silence."""
    edges = np.flatnonzero(np.diff(side, prepend=0) != 0)
    return [(int(side[edge]), int(edge)) for edge in edges if side[edge]]


def test_caller_is_left_and_agent_is_right_at_their_times() -> None:
    files = FakeFiles()
    made = recorder(files)

    made.caller(speech(0), START + 1.0)
    made.agent(speech(6), START + 1.25)
    made.caller(speech(1), START + 2.0)
    caller, agent = closed(made, files)

    assert runs(caller) == [(1, 8000), (2, 16000)]
    assert runs(agent) == [(7, 10000)]
    assert len(caller) == 16160


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 60)), min_size=1, max_size=30))
def test_agent_speech_ahead_of_time_stands_where_it_will_be_heard(
    phrases: list[tuple[int, int]],
) -> None:
    """Phrases of some frames after pauses of some frames; the caller's side runs along late."""
    files = FakeFiles()
    made = recorder(files)
    lead, now, expected = 24, 0, []
    number = 0

    for pause, length in phrases:
        now += pause + (2 if pause else 0)  # a pause of one frame is within the jitter
        for _ in range(length):
            made.agent(speech(number % 999), START + now * 0.02)
            expected.append((number % 999 + 1, now * FRAME))
            if now >= lead:
                made.caller(speech(0), START + (now - lead) * 0.02)
            now, number = now + 1, number + 1

    caller, agent = closed(made, files)
    assert runs(agent) == expected
    assert made.dropped_samples == 0
    assert set(np.unique(caller)) <= {0, 1}


@settings(deadline=None)
@given(st.lists(st.floats(0, 0.09), min_size=1, max_size=120))
def test_frames_that_arrive_with_jitter_stay_whole(lateness: list[float]) -> None:
    files = FakeFiles()
    made = recorder(files)

    for number, late in enumerate(lateness):
        made.caller(speech(number), START + 5 + number * 0.02 + late)

    found = runs(closed(made, files)[0])
    assert [value for value, _ in found] == list(range(1, len(lateness) + 1))
    assert all(b - a == FRAME for (_, a), (_, b) in pairwise(found))
    assert abs(found[-1][1] - (5 * RATE + (len(lateness) - 1) * FRAME)) <= 0.09 * RATE
    assert made.dropped_samples == 0


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(6, 40))
def test_a_burst_after_a_stall_fills_the_gap_it_left(before: int, stalled: int) -> None:
    """The network stalls for some frames, then delivers all of them at once."""
    files = FakeFiles()
    made = recorder(files)
    arrivals = [number * 0.02 for number in range(before)]
    arrivals += [(before + stalled) * 0.02] * (stalled + 1)
    arrivals += [(before + stalled + number) * 0.02 for number in range(1, 10)]

    for number, at in enumerate(arrivals):
        made.caller(speech(number), START + at)

    found = runs(closed(made, files)[0])
    assert found == [(number + 1, number * FRAME) for number in range(len(arrivals))]


def test_a_real_gap_is_silence() -> None:
    files = FakeFiles()
    made = recorder(files)

    for number in [*range(10), *range(40, 50)]:
        made.caller(speech(number), START + number * 0.02)

    found = runs(closed(made, files)[0])
    assert found == [(number + 1, number * FRAME) for number in [*range(10), *range(40, 50)]]


@settings(deadline=None)
@given(st.integers(0, 24), st.integers(0, 24))
def test_a_cut_forgets_what_the_caller_would_not_hear(lead: int, heard: int) -> None:
    heard = min(heard, lead)
    files = FakeFiles()
    made = recorder(files)
    for number in range(100 + lead):
        made.agent(speech(number), START + number * 0.02)

    made.cut(START + (100 + heard) * 0.02)
    made.agent(speech(500), START + (100 + heard + 30) * 0.02)

    agent = closed(made, files)[1]
    assert [value for value, _ in runs(agent)] == [*range(1, 101 + heard), 501]
    assert runs(agent)[-1] == (501, (130 + heard) * FRAME)


def test_a_cut_shortens_the_recording_too() -> None:
    files = FakeFiles()
    made = recorder(files)
    for number in range(50):
        made.agent(speech(number), START + number * 0.02)

    made.cut(START + 0.5)

    assert len(closed(made, files)[1]) == 4000


def test_a_cut_leaves_what_is_final() -> None:
    files = FakeFiles()
    made = recorder(files)
    for number in range(500):
        made.agent(speech(number), START + number * 0.02)

    made.cut(START)
    made.agent(speech(900), START + 10)

    agent = closed(made, files)[1]
    assert runs(agent)[:400] == [(number + 1, number * FRAME) for number in range(400)]
    assert runs(agent)[-1] == (901, 80000)


moments = st.floats(START - 2, START + 30) | st.floats()
pieces = st.integers(0, 4000)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("caller"), moments, pieces),
        st.tuples(st.just("agent"), moments, pieces),
        st.tuples(st.just("cut"), moments, pieces),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(steps)
def test_whatever_comes_the_window_is_bounded_and_the_past_is_final(
    story: list[tuple[str, float, int]],
) -> None:
    files = FakeFiles()
    made = recorder(files)
    window = made._window.nbytes

    for what, when, length in story:
        at = when if when < START + 100 else float("inf")  # gigabytes are another test's matter
        if what == "caller":
            made.caller(bytes([1]) * length, at)
        elif what == "agent":
            made.agent(bytes([1]) * length, at)
        else:
            made.cut(at)
        assert made._window.nbytes == window <= 40_000

    closed(made, files)


def test_a_time_no_file_can_hold_is_dropped_and_counted() -> None:
    files = FakeFiles()
    made = recorder(files)

    made.caller(speech(0), START + 1e9)
    made.agent(speech(0), float("nan"))
    made.caller(speech(0), START - 10)
    made.cut(float("nan"))
    made.caller(speech(4), START - 0.1)
    with capture_logs() as logs:
        caller, _ = closed(made, files)

    assert runs(caller) == [(5, 0)]
    assert made.dropped_samples == 3 * FRAME
    assert logs == [{"event": "recording_samples_dropped", "samples": 480, "log_level": "warning"}]


def test_a_caller_who_sends_faster_than_time_is_held_to_a_bound() -> None:
    files = FakeFiles()
    made = recorder(files)

    for number in range(500):
        made.caller(speech(number), START)
    caller, _ = closed(made, files)

    assert len(caller) <= 0.5 * RATE + FRAME
    assert made.dropped_samples == 500 * FRAME - len(caller)


async def test_the_file_is_a_wav_and_closing_twice_does_nothing(tmp_path: Path) -> None:
    files = FileWriter()
    made = WavRecorder(tmp_path / "day" / "c.wav", 24000, START, files)
    for number in range(150):
        made.caller(speech(number, 480), START + number * 0.02)

    await made.close()
    await made.close()
    made.caller(speech(0), START + 9)
    made.agent(speech(0), START + 9)
    made.cut(START)

    with wave.open(str(tmp_path / "day" / "c.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 24000)
        assert file.getnframes() == 72000
    assert files.pending_bytes == 0


async def test_a_call_without_a_sound_is_an_empty_wav(tmp_path: Path) -> None:
    made = WavRecorder(tmp_path / "c.wav", RATE, START, FileWriter())

    await made.close()

    with wave.open(str(tmp_path / "c.wav")) as file:
        assert file.getnframes() == 0


async def test_a_crashed_file_is_repaired(tmp_path: Path) -> None:
    files = FileWriter()
    path = tmp_path / "c.wav"
    made = WavRecorder(path, RATE, START, files)
    for number in range(200):
        made.caller(speech(number), START + number * 0.02)
    await files.flush()
    with path.open("ab") as file:
        file.write(b"\x01\x02\x03")  # a torn sample

    assert repair(path)
    assert repair(path)

    with wave.open(str(path)) as file:
        frames = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").reshape(-1, 2)
    assert len(frames) >= 200 * FRAME - 1.25 * RATE
    assert path.stat().st_size == HEADER_BYTES + len(frames) * 4
    assert runs(frames[:, 0])[0] == (1, 0)


@pytest.mark.parametrize("content", [None, b"", b"RIFF", b"x" * 60])
def test_what_is_no_recording_is_left_alone(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "c.wav"
    if content is not None:
        path.write_bytes(content)

    assert not repair(path)
    assert content is None or path.read_bytes() == content


def test_a_file_that_cannot_be_repaired_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "c.wav").mkdir()

    with pytest.raises(StoreError, match="recording"):
        repair(tmp_path / "c.wav")


async def test_two_minutes_take_no_more_memory_than_a_second(tmp_path: Path) -> None:
    files = FileWriter()
    made = WavRecorder(tmp_path / "c.wav", RATE, START, files)
    frame = speech(0)
    tracemalloc.start()
    try:
        for number in range(6_000):
            made.caller(frame, START + number * 0.02)
            made.agent(frame, START + number * 0.02 + 0.2)
            if number % 50 == 0:  # what the FileWriter does once a second
                await files.flush()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    await made.close()

    assert peak < 300_000
    assert (tmp_path / "c.wav").stat().st_size == HEADER_BYTES + 4 * (120 * RATE + 1600)
