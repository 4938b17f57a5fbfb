"""Webhook tools of prompts.json: parses and validates declarations and arguments. No I/O.

Its parameters are JSON Schema in the subset Live accepts, written by hand, so every mistake is
named with its path. What the model sends is checked against the same schema here: a validator for
all of JSON Schema takes 300 ms to import, this subset a hundred lines.
"""

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from fwai.domain.tool import ToolSpec

MAX_TIMEOUT_S: Final = 30.0
DEFAULT_TIMEOUT_S: Final = 10.0
MAX_FILLER_CHARS: Final = 200
_MAX_DESCRIPTION_CHARS: Final = 1000
_MAX_URL_CHARS: Final = 2048
_MAX_DEPTH: Final = 5
_MAX_FIELDS: Final = 40
_MAX_CHOICES: Final = 200
_MAX_PATTERN_CHARS: Final = 200

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{1,62}")
_FIELD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_URL: Final = re.compile(r"https?://[^\s/?#]+[^\s]*")
_KEYS: Final = ("name", "description", "parameters", "url", "timeout_s", "filler")

_COMMON: Final = frozenset({"type", "description", "default", "nullable"})
_KEYWORDS: Final[Mapping[str, frozenset[str]]] = {
    "object": _COMMON | {"properties", "required"},
    "array": _COMMON | {"items", "minItems", "maxItems"},
    "string": _COMMON | {"enum", "format", "pattern", "minLength", "maxLength"},
    "integer": _COMMON | {"format", "minimum", "maximum"},
    "number": _COMMON | {"format", "minimum", "maximum"},
    "boolean": _COMMON,
}
_FORMATS: Final[Mapping[str, frozenset[str]]] = {
    "string": frozenset({"date-time", "enum"}),
    "integer": frozenset({"int32", "int64"}),
    "number": frozenset({"float", "double"}),
}
_COUNTS: Final = ("minItems", "maxItems", "minLength", "maxLength")
_LIMITS: Final = ("minimum", "maximum")
_PAIRS: Final = (("minItems", "maxItems"), ("minLength", "maxLength"), ("minimum", "maximum"))


class WebhookToolError(ValueError):
    """An entry of ``webhooks`` is invalid.

    Attributes:
        problems: One sentence each: path, what is wrong, the fix.
    """

    def __init__(self, problems: Collection[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class WebhookToolSpec:
    """One validated entry of an agent's ``webhooks``.

    Attributes:
        name: What the model calls it.
        description: When to use it, in words for the model.
        parameters: JSON Schema in the subset Live accepts; empty for no arguments.
        url: Where it is posted to; may hold secrets, so it is not shown.
        timeout_s: How long the caller may be kept waiting, in seconds.
        filler: What is said meanwhile; empty for nothing.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    url: str = field(repr=False)
    timeout_s: float = DEFAULT_TIMEOUT_S
    filler: str = ""

    @property
    def tool(self) -> ToolSpec:
        """The tool as the model sees it."""
        return ToolSpec(self.name, self.description, self.parameters)


def parse_webhook_tool(raw: object, where: str, built_in: Collection[str] = ()) -> WebhookToolSpec:
    """Parse and validate one entry of an agent's ``webhooks``.

    Args:
        raw: The entry as JSON gives it.
        where: Its path in the file, such as ``prompts.json: Core.webhooks.0``.
        built_in: Names it may not have.

    Raises:
        WebhookToolError: Every problem of the entry; no value of it is shown.
    """
    if not isinstance(raw, dict):
        raise WebhookToolError([f"{where}: must be an object in {{ }}"])
    problems = [
        f"{where}.{key}: unknown key; use one of {', '.join(_KEYS)}"
        for key in raw
        if key not in _KEYS
    ]
    problems += [f"{where}.{problem}" for problem in _entry_problems(raw, built_in)]
    parameters = raw.get("parameters", {})
    problems += parameter_problems(parameters, f"{where}.parameters")
    if problems:
        raise WebhookToolError(problems)
    return WebhookToolSpec(
        name=raw["name"],
        description=raw["description"].strip(),
        parameters=parameters if parameters.get("properties") else {},
        url=raw["url"],
        timeout_s=float(raw.get("timeout_s", DEFAULT_TIMEOUT_S)),
        filler=raw.get("filler", "").strip(),
    )


def validate_args(spec: WebhookToolSpec, args: Mapping[str, Any]) -> Mapping[str, Any]:
    """Validate a model's arguments and return what to post.

    Defaults are filled in, whole numbers written as 5.0 become 5, fields the schema does not name
    are left out.

    Raises:
        ValueError: One sentence per wrong field, for the model; no value is repeated.
    """
    if not spec.parameters:
        return {}
    problems: list[str] = []
    checked = _check_value(spec.parameters, dict(args), "", problems)
    if problems:
        raise ValueError("; ".join(problems))
    result: Mapping[str, Any] = checked
    return result


# ---- the entry --------------------------------------------------------------------------------


def _entry_problems(raw: Mapping[str, Any], built_in: Collection[str]) -> Iterator[str]:
    name = raw.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        yield "name: use 2 to 63 small letters, digits and _, a letter first"
    elif name in built_in:
        yield f"name: {name} is a tool of the server; use another name"
    description = raw.get("description")
    if not _is_text(description, _MAX_DESCRIPTION_CHARS) or not str(description).strip():
        yield (
            f"description: tell the model when to use it, in at most {_MAX_DESCRIPTION_CHARS} "
            "characters"
        )
    url = raw.get("url")
    if not _is_text(url, _MAX_URL_CHARS) or not _URL.fullmatch(str(url)):
        yield f"url: write https://host/path, at most {_MAX_URL_CHARS} characters"
    timeout_s = raw.get("timeout_s", DEFAULT_TIMEOUT_S)
    if not _is_number(timeout_s) or not 1.0 <= timeout_s <= MAX_TIMEOUT_S:
        yield f"timeout_s: use a number from 1 to {MAX_TIMEOUT_S:.0f}"
    if not _is_text(raw.get("filler", ""), MAX_FILLER_CHARS):
        yield f"filler: must be text of at most {MAX_FILLER_CHARS} characters"


def _is_text(value: object, most: int) -> bool:
    return isinstance(value, str) and len(value) <= most


def _is_number(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


# ---- the schema -------------------------------------------------------------------------------


def parameter_problems(schema: object, where: str) -> list[str]:
    """Return the problems of an argument schema, each with its path and the fix."""
    if schema == {}:
        return []
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return [f'{where}: must be a JSON Schema with "type": "object", or {{}} for no arguments']
    if schema.get("properties") == {} and schema.keys() <= {"type", "properties", "required"}:
        return [] if not schema.get("required") else [f"{where}.required: names unknown fields"]
    return list(_schema_problems(schema, where, _MAX_DEPTH))


def _schema_problems(schema: object, where: str, depth: int) -> Iterator[str]:
    if depth == 0:
        yield f"{where}: nested too deep; at most {_MAX_DEPTH} levels"
        return
    kind = schema.get("type") if isinstance(schema, dict) else None
    if not isinstance(schema, dict) or not isinstance(kind, str) or kind not in _KEYWORDS:
        yield f'{where}: give it one "type" of {", ".join(_KEYWORDS)}'
        return
    for key in schema:
        if key not in _KEYWORDS[kind]:
            known = ", ".join(sorted(_KEYWORDS[kind]))
            yield f"{where}.{key}: not accepted by Live for {kind}; remove it or use one of {known}"
    schema = {key: value for key, value in schema.items() if key in _KEYWORDS[kind]}
    found = [
        *_keyword_problems(schema, kind, where),
        *_number_problems(schema, where),
        *_nested_problems(schema, kind, where, depth),
    ]
    yield from found
    if "default" in schema and not found:
        wrong: list[str] = []
        _check_value(schema, schema["default"], "default", wrong)
        yield from (f"{where}.{problem}" for problem in wrong)


def _keyword_problems(schema: Mapping[str, Any], kind: str, where: str) -> Iterator[str]:
    if not _is_text(schema.get("description", ""), _MAX_DESCRIPTION_CHARS):
        yield f"{where}.description: must be text of at most {_MAX_DESCRIPTION_CHARS} characters"
    if not isinstance(schema.get("nullable", False), bool):
        yield f"{where}.nullable: must be true or false"
    formats = sorted(_FORMATS.get(kind, ()))
    if "format" in schema and schema["format"] not in formats:
        known = ", ".join(formats)
        yield f"{where}.format: not accepted by Live; remove it or use one of {known}"
    if "enum" in schema and not _is_choice(schema["enum"]):
        yield f"{where}.enum: must be a list of 1 to {_MAX_CHOICES} different texts"
    if "pattern" in schema and not _is_pattern(schema["pattern"]):
        yield (
            f"{where}.pattern: must be a regular expression of at most {_MAX_PATTERN_CHARS} "
            "characters"
        )


def _is_choice(value: object) -> bool:
    return (
        isinstance(value, list)
        and 1 <= len(value) <= _MAX_CHOICES
        and all(isinstance(choice, str) and choice for choice in value)
        and len(set(value)) == len(value)
    )


def _is_pattern(value: object) -> bool:
    if not isinstance(value, str) or len(value) > _MAX_PATTERN_CHARS:
        return False
    try:
        re.compile(value)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def _number_problems(schema: Mapping[str, Any], where: str) -> Iterator[str]:
    for key in _COUNTS:
        value = schema.get(key, 0)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            yield f"{where}.{key}: must be a whole number, 0 or more"
            return
    for key in _LIMITS:
        if not _is_number(schema.get(key, 0)):
            yield f"{where}.{key}: must be a number"
            return
    for low, high in _PAIRS:
        if low in schema and high in schema and schema[low] > schema[high]:
            yield f"{where}.{low}: is above {high}; nothing would fit"


def _nested_problems(schema: Mapping[str, Any], kind: str, where: str, depth: int) -> Iterator[str]:
    if kind == "array":
        if "items" not in schema:
            yield f'{where}.items: missing; give the "type" of what is in the list'
        else:
            yield from _schema_problems(schema["items"], f"{where}.items", depth - 1)
    if kind != "object":
        return
    fields = schema.get("properties")
    if not isinstance(fields, dict) or not 1 <= len(fields) <= _MAX_FIELDS:
        yield f"{where}.properties: must name 1 to {_MAX_FIELDS} fields"
        return
    for name, inner in fields.items():
        if not _FIELD.fullmatch(name):
            yield f"{where}.properties: a field name needs letters, digits and _, 64 at most"
        else:
            yield from _schema_problems(inner, f"{where}.properties.{name}", depth - 1)
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        yield f"{where}.required: must be a list of field names"
    elif unknown := [name for name in required if name not in fields]:
        yield f"{where}.required: {', '.join(unknown)} is not among the properties"


# ---- arguments --------------------------------------------------------------------------------


def _check_value(schema: Mapping[str, Any], value: object, where: str, problems: list[str]) -> Any:  # noqa: ANN401
    """Validate ``value`` and return what is passed on; adds to ``problems``."""
    if value is None and schema.get("nullable"):
        return None
    return _CHECKS[schema["type"]](schema, value, where, problems)


def _check_object(
    schema: Mapping[str, Any], value: object, where: str, problems: list[str]
) -> dict[str, Any]:
    if not isinstance(value, dict):
        problems.append(f"{where or 'arguments'}: must be an object")
        return {}
    checked = {}
    for name, inner in schema["properties"].items():
        place = f"{where}.{name}" if where else name
        if name in value:
            checked[name] = _check_value(inner, value[name], place, problems)
        elif name in schema.get("required", ()):
            problems.append(f"{place}: missing; it is needed")
        elif "default" in inner:
            checked[name] = inner["default"]
    return checked


def _check_array(
    schema: Mapping[str, Any], value: object, where: str, problems: list[str]
) -> list[Any]:
    if not isinstance(value, list):
        problems.append(f"{where}: must be a list")
        return []
    if len(value) < schema.get("minItems", 0):
        problems.append(f"{where}: give at least {schema['minItems']}")
    if len(value) > schema.get("maxItems", math.inf):
        problems.append(f"{where}: give at most {schema['maxItems']}")
    return [
        _check_value(schema["items"], item, f"{where}[{place}]", problems)
        for place, item in enumerate(value)
    ]


def _check_string(
    schema: Mapping[str, Any], value: object, where: str, problems: list[str]
) -> object:
    if not isinstance(value, str):
        problems.append(f"{where}: must be text")
        return value
    if "enum" in schema and value not in schema["enum"]:
        problems.append(f"{where}: must be one of {', '.join(schema['enum'])}")
    if len(value) < schema.get("minLength", 0):
        problems.append(f"{where}: needs at least {schema['minLength']} characters")
    if len(value) > schema.get("maxLength", math.inf):
        problems.append(f"{where}: use at most {schema['maxLength']} characters")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        problems.append(f"{where}: must match {schema['pattern']}")
    if schema.get("format") == "date-time" and not _is_date_time(value):
        problems.append(f"{where}: must be a date and time such as 2026-11-23T10:00:00+05:30")
    return value


def _is_date_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _check_number(
    schema: Mapping[str, Any], value: object, where: str, problems: list[str]
) -> object:
    if not isinstance(value, int | float) or not _is_number(value):
        problems.append(f"{where}: must be a number")
        return value
    if value < schema.get("minimum", -math.inf):
        problems.append(f"{where}: must be {schema['minimum']} or more")
    if value > schema.get("maximum", math.inf):
        problems.append(f"{where}: must be {schema['maximum']} or less")
    return value


def _check_integer(
    schema: Mapping[str, Any], value: object, where: str, problems: list[str]
) -> object:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # models write 5.0
    if not isinstance(value, int) or isinstance(value, bool):
        problems.append(f"{where}: must be a whole number")
        return value
    return _check_number(schema, value, where, problems)


def _check_boolean(_: Mapping[str, Any], value: object, where: str, problems: list[str]) -> object:
    if not isinstance(value, bool):
        problems.append(f"{where}: must be true or false")
    return value


_CHECKS: Final[Mapping[str, Callable[[Mapping[str, Any], object, str, list[str]], Any]]] = {
    "object": _check_object,
    "array": _check_array,
    "string": _check_string,
    "number": _check_number,
    "integer": _check_integer,
    "boolean": _check_boolean,
}
