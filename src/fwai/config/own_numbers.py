"""Reads the telephone numbers in the settings; national ones are of the country of TIMEZONE."""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, Protocol

from fwai.config.home_country import home_regions
from fwai.domain.phone import INDIA, PhoneError, own_number

_AS_EXOTEL_WRITES: Final = re.compile(r"\+?[0-9 ().-]+", re.ASCII)


class _Numbers(Protocol):
    """The settings that are looked at here."""

    @property
    def timezone(self) -> str: ...
    @property
    def plivo_phone_number(self) -> str: ...
    @property
    def exotel_caller_id(self) -> str: ...
    @property
    def human_handoff_number(self) -> str: ...


def in_one_form(values: Mapping[str, Any], timezone: str) -> dict[str, Any]:
    """Return settings with our numbers in E.164, the ExoPhone as Exotel writes it.

    What cannot be read stays as it is; `own_number_problems` tells of it.

    Args:
        values: By field name, as they were given.
        timezone: The zone where ``values`` has none.
    """
    zone = str(values.get("timezone") or timezone)
    changed = dict(values)
    for name in ("plivo_phone_number", "human_handoff_number", "exotel_caller_id"):
        written = values.get(name)
        if not isinstance(written, str) or not written:
            continue
        try:
            changed[name] = _READERS[name](written, zone)
        except PhoneError:
            continue
    return changed


def own_number_problems(settings: _Numbers) -> list[str]:
    """Return which of our numbers cannot be read, each with its fix."""
    problems = []
    for name, read in _READERS.items():
        written = getattr(settings, name)
        try:
            if written:
                read(written, settings.timezone)
        except PhoneError as exc:
            problems.append(f"{name.upper()}: {exc}")
    return problems


def exophone(written: str, timezone: str) -> str:
    """Read an ExoPhone to E.164; a national one is of India, where Exotel is, or of our country.

    Raises:
        PhoneError: It can be read in no way or in several.
    """
    first = next((one for one in written if one.isdecimal()), "")
    if first and int(first) == 0:  # as Exotel's console writes Indian numbers, wherever we are
        with suppress(PhoneError):
            return own_number(written, [INDIA])
    regions = dict.fromkeys([*home_regions(timezone), INDIA])
    return own_number(written, tuple(regions))


def _exophone_as_written(written: str, timezone: str) -> str:
    number = exophone(written, timezone)
    if not number.startswith("+91"):
        return number
    # It goes to Exotel as their console shows it.
    return written if _AS_EXOTEL_WRITES.fullmatch(written) else f"0{number[3:]}"


def _line(written: str, timezone: str) -> str:
    return own_number(written, home_regions(timezone))


def _human(written: str, timezone: str) -> str:
    return own_number(written, home_regions(timezone), dialled=True)


_READERS: Final = {
    "plivo_phone_number": _line,
    "exotel_caller_id": _exophone_as_written,
    "human_handoff_number": _human,
}
