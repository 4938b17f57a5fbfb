"""What a start says of where it listens."""

import pytest

from fwai.cli.serve import is_exposed
from fwai.config.settings import Settings

PUBLIC = {"public_url": "https://voice.example.com"}
ANY = "0.0.0.0"  # noqa: S104 - no address to listen on here


@pytest.mark.parametrize(
    ("host", "url", "exposed"),
    [
        (ANY, PUBLIC, True),
        ("::", PUBLIC, True),
        (ANY, {"plivo_callback_url": "https://voice.example.com"}, True),
        (ANY, {}, False),
        ("127.0.0.1", PUBLIC, False),
        ("::1", PUBLIC, False),
        ("192.0.2.7", PUBLIC, False),
    ],
)
def test_a_server_with_a_public_url_that_anybody_can_reach_past_its_proxy(
    host: str, url: dict[str, str], exposed: bool
) -> None:
    settings = Settings(_env_file=None, host=host, **url)  # type: ignore[call-arg, arg-type]

    assert is_exposed(settings) is exposed
