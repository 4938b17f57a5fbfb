"""Numbers of ours in the settings: of the country of TIMEZONE when they name none."""

from importlib.resources import files

import pytest

from fwai.config.home_country import home_regions
from fwai.config.loading import load_settings
from fwai.errors import ConfigError
from unit.config.test_exotel_settings import EXOTEL

PLIVO = {
    "call_provider": "plivo",
    "google_api_key": "key",
    "plivo_auth_id": "MA1",
    "plivo_auth_token": "token",
    "plivo_phone_number": "+918888800000",
    "public_url": "https://voice.example.com",
}
NAMES = ("plivo_phone_number", "human_handoff_number")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("zone", "written", "number"),
    [
        ("Asia/Kolkata", "9999900009", "+919999900009"),
        ("Asia/Calcutta", "099999 00009", "+919999900009"),
        ("Asia/Kolkata", "+91 (0)99999 00009", "+919999900009"),
        ("Asia/Kolkata", "\u202a+91 99999\u00a000009\u202c", "+919999900009"),
        ("Asia/Kolkata", "'919999900009", "+919999900009"),
        ("Asia/Kolkata", "080-4710-0000", "+918047100000"),
        ("Asia/Kolkata", "6591234567", "+916591234567"),
        ("Asia/Kolkata", "+65 9123 4567", "+6591234567"),
        ("America/New_York", "(202) 555-0123", "+12025550123"),
        ("US/Eastern", "2025550123", "+12025550123"),
        ("Asia/Dubai", "050 123 4567", "+971501234567"),
        ("Europe/London", "020 7946 0000", "+442079460000"),
        ("UTC", "+919999900009", "+919999900009"),
    ],
)
def test_a_number_of_ours_is_read_where_we_are(
    name: str, zone: str, written: str, number: str
) -> None:
    settings = load_settings({**PLIVO, "timezone": zone, name: written}, environment=False)

    assert getattr(settings, name) == number
    assert settings.reach.allows(number)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("zone", "written", "why"),
    [
        ("UTC", "9999900009", "TIMEZONE does not tell its country"),
        ("CET", "9999900009", "TIMEZONE does not tell its country"),
        ("Asia/Dubai", "9999900009", "no complete number of AE"),
        ("Asia/Kolkata", "99999 0000", "no complete number of IN"),
        ("Asia/Kolkata", "+91 99999 0000", "9 digits"),
        ("Asia/Kolkata", "+91919999900009", "12 digits"),
        ("Asia/Kolkata", "9.199999E+11", "rounded"),
        ("Asia/Kolkata", "+91 99999 00009, 99999 00000", "more than one"),
        ("Asia/Kolkata", "the office", "no number in it"),
        ("Asia/Kolkata", "100", "too short"),
    ],
)
def test_a_number_of_ours_that_is_not_clear_is_refused(
    name: str, zone: str, written: str, why: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        load_settings({**PLIVO, "timezone": zone, name: written}, environment=False)

    (problem,) = refused.value.problems
    assert problem.startswith(f"{name.upper()}: ")
    assert why in problem


def test_who_takes_calls_over_can_be_called() -> None:
    with pytest.raises(ConfigError, match="premium"):
        load_settings({**PLIVO, "human_handoff_number": "+1 900 555 0123"}, environment=False)


@pytest.mark.parametrize(
    ("zone", "written", "kept", "reached"),
    [
        ("Asia/Kolkata", "08047100000", "08047100000", "+919999900000"),
        ("Asia/Kolkata", "8047100000", "8047100000", "+919999900000"),
        ("Asia/Kolkata", "\u200e080 4710 0000", "08047100000", "+919999900000"),
        ("Asia/Kolkata", "\u200e+91 80 4710 0000", "08047100000", "+919999900000"),
        ("Asia/Dubai", "08047100000", "08047100000", "+919999900000"),
        ("Europe/Berlin", "08047100000", "08047100000", "+919999900000"),
        ("Asia/Singapore", "6123 4567", "+6561234567", "+6591234567"),
        ("Asia/Singapore", "\u200e6123 4567", "+6561234567", "+6591234567"),
    ],
)
def test_an_exophone_is_of_india_or_of_where_we_are(
    zone: str, written: str, kept: str, reached: str
) -> None:
    settings = load_settings(
        {**EXOTEL, "timezone": zone, "exotel_caller_id": written}, environment=False
    )

    assert settings.exotel_caller_id == kept
    assert settings.reach.allows(reached)


def test_an_exophone_of_two_countries_is_refused() -> None:
    changes = {"timezone": "America/New_York", "exotel_caller_id": "2025550123"}
    with pytest.raises(ConfigError, match="EXOTEL_CALLER_ID: it may be a number of several"):
        load_settings({**EXOTEL, **changes}, environment=False)


# ---- where a zone is ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "region"),
    [
        ("Asia/Kolkata", "IN"), ("Asia/Calcutta", "IN"), ("Asia/Dubai", "AE"),
        ("Europe/Oslo", "NO"), ("America/New_York", "US"), ("US/Eastern", "US"), ("GB", "GB"),
        ("Singapore", "SG"), ("Asia/Katmandu", "NP"), ("UTC", ""), ("Etc/GMT+5", ""), ("CET", ""),
        ("EST", ""), ("EST5EDT", ""), ("Mars/Base", ""), ("", ""),
    ],
)  # fmt: skip
def test_a_zone_names_its_country(zone: str, region: str) -> None:
    assert home_regions(zone) == ((region,) if region else ())


def test_every_zone_that_lies_in_a_country_names_it() -> None:
    table = (files("tzdata") / "zoneinfo" / "zone.tab").read_text(encoding="utf-8")
    zones = [line.split("\t") for line in table.splitlines() if not line.startswith("#")]

    assert len(zones) > 400
    assert all(home_regions(zone) == (country,) for country, _, zone, *_ in zones[::25])
