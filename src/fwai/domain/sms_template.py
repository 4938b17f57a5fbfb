"""Registered wordings of text messages, as India demands them (DLT): parsed, filled, recognised.

Operators in India deliver only what matches a wording registered with them, word for word but for
its variables, each of which has at most `MAX_VALUE` characters. No I/O.

Source: the directions of India's regulator on content templates (2018, 2023, 2024, 2025) as
operators and aggregators explain them to senders; read 2026-11-29.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from fwai.domain import sms_text
from fwai.domain.phone import country_code

MAX_VALUE: Final = 30
MAX_TEMPLATES: Final = 20
MAX_VARIABLES: Final = 20
MAX_DESCRIPTION: Final = 200
MAX_GSM: Final = 1000  # of a message whose variables are all filled
MAX_UCS2: Final = 500
BOOKING_CONFIRMED: Final = "booking_confirmed"
RESERVED: Final[Mapping[str, tuple[str, ...]]] = {
    BOOKING_CONFIRMED: ("business", "name", "topic", "when")
}
"""Templates that the server fills itself: their variables can only have these names."""

_INDIA: Final = "91"
_KEYS: Final = (
    "text", "description", "variables", "template_id", "entity_id", "category", "sender",
)  # fmt: skip
_CATEGORIES: Final = ("transactional", "promotional", "service_implicit", "service_explicit")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_VARIABLE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
_PLACEHOLDER: Final = re.compile(r"\{#([a-z]+)#\}")
_REGISTERED_ID: Final = re.compile(r"[0-9]{10,25}")
_SENDER: Final = re.compile(r"[A-Za-z0-9]{3,11}")
_DIGITS: Final = re.compile(r"[0-9]+")
_NUMBER: Final = re.compile(r"\+?[0-9][0-9 -]{2,18}")
_ADDRESS: Final = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
_LINK: Final = re.compile(r"(?:https?://)?[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?:[/?#][!-~]*)?")

# What may stand between {# and #}, and what is wrong with a value that does not fit it.
_KINDS: Final[Mapping[str, tuple[re.Pattern[str] | None, str]]] = {
    "var": (None, ""),
    "alphanumeric": (None, ""),
    "numeric": (_DIGITS, "must be digits only"),
    "number": (_DIGITS, "must be digits only"),
    "url": (_LINK, "must be a link"),
    "urlott": (_LINK, "must be a link"),
    "cbn": (_NUMBER, "must be a telephone number"),
    "email": (_ADDRESS, "must be an e-mail address"),
}


class SmsTemplateError(ValueError):
    """A template cannot be filled; the text names the variable and the fix."""


@dataclass(frozen=True, slots=True)
class SmsTemplate:
    """One registered wording.

    Attributes:
        name: What tools call it.
        text: As it was registered, with ``{#var#}`` for each variable.
        description: When to send it, in words for the model.
        variables: Names of its variables, in the order of the text; numbers where it names none.
        dlt: What it is registered under, as far as it is known: ``template_id``, ``entity_id``,
            ``category``, ``sender``.
    """

    name: str
    text: str
    description: str = ""
    variables: tuple[str, ...] = ()
    dlt: Mapping[str, str] = field(default_factory=dict)

    def fill(self, values: Sequence[str]) -> str:
        """Return the message with ``values`` for its variables, in their order.

        Line breaks become spaces; typographic signs become those that GSM has, if the wording has
        GSM letters only.

        Raises:
            SmsTemplateError: There are too few or too many values, or one does not fit.
        """
        names = self.variables
        if len(values) != len(names):
            listed = ", ".join(names) or "none"
            raise SmsTemplateError(
                f"{self.name} takes {len(names)} variables ({listed}), not {len(values)}"
            )
        kinds = _PLACEHOLDER.findall(self.text)
        each = iter(
            [
                self._value(name, kind, value)
                for name, kind, value in zip(names, kinds, values, strict=True)
            ]
        )
        return _PLACEHOLDER.sub(lambda _: next(each), self.text)

    def fill_by_name(self, values: Mapping[str, str]) -> str:
        """Return the message with ``values`` for its variables, by their names.

        Raises:
            SmsTemplateError: One is missing or unknown, or does not fit.
        """
        if unknown := [name for name in values if name not in self.variables]:
            listed = ", ".join(self.variables) or "none"
            raise SmsTemplateError(
                f"{self.name} has no variable {', '.join(unknown)}; it has: {listed}"
            )
        if missing := [name for name in self.variables if name not in values]:
            raise SmsTemplateError(f"{self.name} needs {', '.join(missing)}")
        return self.fill([values[name] for name in self.variables])

    def fill_shortened(self, known: Mapping[str, str]) -> str:
        """Return the message with values that nobody can be asked about: each cut to its room.

        Raises:
            SmsTemplateError: One is missing, or has letters that the wording cannot carry.
        """
        gsm = sms_text.is_gsm(self.text)
        values = {}
        for name in self.variables:
            value = sms_text.one_line(known.get(name, ""))
            values[name] = sms_text.shortened(sms_text.as_gsm(value) if gsm else value, MAX_VALUE)
        return self.fill_by_name(values)

    def matches(self, message: str) -> bool:
        """Whether a message is this wording with something for each variable."""
        if sms_text.is_gsm(self.text) and not sms_text.is_gsm(message):
            return False
        first, *rest = _PLACEHOLDER.split(self.text)[::2]
        ends = {len(first)} if message.startswith(first) else set()
        for fixed in rest:
            ends = {
                start + length + len(fixed)
                for start in ends
                for length in range(1, MAX_VALUE + 1)
                if message.startswith(fixed, start + length)
            }
        return len(message) in ends

    def _value(self, name: str, kind: str, value: str) -> str:
        value = sms_text.one_line(value)
        where = f"{name} of {self.name}"
        if sms_text.is_gsm(self.text):
            value = sms_text.as_gsm(value).strip()
            if character := sms_text.foreign(value):
                raise SmsTemplateError(
                    f"{where} has {character!r}, which the registered wording cannot carry; write "
                    "it in Latin letters, without emoji"
                )
        if not value:
            raise SmsTemplateError(f"{where} is empty; write something")
        if sms_text.unprintable(value) or "{#" in value:
            raise SmsTemplateError(f"{where} has characters that cannot be sent; leave them out")
        # A letter beyond the first 65,536 counts twice in the networks.
        if (length := max(len(value), len(value.encode("utf-16-le")) // 2)) > MAX_VALUE:
            raise SmsTemplateError(f"{where} has {length} characters; use at most {MAX_VALUE}")
        pattern, wrong = _KINDS[kind]
        if pattern is not None and not pattern.fullmatch(value):
            raise SmsTemplateError(f"{where} {wrong}")
        return value


def needs_template(number: str) -> bool:
    """Whether texts to an E.164 number must be of a registered wording."""
    return country_code(number) == _INDIA


def offered(templates: Mapping[str, SmsTemplate]) -> dict[str, SmsTemplate]:
    """Return the templates that somebody may choose: not those that the server fills itself."""
    return {name: one for name, one in templates.items() if name not in RESERVED}


def parse_sms_templates(raw: object, where: str) -> tuple[dict[str, SmsTemplate], list[str]]:
    """Parse an agent's ``sms_templates``.

    Args:
        raw: As JSON gives it.
        where: Its path in the file, such as ``prompts.json: Core.sms_templates``.

    Returns:
        The templates, by name, and every problem: path, what is wrong, the fix.
    """
    if not isinstance(raw, dict):
        return {}, [f"{where}: must be an object in {{ }}: a name and a template for each"]
    templates: dict[str, SmsTemplate] = {}
    problems = []
    if len(raw) > MAX_TEMPLATES:
        problems.append(f"{where}: {len(raw)} templates; use at most {MAX_TEMPLATES}")
    for name, entry in raw.items():
        found = [f"{where}.{name}{problem}" for problem in _problems(name, entry)]
        problems += found
        if not found:
            templates[name] = _template(name, entry)
    return templates, problems


def _template(name: str, entry: Mapping[str, Any]) -> SmsTemplate:
    count = len(_PLACEHOLDER.findall(entry["text"]))
    names = entry.get("variables") or [str(number) for number in range(1, count + 1)]
    ids = ("template_id", "entity_id", "category", "sender")
    return SmsTemplate(
        name=name,
        text=entry["text"],
        description=entry.get("description", "").strip(),
        variables=tuple(names),
        dlt={key: entry[key] for key in ids if entry.get(key)},
    )


def _problems(name: str, entry: object) -> list[str]:
    """Return what is wrong with a template; each begins with ``.key: `` or ``: ``."""
    problems = []
    if not _NAME.fullmatch(name):
        problems.append(": write the name with a-z, 0-9 and _ only, a letter first, 40 at most")
    if not isinstance(entry, dict):
        return [*problems, ": must be an object in { }, with text"]
    problems += [
        f".{key}: unknown key; use one of {', '.join(_KEYS)}" for key in entry if key not in _KEYS
    ]
    texts = [key for key in _KEYS if key != "variables" and key in entry]
    wrong = [key for key in texts if not isinstance(entry[key], str)]
    problems += [f".{key}: must be text in quotes" for key in wrong]
    if "text" not in entry:
        problems.append(".text: missing; copy it from the portal where it is registered")
    elif "text" not in wrong:
        problems += _text_problems(entry["text"])
        problems += _variables_problems(name, entry)
    if "description" not in wrong and len(entry.get("description", "")) > MAX_DESCRIPTION:
        problems.append(f".description: too long; use at most {MAX_DESCRIPTION} characters")
    return problems + _registration_problems({k: v for k, v in entry.items() if k not in wrong})


def _text_problems(text: str) -> list[str]:
    problems = []
    kinds = _PLACEHOLDER.findall(text)
    if not text.strip():
        problems.append(".text: is empty; copy it from the portal where it is registered")
    problems += [
        f".text: unknown variable {{#{kind}#}}; use one of "
        + ", ".join(f"{{#{known}#}}" for known in _KINDS)
        for kind in dict.fromkeys(kinds)
        if kind not in _KINDS
    ]
    if re.search(r"\{#|#\}|[{}]", _PLACEHOLDER.sub("", text)):
        problems.append(".text: a brace that is no variable; write each variable as {#var#}")
    if sms_text.unprintable(text.replace("\n", "")):
        problems.append(".text: has characters that cannot be sent, such as tabs; remove them")
    if len(kinds) > MAX_VARIABLES:
        problems.append(f".text: {len(kinds)} variables; use at most {MAX_VARIABLES}")
    longest = sms_text.units(_PLACEHOLDER.sub("x" * MAX_VALUE, text))
    most = MAX_GSM if sms_text.is_gsm(text) else MAX_UCS2
    if longest > most:
        problems.append(f".text: up to {longest} characters with its variables; at most {most}")
    return problems


def _variables_problems(name: str, entry: Mapping[str, Any]) -> list[str]:
    names = entry.get("variables", [])
    count = len(_PLACEHOLDER.findall(entry["text"]))
    if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
        return [".variables: must be a list of names in [ ]"]
    problems = [
        f".variables: {one!r}: write a name with letters, digits and _, a letter first, 40 at most"
        for one in names
        if not _VARIABLE.fullmatch(one)
    ]
    if len(set(names)) != len(names):
        problems.append(".variables: two of one name; a value that comes twice needs two names")
    if names and len(names) != count:
        problems.append(
            f".variables: {len(names)} names for {count} variables of the text; name each"
        )
    if known := RESERVED.get(name):
        listed = ", ".join(known)
        if count and not names:
            problems.append(
                f".variables: missing; the server fills this one: name each of {listed}"
            )
        problems += [
            f".variables: {one!r}: the server fills this one, and knows {listed}"
            for one in names
            if one not in known
        ]
    return problems


def _registration_problems(entry: Mapping[str, Any]) -> list[str]:
    problems = [
        f".{key}: must be 10 to 25 digits, as the portal shows it"
        for key in ("template_id", "entity_id")
        if entry.get(key) and not _REGISTERED_ID.fullmatch(entry[key])
    ]
    if entry.get("category") and entry["category"] not in _CATEGORIES:
        problems.append(f".category: must be one of {', '.join(_CATEGORIES)}")
    if entry.get("sender") and not _SENDER.fullmatch(entry["sender"]):
        problems.append(".sender: must be 3 to 11 letters and digits, the registered header")
    return problems
