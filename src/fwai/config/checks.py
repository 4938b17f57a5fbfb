"""Validates server and provider settings: missing and invalid values."""

import ipaddress
import re
from collections import Counter
from typing import Final

from pydantic import SecretStr

from fwai.config.secrets import invalid_secrets
from fwai.config.settings import Settings, is_set
from fwai.config.time_zones import zone_problems
from fwai.config.urls import public_url_problem, url_problem
from fwai.config.values import half_quoted, has_hidden_characters
from fwai.domain.host import networks
from fwai.domain.near_miss import nearest
from fwai.errors import StoreError
from fwai.store.database_url import parse_url

AVAILABLE: Final = ("plivo", "exotel", "whatsapp")
# Base URLs by setting: what they may begin with, and what is said of one that cannot be right.
_BASE_URLS: Final = {
    "gemini_live_url": (("wss", "ws"), "must be wss://host, or ws://host for a simulator"),
    "gemini_text_url": (("https", "http"), "must be https://host"),
    "plivo_api_url": (("https", "http"), "must be https://host"),
    "exotel_api_url": (("https", "http"), "must be https://host"),
    "meta_graph_url": (("https", "http"), "must be https://host"),
}
# Words for people, where a quote may stand at either end.
_FREE_TEXT: Final = ("business_name",)


def missing_settings(settings: Settings) -> list[str]:
    """Return the missing settings of the chosen providers, each with its fix."""
    problems = []
    if not settings.call_provider:
        problems.append(f"CALL_PROVIDER: missing; set it to {' or '.join(AVAILABLE)}")
    problems += [
        f"CALL_PROVIDER: {name} is not available in this version; use {', '.join(AVAILABLE)}"
        + (f"; did you mean {meant}?" if (meant := nearest(name, AVAILABLE)) else "")
        for name in dict.fromkeys(settings.call_provider)
        if name not in AVAILABLE
    ]
    problems += [
        f"CALL_PROVIDER: {name} is named {count} times; name it once"
        for name, count in Counter(settings.call_provider).items()
        if count > 1
    ]
    if not is_set(settings.google_api_key):
        problems.append("GOOGLE_API_KEY: missing; create one in Google AI Studio")
    problems += [
        f"{name}: missing; {fix}"
        for name, (value, fix) in _required(settings).items()
        if not is_set(value)
    ]
    return problems


def _required(settings: Settings) -> dict[str, tuple[object, str]]:
    """Return the required settings of the chosen providers, each with its fix."""
    found: dict[str, tuple[object, str]] = {}
    if "plivo" in settings.call_provider:
        found |= {
            "PLIVO_AUTH_ID": (settings.plivo_auth_id, "copy it from Plivo's console"),
            "PLIVO_AUTH_TOKEN": (settings.plivo_auth_token, "copy it from Plivo's console"),
            "PLIVO_PHONE_NUMBER": (settings.plivo_phone_number, "set it to your number, +91..."),
        }
    if "exotel" in settings.call_provider:
        hint = "copy it from Exotel's API settings"
        found |= {
            "EXOTEL_SID": (settings.exotel_sid, hint),
            "EXOTEL_API_KEY": (settings.exotel_api_key, hint),
            "EXOTEL_API_TOKEN": (settings.exotel_api_token, hint),
            "EXOTEL_CALLER_ID": (settings.exotel_caller_id, "set it to your ExoPhone"),
            "EXOTEL_WEBHOOK_SECRET": (
                settings.exotel_webhook_secret,
                "make one with: openssl rand -hex 24",
            ),
        }
    if "whatsapp" in settings.call_provider:
        hint = "copy it from Meta's app dashboard"
        found |= {
            "PHONE_NUMBER_ID": (settings.phone_number_id, hint),
            "META_ACCESS_TOKEN": (settings.meta_access_token, "issue a system user's token"),
            "META_VERIFY_TOKEN": (settings.meta_verify_token, "choose any long word"),
        }
        if not settings.allow_unsigned_webhooks:
            found["META_APP_SECRET"] = (settings.meta_app_secret, hint)
    if found:
        found["PUBLIC_URL"] = (settings.base_url, "set it to https://your.domain")
    return found


def invalid_settings(settings: Settings) -> list[str]:
    """Return the invalid settings of a configured server, each with its fix."""
    problems = []
    for name in ("public_url", "plivo_callback_url"):
        url = getattr(settings, name)
        if url and (problem := public_url_problem(url)):
            problems.append(f"{name.upper()}: must be https://host, as providers see it; {problem}")
    older = settings.plivo_callback_url.rstrip("/").lower()
    if older and settings.public_url and older != settings.base_url.lower():
        problems.append(
            "PLIVO_CALLBACK_URL: differs from PUBLIC_URL, which counts; leave this older name out"
        )
    return problems + _invalid_exotel(settings)


def _invalid_exotel(settings: Settings) -> list[str]:
    problems = []
    if re.search(r"[^A-Za-z0-9_.~-]", settings.exotel_webhook_secret.get_secret_value()):
        problems.append("EXOTEL_WEBHOOK_SECRET: use only letters, digits, _ and -")
    if is_set(settings.exotel_basic_password) != bool(settings.exotel_basic_user):
        problems.append("EXOTEL_BASIC_USER, EXOTEL_BASIC_PASSWORD: set both or neither")
    if ":" in settings.exotel_basic_user:
        problems.append("EXOTEL_BASIC_USER: must not contain a colon")
    if settings.exotel_chunk_bytes % 320:
        problems.append("EXOTEL_CHUNK_BYTES: must be a multiple of 320, or 0")
    return problems


def always_invalid(settings: Settings) -> list[str]:
    """Return the settings that are invalid even in demo mode, each with its fix."""
    problems = []
    problems += zone_problems(settings.timezone)
    for name, (schemes, rule) in _BASE_URLS.items():
        if problem := url_problem(getattr(settings, name), schemes):
            problems.append(f"{name.upper()}: {rule}; {problem}")
    try:
        parse_url(settings.database_url)
    except StoreError as exc:
        problems.append(str(exc))
    try:
        networks(settings.trusted_proxies)
    except ValueError as exc:
        problems.append(f"TRUSTED_PROXIES: {exc}")
    if isinstance(settings.max_concurrent_calls, int) and settings.max_concurrent_calls < 1:
        problems.append("MAX_CONCURRENT_CALLS: must be auto or at least 1")
    return [
        *_unreadable_texts(settings),
        *problems,
        *_invalid_media(settings),
        *invalid_secrets(settings),
    ]


def _unreadable_texts(settings: Settings) -> list[str]:
    """Return the settings with half a pair of quotes or hidden characters in them."""
    problems = []
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        for text in value if isinstance(value, tuple) else (value,):
            plain = text.get_secret_value() if isinstance(text, SecretStr) else str(text)
            secret = isinstance(text, SecretStr)  # a password may begin with a quote
            if has_hidden_characters(plain):
                problems.append(
                    f"{name.upper()}: holds a line break or a character that cannot be seen; "
                    "type it again"
                )
                break
            if half_quoted(plain) and not secret and name not in _FREE_TEXT:
                problems.append(f"{name.upper()}: has a quote at one end only; take it out")
                break
    return problems


def _invalid_media(settings: Settings) -> list[str]:
    """Return the invalid settings of WhatsApp, WebRTC and API keys."""
    problems = []
    if not re.fullmatch(r"v\d+\.\d+", settings.meta_graph_version):
        problems.append("META_GRAPH_VERSION: must be like v25.0")
    if settings.rtc_udp_port_max < settings.rtc_udp_port_min + 1:
        problems.append(
            "RTC_UDP_PORT_MAX: must be above RTC_UDP_PORT_MIN, which makes two ports or more"
        )
    if settings.public_ip and not _is_ipv4(settings.public_ip):
        problems.append("PUBLIC_IP: must be an IPv4 address, such as 203.0.113.7")
    return problems


def _is_ipv4(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == 4
    except ValueError:
        return False
