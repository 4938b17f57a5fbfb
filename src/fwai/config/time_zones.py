"""Validates TIMEZONE, and finds the zone that an abbreviation or a city stands for."""

from collections.abc import Mapping
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from fwai.domain.near_miss import nearest

# Abbreviations that are no zones, where the most people who write them are.
_ABBREVIATIONS: Final[Mapping[str, str]] = {
    "IST": "Asia/Kolkata",
    "PKT": "Asia/Karachi",
    "NPT": "Asia/Kathmandu",
    "BDT": "Asia/Dhaka",
    "GST": "Asia/Dubai",
    "SGT": "Asia/Singapore",
    "JST": "Asia/Tokyo",
    "BST": "Europe/London",
    "CEST": "Europe/Berlin",
    "EDT": "America/New_York",
    "CST": "America/Chicago",
    "CDT": "America/Chicago",
    "MDT": "America/Denver",
    "PST": "America/Los_Angeles",
    "PDT": "America/Los_Angeles",
    "AEST": "Australia/Sydney",
}
# Files beside the zones, which tell of none: another machine has other ones, or none at all.
_NO_ZONES: Final = ("posixrules", "localtime", "factory", "posix", "right")
_SHORTEST_NEAR: Final = 5  # a word of four letters is one slip away from many a zone


def zone_problems(name: str) -> list[str]:
    """Return what is wrong with TIMEZONE, with the zone that was perhaps meant."""
    try:
        ZoneInfo(name)
        known = name.partition("/")[0].lower() not in _NO_ZONES
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of zones
        known = False
    if known:
        return []
    meant = _meant(name.strip())
    hint = f"did you mean {meant}?" if meant else "such as Asia/Kolkata"
    return [f"TIMEZONE: unknown zone {name[:80]!r}; {hint}"]


def _meant(name: str) -> str:
    if abbreviated := _ABBREVIATIONS.get(name.upper()):
        return abbreviated
    zones = [one for one in sorted(available_timezones()) if one.lower() not in _NO_ZONES]
    city = name.casefold().replace(" ", "_")
    of_cities = (zone for zone in zones if zone.casefold().rpartition("/")[2] == city)
    if "/" not in name and (zone := next(of_cities, "")):
        return zone
    return nearest(name, zones) if len(name) >= _SHORTEST_NEAR else ""
