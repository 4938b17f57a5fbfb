"""Whether a process of this machine still runs is known; of any other it is not."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from fwai.store import process_identity
from fwai.store.process_identity import surely_gone, this_process


def test_this_process_runs_and_is_the_same_each_time() -> None:
    here = this_process()

    assert here == this_process()
    assert here.started > 0
    assert here.boot_id
    assert not surely_gone(here, here)


def test_a_process_that_ended_is_gone_also_while_nobody_has_waited_for_it() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    here = this_process()
    there = replace(here, pid=child.pid, started=process_identity._started(child.pid) or 0)
    assert not surely_gone(there, here)

    child.kill()
    while process_identity._started(child.pid):
        pass
    zombie = surely_gone(there, here)
    child.communicate()

    assert zombie
    assert surely_gone(there, here)


def test_another_process_under_the_same_id_is_not_the_one() -> None:
    here = this_process()

    assert surely_gone(replace(here, started=here.started - 1), here)


def test_of_another_machine_container_or_boot_nothing_is_known() -> None:
    here = this_process()
    gone = replace(here, pid=2**22 + 1)

    assert surely_gone(gone, here)
    for unlike in (
        replace(gone, host="another pid:[1]"),
        replace(gone, boot_id="another"),
        replace(gone, started=0),
    ):
        assert not surely_gone(unlike, here)
    assert not surely_gone(replace(gone, boot_id=""), replace(here, boot_id=""))


@pytest.mark.parametrize(
    ("error", "gone"), [(ProcessLookupError, True), (PermissionError, False), (None, False)]
)
def test_a_process_that_proc_hides_is_not_gone(
    monkeypatch: pytest.MonkeyPatch, error: type[OSError] | None, gone: bool
) -> None:
    """Of another user's process there is no /proc entry under hidepid or ProtectProc."""

    def kill(pid: int, sign: int) -> None:
        assert sign == 0
        if error is not None:
            raise error

    here = this_process()
    monkeypatch.setattr(process_identity, "_started", lambda _: None)
    monkeypatch.setattr(os, "kill", kill)

    assert surely_gone(replace(here, pid=here.pid + 1), here) is gone
