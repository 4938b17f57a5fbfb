"""Who may use the API, as the settings have it."""

import stat
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from fwai.config.loading import load_settings
from fwai.config.settings import Settings
from fwai.http.access import COOKIE
from fwai.http.problem import ProblemError
from fwai.wiring.access import open_access
from fwai.wiring.app import guards_off
from unit.http.test_access import cookie_of, request

KEY = "0123456789abcdef"
PLIVO = {
    "call_provider": "plivo",
    "google_api_key": "k",
    "plivo_auth_id": "MA1",
    "plivo_auth_token": "t",
    "plivo_phone_number": "+912200000000",
    "public_url": "https://voice.example.com",
}
TALK = {"google_api_key": "k"}


def settings(folder: Path, **values: Any) -> Settings:  # noqa: ANN401
    return load_settings({"data_dir": folder, **values}, environment=False)


@pytest.mark.parametrize(
    ("values", "demo", "trusted"),
    [
        (PLIVO, False, False),
        (PLIVO | {"host": "127.0.0.1"}, False, False),
        (PLIVO | {"api_keys": KEY}, False, False),
        (PLIVO | {"allow_local_without_key": True}, False, True),
        (PLIVO | {"allow_local_without_key": True, "api_keys": KEY}, False, True),
        (PLIVO, True, True),  # simulated
        (PLIVO | {"api_keys": KEY}, True, False),
        (TALK, False, True),
        (TALK | {"api_keys": KEY}, False, False),
        ({}, False, True),
    ],
)
async def test_when_this_machine_needs_no_key(
    tmp_path: Path, values: dict[str, Any], demo: bool, trusted: bool
) -> None:
    access = open_access(settings(tmp_path, **values), demo=demo).access

    if trusted:
        assert (await access.admit(request())).name == "loopback"
    else:
        with pytest.raises(ProblemError):
            await access.admit(request())


def test_a_public_address_alone_is_reason_enough_for_a_key(tmp_path: Path) -> None:
    """Other settings are missing then, but whoever looks only at this must not trust."""
    given = settings(tmp_path, **PLIVO).model_copy(update={"call_provider": ()})

    assert not given.trusts_local


@pytest.mark.parametrize(
    ("values", "told"), [(PLIVO, True), (PLIVO | {"api_keys": KEY}, False), (TALK, False)]
)
def test_that_the_api_is_off_is_told_with_the_fix(
    tmp_path: Path, values: dict[str, Any], told: bool
) -> None:
    with capture_logs() as logs:
        open_access(settings(tmp_path, **values))

    off = [log for log in logs if log["event"] == "api_off"]
    assert len(off) == told
    assert all("set API_KEYS" in log["fix"] for log in off)


def test_trust_without_a_key_is_announced(tmp_path: Path) -> None:
    given = settings(tmp_path, **PLIVO, allow_local_without_key=True)

    with capture_logs() as logs:
        assert guards_off(given) == ["ALLOW_LOCAL_WITHOUT_KEY"]
    assert logs[0]["guard"] == "ALLOW_LOCAL_WITHOUT_KEY"


async def test_an_upgrade_logs_nobody_out_and_a_deleted_file_everybody(tmp_path: Path) -> None:
    given = settings(tmp_path, **PLIVO, api_keys=f"desk:operator:{KEY}")
    from fastapi import Response

    begun = Response()
    await open_access(given).access.begin_session(request(x_api_key=KEY), begun)
    asked = request("203.0.113.9", cookie=f"{COOKIE}={cookie_of(begun)}")

    assert (await open_access(given).access.admit(asked)).name == "desk"
    assert "Secure" in begun.headers["set-cookie"]
    secret = tmp_path / "session_secret"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    secret.unlink()
    with pytest.raises(ProblemError):
        await open_access(given).access.admit(asked)


async def test_calls_go_on_where_no_secret_can_be_kept(tmp_path: Path) -> None:
    for name in ("local_key", "session_secret"):
        (tmp_path / name).mkdir()

    with capture_logs() as logs:
        opened = open_access(settings(tmp_path, **PLIVO, api_keys=KEY))

    assert (await opened.access.admit(request(x_api_key=KEY))).name.startswith("key-")
    assert len(opened.warnings) == 2
    assert "call and jobs need --key" in opened.warnings[0]
    assert "a restart ends all sessions" in opened.warnings[1]
    assert str(tmp_path) not in str(opened.warnings)
    assert [log["event"] for log in logs].count("secret_file_unusable") == 2
