"""Writes the file of credentials that n8n imports, from the server's own settings.

    python scripts/n8n/credentials.py [--output FILE]
    n8n import:credentials --input=FILE && rm FILE

Reads API_KEYS and EVENTS_WEBHOOK_SECRET from the environment or ``.env``. n8n's Crypto credential
takes its key as text, while the secret holds base64: so the text behind it is written, and a
secret that is no text is refused.
"""

import argparse
import json
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from scripts.n8n.check import CREDENTIALS  # noqa: E402

from fwai.config.values import parts  # noqa: E402
from fwai.domain.api_key import Permission, Role, read_key  # noqa: E402
from fwai.integrations.signing import as_typed  # noqa: E402

DEFAULT: Final = Path("n8n-credentials.json")


class CredentialsError(Exception):
    """A setting is missing or does not fit; the text names it and the fix."""


def signing_text(secret: str) -> str:
    """Return the text behind ``whsec_`` and base64, as n8n's credential takes it.

    Raises:
        CredentialsError: It is missing, or does not fit; the text has the command for a new one.
    """
    try:
        return as_typed(secret)
    except ValueError as exc:
        raise CredentialsError(f"EVENTS_WEBHOOK_SECRET {exc}") from exc


def credentials(
    api_key: str, secret: str, new_key: Callable[[], str] = lambda: secrets.token_urlsafe(24)
) -> list[dict[str, object]]:
    """Return the three credentials of our flows; the form's key is a new one each time.

    Raises:
        CredentialsError: There is no API key, or the secret does not fit.
    """
    if not api_key:
        raise CredentialsError("API_KEYS is empty: set at least one key for n8n")
    entries: tuple[tuple[str, str, dict[str, str]], ...] = (
        ("httpBearerAuth", "FWAI API key", {"token": api_key}),
        ("crypto", "FWAI signing", {"hmacSecret": signing_text(secret)}),
        ("httpHeaderAuth", "FWAI form key", {"name": "X-FWAI-Key", "value": new_key()}),
    )
    return [
        {"id": CREDENTIALS[kind], "name": name, "type": kind, "data": data}
        for kind, name, data in entries
    ]


def write(path: Path, entries: list[dict[str, object]]) -> None:
    """Write a file that only its owner can read; one that exists is replaced, never followed."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(entries, file, indent=1)


class N8nSettings(BaseSettings):
    """The two of the server's settings that n8n has to know."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8-sig", extra="ignore", env_ignore_empty=True
    )
    api_keys: SecretStr = SecretStr("")
    events_webhook_secret: SecretStr = SecretStr("")

    def key_for_n8n(self) -> str:
        """Return the first key of the role n8n, else the first admin's or operator's, or nothing.

        Raises:
            CredentialsError: An entry cannot be read.
        """
        entries = parts(self.api_keys.get_secret_value())
        try:
            keys = [read_key(entry) for entry in entries]
        except ValueError as exc:
            raise CredentialsError(f"API_KEYS: {exc}") from None
        fitting = [key for key in keys if key.may(Permission.ACT)]
        own = [key for key in fitting if key.role is Role.N8N]
        return next((key.secret for key in [*own, *fitting]), "")


def main(arguments: list[str] | None = None) -> int:
    """Write the file and say what to do with it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=DEFAULT, help=f"default: {DEFAULT}")
    output: Path = parser.parse_args(arguments).output
    settings = N8nSettings()
    # During a rotation it is "new,old": n8n gets the new one, which signs as well.
    secret = settings.events_webhook_secret.get_secret_value().split(",")[0].strip()
    try:
        write(output, credentials(settings.key_for_n8n(), secret))
    except (CredentialsError, OSError) as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    sys.stdout.write(
        f"Written: {output} (only you can read it).\n"
        f"  n8n import:credentials --input={output} && rm {output}\n"
        "The form's key of flow 01 is in it, as the value of 'FWAI form key'.\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
