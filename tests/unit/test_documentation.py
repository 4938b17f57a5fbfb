"""What is documented exists, and what exists is documented: events, settings, commands, versions.

That each is emitted, read or run is shown by tests that do it, named after the documentation they
read: tests/e2e/test_documented_events.py, test_settings_in_use.py and test_commands.py.
"""

import os
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from documentation import (
    PAGES,
    ROOT,
    commands,
    documented_commands,
    documented_events,
    documented_targets,
    make_targets,
    snippets,
)
from fwai import __version__
from fwai.cli.arguments import parser
from fwai.cli.main import main
from fwai.config.loading import load_settings
from fwai.config.settings import Settings
from fwai.domain import call_event
from tables import each_row

# ---- events -------------------------------------------------------------------------------------


def event_types() -> set[str]:
    """Return the types of events that the code names."""
    values = [value for name, value in vars(call_event).items() if name.isupper()]
    return {value for value in values if isinstance(value, str)}


def test_every_event_is_documented_and_nothing_else_is() -> None:
    assert set(documented_events()) == event_types()
    assert all(documented_events().values())


def test_no_page_names_an_event_that_is_none() -> None:
    subjects = {kind.partition(".")[0] for kind in event_types()}
    named = {
        snippet
        for page in PAGES
        for snippet in snippets(page)
        if re.fullmatch(r"[a-z]+\.[a-z]+", snippet) and snippet.partition(".")[0] in subjects
    }

    # These are methods of the simulators' calls in docs/SIMULATORS.md.
    assert named - {"call.actions", "call.violations"} <= event_types()


# ---- settings -----------------------------------------------------------------------------------

# Names in capitals that are somebody else's.
NOT_OURS = {
    "FWAI_TEST_POSTGRES_URL": "where the tests find PostgreSQL",
    "FWAI_TEST_REDIS_URL": "where the tests find Redis",
    "DEFAULT_SCRIPT": "a name of the simulators",
    "DELIVERED_TO_HANDSET": "a status of Exotel's messages",
    "EXECUTIONS_DATA_MAX_AGE": "a setting of n8n",
    "MAX_TOKENS": "a word of Gemini's",
    "NEVER_AGAIN": "a name of the tests",
    "NON_BLOCKING": "a word of Gemini's",
    "NO_INTERRUPTION": "a word of Gemini's",
    "REAL_TIME": "a name of the tests",
    "TOOL_NAMES": "a name of the code",
    "WABA_ID": "an id at Meta, in an address",
}
# As text in the environment, and what the server takes it for; each differs from its default.
READ: Mapping[str, tuple[str, Any]] = {
    "call_provider": ("plivo, Exotel", ("plivo", "exotel")),
    "host": ("127.0.0.1", "127.0.0.1"),
    "port": ("8080", 8080),
    "debug": ("true", True),
    "public_url": ("https://voice.example.com", "https://voice.example.com"),
    "plivo_callback_url": ("https://voice.example.com/", "https://voice.example.com/"),
    "allow_unsigned_webhooks": ("1", True),
    "google_api_key": ("key", SecretStr("key")),
    "gemini_model": ("gemini-3.1-flash-live-preview", "gemini-3.1-flash-live-preview"),
    "gemini_live_url": ("ws://127.0.0.1:8003", "ws://127.0.0.1:8003"),
    "tts_voice": ("Aoede", "Aoede"),
    "agent_clips": ("false", False),
    "plivo_auth_id": ("MA1", "MA1"),
    "plivo_auth_token": ("new,old", SecretStr("new,old")),
    "plivo_phone_number": ("+91 88888 00000", "+918888800000"),
    "plivo_api_url": ("https://plivo.example.com", "https://plivo.example.com"),
    "plivo_audio": ("l16_16k", "l16_16k"),
    "plivo_l16_byteorder": ("big", "big"),
    "plivo_ws_signature": ("require", "require"),
    "plivo_dlt_entity_id": ("1101", "1101"),
    "plivo_dlt_template_id": ("1102", "1102"),
    "plivo_dlt_template_category": ("service_implicit", "service_implicit"),
    "exotel_sid": ("academy1", "academy1"),
    "exotel_api_key": ("key", SecretStr("key")),
    "exotel_api_token": ("token", SecretStr("token")),
    "exotel_caller_id": ("08047100000", "08047100000"),
    "exotel_webhook_secret": ("Path-s3cret_of-ours", SecretStr("Path-s3cret_of-ours")),
    "exotel_basic_user": ("exotel", "exotel"),
    "exotel_basic_password": ("pass-word", SecretStr("pass-word")),
    "exotel_sample_rate": ("16000", 16_000),
    "exotel_chunk_bytes": ("3200", 3200),
    "exotel_dlt_entity_id": ("1103", "1103"),
    "exotel_dlt_template_id": ("1104", "1104"),
    "exotel_api_url": ("https://api.in.exotel.com", "https://api.in.exotel.com"),
    "phone_number_id": ("1055", "1055"),
    "meta_access_token": ("token", SecretStr("token")),
    "meta_app_id": ("77", "77"),
    "meta_app_secret": ("secret", SecretStr("secret")),
    "meta_verify_token": ("word-of-ours", SecretStr("word-of-ours")),
    "meta_graph_url": ("https://graph.example.com", "https://graph.example.com"),
    "meta_graph_version": ("v26.0", "v26.0"),
    "whatsapp_use_pre_accept": ("false", False),
    "browser_calls": ("yes", True),
    "api_keys": (
        "0123456789abcdef, 1123456789abcdef",
        (SecretStr("0123456789abcdef"), SecretStr("1123456789abcdef")),
    ),
    "allow_local_without_key": ("true", True),
    "trusted_proxies": ("10.0.0.0/24, 192.0.2.7", ("10.0.0.0/24", "192.0.2.7")),
    "requests_per_minute": ("1200", 1_200),
    "refused_requests_per_minute": ("30", 30),
    "api_calls_per_minute": ("10", 10),
    "public_ip": ("203.0.113.7", "203.0.113.7"),
    "rtc_udp_port_min": ("12000", 12_000),
    "rtc_udp_port_max": ("12999", 12_999),
    "database_url": ("sqlite+aiosqlite:///other.db", "sqlite+aiosqlite:///other.db"),
    "data_dir": ("elsewhere", Path("elsewhere")),
    "transcripts_dir": ("elsewhere", Path("elsewhere")),
    "prompts_file": ("agents.json", Path("agents.json")),
    "enable_transcripts": ("false", False),
    "record_calls": ("true", True),
    "transcripts_keep_days": ("30", 30),
    "recordings_keep_days": ("7", 7),
    "max_concurrent_calls": ("12", 12),
    "max_call_seconds": ("60", 60),
    "calls_per_caller": ("6", 6),
    "calls_at_once_per_caller": ("2", 2),
    "calls_waiting": ("40", 40),
    "timezone": ("Europe/Berlin", "Europe/Berlin"),
    "calling_hours": ("10:00-12:00", "10:00-12:00"),
    "calling_countries": ("91, +971", ("91", "+971")),
    "daily_sms_limit": ("7", 7),
    "daily_email_limit": ("0", 0),
    "daily_new_recipients": ("5", 5),
    "daily_whatsapp_limit": ("9", 9),
    "daily_callback_limit": ("11", 11),
    "owner_phones": ("+91 99999 00001, +919999900002", ("+91 99999 00001", "+919999900002")),
    "owner_emails": ("Desk@example.com, b@example.com", ("Desk@example.com", "b@example.com")),
    "human_handoff_number": ("+919999900009", "+919999900009"),
    "ai_down": ("voicemail", "voicemail"),
    "business_name": ("FWAI Academy", "FWAI Academy"),
    "outbound_calls_at_once": ("3", 3),
    "outbound_calls_per_second": ("0.5", 0.5),
    "outbound_calls_per_day": ("200", 200),
    "ring_seconds": ("30", 30),
    "callback_attempts": ("5", 5),
    "callback_retry_minutes": ("20", 20),
    "callback_window_minutes": ("60", 60),
    "smtp_host": ("mail.example.com", "mail.example.com"),
    "smtp_port": ("465", 465),
    "smtp_user": ("desk@example.com", "desk@example.com"),
    "smtp_password": ("password", SecretStr("password")),
    "smtp_sender": ("desk@example.com", "desk@example.com"),
    "smtp_security": ("tls", "tls"),
    "events_webhook_url": ("https://n8n.example.com/x", "https://n8n.example.com/x"),
    "events_webhook_secret": (
        "whsec_cGxlYXNlLW1ha2Utb25lLW9mLXlvdXItb3du",
        SecretStr("whsec_cGxlYXNlLW1ha2Utb25lLW9mLXlvdXItb3du"),
    ),
    "webhook_allowed_hosts": ("*.Example.com, n8n", ("*.example.com", "n8n")),
    "gemini_text_model": ("gemini-3.8-flash", "gemini-3.8-flash"),
    "gemini_text_url": ("http://127.0.0.1:8003", "http://127.0.0.1:8003"),
    "log_level": ("debug", "DEBUG"),
    "log_format": ("json", "json"),
}


@each_row("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_no_setting_that_does_not_exist(page: Path) -> None:
    ours = {name.upper() for name in Settings.model_fields}
    words = {
        word
        for snippet in snippets(page)
        for word in re.findall(r"(?<![A-Za-z0-9_$*/.-])[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", snippet)
    }

    assert words - ours - NOT_OURS.keys() == set(), "no settings; others go into NOT_OURS"


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_taken_from_the_environment(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for other in Settings.model_fields:
        monkeypatch.delenv(other.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    text, value = READ[name]
    monkeypatch.setenv(name.upper(), text)

    settings = Settings()

    assert getattr(settings, name) == value
    assert value != Settings.model_fields[name].get_default()
    assert settings.model_fields_set == {name}


def test_all_settings_together_are_a_configuration_that_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, (text, _) in READ.items():
        monkeypatch.setenv(name.upper(), text)

    settings = load_settings()

    assert {name: getattr(settings, name) for name in Settings.model_fields} == {
        name: value for name, (_, value) in READ.items()
    }


# ---- commands -----------------------------------------------------------------------------------


@pytest.mark.parametrize("line", documented_commands())
def test_every_documented_command_is_accepted(line: str) -> None:
    parser().parse_args(documented_commands()[line])


def test_every_command_is_documented() -> None:
    named = {words[0] for words in documented_commands().values() if words}

    # `serve` is what runs without a command.
    assert named | {"serve"} == commands()
    assert [] in documented_commands().values()


def test_every_documented_target_exists_and_every_target_is_told() -> None:
    helped = set(re.findall(r'@echo "make ([a-z0-9-]+)', (ROOT / "Makefile").read_text("utf-8")))

    assert documented_targets() | helped <= make_targets()
    # `help` tells of the others; what `clean` does is in its name.
    assert make_targets() - documented_targets() - helped == {"help", "clean"}


# By these a `make` tells the programs that it runs what it was told.
HANDED_ON = ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL")


def recipe_of(target: str) -> Iterator[list[str]]:
    """Yield the commands that ``make TARGET`` would run, without those that install."""
    # As typed: what the `make` that runs these tests was told is not handed on.
    typed = {name: value for name, value in os.environ.items() if name not in HANDED_ON}
    done = subprocess.run(
        ["make", "--dry-run", "--old-file=.venv/.runtime", "--old-file=.venv/.dev", target],
        cwd=ROOT, env=typed, capture_output=True, text=True, timeout=20, check=True,
    )  # fmt: skip
    for line in done.stdout.splitlines():
        yield shlex.split(line)


@pytest.mark.parametrize("target", sorted(make_targets() - {"clean", "help"}))
def test_what_a_target_runs_exists(target: str) -> None:
    ran = [words for words in recipe_of(target) if any(".venv/" in word for word in words)]

    assert ran
    for words in ran:
        scripts = [word for word in words if word.endswith(".py")]
        assert all((ROOT / script).is_file() for script in scripts), words
        if "run.py" in words:
            parser().parse_args(words[words.index("run.py") + 1 :])


@each_row("page", PAGES, ids=lambda page: page.name)
def test_every_script_that_a_page_names_exists(page: Path) -> None:
    for snippet in snippets(page):
        for script in re.findall(r"(?<![\w/])(?:scripts|tests|src)/[\w/]+\.(?:py|sh)", snippet):
            assert (ROOT / script).is_file(), script


# ---- versions -----------------------------------------------------------------------------------


def released() -> list[str]:
    """Return the headings of the changelog, the newest first."""
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    return re.findall(r"^## \[?([^\s\]]+)", text, re.MULTILINE)


def test_package_and_project_have_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

    assert project["version"] == __version__


def test_the_newest_release_of_the_changelog_is_this_version() -> None:
    first, *versions = released()
    if first != "Unreleased":
        versions.insert(0, first)

    assert "Unreleased" not in versions, "what is not released stands at the top"
    # Before the first release there is only what is not released.
    assert versions[:1] in ([__version__], []), "name the release in CHANGELOG.md"


def test_the_command_line_tells_this_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        main(["--version"])

    assert exited.value.code == 0
    assert capsys.readouterr().out == f"fwai {__version__}\n"


def test_every_promise_of_security_names_a_test_that_there_is() -> None:
    text = (ROOT / "docs" / "SECURITY.md").read_text("utf-8")
    promised = text.partition("## What is promised")[2].partition("\n## ")[0]
    rows = [line for line in promised.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 15
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)`", row)
        assert named, row
        for name in named:
            assert "def test_" in (ROOT / name).read_text("utf-8"), name
