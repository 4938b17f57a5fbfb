"""Settings of WhatsApp, WebRTC and API keys, and the countries that may be called."""

import pytest

from fwai.config.loading import load_settings
from fwai.config.settings import Settings
from fwai.errors import ConfigError

WHATSAPP = {
    "call_provider": "whatsapp",
    "google_api_key": "google-secret",
    "phone_number_id": "PNID1",
    "meta_access_token": "EAAtoken",
    "meta_app_secret": "app-secret",
    "meta_verify_token": "verify-me",
    "public_url": "https://voice.example.com",
}


def given(**changes: object) -> Settings:
    return load_settings({**WHATSAPP, **changes}, environment=False)


def problems(**changes: object) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        given(**changes)
    return refused.value.problems


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"meta_graph_version": "25"}, "META_GRAPH_VERSION: must be like v25.0"),
        (
            {"rtc_udp_port_min": 20000, "rtc_udp_port_max": 20000},
            "RTC_UDP_PORT_MAX: must be above RTC_UDP_PORT_MIN, which makes two ports or more",
        ),
        ({"public_ip": "::1"}, "PUBLIC_IP: must be an IPv4 address, such as 203.0.113.7"),
        ({"public_ip": "here"}, "PUBLIC_IP: must be an IPv4 address, such as 203.0.113.7"),
        (
            {"api_keys": "short"},
            "API_KEYS: each at least 16 characters; make one with: openssl rand -hex 24",
        ),
    ],
)
def test_a_wrong_value_is_named_with_its_fix(changes: dict[str, object], problem: str) -> None:
    assert problems(**changes) == (problem,)


def test_what_whatsapp_needs_is_asked_for() -> None:
    missing = ("phone_number_id", "meta_access_token", "meta_app_secret", "meta_verify_token")

    found = problems(**dict.fromkeys(missing, ""))

    assert [one.partition(":")[0].lower() for one in found] == [
        "phone_number_id",
        "meta_access_token",
        "meta_verify_token",
        "meta_app_secret",
    ]


def test_without_signatures_no_secret_of_the_app_is_needed() -> None:
    assert not given(meta_app_secret="", allow_unsigned_webhooks=True).demo


@pytest.mark.parametrize(
    ("changes", "reached"),
    [
        ({"calling_countries": "+91, 44"}, ("+919999900001", "+442071838750")),
        ({"plivo_phone_number": "+14155550100"}, ("+14155550101",)),
        ({"exotel_caller_id": "08047100000"}, ("+919999900001",)),
        ({}, ("+919999900001", "+442071838750", "+14155550101")),
    ],
)
def test_countries_are_those_that_are_named_or_of_our_numbers_or_all(
    changes: dict[str, object], reached: tuple[str, ...]
) -> None:
    numbers = ("+919999900001", "+442071838750", "+14155550101")

    reach = given(**changes).reach

    assert tuple(one for one in numbers if reach.allows(one)) == reached
