"""Generates the text of ``.env.example``: every setting with its default and a comment."""

from collections.abc import Iterator
from typing import Final

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from fwai.config.settings import Settings

HEADER: Final = """\
# The settings, in a file named .env: fill in the first group; the rest has defaults that work.
# With nothing set at all the server starts in demo mode; with GOOGLE_API_KEY alone you talk to your
# agents with a browser on this machine. A line that begins with # shows a default: take the # away
# to change it.
"""
REQUIRED: Final = "Required"
GROUPS: Final = {
    REQUIRED: (
        "call_provider",
        "google_api_key",
        "plivo_auth_id",
        "plivo_auth_token",
        "plivo_phone_number",
        "exotel_sid",
        "exotel_api_key",
        "exotel_api_token",
        "exotel_caller_id",
        "exotel_webhook_secret",
        "phone_number_id",
        "meta_access_token",
        "meta_app_secret",
        "meta_verify_token",
        "public_url",
    ),
    "The agent and its model": (
        "prompts_file",
        "gemini_model",
        "tts_voice",
        "agent_clips",
        "gemini_live_url",
    ),
    "Calls": (
        "max_concurrent_calls",
        "max_call_seconds",
        "calls_per_caller",
        "calls_at_once_per_caller",
        "calls_waiting",
        "ai_down",
        "timezone",
    ),
    "What callers can have sent": (
        "daily_sms_limit",
        "daily_email_limit",
        "daily_new_recipients",
        "daily_whatsapp_limit",
        "daily_callback_limit",
        "owner_phones",
        "owner_emails",
    ),
    "Calling people": (
        "calling_hours",
        "calling_countries",
        "outbound_calls_at_once",
        "outbound_calls_per_second",
        "outbound_calls_per_day",
        "ring_seconds",
        "callback_attempts",
        "callback_retry_minutes",
        "callback_window_minutes",
        "human_handoff_number",
    ),
    "The API, n8n and events": (
        "api_keys",
        "allow_local_without_key",
        "events_webhook_url",
        "events_webhook_secret",
        "webhook_allowed_hosts",
        "requests_per_minute",
        "refused_requests_per_minute",
        "api_calls_per_minute",
    ),
    "Mail": (
        "business_name",
        "smtp_host",
        "smtp_port",
        "smtp_user",
        "smtp_password",
        "smtp_sender",
        "smtp_security",
    ),
    "After a call": ("gemini_text_model", "gemini_text_url"),
    "What is kept": (
        "enable_transcripts",
        "record_calls",
        "transcripts_keep_days",
        "recordings_keep_days",
        "transcripts_dir",
        "data_dir",
        "database_url",
    ),
    "Listening and logs": ("host", "port", "trusted_proxies", "log_level", "log_format"),
    "Plivo, in detail": (
        "plivo_audio",
        "plivo_l16_byteorder",
        "plivo_ws_signature",
        "plivo_dlt_entity_id",
        "plivo_dlt_template_id",
        "plivo_dlt_template_category",
        "plivo_api_url",
        "plivo_callback_url",
    ),
    "Exotel, in detail": (
        "exotel_sample_rate",
        "exotel_chunk_bytes",
        "exotel_basic_user",
        "exotel_basic_password",
        "exotel_dlt_entity_id",
        "exotel_dlt_template_id",
        "exotel_api_url",
    ),
    "WhatsApp, in detail": (
        "meta_app_id",
        "whatsapp_use_pre_accept",
        "meta_graph_url",
        "meta_graph_version",
    ),
    "WebRTC: WhatsApp and the browser": (
        "browser_calls",
        "public_ip",
        "rtc_udp_port_min",
        "rtc_udp_port_max",
    ),
    "Development only": ("debug", "allow_unsigned_webhooks"),
}


def env_file() -> str:
    """Build the text of the file.

    Raises:
        ValueError: A setting is in no group, or a group names an unknown setting.
    """
    grouped = [name for names in GROUPS.values() for name in names]
    mismatched = set(grouped) ^ set(Settings.model_fields)
    if mismatched:
        raise ValueError(f"GROUPS and Settings differ: {sorted(mismatched)}")
    return "\n".join([HEADER, *_lines()]).rstrip("\n") + "\n"


def _lines() -> Iterator[str]:
    for title, names in GROUPS.items():
        yield f"# ---- {title} {'-' * (92 - len(title))}"
        yield ""
        for name in names:
            field = Settings.model_fields[name]
            yield f"# {field.description}"
            yield ("" if title == REQUIRED else "# ") + f"{name.upper()}={_default_text(field)}"
            yield ""


def _default_text(field: FieldInfo) -> str:
    default = field.get_default()
    if default is None:
        return ""
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return ",".join(default)
    return str(default)
