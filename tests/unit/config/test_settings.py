"""Settings: every problem at once, each with its variable and its fix, and no secret in sight."""

import itertools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from fwai.config.checks import AVAILABLE
from fwai.config.env_file import env_file
from fwai.config.loading import load_settings
from fwai.config.settings import Settings
from fwai.domain.host import is_loopback
from fwai.errors import ConfigError
from tables import each_row

ROOT = Path(__file__).resolve().parents[3]
GOOD = {
    "call_provider": "plivo",
    "google_api_key": "google-secret",
    "plivo_auth_id": "MAXXXXXXXXXXXXXXXXXX",
    "plivo_auth_token": "plivo-secret",
    "plivo_phone_number": "+918888800000",
    "public_url": "https://voice.example.com",
}
PROVIDER_UNKNOWN = (
    f"CALL_PROVIDER: skype is not available in this version; use {', '.join(AVAILABLE)}"
)
SECRETS = ("google-secret", "plivo-secret", "old-secret", "database-secret")


def given(values: Mapping[str, Any] | None = None) -> Settings:
    return load_settings(values, environment=False)


def good(**changes: object) -> Settings:
    return given({**GOOD, **changes})


def problems(values: Mapping[str, Any]) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        given(values)
    return refused.value.problems


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with no .env, and an environment with none of our variables."""
    for name in list(os.environ):
        if name.lower() in Settings.model_fields:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ---- demo, or configured ------------------------------------------------------------------------


def test_nothing_configured_is_demo_mode() -> None:
    assert given().demo


@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_provider_is_nothing_configured(value: str) -> None:
    assert given({"call_provider": value}).demo


@pytest.mark.parametrize("changes", [{"port": 8080}, {"log_level": "debug"}, {"debug": True}])
def test_how_to_run_is_no_configuration_of_calls(changes: dict[str, object]) -> None:
    assert given(changes).demo


@pytest.mark.parametrize("name", sorted({*GOOD, "plivo_callback_url"} - {"google_api_key"}))
def test_one_credential_alone_is_no_demo_and_the_others_are_missed(name: str) -> None:
    value = {**GOOD, "plivo_callback_url": "https://voice.example.com"}[name]

    assert problems({name: value})


def test_a_full_configuration_is_no_demo() -> None:
    settings = good()

    assert not settings.demo
    assert settings.call_provider == ("plivo",)
    assert settings.base_url == "https://voice.example.com"


# ---- what is missing ----------------------------------------------------------------------------


def test_everything_missing_is_reported_together_with_its_fix() -> None:
    assert problems({"call_provider": "plivo"}) == (
        "GOOGLE_API_KEY: missing; create one in Google AI Studio",
        "PLIVO_AUTH_ID: missing; copy it from Plivo's console",
        "PLIVO_AUTH_TOKEN: missing; copy it from Plivo's console",
        "PLIVO_PHONE_NUMBER: missing; set it to your number, +91...",
        "PUBLIC_URL: missing; set it to https://your.domain",
    )


def test_provider_credentials_without_a_model_key_are_refused() -> None:
    assert problems({**GOOD, "google_api_key": ""}) == (
        "GOOGLE_API_KEY: missing; create one in Google AI Studio",
    )


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"call_provider": " "},
        {"api_keys": "key-of-an-operator-1"},
        {"browser_calls": "false"},
        {"host": "192.0.2.7"},
        {"gemini_live_url": "ws://127.0.0.1:8003"},
        {"database_url": "postgresql+asyncpg://user@host/name"},
        {"smtp_host": "mail.example.com", "smtp_sender": "desk@example.com"},
        {"human_handoff_number": "+919999900009"},
        {"plivo_api_url": "https://plivo.example.com"},
    ],
)
def test_a_model_key_without_a_telephone_is_for_talking_on_this_machine(
    more: dict[str, object],
) -> None:
    settings = given({"google_api_key": "google-secret", **more})

    assert settings.talk_only
    assert not settings.demo


@pytest.mark.parametrize(
    "half",
    [
        {"plivo_auth_id": "MA1"},
        {"plivo_auth_token": "plivo-secret"},
        {"plivo_phone_number": "+918888800000"},
        {"exotel_sid": "academy1"},
        {"exotel_webhook_secret": "unguessable-0123456789"},
        {"phone_number_id": "1055"},
        {"meta_access_token": "token"},
        {"meta_app_id": "77"},
        {"public_url": "https://voice.example.com"},
        {"plivo_callback_url": "https://voice.example.com"},
    ],
)
def test_half_a_telephone_is_a_mistake_that_names_the_provider(half: dict[str, object]) -> None:
    missing = f"CALL_PROVIDER: missing; set it to {' or '.join(AVAILABLE)}"

    assert problems({"google_api_key": "google-secret", **half}) == (missing,)
    assert missing in problems(half)


def test_talking_alone_is_over_with_a_provider_and_its_keys() -> None:
    assert not good().talk_only


@pytest.mark.parametrize("wrong", [{"port": "many"}, {"timezone": "Mars/Base"}])
def test_what_is_wrong_is_told_before_anybody_talks(wrong: dict[str, object]) -> None:
    assert len(problems({"google_api_key": "google-secret", **wrong})) == 1


def test_what_is_wrong_and_what_is_missing_are_reported_together() -> None:
    found = problems(
        {
            "call_provider": "plivo,skype",
            "port": "many",
            "timezone": "Mars/Base",
            "debug": "perhaps",
        }
    )

    assert {problem.partition(":")[0] for problem in found} == {
        "CALL_PROVIDER", "PORT", "DEBUG", "TIMEZONE", "GOOGLE_API_KEY", "PLIVO_AUTH_ID",
        "PLIVO_AUTH_TOKEN", "PLIVO_PHONE_NUMBER", "PUBLIC_URL",
    }  # fmt: skip


def test_one_wrong_value_on_a_bare_machine_is_the_only_problem() -> None:
    assert problems({"port": "many"}) == ("PORT: must be a whole number",)


# ---- what is wrong ------------------------------------------------------------------------------


@each_row(
    ("changes", "problem"),
    [
        ({"call_provider": "skype"}, PROVIDER_UNKNOWN),
        ({"call_provider": "plivo, Skype"}, PROVIDER_UNKNOWN),
        ({"port": "0"}, "PORT: must be at least 1"),
        ({"port": "65536"}, "PORT: must be at most 65535"),
        ({"port": "http"}, "PORT: must be a whole number"),
        ({"debug": "perhaps"}, "DEBUG: must be true or false"),
        ({"plivo_audio": "mp3"}, "PLIVO_AUDIO: must be 'mulaw8k' or 'l16_16k', not 'mp3'"),
        (
            {"plivo_ws_signature": "yes"},
            "PLIVO_WS_SIGNATURE: must be 'off', 'log' or 'require', not 'yes'",
        ),
        ({"log_format": "xml"}, "LOG_FORMAT: must be 'auto', 'json' or 'console', not 'xml'"),
        (
            {"log_level": "loud"},
            "LOG_LEVEL: must be 'DEBUG', 'INFO', 'WARNING' or 'ERROR', not 'loud'",
        ),
        ({"max_call_seconds": "5"}, "MAX_CALL_SECONDS: must be at least 30"),
        (
            {"max_concurrent_calls": "lots"},
            "MAX_CONCURRENT_CALLS: must be auto or a whole number of at least 1",
        ),
        ({"max_concurrent_calls": "0"}, "MAX_CONCURRENT_CALLS: must be auto or at least 1"),
        ({"max_concurrent_calls": "-3"}, "MAX_CONCURRENT_CALLS: must be auto or at least 1"),
        ({"timezone": "Mars/Base"}, "TIMEZONE: unknown zone 'Mars/Base'; such as Asia/Kolkata"),
        ({"timezone": "../etc"}, "TIMEZONE: unknown zone '../etc'; such as Asia/Kolkata"),
        ({"timezone": "Asia"}, "TIMEZONE: unknown zone 'Asia'; such as Asia/Kolkata"),
        ({"timezone": "IST"}, "TIMEZONE: unknown zone 'IST'; did you mean Asia/Kolkata?"),
        ({"timezone": "ist"}, "TIMEZONE: unknown zone 'ist'; did you mean Asia/Kolkata?"),
        ({"timezone": "PST"}, "TIMEZONE: unknown zone 'PST'; did you mean America/Los_Angeles?"),
        ({"timezone": "ESX"}, "TIMEZONE: unknown zone 'ESX'; such as Asia/Kolkata"),
        ({"timezone": "UTCX"}, "TIMEZONE: unknown zone 'UTCX'; such as Asia/Kolkata"),
        ({"timezone": "kolkata"}, "TIMEZONE: unknown zone 'kolkata'; did you mean Asia/Kolkata?"),
        (
            {"timezone": "new york"},
            "TIMEZONE: unknown zone 'new york'; did you mean America/New_York?",
        ),
        (
            {"timezone": "Asia/Calcuta"},
            "TIMEZONE: unknown zone 'Asia/Calcuta'; did you mean Asia/Calcutta?",
        ),
        ({"timezone": "posixrules"}, "TIMEZONE: unknown zone 'posixrules'; such as Asia/Kolkata"),
        ({"timezone": "localtime"}, "TIMEZONE: unknown zone 'localtime'; such as Asia/Kolkata"),
        ({"timezone": "Factory"}, "TIMEZONE: unknown zone 'Factory'; such as Asia/Kolkata"),
        (
            {"timezone": "right/Asia/Kolkata"},
            "TIMEZONE: unknown zone 'right/Asia/Kolkata'; such as Asia/Kolkata",
        ),
        (
            {"plivo_callback_url": "https://other.example.com"},
            "PLIVO_CALLBACK_URL: differs from PUBLIC_URL, which counts; leave this older name out",
        ),
        (
            {"outbound_calls_per_second": "1e-300"},
            "OUTBOUND_CALLS_PER_SECOND: must be at least 0.001",
        ),
        ({"outbound_calls_per_second": "0"}, "OUTBOUND_CALLS_PER_SECOND: must be at least 0.001"),
        ({"transcripts_keep_days": "-1"}, "TRANSCRIPTS_KEEP_DAYS: must be at least 0"),
        ({"transcripts_keep_days": "36501"}, "TRANSCRIPTS_KEEP_DAYS: must be at most 36500"),
        (
            {"transcripts_keep_days": "1.5"},
            (
                "TRANSCRIPTS_KEEP_DAYS: must be a whole number; "
                "write digits only, without commas and units"
            ),
        ),
        (
            {"transcripts_keep_days": "1,000 days"},
            (
                "TRANSCRIPTS_KEEP_DAYS: must be a whole number; "
                "write digits only, without commas and units: 1000"
            ),
        ),
        (
            {"ring_seconds": "45s"},
            "RING_SECONDS: must be a whole number; write digits only, without commas and units: 45",
        ),
        (
            {"transcripts_keep_days": "1 year"},
            (
                "TRANSCRIPTS_KEEP_DAYS: must be a whole number; "
                "write digits only, without commas and units"
            ),
        ),
        ({"recordings_keep_days": "-1"}, "RECORDINGS_KEEP_DAYS: must be at least 0"),
        ({"recordings_keep_days": "36501"}, "RECORDINGS_KEEP_DAYS: must be at most 36500"),
        ({"recordings_keep_days": "never"}, "RECORDINGS_KEEP_DAYS: must be a whole number"),
        (
            {"plivo_phone_number": "080 1234"},
            (
                "PLIVO_PHONE_NUMBER: it is no complete number of IN; "
                "write the full international number with its country code, such as +919999900000"
            ),
        ),
        (
            {"database_url": "mysql://user:database-secret@host/name"},
            "DATABASE_URL: must begin with sqlite+aiosqlite or postgresql+asyncpg",
        ),
    ],
)
def test_a_wrong_value_is_named_with_its_fix(changes: dict[str, object], problem: str) -> None:
    assert problems({**GOOD, **changes}) == (problem,)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:3000", "http://localhost:3000", "http://[::1]:3000"]
)
def test_loopback_needs_no_certificate(url: str) -> None:
    assert good(public_url=url).base_url == url


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("127.0.0.9", True),
        ("::1", True),
        ("10.0.0.1", False),
        ("localhost.example.com", False),
        ("", False),
    ],
)
def test_loopback_is_this_machine_and_nothing_else(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


# ---- what is understood -------------------------------------------------------------------------


def test_the_older_name_of_the_public_url_is_understood() -> None:
    old = good(public_url="", plivo_callback_url="https://old.example.com/")
    both = good(plivo_callback_url="https://Voice.example.com/")

    assert old.base_url == "https://old.example.com"
    assert both.base_url == "https://voice.example.com"


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://voice.example.com/", "https://voice.example.com"),
        ("https://voice.example.com:8443/", "https://voice.example.com:8443"),
        ("https://voice.example.com/calls/", "https://voice.example.com/calls"),
    ],
)
def test_a_slash_at_the_end_of_the_public_url_does_not_count(url: str, base: str) -> None:
    assert good(public_url=url).base_url == base


@pytest.mark.parametrize("name", ["transcripts_keep_days", "recordings_keep_days"])
@pytest.mark.parametrize(
    ("given_days", "understood"), [("0", 0), ("1", 1), (" 90 ", 90), (365, 365), ("36500", 36_500)]
)
def test_days_that_are_kept_are_whole_and_not_set_by_default(
    name: str, given_days: object, understood: int
) -> None:
    assert getattr(good(**{name: given_days}), name) == understood
    assert getattr(good(), name) is None


def test_an_empty_number_of_days_is_not_set(machine: Path) -> None:
    (machine / ".env").write_text("TRANSCRIPTS_KEEP_DAYS=\nRECORDINGS_KEEP_DAYS=7\n")
    settings = load_settings(GOOD)

    assert (settings.transcripts_keep_days, settings.recordings_keep_days) == (None, 7)


@pytest.mark.parametrize(("value", "most"), [("auto", "auto"), ("1", 1), ("250", 250), (7, 7)])
def test_the_most_calls_are_a_number_or_auto(value: object, most: object) -> None:
    assert good(max_concurrent_calls=value).max_concurrent_calls == most


@pytest.mark.parametrize("value", ["plivo", " Plivo ", "PLIVO,", "plivo,,"])
def test_providers_are_read_from_a_list_by_commas(value: str) -> None:
    assert good(call_provider=value).call_provider == ("plivo",)


@pytest.mark.parametrize("value", ["+91 88888-00000", "918888800000", "00918888800000"])
def test_the_number_is_brought_to_one_form(value: str) -> None:
    """It goes into every call and message as it stands here."""
    assert good(plivo_phone_number=value).plivo_phone_number == "+918888800000"


@pytest.mark.parametrize(
    ("value", "tokens"), [("a", ("a",)), ("new, old", ("new", "old")), ("new,,", ("new",))]
)
def test_a_token_may_be_rotated(value: str, tokens: tuple[str, ...]) -> None:
    assert good(plivo_auth_token=value).plivo_tokens == tokens


def test_log_levels_may_be_written_small() -> None:
    assert good(log_level="warning").log_level == "WARNING"


def test_the_zone_is_ready_for_use() -> None:
    assert good(timezone="Europe/Berlin").zone.key == "Europe/Berlin"


# ---- secrets ------------------------------------------------------------------------------------


def test_settings_show_no_secret() -> None:
    settings = good(
        plivo_auth_token="plivo-secret,old-secret",
        database_url="postgresql+asyncpg://user:database-secret@host/name",
    )

    shown = f"{settings} {settings!r}"

    assert "voice.example.com" in shown
    assert not any(secret in shown for secret in SECRETS)


def test_errors_show_no_secret() -> None:
    found = problems(
        {
            **GOOD,
            "plivo_auth_token": "plivo-secret,old-secret",
            "database_url": "mysql://user:database-secret@host/name",
            "public_url": "http://user:plivo-secret@host",
            "port": "google-secret",
            "max_concurrent_calls": "google-secret",
            "debug": "plivo-secret",
        }
    )

    assert not any(secret in " ".join(found) for secret in SECRETS)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        good().port = 1


# ---- where they come from -----------------------------------------------------------------------


def test_the_environment_counts_more_than_the_file(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (machine / ".env").write_text("PORT=1111\nHOST=127.0.0.1\n", encoding="utf-8")
    monkeypatch.setenv("PORT", "2222")

    settings = load_settings()

    assert (settings.host, settings.port) == ("127.0.0.1", 2222)
    assert load_settings({"port": 3333}).port == 3333


def test_what_is_given_alone_looks_neither_at_environment_nor_file(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (machine / ".env").write_text("HOST=127.0.0.1\nGOOGLE_API_KEY=k\n", encoding="utf-8")
    monkeypatch.setenv("PORT", "2222")

    settings = given()

    assert settings.demo
    assert settings.model_fields_set == set()


@pytest.mark.usefixtures("machine")
def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "")
    monkeypatch.setenv("CALL_PROVIDER", "")

    assert load_settings().demo


def test_a_byte_order_mark_does_not_hide_the_first_variable(machine: Path) -> None:
    (machine / ".env").write_text("PORT=1111\n", encoding="utf-8-sig")

    assert load_settings().port == 1111


def test_a_file_that_is_no_utf8_is_named_with_the_fix(machine: Path) -> None:
    (machine / ".env").write_bytes("PORT=1111\n".encode("utf-16"))

    with pytest.raises(ConfigError, match=r"\.env: not UTF-8; save it as UTF-8"):
        load_settings()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: path.mkdir(), r"\.env: is a directory; remove it and write the file"),
        (lambda path: path.symlink_to("nowhere"), r"\.env: is a link to a file that is not there"),
        (lambda path: path.symlink_to("/"), r"\.env: is a directory"),
    ],
    ids=["directory", "link to nothing", "link to a directory"],
)
def test_what_is_no_file_is_not_passed_over(
    machine: Path, make: Callable[[Path], None], told: str
) -> None:
    make(machine / ".env")

    with pytest.raises(ConfigError, match=told):
        load_settings()
    assert load_settings({}, environment=False).port == 3000


def test_no_file_at_all_may_be_mounted_as_one(machine: Path) -> None:
    (machine / ".env").symlink_to("/dev/null")

    assert load_settings().port == 3000


def test_what_we_do_not_know_is_ignored(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine / ".env").write_text("SOMEBODY_ELSES=1\n", encoding="utf-8")
    monkeypatch.setenv("SOMETHING_ELSE", "x")

    assert load_settings().demo


# ---- .env.example -------------------------------------------------------------------------------


def documented() -> dict[str, tuple[str, str]]:
    """Return value and comment of every variable in the file."""
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    found = {}
    for comment, line in itertools.pairwise(lines):
        name, equals, value = line.removeprefix("# ").partition("=")
        if equals and name.isupper() and comment.startswith("# "):
            found[name.lower()] = (value, comment[2:])
    return found


def test_the_example_file_is_what_the_settings_say() -> None:
    current = (ROOT / ".env.example").read_text(encoding="utf-8")

    assert current == env_file(), "run: python scripts/env_example.py"


def test_every_setting_is_documented_and_nothing_else_is() -> None:
    assert set(documented()) == set(Settings.model_fields)
    for name, (_, comment) in documented().items():
        assert comment == Settings.model_fields[name].description


def test_documented_defaults_are_the_defaults() -> None:
    written = {name: value for name, (value, _) in documented().items() if value}

    assert given(written) == given()


def test_the_example_copied_as_it_is_starts_the_demo(machine: Path) -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    (machine / ".env").write_text(example, encoding="utf-8")

    assert load_settings().demo
