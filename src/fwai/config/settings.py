"""All settings: names, types, defaults and descriptions.

Only ``cli`` and ``wiring`` see `Settings`; everything else gets plain values. Each field's
description is its comment in ``.env.example``; a test compares the two.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    SettingsConfigDict,
)

from fwai.config.own_numbers import exophone, in_one_form
from fwai.config.values import default_database, parts, tidied
from fwai.domain.api_key import ApiKey, read_key
from fwai.domain.phone import CountryAllowList, PhoneError, country_code, island_of
from fwai.domain.sentence import Fallback

# What makes an installation "configured": with none of these set, the server runs the demo. With
# the model's key alone it is for this machine only.
_CREDENTIALS: Final = (
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
    "meta_app_id",
    "meta_app_secret",
    "meta_verify_token",
    "public_url",
    "plivo_callback_url",
)


def is_set(value: object) -> bool:
    """Whether a setting has a value."""
    return bool(value.get_secret_value() if isinstance(value, SecretStr) else value)


class Settings(BaseSettings):
    """All of the server's settings; names are the environment's, in lower case."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8-sig",  # some editors begin a file with a byte order mark
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
    )

    call_provider: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Who carries calls: plivo, exotel, whatsapp. Several by commas.",
    )
    host: str = Field(default="0.0.0.0", description="Address to listen on.")  # noqa: S104
    port: int = Field(default=3000, ge=1, le=65535, description="Port to listen on.")
    debug: bool = Field(default=False, description="Development only: more detail in logs.")
    public_url: str = Field(
        default="",
        description="This server as providers see it: https://voice.example.com. "
        "PLIVO_CALLBACK_URL means the same.",
    )
    plivo_callback_url: str = Field(default="", description="Older name of PUBLIC_URL.")
    allow_unsigned_webhooks: bool = Field(
        default=False, description="Development only: accept webhooks without a valid signature."
    )

    google_api_key: SecretStr = Field(
        default=SecretStr(""), description="Key of the Gemini API, from Google AI Studio."
    )
    gemini_model: str = Field(default="gemini-3.8-live", description="Any Live model.")
    gemini_live_url: str = Field(
        default="wss://generativelanguage.googleapis.com",
        description="Live endpoint; ws://127.0.0.1:8003 is the bundled simulator.",
    )
    tts_voice: str = Field(default="Puck", description="Voice of agents that name none.")
    agent_clips: bool = Field(
        default=True,
        description="Agents' models speak once what callers hear when they cannot answer, into "
        "DATA_DIR/clips; false uses what ships, in English and Hindi.",
    )

    plivo_auth_id: str = Field(default="", description="Plivo's Auth ID: MA... or SA...")
    plivo_auth_token: SecretStr = Field(
        default=SecretStr(""),
        description="Its Auth Token. While you rotate it: new,old.",
    )
    plivo_phone_number: str = Field(
        default="", description="Your Plivo number, +91..., or as in the country of TIMEZONE."
    )
    plivo_api_url: str = Field(default="https://api.plivo.com", description="Plivo's REST API.")
    plivo_audio: Literal["mulaw8k", "l16_16k"] = Field(
        default="mulaw8k", description="mulaw8k, or l16_16k for wideband."
    )
    plivo_l16_byteorder: Literal["little", "big"] = Field(
        default="little", description="Change only if l16_16k sounds like loud noise."
    )
    plivo_ws_signature: Literal["off", "log", "require"] = Field(
        default="log",
        description="off, log or require the signature of the stream's handshake.",
    )

    plivo_dlt_entity_id: str = Field(
        default="", description="India: the registered sender of text messages."
    )
    plivo_dlt_template_id: str = Field(
        default="", description="India: the registered wording of text messages."
    )
    plivo_dlt_template_category: str = Field(
        default="", description="India: its category, such as service_implicit."
    )

    exotel_sid: str = Field(default="", description="Exotel's account SID.")
    exotel_api_key: SecretStr = Field(default=SecretStr(""), description="Exotel's API key.")
    exotel_api_token: SecretStr = Field(default=SecretStr(""), description="Its API token.")
    exotel_caller_id: str = Field(default="", description="Your ExoPhone, such as 08047100000.")
    exotel_webhook_secret: SecretStr = Field(
        default=SecretStr(""),
        description="Unguessable part of every address given to Exotel: openssl rand -hex 24",
    )
    exotel_basic_user: str = Field(
        default="", description="When set, Exotel must send it when it opens a stream."
    )
    exotel_basic_password: SecretStr = Field(
        default=SecretStr(""), description="Its password; never the API token."
    )
    exotel_sample_rate: Literal[8000, 16000, 24000] = Field(
        default=8000, description="8000, 16000 or 24000 Hz."
    )
    exotel_chunk_bytes: int = Field(
        default=0,
        ge=0,
        le=100_000,
        description="Audio of one message to Exotel, a multiple of 320; 0 takes what suits.",
    )
    exotel_dlt_entity_id: str = Field(
        default="", description="India: the registered sender of text messages."
    )
    exotel_dlt_template_id: str = Field(
        default="", description="India: the registered wording of text messages."
    )
    exotel_api_url: str = Field(
        default="https://api.exotel.com",
        description="Exotel's REST API; accounts in India: https://api.in.exotel.com",
    )

    phone_number_id: str = Field(default="", description="WhatsApp: id of your number at Meta.")
    meta_access_token: SecretStr = Field(
        default=SecretStr(""), description="A system user's token, best one that never expires."
    )
    meta_app_id: str = Field(default="", description="Meta app; needed to inspect the token.")
    meta_app_secret: SecretStr = Field(default=SecretStr(""), description="Signs Meta's webhooks.")
    meta_verify_token: SecretStr = Field(
        default=SecretStr(""), description="Your word for verifying the webhook."
    )
    meta_graph_url: str = Field(
        default="https://graph.facebook.com", description="Meta's Graph API."
    )
    meta_graph_version: str = Field(default="v25.0", description="Its version.")
    whatsapp_use_pre_accept: bool = Field(
        default=True, description="false accepts calls before the media is connected."
    )

    browser_calls: bool = Field(
        default=False,
        description="Offer /console/talk: talk to an agent with a browser. Loads WebRTC (30 MB).",
    )
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(),
        description="Keys, by commas: KEY, or name:role:KEY with role admin (the default), "
        "operator, n8n, metrics or mcp. Without one and with a telephone the API is off.",
    )
    allow_local_without_key: bool = Field(
        default=False,
        description="Whoever is on this machine needs no key, though a proxy may be there, too.",
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Proxies on other machines that say whose a request is, by commas: "
        "10.0.0.0/24. One on this machine needs no mention.",
    )
    requests_per_minute: int = Field(
        default=600,
        ge=10,
        le=1_000_000,
        description="Requests to the API and the pages, of one key and of one address.",
    )
    refused_requests_per_minute: int = Field(
        default=60,
        ge=5,
        le=1_000_000,
        description="Refused requests of one address, such as wrong keys, before it has to wait.",
    )
    api_calls_per_minute: int = Field(
        default=60,
        ge=1,
        le=1_000_000,
        description="Calls and callbacks that one key may ask for.",
    )
    public_ip: str = Field(
        default="", description="This server's public IPv4 address, for WebRTC behind a NAT."
    )
    rtc_udp_port_min: int = Field(
        default=10_000, ge=1024, le=65_535, description="First UDP port of WebRTC calls."
    )
    rtc_udp_port_max: int = Field(
        default=20_000,
        ge=1024,
        le=65_535,
        description="Last one; a call takes one port per network card.",
    )

    database_url: str = Field(
        default=default_database(Path("data")),
        repr=False,  # it may hold a password
        description="Without it: DATA_DIR/fwai.db. "
        "Or postgresql+asyncpg://user:password@host/name. Words of libpq's may follow,"
        " such as ?sslmode=require&connect_timeout=5; behind pgbouncer ?prepared_statements=off.",
    )
    data_dir: Path = Field(
        default=Path("data"),
        description="Database, recordings, availability.json and the callbacks.json of before.",
    )
    transcripts_dir: Path = Field(default=Path("transcripts"), description="Transcripts.")
    prompts_file: Path = Field(default=Path("prompts.json"), description="The agents.")
    enable_transcripts: bool = Field(
        default=True, description="false writes no word of any call anywhere."
    )
    record_calls: bool = Field(
        default=False, description="Two-channel recordings under DATA_DIR/recordings."
    )
    transcripts_keep_days: int | None = Field(
        default=None,
        ge=0,
        le=36_500,
        description="Days until a call that is over is removed with its transcript; 0 keeps for "
        "ever. Unset: 365, and 0 where an older version was upgraded.",
    )
    recordings_keep_days: int | None = Field(
        default=None,
        ge=0,
        le=36_500,
        description="Days until its recording is removed; 0 keeps for ever. "
        "Unset: 90, and 0 where an older version was upgraded.",
    )
    max_concurrent_calls: Literal["auto"] | int = Field(
        default="auto", description="A number, or auto for what this machine can carry."
    )
    max_call_seconds: int = Field(
        default=900, ge=30, le=14_400, description="Longest call; the agent is told 30 s before."
    )
    calls_per_caller: int = Field(
        default=12,
        ge=1,
        le=10_000,
        description="Calls taken from one number in ten minutes, then it hears busy. Callers "
        "without a number are one with five times as many.",
    )
    calls_at_once_per_caller: int = Field(
        default=4,
        ge=1,
        le=1_000,
        description="Calls of one number at the same time; without a number five times as many.",
    )
    calls_waiting: int = Field(
        default=20,
        ge=1,
        le=1_000,
        description="Calls taken whose sound has not come yet; each holds a model session.",
    )
    timezone: str = Field(default="Asia/Kolkata", description="Where you are.")
    calling_hours: str = Field(
        default="09:00-21:00",
        description="Outbound calls and callbacks stay inside; 00:00-24:00 is always.",
    )
    calling_countries: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Country codes that may be called, and texted for a caller, by commas: "
        "91,971. Empty takes those of your own numbers; * is everywhere. An API key may text "
        "anywhere. Islands under code 1 only by name: 1876.",
    )
    daily_sms_limit: int = Field(
        default=100,
        ge=0,
        le=1_000_000,
        description="Texts a day to numbers that callers dictated, of this server; 0 sends none.",
    )
    daily_email_limit: int = Field(
        default=100, ge=0, le=1_000_000, description="The same of e-mails."
    )
    daily_new_recipients: int = Field(
        default=50,
        ge=0,
        le=1_000_000,
        description="Of all these, a day: people who were never written to before.",
    )
    daily_whatsapp_limit: int = Field(
        default=500,
        ge=0,
        le=1_000_000,
        description="WhatsApp messages a day that callers ask for, by the number that they show.",
    )
    daily_callback_limit: int = Field(
        default=200,
        ge=0,
        le=1_000_000,
        description="Callbacks a day that are promised to callers, by the number that they show.",
    )
    owner_phones: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Your own numbers, +91..., by commas: never limited."
    )
    owner_emails: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Your own addresses, by commas: never limited, and agents may write them "
        "anything; callers get prepared e-mails only.",
    )
    human_handoff_number: str = Field(
        default="",
        description="A human who takes calls over, +91..., or as in the country of TIMEZONE; "
        "enables transfer_call.",
    )
    ai_down: Literal["transfer", "voicemail", "apology"] | None = Field(
        default=None,
        description="What a caller gets while the model cannot be reached: transfer, voicemail (a "
        "message and a callback) or apology. Unset: transfer with HUMAN_HANDOFF_NUMBER, else "
        "apology.",
    )
    business_name: str = Field(
        default="", description="Your name in mails, invitations and text messages."
    )
    outbound_calls_at_once: int = Field(
        default=10, ge=1, le=1_000, description="Calls placed that ring or run, per provider."
    )
    outbound_calls_per_second: float = Field(
        default=1.0, ge=0.001, le=100, description="Calls begun in a second, per provider."
    )
    outbound_calls_per_day: int = Field(
        default=1_000,
        ge=1,
        le=1_000_000,
        description="Calls placed in a day, in all; further ones wait for the next day.",
    )
    ring_seconds: int = Field(
        default=45, ge=10, le=120, description="How long an outbound call rings."
    )
    callback_attempts: int = Field(
        default=3, ge=1, le=10, description="Calls made for one callback until it is reached."
    )
    callback_retry_minutes: int = Field(
        default=15, ge=1, le=1_440, description="Between two of them."
    )
    callback_window_minutes: int = Field(
        default=120,
        ge=1,
        le=10_080,
        description="How late a callback is still made after a breakdown, not counting nights.",
    )

    smtp_host: str = Field(default="", description="Mail server; enables send_email.")
    smtp_port: int = Field(default=587, ge=1, le=65_535, description="587, or 465 for TLS.")
    smtp_user: str = Field(default="", description="Its user; also the sender, if none is set.")
    smtp_password: SecretStr = Field(default=SecretStr(""), description="Its password.")
    smtp_sender: str = Field(default="", description="Address mails come from.")
    smtp_security: Literal["auto", "starttls", "tls", "none"] = Field(
        default="auto", description="auto, starttls, tls; none only on this machine."
    )

    events_webhook_url: str = Field(
        default="", description="Where events of calls go, such as n8n's webhook."
    )
    events_webhook_secret: SecretStr = Field(
        default=SecretStr(""),
        description="Signs them: whsec_ and base64 of 24 to 64 bytes; needed with the URL. "
        "For n8n bytes that can be typed: docs/N8N.md. For a rotation: new,old.",
    )
    webhook_allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Hosts that webhook_url of a request may name, by commas; *.example.com too.",
    )
    gemini_text_model: str = Field(
        default="",
        description="Text model that sums calls up and fills extract; empty does neither.",
    )
    gemini_text_url: str = Field(
        default="https://generativelanguage.googleapis.com",
        description="Its endpoint; http://127.0.0.1:8003 is the bundled simulator.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="DEBUG, INFO, WARNING or ERROR."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto", description="json, console, or auto: console on a terminal."
    )

    @model_validator(mode="before")
    @classmethod
    def _tidy(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        return tidied(values, {name: one.annotation for name, one in cls.model_fields.items()})

    @field_validator(
        "call_provider",
        "webhook_allowed_hosts",
        "calling_countries",
        "trusted_proxies",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.lower() for part in parts(value))
        return value

    @field_validator("owner_phones", "owner_emails", mode="before")
    @classmethod
    def _split_owners(cls, value: object) -> object:
        return tuple(parts(value)) if isinstance(value, str) else value

    @field_validator("api_keys", mode="before")
    @classmethod
    def _split_keys(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(SecretStr(part) for part in parts(value))
        return value

    @field_validator("exotel_sample_rate", mode="before")
    @classmethod
    def _whole(cls, value: object) -> object:
        return int(value) if isinstance(value, str) and value.isdecimal() else value

    @field_validator("data_dir", "transcripts_dir", "prompts_file")
    @classmethod
    def _home(cls, value: Path) -> Path:
        """Understand ``~`` as a shell does; where there is no such home it stays as it is."""
        try:
            return value.expanduser()
        except RuntimeError:
            return value

    @model_validator(mode="after")
    def _database_under_data_dir(self) -> "Settings":
        if "database_url" not in self.model_fields_set or not self.database_url:
            # The model is frozen for everyone else; this is still part of making it.
            object.__setattr__(self, "database_url", default_database(self.data_dir))
        return self

    @model_validator(mode="before")
    @classmethod
    def _own_numbers(cls, values: Any) -> Any:  # noqa: ANN401 - pydantic's signature
        if not isinstance(values, dict):
            return values
        return in_one_form(values, cls.model_fields["timezone"].default)

    @property
    def database_chosen(self) -> bool:
        """Whether ``DATABASE_URL`` was set, rather than follow from ``DATA_DIR``."""
        return self.database_url != default_database(self.data_dir)

    @property
    def demo(self) -> bool:
        """Whether nothing is configured, so that the server runs the demo."""
        return not self._configured

    @property
    def talk_only(self) -> bool:
        """Whether the model's key is all there is: people talk from a browser on this machine."""
        return self._configured == ["google_api_key"]

    @property
    def _configured(self) -> list[str]:
        return [name for name in _CREDENTIALS if is_set(getattr(self, name))]

    @property
    def base_url(self) -> str:
        """Public URL without a slash at the end."""
        return (self.public_url or self.plivo_callback_url).rstrip("/")

    @property
    def keys(self) -> tuple[ApiKey, ...]:
        """The keys of the API; an entry that cannot be read is none, and is reported elsewhere."""
        found = []
        for entry in self.api_keys:
            with suppress(ValueError):
                found.append(read_key(entry.get_secret_value()))
        return tuple(found)

    @property
    def trusts_local(self) -> bool:
        """Whether clients on this machine need no key.

        A reverse proxy on it makes every stranger look like one of them, so they are only trusted
        where nobody outside is meant to reach this server.
        """
        if self.allow_local_without_key:
            return True
        return not self.api_keys and not self.call_provider and not self.base_url

    @property
    def plivo_tokens(self) -> tuple[str, ...]:
        """Tokens that may sign webhooks; the first one is used for REST."""
        parts = self.plivo_auth_token.get_secret_value().split(",")
        return tuple(part.strip() for part in parts if part.strip())

    @property
    def reach(self) -> CountryAllowList:
        """Countries that may be called and texted."""
        if self.calling_countries:
            return CountryAllowList(frozenset(code.lstrip("+") for code in self.calling_countries))
        lines = [self.plivo_phone_number, self.human_handoff_number]
        with suppress(PhoneError):  # reported with everything else
            lines.append(exophone(self.exotel_caller_id, self.timezone))
        own = [one for one in lines if one[:1] == "+"]
        islands = [one[1:5] for one in own if island_of(one)]
        return CountryAllowList(frozenset([*map(country_code, own), *islands]))

    @property
    def fallback(self) -> Fallback:
        """What callers get while the model cannot be reached, where it is possible."""
        if self.ai_down is not None:
            return Fallback(self.ai_down)
        return Fallback.TRANSFER if self.human_handoff_number else Fallback.APOLOGY

    @property
    def event_secrets(self) -> tuple[str, ...]:
        """Secrets that sign events; the first one is the current one."""
        parts = self.events_webhook_secret.get_secret_value().split(",")
        return tuple(part.strip() for part in parts if part.strip())

    @property
    def exotel_basic(self) -> tuple[str, str] | None:
        """User and password of Exotel's handshake, or None."""
        if not self.exotel_basic_user:
            return None
        return self.exotel_basic_user, self.exotel_basic_password.get_secret_value()

    @property
    def zone(self) -> ZoneInfo:
        """Time zone of the business."""
        return ZoneInfo(self.timezone)
