"""Prepared e-mails of an agent: all that goes to an address which a caller dictated. No I/O.

Whoever can talk to an agent could otherwise have it write anything to anybody in the owner's name.
So the owner writes subject and text, and a caller's words fill a few short gaps that can hold
neither a link nor an address nor a line break.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MAX_TEMPLATES: Final = 20
MAX_SUBJECT: Final = 120
MAX_BODY: Final = 4_000
MAX_DESCRIPTION: Final = 200
MAX_VARIABLES: Final = 8
MAX_VALUE: Final = 60
_KEYS: Final = ("subject", "body", "description")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_VARIABLE: Final = re.compile(r"\{#([a-z][a-z0-9_]{0,39})#\}", re.ASCII)
_LINKED: Final = re.compile(
    r"://|@|\bwww\b|[^\W_]\.[^\W\d_]{2,}|\b(?:dot|at)\b\s+\w+\s+\b(?:dot|slash)\b", re.IGNORECASE
)


class EmailTextError(ValueError):
    """A prepared e-mail cannot be filled; the text names the variable and the fix."""


@dataclass(frozen=True, slots=True)
class EmailText:
    """One prepared e-mail.

    Attributes:
        name: What tools call it.
        subject: Its subject, with ``{#name#}`` for each variable.
        body: Its text, plain, with the same.
        description: When to send it, in words for the model.
    """

    name: str
    subject: str
    body: str
    description: str = ""

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of its variables, in the order of their first use."""
        return tuple(dict.fromkeys(_VARIABLE.findall(f"{self.subject}\n{self.body}")))

    def fill(self, values: Mapping[str, str]) -> tuple[str, str]:
        """Return subject and body with ``values`` for the variables.

        Raises:
            EmailTextError: One is missing or unknown, or does not fit.
        """
        if unknown := [name for name in values if name not in self.variables]:
            listed = ", ".join(self.variables) or "none"
            raise EmailTextError(
                f"{self.name} has no variable {', '.join(unknown)[:100]}; it has: {listed}"
            )
        if missing := [name for name in self.variables if not values.get(name, "").strip()]:
            raise EmailTextError(f"{self.name} needs {', '.join(missing)}")
        flat = {name: " ".join(values[name].split()) for name in self.variables}
        for name, value in flat.items():
            if len(value) > MAX_VALUE:
                raise EmailTextError(f"{name} is too long; at most {MAX_VALUE} characters")
            if holds_link(value):
                raise EmailTextError(f"{name} must be plain words, without a link or an address")

        def value_of(found: re.Match[str]) -> str:
            return flat[found[1]]

        return _VARIABLE.sub(value_of, self.subject), _VARIABLE.sub(value_of, self.body)


def holds_link(text: str) -> bool:
    """Whether a caller's words hold what a mail program would show as a link or an address."""
    return _LINKED.search(text) is not None


def parse_email_templates(raw: object, where: str) -> tuple[dict[str, EmailText], list[str]]:
    """Parse an agent's ``email_templates``.

    Args:
        raw: As the file has it.
        where: Its path in the file, such as ``prompts.json: Core.email_templates``.

    Returns:
        Those that are right, by name, and what is wrong, each with the fix.
    """
    if not isinstance(raw, dict):
        return {}, [f"{where}: must be an object in {{ }}"]
    problems = []
    if len(raw) > MAX_TEMPLATES:
        problems.append(f"{where}: {len(raw)} templates; at most {MAX_TEMPLATES}")
    found = {}
    for name, one in raw.items():
        wrong = list(_faults(name, one))
        problems += [f"{where}.{str(name)[:40]}{fault}" for fault in wrong]
        if not wrong:
            found[name] = EmailText(
                name, one["subject"].strip(), one["body"].strip(), one.get("description", "")
            )
    return found, problems


def _faults(name: str, raw: object) -> list[str]:
    """Return what is wrong with one template, after its name."""
    if not _NAME.fullmatch(name):
        return [": its name must be small letters, digits and _, at most 40, a letter first"]
    if not isinstance(raw, dict):
        return [": must be an object in { }"]
    wrong = [
        f".{str(key)[:40]}: unknown key; use one of {', '.join(_KEYS)}"
        for key in raw
        if key not in _KEYS
    ]
    for key, most in (("subject", MAX_SUBJECT), ("body", MAX_BODY)):
        text = raw.get(key)
        if not isinstance(text, str) or not text.strip():
            wrong.append(f".{key}: missing; write it as text in quotes")
        elif len(text) > most:
            wrong.append(f".{key}: too long; at most {most} characters")
        elif re.search(r"\{#|#\}", _VARIABLE.sub("", text)):
            wrong.append(f".{key}: a brace that is no variable; write {{#name#}}, small letters")
        elif key == "subject" and len(text.splitlines()) > 1:
            wrong.append(f".{key}: must be one line")
    description = raw.get("description", "")
    if not isinstance(description, str) or len(description) > MAX_DESCRIPTION:
        wrong.append(f".description: must be text, at most {MAX_DESCRIPTION} characters")
    if not wrong and len(EmailText(name, raw["subject"], raw["body"]).variables) > MAX_VARIABLES:
        wrong.append(f": too many variables; at most {MAX_VARIABLES}")
    return wrong
