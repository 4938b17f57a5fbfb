"""Values as people and programs write them: what is around them, each type, secrets, URLs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fwai.config.loading import load_settings
from fwai.config.settings import Settings
from fwai.errors import ConfigError
from fwai.store.database_url import parse_url, sqlite_file
from tables import each_row

GOOD = {
    "call_provider": "plivo",
    "google_api_key": "google-key",
    "plivo_auth_id": "MAXXXXXXXXXXXXXXXXXX",
    "plivo_auth_token": "plivo-token",
    "plivo_phone_number": "+918888800000",
    "public_url": "https://voice.example.com",
}
EVERYONE = {
    **GOOD,
    "call_provider": "plivo,exotel,whatsapp",
    "exotel_sid": "acme1",
    "exotel_api_key": "exotel-key",
    "exotel_api_token": "exotel-token",
    "exotel_caller_id": "08047100000",
    "exotel_webhook_secret": "0123456789abcdef01234567",
    "exotel_basic_user": "exotel",
    "exotel_basic_password": "long-enough-for-it",
    "phone_number_id": "1055",
    "meta_access_token": "EAAtoken",
    "meta_app_secret": "0123456789abcdef",
    "meta_verify_token": "a-word-of-ours",
    "api_keys": "0123456789abcdef",
}
URL = "https://voice.example.com"


def given(**changes: object) -> Settings:
    return load_settings({**GOOD, **changes}, environment=False)


def problems(**changes: object) -> tuple[str, ...]:
    return problems_of({**GOOD, **changes})


def problems_of(values: Mapping[str, Any]) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        load_settings(values, environment=False)
    return refused.value.problems


# ---- around a value -----------------------------------------------------------------------------


@each_row(
    "written",
    [
        f" {URL}", f"{URL} ", f"{URL}\r", f"{URL}\n", f"\t{URL}\t", f'"{URL}"', f"'{URL}'",
        f'" {URL} "', f' "{URL}" ', f"\"'{URL}'\"", f"\u201c{URL}\u201d", f"\u2018{URL}\u2019",
        f"\u201e{URL}\u201c", f"\u201d{URL}\u201d", f"\u00ab{URL}\u00bb", f"`{URL}`",
        f"\ufeff{URL}", f"{URL}\u200b",
        f"\u00a0{URL}\u00a0", f'"{URL}"\r', f"{URL}/", f'"{URL}/" ',
    ],
)  # fmt: skip
def test_what_cannot_belong_to_a_value_is_taken_off(written: str) -> None:
    assert given(public_url=written).base_url == URL


@pytest.mark.parametrize("name", ["google_api_key", "plivo_auth_token", "smtp_password"])
@pytest.mark.parametrize("around", [' "{}"', "'{}'\r", "\u201c{}\u201d", "{}\u200b"])
def test_secrets_are_tidied_in_the_same_way(name: str, around: str) -> None:
    value = getattr(given(**{name: around.format("abc-def")}), name)

    assert value.get_secret_value() == "abc-def"


@pytest.mark.parametrize("written", ['""', "''", " ", '" "', "\r", "\u201c\u201d"])
def test_quotes_with_nothing_in_them_are_no_value(written: str) -> None:
    settings = given(timezone=written, port=written, smtp_host=written)

    assert (settings.timezone, settings.port, settings.smtp_host) == ("Asia/Kolkata", 3000, "")


def test_a_password_keeps_its_own_quotes_and_spaces() -> None:
    assert given(smtp_password='ab "c d').smtp_password.get_secret_value() == 'ab "c d'
    assert given(business_name='Cafe "Asha"').business_name == 'Cafe "Asha"'


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("smtp_user", '"desk@example.com'),
        ("meta_graph_version", "v25.0\u201d"),
        ("call_provider", '"plivo'),
        ("api_keys", '"0123456789abcdef'),
    ],
)
def test_half_a_pair_of_quotes_is_named(name: str, value: str) -> None:
    assert any(one.startswith(f"{name.upper()}: ") for one in problems(**{name: value}))


@pytest.mark.parametrize("name", ["google_api_key", "business_name", "timezone", "smtp_password"])
@pytest.mark.parametrize("hidden", ["\n", "\0", "\u200b", "\x1b"])
def test_what_cannot_be_seen_in_a_value_is_named(name: str, hidden: str) -> None:
    found = problems(**{name: f"abc{hidden}def"})

    assert any(one.startswith(f"{name.upper()}: holds a") for one in found)
    assert "abc" not in " ".join(one for one in found if "TIMEZONE" not in one)


# ---- each type ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "read"),
    [
        *((one, True) for one in ("true", "True", "TRUE", "1", "yes", "on", "y", "t", ' "true" ')),
        *((one, False) for one in ("false", "FALSE", "0", "no", "off", "n", "f", "'off'")),
    ],
)
def test_yes_and_no_in_any_of_their_words(written: str, read: bool) -> None:
    assert given(record_calls=written).record_calls is read


@pytest.mark.parametrize("written", ["maybe", "enabled", "2", "-1", "trueish", "yes please"])
def test_other_words_are_neither(written: str) -> None:
    assert problems(record_calls=written) == ("RECORD_CALLS: must be true or false",)


@pytest.mark.parametrize(
    ("written", "read"),
    [("600", 600), (" 600 ", 600), ("600.0", 600), ("+600", 600), ("0600", 600)],
)
def test_whole_numbers(written: str, read: int) -> None:
    assert given(max_call_seconds=written).max_call_seconds == read


@pytest.mark.parametrize(
    "written",
    [
        "1,800",
        "1.800,0",
        "1 800",
        "900s",
        "15 min",
        "15m",
        "1e3",
        "0x10",
        "12.5",
        "\u096f\u0966\u0966",
    ],
)
def test_what_is_no_whole_number_is_told_how_to_write_one(written: str) -> None:
    (problem,) = problems(max_call_seconds=written)

    assert problem.startswith("MAX_CALL_SECONDS: must be a whole number")


@pytest.mark.parametrize("written", ["0,5", "half", "nan", "inf", "-1", "0", "1e9"])
def test_what_is_no_rate_is_named(written: str) -> None:
    (problem,) = problems(outbound_calls_per_second=written)

    assert problem.startswith("OUTBOUND_CALLS_PER_SECOND: ")


@pytest.mark.parametrize(
    ("name", "written", "read"),
    [
        ("plivo_audio", "L16_16K", "l16_16k"),
        ("log_level", "warning", "WARNING"),
        ("log_format", "JSON", "json"),
        ("smtp_security", "STARTTLS", "starttls"),
        ("max_concurrent_calls", "AUTO", "auto"),
        ("plivo_ws_signature", "Require", "require"),
        ("exotel_sample_rate", " 16000 ", 16000),
    ],
)
def test_choices_are_read_in_any_case(name: str, written: str, read: object) -> None:
    assert getattr(given(**{name: written}), name) == read


@pytest.mark.parametrize(
    ("name", "written", "read"),
    [
        ("call_provider", "plivo, exotel,", ("plivo", "exotel")),
        ("call_provider", '"plivo","exotel"', ("plivo", "exotel")),
        ("call_provider", " ,plivo, ,", ("plivo",)),
        ("calling_countries", "91,,971", ("91", "971")),
        ("webhook_allowed_hosts", "A.example.com, ", ("a.example.com",)),
        ("owner_phones", "+91 99999 00001,,", ("+91 99999 00001",)),
        ("owner_emails", " Desk@example.com,", ("Desk@example.com",)),
    ],
)
def test_lists_may_have_empty_and_quoted_parts(name: str, written: str, read: object) -> None:
    base = {**EVERYONE, "events_webhook_secret": "whsec_cGxlYXNlLW1ha2Utb25lLW9mLXlvdXItb3du"}

    assert getattr(load_settings({**base, name: written}, environment=False), name) == read


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("plivo,plivo", "plivo is named 2 times; name it once"),
        ("plivo, Plivo ,PLIVO", "plivo is named 3 times; name it once"),
        ("plivo,skype,skype", "skype is not available in this version"),
        ("plvo", "use plivo, exotel, whatsapp; did you mean plivo?"),
        ("whatsap", "did you mean whatsapp?"),
    ],
)  # fmt: skip
def test_doubled_and_mistyped_providers_are_named(written: str, told: str) -> None:
    found = [one for one in problems(call_provider=written) if one.startswith("CALL_PROVIDER: ")]

    assert told in " ".join(found)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Asia/Calcuta", "Asia/Calcutta"),
        ("asia/kolkata", "Asia/Kolkata"),
        ("Asia/Kolkatta", "Asia/Kolkata"),
        ("Europe/Berln", "Europe/Berlin"),
    ],
)
def test_a_zone_that_is_nearly_one_is_told(written: str, meant: str) -> None:
    assert problems(timezone=written)[0].endswith(f"did you mean {meant}?")


# ---- URLs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "fix"),
    [
        ("http://voice.example.com", "write https://voice.example.com"),
        ("voice.example.com", "write https://voice.example.com"),
        ("voice.example.com:8443/x", "write https://voice.example.com:8443/x"),
        ("https:voice.example.com", "begin it with https://"),
        ("//voice.example.com", "begin it with https://"),
        ("https://", "write a host behind https://"),
        ("https:///path", "write a host behind https://"),
        ("wss://voice.example.com", "begin it with https://, not wss://: https://voice.example.com"),
        ("ws://voice.example.com", "begin it with https://, not ws://"),
        ("ftp://voice.example.com", "begin it with https://, not ftp://"),
        ("HTTPS://voice.example.com", "begin it with https://, not HTTPS://: https://voice"),
        ("https://voice.example.com?x=1", "take out what begins with ? or #"),
        ("https://voice.example.com/#x", "take out what begins with ? or #"),
        ("https://user:plivo-secret@voice.example.com", "take out the user and the password"),
        ("wss://user:plivo-secret@voice.example.com", "begin it with https://, not wss://"),
        ("https://voice.example.com:port", "its host or its port cannot be read"),
        ("https://voice.example.com:99999", "its host or its port cannot be read"),
        ("https://voice.example.com:0", "write a port behind the colon"),
        ("https://voice.example.com:", "write a port behind the colon"),
        ("https://[::1", "take out the spaces, quotes and brackets|its host or its port"),
        ("https://voice.example.com.", "without the dot at its end: voice.example.com"),
        ("https://voice..example.com", "the host cannot be right"),
        ("https://-voice.example.com", "the host cannot be right"),
        ("https://voice.example.com:443@evil.example", "take out the user and the password"),
        ("https://m\u00fcller.example", "write the host in ASCII: xn--mller-kva.example"),
        ("https://voice.example .com", "take out the spaces"),
        ("https://<your-host>", "take out the spaces, quotes and brackets"),
        ("https://your.domain", "write your own host"),
        ("https://your-domain.com", "write your own host"),
        ("https://voice.example.com/plivo/answer", "leave out /plivo/answer"),
        ("https://voice.example.com/webhook/", "leave out /webhook"),
        ("https://voice.example.com/calls/exotel", "leave out /exotel"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["public_url", "plivo_callback_url"])
def test_a_public_url_that_cannot_be_right_is_told_its_fix(url: str, fix: str, name: str) -> None:
    (problem,) = (
        problems(public_url="", **{name: url}) if name != "public_url" else problems(public_url=url)
    )

    assert problem.startswith(f"{name.upper()}: must be https://host, as providers see it; ")
    assert any(one in problem for one in fix.split("|"))
    assert "plivo-secret" not in problem


@pytest.mark.parametrize(
    "url",
    [
        URL, "https://voice.example.com:8443", "https://voice.example.com/calls", "https://203.0.113.7",
        "https://[2001:db8::1]:8443", "http://127.0.0.1:3000", "http://localhost", "http://[::1]:3000",
        "https://xn--mller-kva.example", "https://my_host.example.com", "https://voice-1.example.com",
    ],
)  # fmt: skip
def test_a_public_url_that_can_be_right_is_taken(url: str) -> None:
    assert given(public_url=url).base_url == url


@pytest.mark.parametrize(
    "name", ["plivo_api_url", "exotel_api_url", "meta_graph_url", "gemini_text_url"]
)
@pytest.mark.parametrize(
    "url",
    [
        "api.example.com", "ftp://api.example.com", "wss://api.example.com", "https://",
        "https://a b",
        "https://api.example.com?key=1", "https://user:plivo-secret@api.example.com", "https://[::1",
        "https://api.example.com.", "https://api.example.com:x", "https://api..example.com",
    ],
)  # fmt: skip
def test_every_base_url_is_judged(name: str, url: str) -> None:
    (problem,) = problems(**{name: url})

    assert problem.startswith(f"{name.upper()}: must be https://host; ")
    assert "plivo-secret" not in problem


@pytest.mark.parametrize("url", ["https://example.com", "http://127.0.0.1:8003", "ws://[::1"])
def test_the_endpoint_of_the_model_is_a_websocket(url: str) -> None:
    (problem,) = problems(gemini_live_url=url)

    assert problem.startswith("GEMINI_LIVE_URL: must be wss://host, or ws://host for a simulator; ")


# ---- secrets ------------------------------------------------------------------------------------


@each_row(
    ("name", "value", "told"),
    [
        ("exotel_webhook_secret", "a", "at least 16 characters"),
        ("exotel_webhook_secret", "0123456789abcde", "at least 16 characters"),
        ("exotel_webhook_secret", "changeme", "anyone can guess it"),
        ("exotel_webhook_secret", "change-me-in-production", "anyone can guess it"),
        ("exotel_webhook_secret", "your-secret-goes-here", "anyone can guess it"),
        ("exotel_webhook_secret", "openssl rand -hex 24", "anyone can guess it"),
        ("exotel_webhook_secret", "a/path/of/sixteen", "use only letters, digits, _ and -"),
        ("exotel_webhook_secret", "0123456789abcdef?x", "use only letters, digits, _ and -"),
        ("exotel_webhook_secret", "0123456789abcdef%2f", "use only letters, digits, _ and -"),
        ("exotel_webhook_secret", "0123456789 abcdef", "use only letters, digits, _ and -"),
        ("exotel_webhook_secret", "0123456789abcd\u00e9f", "use only letters, digits, _ and -"),
        ("exotel_basic_password", "a", "at least 8 characters"),
        ("exotel_basic_password", "password", "anyone can guess it"),
        ("exotel_basic_password", "pass word 12", "no spaces"),
        ("meta_verify_token", "x", "at least 8 characters"),
        ("meta_verify_token", "changeme", "anyone can guess it"),
        ("meta_verify_token", "my-secret-token", "anyone can guess it"),
        ("api_keys", "0123456789abcdef,short", "each at least 16 characters"),
        ("api_keys", "your-api-key-goes-here", "anyone can guess one of them"),
        ("api_keys", "schl\u00fcssel-schl\u00fcssel", "no header can carry one of them"),
        ("api_keys", "0123456789 abcdef", "no header can carry one of them"),
        ("google_api_key", "your-google-api-key", "is an example's, not yours"),
        ("google_api_key", "<key>", "is an example's, not yours"),
        ("google_api_key", "AIza Sy", "copy it again"),
        ("plivo_auth_token", "good-one, changeme", "is an example's, not yours"),
        ("plivo_auth_id", "MA...", "is an example's, not yours"),
        ("meta_access_token", "xxxxxxxxxxxx", "is an example's, not yours"),
        ("exotel_sid", "your_exotel_sid_here", "is an example's, not yours"),
    ],
)
def test_a_weak_or_left_over_secret_is_refused(name: str, value: str, told: str) -> None:
    found = problems_of({**EVERYONE, name: value})

    assert {one.partition(":")[0] for one in found} == {name.upper()}
    assert any(told in one for one in found)
    assert len(value) < 3 or value not in " ".join(found).replace("openssl rand -hex 24", "")


def test_everything_that_is_needed_is_enough() -> None:
    assert not load_settings(EVERYONE, environment=False).demo


# ---- DATA_DIR -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "url"),
    [
        ({}, "sqlite+aiosqlite:///data/fwai.db"),
        ({"data_dir": "data"}, "sqlite+aiosqlite:///data/fwai.db"),
        ({"data_dir": "data/"}, "sqlite+aiosqlite:///data/fwai.db"),
        ({"data_dir": "elsewhere"}, "sqlite+aiosqlite:///elsewhere/fwai.db"),
        ({"data_dir": "./a/../b"}, "sqlite+aiosqlite:///a/../b/fwai.db"),
        ({"data_dir": "/srv/fwai"}, "sqlite+aiosqlite:////srv/fwai/fwai.db"),
        ({"data_dir": "/srv/my data/ü%20"}, "sqlite+aiosqlite:////srv/my data/ü%2520/fwai.db"),
        ({"data_dir": Path("/srv/fwai")}, "sqlite+aiosqlite:////srv/fwai/fwai.db"),
        (
            {"data_dir": "/srv/fwai", "database_url": "sqlite+aiosqlite:///data/fwai.db"},
            "sqlite+aiosqlite:///data/fwai.db",
        ),
        (
            {"data_dir": "/srv/fwai", "database_url": "sqlite+aiosqlite:///other.db"},
            "sqlite+aiosqlite:///other.db",
        ),
        (
            {"data_dir": "/srv/fwai", "database_url": ""},
            "sqlite+aiosqlite:////srv/fwai/fwai.db",
        ),
    ],
)
def test_the_database_is_under_data_dir_unless_it_is_named(
    changes: dict[str, object], url: str
) -> None:
    assert given(**changes).database_url == url


@pytest.mark.parametrize("folder", ["data", "/srv/fwai", "/srv/my data/ü%20@#?x=1"])
def test_the_file_of_the_database_is_where_data_dir_says(folder: str) -> None:
    url = parse_url(given(data_dir=folder).database_url).url

    assert sqlite_file(url) == f"{folder}/fwai.db"


def test_a_home_directory_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/desk")

    settings = given(data_dir="~/fwai", transcripts_dir="~/words", prompts_file="~nobody-here/x")

    assert settings.data_dir == Path("/home/desk/fwai")
    assert settings.database_url == "sqlite+aiosqlite:////home/desk/fwai/fwai.db"
    assert settings.transcripts_dir == Path("/home/desk/words")
    assert settings.prompts_file == Path("~nobody-here/x")
