"""Finds names in ``.env`` and in the environment that no setting has, and what was meant.

In ``.env`` every name is meant for this server, so each unknown one is told. The environment holds
hundreds of names of others, so there only a near miss of one of ours is.
"""

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dotenv.parser import parse_stream

from fwai.config.settings import Settings
from fwai.domain.near_miss import nearest, slips

ENVIRONMENT: Final = "environment"
PREFIX: Final = "FWAI_"
MAX_TOLD: Final = 20  # a file of somebody else's must not flood the log
_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]{0,79}", re.IGNORECASE)
# A short name of ours is one slip away from many of others: PORTS, POST, HOSTS.
_SHORTEST_NEAR: Final = 8
_TWO_SLIPS_FROM: Final = 12
_NEGATED: Final = re.compile(r"(?:DISABLED?|NO|DONT|SKIP|WITHOUT)_(?:ENABLED?_)?")
# Kubernetes tells of services by variables; that of a service named fwai is FWAI_PORT.
_SERVICE_ADDRESS: Final = re.compile(r"(?:tcp|udp|sctp)://", re.IGNORECASE)

# What others call it; distinctive enough to be looked for in the environment, too.
_OTHER_NAMES: Final[Mapping[str, str]] = {
    "GEMINI_API_KEY": "GOOGLE_API_KEY",
    "GOOGLE_GEMINI_API_KEY": "GOOGLE_API_KEY",
    "GOOGLE_GENAI_API_KEY": "GOOGLE_API_KEY",
    "GEMINI_LIVE_MODEL": "GEMINI_MODEL",
    "GEMINI_VOICE": "TTS_VOICE",
    "PLIVO_TOKEN": "PLIVO_AUTH_TOKEN",
    "PLIVO_NUMBER": "PLIVO_PHONE_NUMBER",
    "PLIVO_FROM_NUMBER": "PLIVO_PHONE_NUMBER",
    "PLIVO_CALLER_ID": "PLIVO_PHONE_NUMBER",
    "EXOTEL_ACCOUNT_SID": "EXOTEL_SID",
    "EXOTEL_API_SECRET": "EXOTEL_API_TOKEN",
    "EXOTEL_TOKEN": "EXOTEL_API_TOKEN",
    "EXOTEL_NUMBER": "EXOTEL_CALLER_ID",
    "EXOTEL_PHONE_NUMBER": "EXOTEL_CALLER_ID",
    "EXOTEL_SUBDOMAIN": "EXOTEL_API_URL",
    "EXOTEL_SECRET": "EXOTEL_WEBHOOK_SECRET",
    "META_PHONE_NUMBER_ID": "PHONE_NUMBER_ID",
    "WHATSAPP_PHONE_NUMBER_ID": "PHONE_NUMBER_ID",
    "WHATSAPP_ACCESS_TOKEN": "META_ACCESS_TOKEN",
    "WHATSAPP_TOKEN": "META_ACCESS_TOKEN",
    "WHATSAPP_APP_SECRET": "META_APP_SECRET",
    "WHATSAPP_VERIFY_TOKEN": "META_VERIFY_TOKEN",
    "SMTP_SERVER": "SMTP_HOST",
    "SMTP_USERNAME": "SMTP_USER",
    "SMTP_LOGIN": "SMTP_USER",
    "SMTP_PASS": "SMTP_PASSWORD",
    "SMTP_FROM": "SMTP_SENDER",
    "SMTP_TLS": "SMTP_SECURITY",
    "SMTP_SSL": "SMTP_SECURITY",
}
# What is ours only where nothing but our settings stands: in .env.
_OTHER_NAMES_IN_FILE: Final[Mapping[str, str]] = {
    "PROVIDER": "CALL_PROVIDER",
    "BASE_URL": "PUBLIC_URL",
    "PUBLIC_BASE_URL": "PUBLIC_URL",
    "CALLBACK_URL": "PUBLIC_URL",
    "SERVER_URL": "PUBLIC_URL",
    "DOMAIN": "PUBLIC_URL",
    "MODEL": "GEMINI_MODEL",
    "VOICE": "TTS_VOICE",
    "TZ": "TIMEZONE",
    "ACCESS_TOKEN": "META_ACCESS_TOKEN",
    "APP_SECRET": "META_APP_SECRET",
    "VERIFY_TOKEN": "META_VERIFY_TOKEN",
    "MAIL_FROM": "SMTP_SENDER",
    "EMAIL_FROM": "SMTP_SENDER",
    "N8N_WEBHOOK_URL": "EVENTS_WEBHOOK_URL",
    "WEBHOOK_URL": "EVENTS_WEBHOOK_URL",
    "SAVE_TRANSCRIPTS": "ENABLE_TRANSCRIPTS",
    "DATABASE": "DATABASE_URL",
    "DB_URL": "DATABASE_URL",
}


@dataclass(frozen=True, slots=True)
class SettingWarning:
    """Something in ``.env`` or in the environment that has no effect.

    Attributes:
        place: ``.env`` or ``environment``.
        name: The name as it was written; empty when the line has none that can be shown.
        fix: What is wrong and what to do, in words; never a value.
    """

    place: str
    name: str
    fix: str

    def __str__(self) -> str:
        """Say it in one sentence."""
        return ": ".join(part for part in (self.place, self.name, self.fix) if part)


def name_warnings(environ: Mapping[str, str], file: Path) -> tuple[SettingWarning, ...]:
    """Return what is set and read by nobody, each with the setting that was perhaps meant.

    Args:
        environ: The process's environment.
        file: ``.env``; one that is not there or cannot be read has no names.
    """
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        text = ""  # reported with the settings
    lines = list(_file_lines(text))
    given = {name.upper() for name, _ in lines} | {name.upper() for name in environ}
    found = [
        *_file_warnings(file.name, lines),
        *_twice(environ),
        *_environment_warnings(environ, given),
    ]
    return tuple(found[:MAX_TOLD])


def _file_lines(text: str) -> Iterator[tuple[str, int]]:
    """Yield the name of every line that sets something and its number; no name if unreadable."""
    for line in parse_stream(io.StringIO(text)):
        if line.error or (line.key is not None and line.value is None):
            # Its words may be a key that was pasted without a name.
            yield "", line.original.line
        elif line.key is not None:
            yield line.key, line.original.line


def _file_warnings(place: str, lines: list[tuple[str, int]]) -> Iterator[SettingWarning]:
    seen: dict[str, int] = {}
    for name, line in lines:
        upper = name.upper()
        meant = _meant(upper, {**_OTHER_NAMES, **_OTHER_NAMES_IN_FILE}) or nearest(upper, _OURS)
        if not name:
            fix = f"line {line} sets nothing; write NAME=value, or # before it"
        elif upper not in _OURS:
            fix = _unknown(meant, upper) or "no setting has this name; .env.example lists them all"
        elif upper in seen:
            fix = f"is written in line {seen[upper]} and in line {line}; only the last one counts"
        else:
            seen[upper] = line
            continue
        shown = upper in _OURS or meant or (name.isupper() and _NAME.fullmatch(name))
        if name and not shown:
            fix = f"line {line} sets no setting of this server; .env.example lists them all"
        yield SettingWarning(place, name if shown else "", fix)


def _environment_warnings(environ: Mapping[str, str], given: set[str]) -> Iterator[SettingWarning]:
    for name, value in sorted(environ.items()):
        upper = name.upper()
        if upper in _OURS or not _NAME.fullmatch(name) or _SERVICE_ADDRESS.match(value):
            continue
        other = _OTHER_NAMES.get(upper, "")
        if other and other not in given:
            yield SettingWarning(ENVIRONMENT, name, _unknown(other, upper))
        elif not other and (meant := _meant(upper, {}) or _near(upper)):
            yield SettingWarning(ENVIRONMENT, name, _unknown(meant, upper))


def _twice(environ: Mapping[str, str]) -> Iterator[SettingWarning]:
    """Tell of settings that the environment has in several cases, each with another value."""
    first: dict[str, str] = {}
    for name, value in sorted(environ.items()):
        other = first.setdefault(name.upper(), name)
        if name.upper() in _OURS and environ[other] != value:
            fix = f"is also set as {other}, to another value, and only one counts; unset one"
            yield SettingWarning(ENVIRONMENT, name, fix)


def _unknown(meant: str, name: str) -> str:
    if not meant:
        return ""
    if meant in _SWITCHES and _NEGATED.match(name.removeprefix(PREFIX)):
        return f"no setting has this name; to switch it off write {meant}=false"
    return f"no setting has this name; did you mean {meant}?"


def _meant(name: str, others: Mapping[str, str]) -> str:
    """Return the setting that a name certainly stands for; empty when none is certain."""
    bare = name.removeprefix(PREFIX)
    if bare in _OURS:
        return bare
    if negated := _NEGATED.match(bare):
        rest = bare[negated.end() :]
        near = (nearest(one, _SWITCHES, 1) for one in (rest, f"ENABLE_{rest}"))
        return next(filter(None, near), "")
    return others.get(bare, "") or _BY_WORDS.get(_words(bare), "")


def _near(name: str) -> str:
    """Return the setting of which a name of the environment is a near miss."""
    bare = name.removeprefix(PREFIX)
    for ours in _OURS:
        if len(ours) < _SHORTEST_NEAR or bare[0] != ours[0]:
            continue
        allowed = 2 if len(ours) >= _TWO_SLIPS_FROM else 1
        if abs(len(bare) - len(ours)) <= allowed and slips(bare, ours) <= allowed:
            return ours
    return ""


def _words(name: str) -> tuple[str, ...]:
    return tuple(sorted(re.split(r"[^A-Z0-9]+", name)))


_OURS: Final = tuple(name.upper() for name in Settings.model_fields)
_SWITCHES: Final = tuple(
    name.upper() for name, one in Settings.model_fields.items() if one.annotation is bool
)
# The same words in another order, or parted otherwise: PROVIDER_CALL, GOOGLE-API-KEY.
_BY_WORDS: Final = {words: name for name in _OURS if len(words := _words(name)) > 1}
