"""Names that no setting has: all of .env, and near misses in the environment; never a value."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from fwai.config.loading import inspect_settings, load_settings, setting_warnings
from fwai.config.names import MAX_TOLD, SettingWarning, name_warnings
from fwai.config.settings import Settings
from fwai.errors import ConfigError
from tables import each_row

SECRET = "sk-very-secret-value"
ORDINARY = [
    name
    for line in (Path(__file__).parent / "ordinary_environment.txt").read_text("utf-8").splitlines()
    if not line.startswith("#")
    for name in line.split()
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with no .env, and an environment with nothing in it."""
    for name in list(os.environ):
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def in_environment(name: str, value: str = SECRET) -> tuple[SettingWarning, ...]:
    return name_warnings({name: value}, Path("/nowhere/.env"))


def in_file(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    file = folder / ".env"
    file.write_bytes(text.encode())
    return [str(one) for one in name_warnings(environ or {}, file)]


# ---- the environment ----------------------------------------------------------------------------


@each_row("name", ORDINARY)
def test_an_ordinary_environment_is_not_spoken_of(name: str) -> None:
    assert in_environment(name) == ()


@each_row("name", sorted(Settings.model_fields))
def test_our_own_names_are_known_in_any_case(name: str) -> None:
    assert in_environment(name.upper()) == in_environment(name) == ()


@each_row(
    ("name", "meant"),
    [
        ("CALL_PROVIDR", "CALL_PROVIDER"),
        ("CALL_PROVIDERS", "CALL_PROVIDER"),
        ("CALLPROVIDER", "CALL_PROVIDER"),
        ("call_providr", "CALL_PROVIDER"),
        ("CALL_PRVOIDER", "CALL_PROVIDER"),
        ("PROVIDER_CALL", "CALL_PROVIDER"),
        ("RECORD_CALL", "RECORD_CALLS"),
        ("RECORDCALLS", "RECORD_CALLS"),
        ("GOOGLE_APIKEY", "GOOGLE_API_KEY"),
        ("GOOGLE_API_KEYS", "GOOGLE_API_KEY"),
        ("GOGLE_API_KEY", "GOOGLE_API_KEY"),
        ("PLIVO_AUTHTOKEN", "PLIVO_AUTH_TOKEN"),
        ("PLIVO_AUTH_TOKENS", "PLIVO_AUTH_TOKEN"),
        ("PLIVO_PHONE_NUMER", "PLIVO_PHONE_NUMBER"),
        ("EXOTEL_WEBOOK_SECRET", "EXOTEL_WEBHOOK_SECRET"),
        ("META_VERFY_TOKEN", "META_VERIFY_TOKEN"),
        ("PUBLIC_URI", "PUBLIC_URL"),
        ("API_KEY", "API_KEYS"),
        ("TIME_ZONE", "TIMEZONE"),
        ("DATADIR", "DATA_DIR"),
        ("LOGLEVEL", "LOG_LEVEL"),
        ("FWAI_PORT", "PORT"),
        ("FWAI_CALL_PROVIDER", "CALL_PROVIDER"),
        ("FWAI_CALL_PROVIDR", "CALL_PROVIDER"),
        ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        ("SMTP_PASS", "SMTP_PASSWORD"),
        ("SMTP_SERVER", "SMTP_HOST"),
        ("PLIVO_NUMBER", "PLIVO_PHONE_NUMBER"),
        ("WHATSAPP_TOKEN", "META_ACCESS_TOKEN"),
    ],
)
def test_a_near_miss_is_told_with_the_name_that_was_meant(name: str, meant: str) -> None:
    (warning,) = in_environment(name)

    assert str(warning) == f"environment: {name}: no setting has this name; did you mean {meant}?"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("DISABLE_TRANSCRIPTS", "ENABLE_TRANSCRIPTS"),
        ("disable_transcripts", "ENABLE_TRANSCRIPTS"),
        ("DISABLE_TRANSCRIPT", "ENABLE_TRANSCRIPTS"),
        ("NO_TRANSCRIPTS", "ENABLE_TRANSCRIPTS"),
        ("FWAI_DISABLE_TRANSCRIPTS", "ENABLE_TRANSCRIPTS"),
        ("DISABLE_ENABLE_TRANSCRIPTS", "ENABLE_TRANSCRIPTS"),
        ("DISABLE_RECORD_CALLS", "RECORD_CALLS"),
        ("DONT_RECORD_CALLS", "RECORD_CALLS"),
        ("NO_BROWSER_CALLS", "BROWSER_CALLS"),
    ],
)
def test_who_wants_to_switch_off_is_not_told_to_switch_on(
    folder: Path, name: str, meant: str
) -> None:
    expected = f"{name}: no setting has this name; to switch it off write {meant}=false"

    assert [str(one) for one in in_environment(name, "true")] == [f"environment: {expected}"]
    assert in_file(folder, f"{name}=true\n") == [f".env: {expected}"]


def test_a_setting_in_two_cases_and_of_two_values_is_told() -> None:
    both = {
        "calling_hours": "09:00-21:00",
        "CALLING_HOURS": "10:00-12:00",
        "port": "1",
        "PORT": "1",
    }
    both |= {"http_proxy": "a", "HTTP_PROXY": "b"}

    (warning,) = name_warnings(both, Path("/nowhere/.env"))

    assert str(warning) == (
        "environment: calling_hours: is also set as CALLING_HOURS, to another value, "
        "and only one counts; unset one"
    )


def test_a_name_of_others_is_not_told_while_ours_is_set() -> None:
    both = {"GEMINI_API_KEY": "other", "GOOGLE_API_KEY": "ours"}

    assert name_warnings(both, Path("/nowhere/.env")) == ()


def test_a_service_that_is_named_like_us_is_no_setting() -> None:
    """Kubernetes puts the address of a service named fwai into the environment of every pod."""
    assert in_environment("FWAI_PORT", "tcp://10.0.0.1:3000") == ()


# ---- the file -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("CALL_PROVIDR=plivo", "did you mean CALL_PROVIDER?"),
        ("export CALL_PROVIDR=plivo", "did you mean CALL_PROVIDER?"),
        ("CALL_PROVIDR = plivo", "did you mean CALL_PROVIDER?"),
        ("call_providr=plivo\r", "did you mean CALL_PROVIDER?"),
        ("FWAI_PORT=3000", "did you mean PORT?"),
        ("PORTS=3000", "did you mean PORT?"),
        ("HOSTS=127.0.0.1", "did you mean HOST?"),
        ("TZ=Asia/Kolkata", "did you mean TIMEZONE?"),
        ("BASE_URL=https://voice.example.com", "did you mean PUBLIC_URL?"),
        ("N8N_WEBHOOK_URL=https://n8n.example.com", "did you mean EVENTS_WEBHOOK_URL?"),
        ("VOICEMAIL_GREETING=hi", "VOICEMAIL_GREETING: no setting has this name; .env.example"),
        ("COMPOSE_PROJECT_NAME=fwai", "COMPOSE_PROJECT_NAME: no setting has this name"),
        ("just some words", "line 1 sets nothing; write NAME=value"),
        (SECRET, "line 1 sets nothing; write NAME=value"),
        (f"{SECRET}=", "line 1 sets no setting of this server"),
        ("AIzaSyVerySecret=", "line 1 sets no setting of this server"),
    ],
)
def test_every_unknown_name_of_the_file_is_told(folder: Path, line: str, told: str) -> None:
    (warning,) = in_file(folder, f"{line}\n")

    assert warning.startswith(".env: ")
    assert told in warning
    assert "VerySecret" not in warning
    assert SECRET not in warning


@pytest.mark.parametrize(
    "line",
    [
        "PORT=3000", "port=3000", "export PORT=3000", "PORT = 3000", "  PORT=3000", "PORT=",
        "# CALL_PROVIDR=plivo", "", "   ", "PORT='3000' # comment", "\ufeffPORT=3000",
    ],
)  # fmt: skip
def test_what_is_read_is_not_told(folder: Path, line: str) -> None:
    assert in_file(folder, f"{line}\n") == []


def test_a_name_that_is_written_twice_is_told_with_its_lines(folder: Path) -> None:
    assert in_file(folder, "PORT=1\nHOST=::1\nport=2\n") == [
        ".env: port: is written in line 1 and in line 3; only the last one counts"
    ]


def test_a_file_of_somebody_elses_does_not_flood_the_log(folder: Path) -> None:
    assert len(in_file(folder, "".join(f"OTHER_{one}=1\n" for one in range(500)))) == MAX_TOLD


def test_a_file_that_cannot_be_read_has_no_names(folder: Path) -> None:
    (folder / ".env").write_bytes(b"\xff\xfe\x00")

    assert name_warnings({}, folder / ".env") == ()


# ---- at the start -------------------------------------------------------------------------------


def test_a_server_starts_in_spite_of_unknown_names(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / ".env").write_text(f"CALL_PROVIDR={SECRET}\n", encoding="utf-8")
    monkeypatch.setenv("RECORD_CALL", SECRET)

    settings, problems = inspect_settings()
    told = [str(one) for one in setting_warnings()]

    assert settings.demo
    assert problems == []
    assert [one.split(": ")[:2] for one in told] == [
        [".env", "CALL_PROVIDR"],
        ["environment", "RECORD_CALL"],
    ]
    assert SECRET not in str(told)


def test_what_is_missing_is_told_together_with_what_was_perhaps_meant(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / ".env").write_text("CALL_PROVIDR=plivo\n", encoding="utf-8")
    monkeypatch.setenv("PLIVO_AUTH_ID", "MA0000000000000000")

    with pytest.raises(ConfigError) as refused:
        load_settings()

    assert refused.value.problems[0].startswith("CALL_PROVIDER: missing")
    assert refused.value.problems[-1].endswith("did you mean CALL_PROVIDER?")
