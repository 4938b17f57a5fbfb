"""Tells the country of a time zone: a number of ours without a country code is one of it."""

from importlib.resources import files
from typing import Final

_INDIAN: Final = ("Asia/Kolkata", "Asia/Calcutta")  # not looked up at every start
# Zones of many countries, which for their rules alone are links to a zone of one.
_OF_MANY: Final = frozenset(
    ["CET", "EET", "MET", "WET", "EST", "HST", "MST", "EST5EDT", "CST6CDT", "MST7MDT", "PST8PDT"]
)


def home_regions(timezone: str) -> tuple[str, ...]:
    """Return the country of a zone, ISO 3166, such as ``IN``; none when it is of no country.

    Older names (``US/Eastern``) are those of the zone that they stand for.
    """
    if timezone in _INDIAN:
        return ("IN",)
    if timezone in _OF_MANY:
        return ()
    countries = _countries()
    region = countries.get(timezone) or countries.get(_present_name(timezone), "")
    return (region,) if region else ()


def _countries() -> dict[str, str]:
    """Read the country of every zone."""
    lines = (line.split("\t") for line in _lines("zone.tab") if not line.startswith("#"))
    return {zone: country for country, _, zone, *_ in lines}


def _present_name(timezone: str) -> str:
    links = (line.split() for line in _lines("tzdata.zi") if line.startswith("L "))
    return next((present for _, present, older in links if older == timezone), timezone)


def _lines(name: str) -> list[str]:
    text = (files("tzdata") / "zoneinfo" / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line]
