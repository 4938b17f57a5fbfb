"""Settings of who may use the API and the pages, how often, and of calls from a browser."""

from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import NoDecode

from fwai.config.provider_settings import ProviderSettings


class AccessSettings(ProviderSettings):
    """The second part of `Settings`."""

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
