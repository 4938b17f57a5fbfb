"""Validates keys, tokens and passwords: left from an example, too short, or with lost characters.

No value is ever shown.
"""

import re
from collections.abc import Iterator
from typing import Final

from pydantic import SecretStr

from fwai.config.settings import Settings, is_set
from fwai.config.values import is_token
from fwai.domain.api_key import ApiKey, doubled, read_key

MIN_KEY_CHARS: Final = 16
MIN_WORD_CHARS: Final = 8
MAKE_ONE: Final = "make one with: openssl rand -hex 24"
# What we choose ourselves: how many characters at least, and how to make one.
_OURS: Final = {
    "exotel_webhook_secret": (MIN_KEY_CHARS, MAKE_ONE),
    "exotel_basic_password": (MIN_WORD_CHARS, MAKE_ONE),
    "meta_verify_token": (MIN_WORD_CHARS, MAKE_ONE),
}
# What others issue, and how they call the place where it is shown.
_THEIRS: Final = {
    "google_api_key": "Google AI Studio",
    "plivo_auth_id": "Plivo's console",
    "plivo_auth_token": "Plivo's console",
    "exotel_sid": "Exotel's API settings",
    "exotel_api_key": "Exotel's API settings",
    "exotel_api_token": "Exotel's API settings",
    "phone_number_id": "Meta's app dashboard",
    "meta_access_token": "Meta's app dashboard",
    "meta_app_id": "Meta's app dashboard",
    "meta_app_secret": "Meta's app dashboard",
}
_PLACEHOLDER: Final = re.compile(
    r"<.*>|\[.*\]|\{.*\}|\.{3,}|\*{3,}|x{8,}"
    r"|(?:please[-_ ]?)?(?:change|replace)[-_ ]?(?:me|this|it)?(?:[-_ ].*production)?[-_ !.0-9]*"
    r"|(?:my|your)[-_ ].*(?:key|token|secret|password|id|here|string|value|word).*"
    r"|.*[-_ ](?:goes[-_ ])?here|placeholder|todo|tbd|none|null|undefined|example"
    r"|openssl rand.*|(?:ma|sa|whsec_)?\.{3}|0?123456789?0?|qwerty.*|letmein.*",
    re.IGNORECASE,
)
# What people type where they may choose.
_ANYONE_KNOWS: Final = re.compile(
    r"(?:my|our|super|top)?[-_ ]?(?:secret|password|passw0rd|token|key|exotel|plivo|fwai)"
    r"[-_ !.0-9]*",
    re.IGNORECASE,
)


def invalid_secrets(settings: Settings) -> list[str]:
    """Return the keys, tokens and passwords that cannot be right, each with its fix."""
    return [
        *_issued_by_others(settings),
        *_chosen_by_us(settings),
        *_api_keys(settings),
    ]


def is_placeholder(value: str) -> bool:
    """Whether a value is an example's, there to be replaced."""
    return bool(_PLACEHOLDER.fullmatch(value.strip()))


def is_guessable(value: str) -> bool:
    """Whether a secret is an example's, or a word that everybody takes."""
    return is_placeholder(value) or bool(_ANYONE_KNOWS.fullmatch(value))


def _issued_by_others(settings: Settings) -> Iterator[str]:
    for name, where in _THEIRS.items():
        value = _text(getattr(settings, name))
        parts = value.split(",") if name == "plivo_auth_token" else [value]
        for part in filter(None, (part.strip() for part in parts)):
            if is_placeholder(part):
                yield f"{name.upper()}: is an example's, not yours; copy yours from {where}"
            elif not is_token(part):
                yield (
                    f"{name.upper()}: holds a space, a quote or another character that none has; "
                    f"copy it again from {where}"
                )


def _chosen_by_us(settings: Settings) -> Iterator[str]:
    for name, (least, fix) in _OURS.items():
        value = getattr(settings, name)
        if not is_set(value):
            continue
        text = _text(value)
        if is_guessable(text):
            yield f"{name.upper()}: anyone can guess it; {fix}"
        elif len(text) < least:
            yield f"{name.upper()}: at least {least} characters; {fix}"
        elif not is_token(text) and name != "exotel_webhook_secret":  # that one has a rule more
            yield f"{name.upper()}: use letters, digits and signs of ASCII, no spaces; {fix}"


def _api_keys(settings: Settings) -> Iterator[str]:
    keys: list[ApiKey] = []
    for position, entry in enumerate(settings.api_keys, 1):
        try:
            keys.append(read_key(entry.get_secret_value()))
        except ValueError as exc:
            yield f"API_KEYS: entry {position}: {exc}"
    secrets = [key.secret for key in keys]
    if any(is_guessable(secret) for secret in secrets):
        yield f"API_KEYS: anyone can guess one of them; {MAKE_ONE}"
    elif any(len(secret) < MIN_KEY_CHARS for secret in secrets):
        yield f"API_KEYS: each at least {MIN_KEY_CHARS} characters; {MAKE_ONE}"
    elif not all(is_token(secret) for secret in secrets):
        yield f"API_KEYS: no header can carry one of them; use ASCII without spaces; {MAKE_ONE}"
    yield from (f"API_KEYS: {fault}" for fault in doubled(keys))


def _text(value: object) -> str:
    return str(value.get_secret_value() if isinstance(value, SecretStr) else value)
