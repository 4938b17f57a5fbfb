"""What Exotel needs of the settings, and what cannot be right."""

import pytest

from fwai.config.loading import load_settings
from fwai.errors import ConfigError

GOOD = {
    "call_provider": "exotel",
    "google_api_key": "key",
    "public_url": "https://voice.example.com",
    "exotel_sid": "acme1",
    "exotel_api_key": "api-key",
    "exotel_api_token": "api-token",
    "exotel_caller_id": "08047100000",
    "exotel_webhook_secret": "Path-s3cret_of-ours",
}


def problems(values: dict[str, object]) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        load_settings(values, environment=False)
    return refused.value.problems


def test_a_complete_set_is_taken() -> None:
    settings = load_settings({**GOOD, "exotel_sample_rate": "16000"}, environment=False)

    assert settings.exotel_sample_rate == 16000
    assert settings.exotel_basic is None


def test_everything_that_is_missing_is_named_at_once() -> None:
    found = problems({"call_provider": "exotel"})

    assert {problem.partition(":")[0] for problem in found} == {
        "GOOGLE_API_KEY",
        "EXOTEL_SID",
        "EXOTEL_API_KEY",
        "EXOTEL_API_TOKEN",
        "EXOTEL_CALLER_ID",
        "EXOTEL_WEBHOOK_SECRET",
        "PUBLIC_URL",
    }


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"exotel_sample_rate": 44100}, "EXOTEL_SAMPLE_RATE"),
        ({"exotel_sample_rate": "fast"}, "EXOTEL_SAMPLE_RATE"),
        ({"exotel_chunk_bytes": 1000}, "EXOTEL_CHUNK_BYTES"),
        ({"exotel_chunk_bytes": 100_160}, "EXOTEL_CHUNK_BYTES"),
        ({"exotel_webhook_secret": "a/path/of-16-chars"}, "EXOTEL_WEBHOOK_SECRET"),
        ({"exotel_webhook_secret": "a secret with spaces"}, "EXOTEL_WEBHOOK_SECRET"),
        ({"exotel_caller_id": "exophone"}, "EXOTEL_CALLER_ID"),
        ({"exotel_basic_user": "user"}, "EXOTEL_BASIC_USER, EXOTEL_BASIC_PASSWORD"),
        ({"exotel_basic_password": "pass-word"}, "EXOTEL_BASIC_USER, EXOTEL_BASIC_PASSWORD"),
        (
            {"exotel_basic_user": "a:b", "exotel_basic_password": "pass-word"},
            "EXOTEL_BASIC_USER",
        ),
        ({"exotel_api_url": "api.exotel.com"}, "EXOTEL_API_URL"),
    ],
)
def test_what_cannot_be_right_is_named(changes: dict[str, object], name: str) -> None:
    (problem,) = problems({**GOOD, **changes})

    assert problem.partition(":")[0] == name


@pytest.mark.parametrize("line", ["08047100000", "+918047100000", "080-4710-0000", "918047100000"])
def test_an_exophone_is_taken_as_exotel_writes_it(line: str) -> None:
    settings = load_settings({**GOOD, "exotel_caller_id": line}, environment=False)

    assert settings.exotel_caller_id == line


def test_nothing_secret_is_shown() -> None:
    settings = load_settings(
        {**GOOD, "exotel_basic_user": "user", "exotel_basic_password": "pass-word"},
        environment=False,
    )

    for secret in ("api-key", "api-token", "Path-s3cret_of-ours", "pass-word"):
        assert secret not in repr(settings)
    assert settings.exotel_basic == ("user", "pass-word")
