"""What the numbering plans of the countries say of a number.

The plans are those of phonenumberslite. It is imported when the first number comes that is neither
an Indian mobile nor of one of the six big Indian cities: an installation there starts without it
and rarely needs it. It costs about 0.8 MB and 15 ms once; the plan of one country is read when its
first number is looked at.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

# What phonenumberslite says of every one of these, without asking it: they are valid, perhaps after
# the trunk zero; and no number in India that begins with 2 to 9 has other than ten digits.
_INDIAN: Final = re.compile(r"91(?:[6-9][0-9]{9}|(?:11|2[02]|33|4[04])[2-7][0-9]{7})", re.ASCII)
_NOT_INDIAN: Final = re.compile(r"91[2-9](?:[0-9]{0,8}|[0-9]{10,})", re.ASCII)
# Countries of the Caribbean, the Atlantic and the Pacific under code 1, by area code: they look
# like numbers of the United States and cost many times as much. A test compares this with the plans
# of phonenumberslite.
_ISLANDS: Final[Mapping[str, str]] = {
    "242": "BS", "246": "BB", "264": "AI", "268": "AG", "284": "VG", "340": "VI", "345": "KY",
    "441": "BM", "473": "GD", "649": "TC", "658": "JM", "664": "MS", "670": "MP", "671": "GU",
    "684": "AS", "721": "SX", "758": "LC", "767": "DM", "784": "VC", "787": "PR", "809": "DO",
    "829": "DO", "849": "DO", "868": "TT", "869": "KN", "876": "JM", "939": "PR",
}  # fmt: skip
_PAY_PER_CALL: Final = re.compile(r"\+1[0-9]{3}976[0-9]{4}", re.ASCII)
# WhatsApp still writes Mexican mobile numbers as they were until 2019, with a 1 after the code.
_MEXICAN_MOBILE: Final = re.compile(r"521([0-9]{10})", re.ASCII)


class Tariff(Enum):
    """What a number costs who calls or texts it, beside an ordinary one; in words for them."""

    ORDINARY = ""
    PREMIUM = "a premium number, which earns by being called"
    SHARED = "a shared-cost number"
    COMPANY = "a number of one tariff for a whole country, such as 1860"
    PERSONAL = "a personal number, which leads wherever its owner likes"
    VOICEMAIL = "a voicemail's number"
    PAGER = "a pager's number"


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
        tariff: What it costs beside an ordinary number.
    """

    standing: Standing
    number: str = ""
    tariff: Tariff = Tariff.ORDINARY


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


def island_of(number: str) -> str:
    """Return the country of `_ISLANDS` that a number, or its beginning, is in; else empty."""
    digits = number.removeprefix("+")
    return _ISLANDS.get(digits[1:4], "") if digits.startswith("1") else ""


def code_of(region: str) -> str:
    """Return a country's code, such as ``91``."""
    if region == "IN":
        return "91"
    import phonenumbers

    return str(phonenumbers.country_code_for_region(region))


def is_country_code(code: str) -> bool:
    """Whether a text is a country code, digits only, or that of a service without a country."""
    if code == "91":
        return True
    if not (code.isascii() and code.isdecimal()) or len(code) > 3 or code.startswith("0"):
        return False
    import phonenumbers

    return int(code) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE


def _look_up(text: str, region: str) -> Planned:
    import phonenumbers

    try:
        parsed = phonenumbers.parse(text, region or None)
    except phonenumbers.NumberParseException as exc:
        unknown = exc.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE
        return Planned(Standing.NO_COUNTRY if unknown else Standing.IMPOSSIBLE)
    number = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    if phonenumbers.is_valid_number(parsed):
        return Planned(Standing.VALID, number, _tariff(number, phonenumbers.number_type(parsed)))
    look, right = phonenumbers.is_possible_number_for_type_with_reason, False
    for kind in (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE):
        # Not IS_POSSIBLE_LOCAL_ONLY: without its area code it is dialled by nobody else.
        right = right or look(parsed, kind) == phonenumbers.ValidationResult.IS_POSSIBLE
    return Planned(Standing.POSSIBLE if right else Standing.IMPOSSIBLE, number)


def _tariff(number: str, kind: int) -> Tariff:
    """Return the tariff of a number by its kind in the plan (``PhoneNumberType``)."""
    from phonenumbers import PhoneNumberType

    if _PAY_PER_CALL.fullmatch(number):
        return Tariff.PREMIUM  # the plan has these as local numbers
    return {
        PhoneNumberType.PREMIUM_RATE: Tariff.PREMIUM,
        PhoneNumberType.SHARED_COST: Tariff.SHARED,
        PhoneNumberType.UAN: Tariff.COMPANY,
        PhoneNumberType.PERSONAL_NUMBER: Tariff.PERSONAL,
        PhoneNumberType.VOICEMAIL: Tariff.VOICEMAIL,
        PhoneNumberType.PAGER: Tariff.PAGER,
    }.get(kind, Tariff.ORDINARY)
