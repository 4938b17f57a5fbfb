"""The one door of telephone numbers: every text that means one is read here, to E.164.

Who says the number decides how it is read (docs/API.md has a table):

- `dialable`: who is to be called or texted, as an operator, a client, a model or a file says it.
  Strict: the number must have its country code and somebody must be able to have it.
- `own_number`: a number of ours, as settings have it. It may be written as at home.
- `caller_number`: who calls, as a provider says it. Never an error; empty when it cannot be read.

The same text means the same number in all three, or is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from fwai.domain import phone_plan, phone_text
from fwai.domain.phone_plan import Planned, Standing, Tariff, island_of, region_of
from fwai.domain.phone_text import FIX, PhoneError, Written

__all__ = [
    "FIX",
    "INDIA",
    "CountryAllowList",
    "PhoneError",
    "caller_number",
    "country_code",
    "dialable",
    "exact_form",
    "is_dialable",
    "island_of",
    "masked",
    "own_number",
    "region_of",
    "spellings",
]

INDIA: Final = "IN"
NATIONAL_DIGITS = 10  # of a number so short it can only be guessed which country it is in
E164_DIGITS: Final = range(7, 16)
_ABROAD: Final = "00"
_ABROAD_FROM_AMERICA: Final = "011"
# Words that carriers write for a withheld number, typed on a telephone's keys: ANONYMOUS,
# RESTRICTED, BLOCKED, UNKNOWN, UNAVAILABLE. Nobody has these numbers.
_PLACEHOLDERS: Final = frozenset({"266696687", "7378742833", "2562533", "8656696", "86282452253"})
# The rule of the ITU: these of one digit, those of two, all others of three.
_ONE_DIGIT: Final = frozenset("17")
_TWO_DIGITS: Final = frozenset({
    "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46",
    "47", "48", "49", "51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63",
    "64", "65", "66", "81", "82", "84", "86", "90", "91", "92", "93", "94", "95", "98",
})  # fmt: skip
_ALL: Final = "*"
# Where numbers have ten digits and no trunk zero is needed before them.
_UNMARKED: Final = ("IN", "US")
_MAYBE_MORE: Final = f"it may be a number with something else behind it; {FIX}"


def dialable(text: str) -> str:
    """Read who is to be called or texted, to E.164.

    The number must name its country (``+``, ``00``, ``011``, or more digits than can be a number
    inside a country), and the country's plan must have it.

    Raises:
        PhoneError: It can be read in no way or in several, nobody can have it, or it costs other
            than an ordinary one (`Tariff`).
    """
    written = phone_text.read(text)
    abroad = _with_country(written)
    if not abroad and _joined(written):
        raise PhoneError(_MAYBE_MORE)
    abroad = abroad or _bare(written)
    if not abroad and written.digits.startswith("0"):
        raise PhoneError(f"it begins with 0, as inside a country; {FIX}")
    if not abroad:
        raise PhoneError(FIX)
    return _ordinary(_only(abroad))


def is_dialable(number: str) -> bool:
    """Whether a number that is kept here, E.164, may be called and texted."""
    try:
        return dialable(number) == number
    except PhoneError:
        return False


def own_number(text: str, regions: Sequence[str], *, dialled: bool = False) -> str:
    """Read a number of ours, to E.164; without its country code it is one of ``regions``.

    Args:
        text: As settings and prompts.json have it.
        regions: Where it may be, ISO 3166, such as ``IN``; none when no country is known.
        dialled: Whether calls are placed to it. The others come from a provider who knows them, so
            with their country code they need only be of the right length.

    Raises:
        PhoneError: It can be read in no way or in several.
    """
    written = phone_text.read(text)
    abroad = _with_country(written)
    if abroad:
        planned = _only(abroad, possible=not dialled)
        return _transferred(planned) if dialled else planned.number
    joined = _joined(written)
    readings = [] if joined else [phone_plan.international(one) for one in _bare(written)]
    readings += [
        one
        for region in regions
        for one in _inside(written.digits, region)
        if not joined or one.number == f"+{phone_plan.code_of(region)}{written.digits}"
    ]
    found = {one.number: one for one in readings if one.standing is Standing.VALID}
    if len(found) == 1:
        (planned,) = found.values()
        return _transferred(planned) if dialled else planned.number
    if found:
        raise PhoneError(f"it may be a number of several countries; {FIX}")
    if joined:
        raise PhoneError(_MAYBE_MORE)
    if not regions:
        raise PhoneError(f"TIMEZONE does not tell its country; {FIX}")
    raise PhoneError(f"it is no complete number of {' or '.join(regions)}; {FIX}")


def caller_number(raw: str, region: str = "", *, national_first: bool = False) -> str:
    """Read a caller's number as a provider writes it; empty when withheld or unreadable.

    Args:
        raw: With or without ``+``, with zeros before it, or a word.
        region: The country whose own way of writing may occur, ISO 3166; empty for none.
        national_first: Digits that could be either are a number inside ``region``.
    """
    try:
        written = phone_text.read(raw)
    except PhoneError:
        return ""
    digits = written.digits
    if _joined(written):
        return ""
    # After + a zero is a national number's, or 00: somebody has put the plus before it.
    abroad = _with_country(replace(written, plus=not digits.startswith("0")))
    if digits.removeprefix(_ABROAD) in _PLACEHOLDERS:
        return ""
    outside = [phone_plan.international(one) for one in abroad]
    national = not written.plus or digits.startswith("0")
    inside = _inside(digits, region) if region and national else []
    if digits.startswith("0"):
        inside.append(phone_plan.international(digits.lstrip("0")))
    readings = [*inside, *outside] if national_first else [*outside, *inside]
    known = [one.number for one in readings if one.standing is Standing.VALID]
    # A plan may be older than a number. Of digits whose country is only guessed that says nothing.
    told = [] if national_first and national else outside
    right = [one.number for one in told if one.standing is Standing.POSSIBLE]
    number = next(iter([*known, *right]), "")
    # What is read as yet another number is none: more zeros than any way of writing has.
    kept = number == raw or caller_number(number) == number
    return number if kept else ""


def spellings(number: str) -> tuple[str, ...]:
    """Return how a number may stand in the database, its present form first.

    Earlier versions kept what was written as it was: with the zero that stood in brackets, with
    the ``0`` of a spreadsheet's ``.0``, with its country code twice. Where nobody can have such a
    number, or it is read as this one today, it is this one.

    Args:
        number: E.164, or what else a person is known by, which has no other form.
    """
    exact = exact_form(number)
    if not exact:
        return (number,)
    try:
        now = dialable(exact)
    except PhoneError:
        return exact, exact[1:]
    code = country_code(now)
    rest = now.removeprefix(f"+{code}")
    earlier = (f"+{code}0{rest}", f"{now}0", f"+{code}{code}{rest}")
    return now, now[1:], *(one for one in earlier if _reading(one) in (now, ""))


def exact_form(text: str) -> str:
    """Return ``text`` as ``+`` and digits when it is nothing else; else empty.

    For looking up what earlier versions have kept under numbers that are refused today.
    """
    digits = text.strip().removeprefix("+")
    plain = digits.isascii() and digits.isdecimal() and len(digits) in E164_DIGITS
    return f"+{digits}" if plain and not digits.startswith("0") else ""


def country_code(number: str) -> str:
    """Return the country code of an E.164 number, such as ``91``."""
    digits = number.removeprefix("+")
    if digits[:1] in _ONE_DIGIT:
        return digits[:1]
    return digits[:2] if digits[:2] in _TWO_DIGITS else digits[:3]


@dataclass(frozen=True, slots=True)
class CountryAllowList:
    """Countries that may be called and texted on behalf of callers, against toll fraud.

    A caller chooses the number that they show and the one that they dictate, and some countries
    have numbers that pay their owner for each call. Those are allowed nowhere, and the islands
    under code 1 only where they are named.

    Attributes:
        codes: Country codes, digits only, or code 1 with the area code of an island, as ``1876``
            for Jamaica. None at all, or ``*``, is everywhere but there.
    """

    codes: frozenset[str] = frozenset()

    def allows(self, number: str) -> bool:
        """Whether an E.164 number is one that somebody can have, in one of the countries."""
        return self._names(number) and is_dialable(number)

    def refusal(self, number: str) -> str:
        """Why a number is refused, in one sentence."""
        if not self._names(number) and island_of(number):
            return f"Numbers that begin with {number[:5]} are not called and texted from here."
        if not self._names(number):
            codes = ", ".join(f"+{code}" for code in sorted(self.codes))
            return f"Only numbers that begin with {codes} are called and texted from here."
        return "Their number is none that can be called or texted from here."

    def _names(self, number: str) -> bool:
        if island := island_of(number):
            return any(island_of(code) == island for code in self.codes)
        return not self.codes or _ALL in self.codes or country_code(number) in self.codes


def masked(number: str) -> str:
    """Mask ``number`` for logs: only its last four characters stay."""
    return f"…{number[-4:]}" if len(number) > 4 else "…"


def _with_country(written: Written) -> tuple[str, ...]:
    """Return the digits from the country code on, of a number that names its country.

    Two of them when a zero stood in brackets: most countries leave it out, some keep it.
    """
    ways = tuple(one for one in (written.digits, written.trunk_left_out) if one)
    if written.plus:
        if written.digits.startswith("0"):
            raise PhoneError(f"after + comes the country code, never a zero; {FIX}")
        return ways
    if written.digits.startswith(_ABROAD):
        return tuple(one.removeprefix(_ABROAD) for one in ways)
    inner = written.digits.removeprefix(_ABROAD_FROM_AMERICA)
    # 011 is also how Delhi and others begin. Their numbers are shorter, but something may follow.
    groups = [one for one in (written.groups[0].removeprefix("011"), *written.groups[1:]) if one]
    whole = len(groups) == 1 or groups[0] == country_code(inner)
    if inner != written.digits and len(inner) > NATIONAL_DIGITS and whole:
        abroad = phone_plan.international(inner)
        return (inner,) if abroad.standing is Standing.VALID else ()
    return ()


def _bare(written: Written) -> tuple[str, ...]:
    """Return digits without ``+`` that are too many for a number inside a country."""
    digits = written.digits
    if digits.startswith("0") or len(digits) <= NATIONAL_DIGITS:
        return ()
    return tuple(one for one in (digits, written.trunk_left_out) if one)


def _joined(written: Written) -> bool:
    """Whether bare digits may be a number inside a country with something else behind it.

    ``9198765432 10`` is parted where no country code ends, and in ``33 2345 6789 0`` a number of
    Kolkata stands before a digit.
    """
    digits, groups = written.digits, written.groups
    if written.plus or len(groups) == 1 or not _bare(written):
        return False
    if groups[0] != country_code(digits):
        return True
    first = "".join(groups[:-1])
    return len(first) == NATIONAL_DIGITS and any(
        phone_plan.national(first, region).standing is Standing.VALID for region in _UNMARKED
    )


def _inside(digits: str, region: str) -> list[Planned]:
    """Read digits as they are dialled inside a country, or with its code after a zero."""
    readings = [phone_plan.national(digits, region)]
    plain = digits.lstrip("0")
    if digits.startswith("0") and plain.startswith(phone_plan.code_of(region)):
        readings.append(phone_plan.international(plain))
    return readings


def _only(ways: Sequence[str], *, possible: bool = False) -> Planned:
    """Return the only number that digits from the country code on can be."""
    readings = [phone_plan.international(one) for one in ways]
    found = {one.number: one for one in readings if one.standing is Standing.VALID}
    if not found and possible:
        found = {one.number: one for one in readings if one.standing is Standing.POSSIBLE}
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise PhoneError("with the zero in brackets and without it are two numbers; write one")
    if readings[0].standing is Standing.NO_COUNTRY:
        raise PhoneError(f"no country has this code; {FIX}")
    code = country_code(ways[0])
    if readings[0].standing is Standing.POSSIBLE:
        raise PhoneError(f"no number of +{code} begins like this one; check its digits")
    count = len(ways[-1]) - len(code)
    raise PhoneError(f"no number of +{code} has {count} digits after it; check its digits")


def _ordinary(planned: Planned) -> str:
    if planned.tariff is not Tariff.ORDINARY:
        raise PhoneError(f"it is {planned.tariff.value}; give another one")
    return planned.number


def _transferred(planned: Planned) -> str:
    """Return a number that the owner has calls put through to; only they know what it costs."""
    return _ordinary(planned) if planned.tariff is Tariff.PREMIUM else planned.number


def _reading(number: str) -> str:
    """Return what a number of an earlier version is today; empty when nobody can have it."""
    try:
        return _only((number.removeprefix("+"),)).number
    except PhoneError:
        return ""
