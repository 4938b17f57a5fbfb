"""A process that writes a call's story until it is killed; run by ``test_crash``."""

import asyncio
import sys
import time
from pathlib import Path

from fwai.domain.call import CallState
from fwai.store.open import StoreOptions, open_store
from unit.store.kit import KOLKATA, a_call


async def main(folder: Path) -> None:
    options = StoreOptions(
        url=f"sqlite+aiosqlite:///{folder / 'fwai.db'}",
        zone=KOLKATA,
        transcripts_dir=folder / "transcripts",
        recordings_dir=folder / "recordings",
    )
    async with open_store(options) as store:
        await store.calls.open(a_call(), CallState.IN_PROGRESS, time.time())
        log = store.calls.log(a_call())
        recording = store.recorder(a_call(), 8000, time.monotonic())
        assert recording is not None
        recorder, path = recording
        await store.calls.set_recording(a_call().id, path)
        number = 0
        while True:
            log.caller_said(f"{number}", time.time(), number)
            recorder.caller(b"\1\0" * 160, time.monotonic())
            print(time.time(), flush=True)
            number += 1
            await asyncio.sleep(0.02)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
