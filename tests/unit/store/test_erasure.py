"""Names of files that only SQLite keeps; what erasing does is in the contract's suite."""

from pathlib import Path

import pytest

from fwai.domain.call import CallState
from fwai.domain.erasure import Erased
from fwai.store.erasure import Erasure
from unit.store.kit import BUSY, PHONE, T0, Kept, a_call


@pytest.mark.parametrize("name", ["a\0b.wav", "x" * 250 + ".wav"])
async def test_a_name_that_is_no_path_keeps_nobody(kept: Kept, name: str) -> None:
    await kept.calls.open(a_call(), CallState.RINGING, T0)
    await kept.calls.set_recording(a_call().id, Path(name))
    await kept.calls.end(a_call(), BUSY, T0)

    erased = await Erasure(kept.database, None, kept.recordings).erase(PHONE)

    assert erased == Erased(calls=1)
