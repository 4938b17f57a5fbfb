"""What `scripts/audit.py` takes for a secret."""

import runpy
from collections.abc import Callable, Iterator

import pytest

from children import ROOT

secrets_in: Callable[[str], Iterator[tuple[int, str]]] = runpy.run_path(
    str(ROOT / "scripts" / "audit.py")
)["secrets_in"]

# Put together here, so that the audit does not find them in this file.
FOUND = [
    ("a Google API key", "AIza" + "SyB3kQ9xL7mN2pR5tV8wY1zC4dF6gH0jK2l"),
    ("a GitHub token", "ghp_" + "a8Kd93jLs0Qpz7Vx2Mn4Bv6Cc1Xx9Zz5Ww7Q"),
    ("an AWS access key", "AKIA" + "J7QK2M9XWZ4LP8RT"),
    ("a Slack token", "xoxb-" + "2817364950-kLmNoPqRs"),
    ("a Plivo account", "MA" + "Q7ZK2M9XWJ4LP8RTBV"),
    ("a password in a URL", "postgresql://fwai:" + "kV8wY1zC4dF6@db.internal/fwai"),
    ("a private key", "-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj"),
]
EXAMPLES = [
    "MADEMO0000000000DEMO",
    "MAXXXXXXXXXXXXXXXXXX",
    "GOOGLE_API_KEY=AIza...",
    "postgresql+asyncpg://fwai:secret-password@127.0.0.1/fwai",
    "https://user:{password}@voice.example.com",
    "-----BEGIN PRIVATE KEY-----",
    "http://127.0.0.1:3000/console/talk",
]


@pytest.mark.parametrize(("what", "text"), FOUND, ids=[what for what, _ in FOUND])
def test_a_secret_is_found_with_its_line(what: str, text: str) -> None:
    assert list(secrets_in(f"first\nkey = {text}\n")) == [(2, what)]


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_is_none(text: str) -> None:
    assert list(secrets_in(text)) == []


def test_a_line_that_says_so_is_passed_over() -> None:
    text = FOUND[0][1]
    assert list(secrets_in(f"{text}  # not-a-secret: of a test vector")) == []
