"""Settings of what is kept, of calls and their limits, and of callbacks."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import NoDecode

from fwai.config.access_settings import AccessSettings
from fwai.config.values import default_database


class CallSettings(AccessSettings):
    """The third part of `Settings`."""

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
