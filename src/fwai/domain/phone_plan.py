"""What the numbering plans of the countries say of a number.

The plans are those of phonenumberslite. It is imported when the first number comes that is neither
an Indian mobile nor of one of the six big Indian cities: an installation there starts without it
and rarely needs it. It costs about 0.8 MB and 15 ms once; the plan of one country is read when its
first number is looked at.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

# What phonenumberslite says of every one of these, without asking it: they are valid, perhaps after
# the trunk zero; and no number in India that begins with 2 to 9 has other than ten digits.
_INDIAN: Final = re.compile(r"91(?:[6-9][0-9]{9}|(?:11|2[02]|33|4[04])[2-7][0-9]{7})", re.ASCII)
_NOT_INDIAN: Final = re.compile(r"91[2-9](?:[0-9]{0,8}|[0-9]{10,})", re.ASCII)
# WhatsApp still writes Mexican mobile numbers as they were until 2019, with a 1 after the code.
_MEXICAN_MOBILE: Final = re.compile(r"521([0-9]{10})", re.ASCII)


class Standing(Enum):
    """What a plan says of a number."""

    VALID = "valid"
    POSSIBLE = "possible"
    """Its length is one that numbers there have, but no subscriber's number begins so."""
    IMPOSSIBLE = "impossible"
    NO_COUNTRY = "no_country"


@dataclass(frozen=True, slots=True)
class Planned:
    """A number as its country's plan has it.

    Attributes:
        standing: Whether somebody can have it.
        number: E.164, without a trunk prefix that was written; empty when it is of no country.
        premium: Whether who is called earns by it.
    """

    standing: Standing
    number: str = ""
    premium: bool = False


def international(digits: str) -> Planned:
    """Look up a number that begins with its country code, digits only."""
    plain = f"91{digits[3:]}" if digits.startswith("910") else digits
    if _INDIAN.fullmatch(plain):
        return Planned(Standing.VALID, f"+{plain}")
    if _NOT_INDIAN.fullmatch(plain):
        return Planned(Standing.IMPOSSIBLE, f"+{plain}")
    if old := _MEXICAN_MOBILE.fullmatch(digits):
        digits = f"52{old[1]}"
    return _look_up(f"+{digits}", "")


def national(digits: str, region: str) -> Planned:
    """Look up a number as it is dialled inside a country; ``region`` is ISO 3166, as ``IN``."""
    plain = digits.removeprefix("0")
    for known in (f"91{plain}", plain):  # the zero is also written before the country code
        if region == "IN" and _INDIAN.fullmatch(known):
            return Planned(Standing.VALID, f"+{known}")
    return _look_up(digits, region)


def region_of(number: str) -> str:
    """Return the country of an E.164 number, ISO 3166; empty when it has none."""
    if number.startswith("+91"):
        return "IN"
    if not number:
        return ""
    import phonenumbers

    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return ""
    found = phonenumbers.region_code_for_number(parsed)
    return found or str(phonenumbers.region_code_for_country_code(parsed.country_code or 0))


def code_of(region: str) -> str:
    """Return a country's code, such as ``91``."""
    if region == "IN":
        return "91"
    import phonenumbers

    return str(phonenumbers.country_code_for_region(region))


def _look_up(text: str, region: str) -> Planned:
    import phonenumbers

    try:
        parsed = phonenumbers.parse(text, region or None)
    except phonenumbers.NumberParseException as exc:
        unknown = exc.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE
        return Planned(Standing.NO_COUNTRY if unknown else Standing.IMPOSSIBLE)
    number = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    if phonenumbers.is_valid_number(parsed):
        kind = phonenumbers.number_type(parsed)
        return Planned(Standing.VALID, number, kind == phonenumbers.PhoneNumberType.PREMIUM_RATE)
    look, right = phonenumbers.is_possible_number_for_type_with_reason, False
    for kind in (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE):
        # Not IS_POSSIBLE_LOCAL_ONLY: without its area code it is dialled by nobody else.
        right = right or look(parsed, kind) == phonenumbers.ValidationResult.IS_POSSIBLE
    return Planned(Standing.POSSIBLE if right else Standing.IMPOSSIBLE, number)
