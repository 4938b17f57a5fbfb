import asyncio
import shutil
import sys
import time
import wave
from datetime import datetime
from pathlib import Path

import children
from fwai.domain.call import CallState, EndReason
from fwai.store.open import StoreOptions, open_store
from fwai.store.transcript_files import read_transcript
from unit.store.kit import KOLKATA, a_call

PROGRAM = Path(__file__).parent / "crashing.py"
TESTS = Path(__file__).parents[2]
LOST_S = 2.0


async def run_and_kill(folder: Path, seconds: float) -> float:
    """Let the process write for some seconds, kill it, and return when it last wrote."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(PROGRAM),
        str(folder),
        stdout=asyncio.subprocess.PIPE,
        env=children.environment(),
    )
    assert process.stdout is not None
    line = b"not begun"
    try:
        async with asyncio.timeout(30):
            while not line[:1].isdigit():
                line = await process.stdout.readline()
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                line = await process.stdout.readline()
    finally:
        process.kill()
        await process.wait()
    return float(line)


async def test_a_killed_process_loses_at_most_two_seconds(tmp_path: Path, migrated: Path) -> None:
    shutil.copy(migrated, tmp_path / "fwai.db")
    killed_at = await run_and_kill(tmp_path, 2.2)

    (path,) = (tmp_path / "transcripts").rglob("*.jsonl")
    lines = read_transcript(path).lines
    assert [line["text"] for line in lines] == [str(number) for number in range(len(lines))]
    last = datetime.fromisoformat(lines[-1]["at"]).timestamp()
    assert killed_at - last < LOST_S
    assert len(lines) > 20

    options = StoreOptions(
        url=f"sqlite+aiosqlite:///{tmp_path / 'fwai.db'}",
        zone=KOLKATA,
        transcripts_dir=tmp_path / "transcripts",
        recordings_dir=tmp_path / "recordings",
    )
    async with open_store(options) as store:
        call = await store.calls.get(a_call().id)
        turns = await store.calls.turns(a_call().id)
    assert call is not None
    assert (call.state, call.end_reason) == (CallState.FAILED, EndReason.SERVER_CRASHED)
    assert call.ended_at is not None
    assert last - 0.01 <= call.ended_at.timestamp() < killed_at + 0.01
    assert killed_at - turns[-1].at.timestamp() < LOST_S
    transcript = read_transcript(path)
    assert transcript.ending is not None
    assert transcript.ending["end_reason"] == "server_crashed"
    (recording,) = (tmp_path / "recordings").rglob("*.wav")
    with wave.open(str(recording)) as file:
        assert file.getnframes() / 8000 > 0.5
