"""All settings: names, types, defaults and descriptions.

Only ``cli`` and ``wiring`` see `Settings`; everything else gets plain values. Each field's
description is its comment in ``.env.example``; a test compares the two. They are declared in four
parts by subject, each of which adds to the one before, so that their order is one.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from fwai.config.call_settings import CallSettings
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


class Settings(CallSettings):
    """All of the server's settings; names are the environment's, in lower case."""

    model_config = SettingsConfigDict(  # type: ignore[mutable-override]  # pydantic merges it
        env_file=".env",
        env_file_encoding="utf-8-sig",  # some editors begin a file with a byte order mark
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
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
