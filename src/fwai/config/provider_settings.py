"""Settings of the server's address, of the model, and of who carries calls."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode


class ProviderSettings(BaseSettings):
    """The first part of `Settings`; the order of the parts is that of ``.env.example``."""

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
