"""Validates server and provider settings: missing and invalid values."""

import ipaddress
import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fwai.config.settings import Settings, is_set
from fwai.domain.host import is_loopback
from fwai.domain.phone import normalise
from fwai.errors import StoreError
from fwai.store.database_url import parse_url

AVAILABLE: Final = ("plivo", "exotel", "whatsapp")
MIN_KEY_CHARS: Final = 16


def missing_settings(settings: Settings) -> list[str]:
    """Return the missing settings of the chosen providers, each with its fix."""
    problems = []
    if not settings.call_provider:
        problems.append(f"CALL_PROVIDER: missing; set it to {' or '.join(AVAILABLE)}")
    problems += [
        f"CALL_PROVIDER: {name} is not available in this version; use {', '.join(AVAILABLE)}"
        for name in settings.call_provider
        if name not in AVAILABLE
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
    if settings.base_url and not _is_public_url(settings.base_url):
        problems.append("PUBLIC_URL: must be https://host, as providers see it, without a query")
    if settings.plivo_phone_number:
        try:
            normalise(settings.plivo_phone_number)
        except ValueError as exc:
            problems.append(f"PLIVO_PHONE_NUMBER: {exc}")
    return problems + _invalid_exotel(settings)


def _invalid_exotel(settings: Settings) -> list[str]:
    problems = []
    if re.search(r"[^A-Za-z0-9_.~-]", settings.exotel_webhook_secret.get_secret_value()):
        problems.append("EXOTEL_WEBHOOK_SECRET: use only letters, digits, _ and -")
    line = settings.exotel_caller_id
    if line and not re.fullmatch(r"\+?[0-9]{7,15}", re.sub(r"[\s().-]", "", line)):
        problems.append("EXOTEL_CALLER_ID: must be your ExoPhone, such as 08047100000")
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
    try:
        ZoneInfo(settings.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of zones
        problems.append(f"TIMEZONE: unknown zone {settings.timezone!r}; such as Asia/Kolkata")
    if not _is_url(settings.gemini_live_url, ("wss", "ws")):
        problems.append("GEMINI_LIVE_URL: must be wss://host, or ws://host for a simulator")
    if not _is_url(settings.plivo_api_url, ("https", "http")):
        problems.append("PLIVO_API_URL: must be https://host")
    if not _is_url(settings.exotel_api_url, ("https", "http")):
        problems.append("EXOTEL_API_URL: must be https://host")
    try:
        parse_url(settings.database_url)
    except StoreError as exc:
        problems.append(str(exc))
    if isinstance(settings.max_concurrent_calls, int) and settings.max_concurrent_calls < 1:
        problems.append("MAX_CONCURRENT_CALLS: must be auto or at least 1")
    return problems + _invalid_media(settings)


def _invalid_media(settings: Settings) -> list[str]:
    """Return the invalid settings of WhatsApp, WebRTC and API keys."""
    problems = []
    if not _is_url(settings.meta_graph_url, ("https", "http")):
        problems.append("META_GRAPH_URL: must be https://host")
    if not re.fullmatch(r"v\d+\.\d+", settings.meta_graph_version):
        problems.append("META_GRAPH_VERSION: must be like v25.0")
    if settings.rtc_udp_port_max < settings.rtc_udp_port_min + 1:
        problems.append(
            "RTC_UDP_PORT_MAX: must be above RTC_UDP_PORT_MIN, which makes two ports or more"
        )
    if settings.public_ip and not _is_ipv4(settings.public_ip):
        problems.append("PUBLIC_IP: must be an IPv4 address, such as 203.0.113.7")
    if any(len(key.get_secret_value()) < MIN_KEY_CHARS for key in settings.api_keys):
        problems.append(
            f"API_KEYS: each at least {MIN_KEY_CHARS} characters; make one with: "
            "openssl rand -hex 24"
        )
    return problems


def _is_public_url(url: str) -> bool:
    if not _is_url(url, ("https", "http")):
        return False
    parts = urlsplit(url)
    if parts.query or parts.fragment or parts.username is not None:
        return False
    return parts.scheme == "https" or is_loopback(parts.hostname or "")


def _is_url(url: str, schemes: Sequence[str]) -> bool:
    """Whether ``url`` has a host and one of ``schemes``, in lower case."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises when it is none
    except ValueError:
        return False
    return bool(parts.hostname) and url.startswith(tuple(f"{scheme}://" for scheme in schemes))


def _is_ipv4(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == 4
    except ValueError:
        return False
