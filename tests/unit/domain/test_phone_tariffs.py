"""Numbers that cost other than an ordinary one are called and texted nowhere, unless named."""

from typing import Final

import phonenumbers
import pytest

from fwai.config.outbound_checks import invalid_outbound
from fwai.config.settings import Settings
from fwai.domain.phone import (
    CountryAllowList,
    PhoneError,
    caller_number,
    dialable,
    island_of,
    own_number,
)
from tables import each_row

PREMIUM: Final = "premium"
SHARED: Final = "shared-cost"
COMPANY: Final = "one tariff"
PERSONAL: Final = "personal"
PAGER: Final = "pager"
NOBODYS: Final = "no number of|no country|country code|too short|begins with 0|check its digits"

TABLE: Final = [
    # India.
    ("+91 1860 123 4567", SHARED),
    ("0091 1860 123 4567", SHARED),
    ("91 1860 123 4567", SHARED),
    ("+91 1900 123 456", NOBODYS),
    ("+91 1900 123 4567", NOBODYS),
    ("+91 900 123 456", NOBODYS),
    ("+91 112", NOBODYS),
    ("+91 57575", NOBODYS),
    ("57575", NOBODYS),
    ("1909", NOBODYS),
    # Under code 1.
    ("+1 900 234 5678", PREMIUM),
    ("001 900 234 5678", PREMIUM),
    ("1 900 234 5678", PREMIUM),
    ("+1 212 976 5555", PREMIUM),
    ("+1 213 976 1234", PREMIUM),
    ("+1 (0) 416 976 0000", PREMIUM),
    ("+1 500 234 5678", PERSONAL),
    ("+1 976 234 5678", NOBODYS),
    ("+1 911", NOBODYS),
    # Europe.
    ("+44 9012 345678", PREMIUM),
    ("+44 845 123 4567", PREMIUM),
    ("+44 870 123 4567", PREMIUM),
    ("+44 7012 345678", PERSONAL),
    ("+44 300 123 4567", COMPANY),
    ("+44 7640 123456", PAGER),
    ("+49 180 5 12345", SHARED),
    ("+49 700 12345678", PERSONAL),
    ("+33 899 123456", PREMIUM),
    ("+33 820 123456", SHARED),
    ("+41 900 123456", PREMIUM),
    ("+41 848 123456", SHARED),
    ("+39 899 123456", PREMIUM),
    ("+39 848 123456", SHARED),
    ("+34 803 123456", PREMIUM),
    ("+34 901 123456", SHARED),
    ("+31 900 123456", PREMIUM),
    ("+46 900 123456", PREMIUM),
    ("+48 701 123456", PREMIUM),
    ("+358 600 123456", PREMIUM),
    ("+90 900 123 4567", PREMIUM),
    # Elsewhere, and of no country.
    ("+61 1300 123 456", SHARED),
    ("+81 570 123 456", COMPANY),
    ("+81 990 123 456", PREMIUM),
    ("+65 1900 123 4567", PREMIUM),
    ("+971 900 234567", PREMIUM),
    ("+52 900 123 4567", PREMIUM),
    ("+7 809 123 4567", PREMIUM),
    ("+27 862 345 678", PREMIUM),
    ("+27 860 123 456", SHARED),
    ("+55 300 123 4567", SHARED),
    ("+979 123 456 789", PREMIUM),
    ("+808 1234 5678", SHARED),
]
EVERYWHERE: Final = [frozenset[str](), frozenset({"*"}), frozenset({"*", "1", "91", "44"})]


@each_row(("written", "why"), TABLE)
def test_a_number_with_its_own_tariff_is_refused_by_name(written: str, why: str) -> None:
    with pytest.raises(PhoneError, match=why):
        dialable(written)


@pytest.mark.parametrize("codes", EVERYWHERE)
@pytest.mark.parametrize(("written", "why"), TABLE)
def test_no_list_of_countries_lets_one_pass(codes: frozenset[str], written: str, why: str) -> None:
    """A caller may show such a number, too, and ask to be called back."""
    shown = caller_number(written, "IN") or f"+{''.join(filter(str.isdecimal, written))}"

    assert not CountryAllowList(codes).allows(shown)


@pytest.mark.parametrize(
    "number",
    [
        "+919999900001", "+911123456789", "+911800111222", "+918601234567", "+919001234567",
        "+14155550100", "+12505550199", "+18002345678", "+12129755555", "+442079460000",
        "+447400123456", "+971501234567", "+80012345678",
    ],
)  # fmt: skip
def test_ordinary_and_toll_free_numbers_are_called(number: str) -> None:
    assert dialable(number) == number
    assert CountryAllowList(frozenset({"*"})).allows(number)


# ---- the islands under code 1 -------------------------------------------------------------------

JAMAICA: Final = ("+18765551234", "+16585551234")
ISLANDS: Final = (*JAMAICA, "+12423456789", "+18092345678", "+14412361234", "+17872345678",
                  "+18682345678", "+12463456789")  # fmt: skip


@pytest.mark.parametrize("codes", [*EVERYWHERE, frozenset({"1"})])
@pytest.mark.parametrize("number", ISLANDS)
def test_an_island_is_not_called_with_america_nor_with_everywhere(
    number: str, codes: frozenset[str]
) -> None:
    reach = CountryAllowList(codes)

    assert not reach.allows(number)
    assert reach.refusal(number) == (
        f"Numbers that begin with {number[:5]} are not called and texted from here."
    )


@pytest.mark.parametrize("named", ["1876", "1658"])
def test_an_island_that_is_named_is_called_by_all_its_area_codes(named: str) -> None:
    reach = CountryAllowList(frozenset({"91", named}))

    assert all(map(reach.allows, JAMAICA))
    assert not reach.allows("+12423456789")
    assert not reach.allows("+14155550100"), "it names the island, not all of code 1"


def test_the_islands_are_those_of_the_plans() -> None:
    """Every country under code 1 but the two large ones, each with all its area codes."""
    plans: dict[str, str] = {}
    for area in range(200, 1000):
        for number in (f"+1{area}2345678", f"+1{area}5551234", f"+1{area}6331234"):
            region = phonenumbers.region_code_for_number(phonenumbers.parse(number))
            if region not in (None, "US", "CA"):
                plans[str(area)] = region
    regions = set(phonenumbers.COUNTRY_CODE_TO_REGION_CODE[1]) - {"US", "CA"}

    assert {island_of(f"+1{area}") for area in plans} == set(plans.values()) == regions
    assert all(island_of(f"+1{area}2345678") == region for area, region in plans.items())
    assert not any(island_of(f"+1{area}") for area in ("212", "416", "800", "604", "900"))


def test_where_the_own_number_is_on_an_island_its_people_are_called() -> None:
    settings = Settings.model_construct(plivo_phone_number="+18765551234")

    assert settings.reach.allows("+16585551234")
    assert settings.reach.allows("+14155550100")
    assert not settings.reach.allows("+12423456789")


@pytest.mark.parametrize(
    ("codes", "problems"),
    [("1876, +1242", 0), ("1415", 1), ("18765", 1), ("9191", 1), ("1, 91, *", 0), ("١٨٧٦", 1)],
)
def test_only_islands_are_named_with_four_digits(codes: str, problems: int) -> None:
    given = tuple(one.strip() for one in codes.split(","))
    settings = Settings.model_construct(calling_countries=given)

    found = [one for one in invalid_outbound(settings) if one.startswith("CALLING_COUNTRIES")]
    assert len(found) == problems


def test_who_owns_the_server_may_have_calls_put_through_to_their_service_number() -> None:
    assert own_number("+9118601234567", ["IN"], dialled=True) == "+9118601234567"
    with pytest.raises(PhoneError, match="premium"):
        own_number("+19002345678", ["US"], dialled=True)
