"""Settings of Exotel: what is missing and what is wrong, each with its fix."""

import pytest

from fwai.config.loading import load_settings
from fwai.errors import ConfigError

EXOTEL = {
    "call_provider": "exotel",
    "google_api_key": "google-secret",
    "exotel_api_key": "key",
    "exotel_api_token": "token",
    "exotel_sid": "acme1",
    "exotel_app_id": "123",
    "exotel_caller_id": "08047100000",
    "exotel_webhook_secret": "f" * 48,
    "public_url": "https://voice.example.com",
}


def problems(**changes: object) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        load_settings({**EXOTEL, **changes}, environment=False)
    return refused.value.problems


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"exotel_webhook_secret": "a/secret/with/slashes"},
            "EXOTEL_WEBHOOK_SECRET: use only letters, digits, _ and -",
        ),
        (
            {"exotel_caller_id": "our phone"},
            (
                "EXOTEL_CALLER_ID: there is no number in it; write the full international number "
                "with its country code, such as +919999900000"
            ),
        ),
        (
            {"exotel_basic_user": "user"},
            "EXOTEL_BASIC_USER, EXOTEL_BASIC_PASSWORD: set both or neither",
        ),
        (
            {"exotel_basic_user": "a:b", "exotel_basic_password": "long-enough"},
            "EXOTEL_BASIC_USER: must not contain a colon",
        ),
        (
            {"exotel_chunk_bytes": 3201},
            "EXOTEL_CHUNK_BYTES: must be a multiple of 320, or 0",
        ),
    ],
)
def test_a_wrong_value_is_named_with_its_fix(changes: dict[str, object], problem: str) -> None:
    assert problems(**changes) == (problem,)


def test_a_secret_that_is_missing_comes_with_the_way_to_make_one() -> None:
    assert problems(exotel_webhook_secret="") == (
        "EXOTEL_WEBHOOK_SECRET: missing; make one with: openssl rand -hex 24",
    )
