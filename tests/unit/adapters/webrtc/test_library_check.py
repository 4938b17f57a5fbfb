"""Fails with the name that is gone when aiortc or aioice is upgraded."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from aioice import Connection
from aiortc import RTCDtlsTransport

import fwai
from fwai.adapters.webrtc import library_check as guard
from fwai.errors import ConfigError


def test_everything_that_is_used_beyond_promises_is_there() -> None:
    assert guard.missing() == [], (
        "aiortc or aioice has changed: look at fwai/adapters/webrtc/transport.py before upgrading"
    )


@pytest.mark.parametrize("library", guard.VERSIONS)
def test_the_versions_are_those_that_were_looked_at(library: str) -> None:
    assert metadata.version(library).startswith(guard.VERSIONS[library]), (
        f"{library} was upgraded: run tests/contract/webrtc, then change guard.VERSIONS"
    )


def test_a_missing_name_stops_the_first_call_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(RTCDtlsTransport, "_set_role")
    monkeypatch.setattr(Connection, "__init__", lambda self: None)
    guard.verify.cache_clear()

    with pytest.raises(ConfigError) as caught:
        guard.verify()

    assert "_set_role" in str(caught.value)
    assert "_nominated" in str(caught.value)
    assert f"aiortc {metadata.version('aiortc')}" in str(caught.value)
    guard.verify.cache_clear()


def test_aiortc_is_not_loaded_by_anything_but_the_peer() -> None:
    code = (
        "import sys, fwai.wiring.app, fwai.adapters.webrtc, fwai.adapters.webrtc.opus\n"
        "sys.exit(bool({'aiortc', 'aioice', 'av'} & set(sys.modules)))"
    )

    source = str(Path(fwai.__file__).parents[1])

    done = subprocess.run([sys.executable, "-c", code], check=False, env={"PYTHONPATH": source})

    assert done.returncode == 0
