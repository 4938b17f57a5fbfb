"""Reads a tool's arguments as models write them, where that has one reading only. No I/O.

A model now and then sends null for what it leaves out, a number as text, a list as JSON text. A
refusal costs the caller a turn of silence, so what is unambiguous is brought to the type that the
schema wants. What has two readings ("a, b" may be one text or two) stays as it is, and the check
behind this one refuses it by name.
"""

import ast
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

MAX_TEXT: Final = 20_000  # of a list or an object that was written as text
MAX_DEPTH: Final = 6
_YES: Final = frozenset({"true", "yes", "y", "1"})
_NO: Final = frozenset({"false", "no", "n", "0"})
_WHOLE: Final = re.compile(r"[+-]?\d{1,15}(?:\.0{1,2})?")
_THOUSANDS: Final = re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}")
"""1.500 is one and a half, or fifteen hundred."""
_DECIMAL: Final = re.compile(r"[+-]?(?:\d{1,15}(?:\.\d{1,15})?|\.\d{1,15})")
_EXACT: Final = 2.0**53  # beyond it a float does not tell whole numbers apart
_SEVERAL: Final = re.compile(r"[,;\n|،؛、]|\s(?:and|or|&|aur|ya|और|या)\s", re.IGNORECASE)
_NOTHING: Final = frozenset({"null", "none", "nil", "undefined", "n/a"})

Schema = Mapping[str, Any]


def lenient(schema: Schema, args: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments with what has one reading brought to its type; nothing is refused here.

    Args:
        schema: JSON Schema of an object without references.
        args: As they came.
    """
    return _read_object(schema, args, 0)


def _read_object(schema: Schema, given: Mapping[str, Any], depth: int) -> dict[str, Any]:
    properties = schema.get("properties", {})
    required = schema.get("required", ())
    read = {}
    for name, value in _by_known_name(properties, given).items():
        wanted = properties.get(name)
        if wanted is None:
            read[name] = value
        elif value is not None:
            read[name] = _read(wanted, _alone(wanted, value), depth)
        elif name in required or wanted.get("nullable"):
            read[name] = None
    return read


def _alone(schema: Schema, value: Any) -> Any:  # noqa: ANN401 - JSON
    """Take a text out of the list that was made of it."""
    made_list = schema.get("type") == "string" and isinstance(value, list) and len(value) == 1
    return value[0] if made_list and isinstance(value[0], str) else value


def _by_known_name(properties: Schema, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments with names in the schema's spelling, where only one can be meant."""
    known: dict[str, list[str]] = {}
    for name in properties:
        known.setdefault(_plain(name), []).append(name)
    unknown = [name for name in given if name not in properties]
    renamed = {}
    for name in unknown:
        meant = known.get(_plain(name), [])
        alike = sum(_plain(other) == _plain(name) for other in given)
        if len(meant) == 1 and alike == 1:
            renamed[name] = meant[0]
    return {renamed.get(name, name): value for name, value in given.items()}


def contradiction(schema: Schema, args: Mapping[str, Any]) -> str:
    """Name the argument that came twice in different spellings with different values; or empty."""
    given: dict[str, Any] = {}
    known: dict[str, str] = {_plain(name): name for name in schema.get("properties", {})}
    for name, value in args.items():
        plain = _plain(name)
        if plain in known and given.setdefault(plain, value) != value:
            return known[plain]
    return ""


def _plain(name: str) -> str:
    """Return a name without what its spellings differ in; a sign at either end says something."""
    return re.sub(r"[\s_]|(?<=\w)-(?=\w)", "", str(name)).lower()


def _read(schema: Schema, value: Any, depth: int) -> Any:  # noqa: ANN401 - JSON
    if depth >= MAX_DEPTH:
        return value
    match schema.get("type"):
        case "string":
            return _read_text(schema, value)
        case "integer":
            return _read_whole(value)
        case "number":
            return _read_number(value)
        case "boolean":
            return _read_flag(value)
        case "array":
            return _read_list(schema, value, depth)
        case "object":
            found = _read_json(value, dict) if isinstance(value, str) else value
            return _read_object(schema, found, depth + 1) if isinstance(found, dict) else value
    return value


def _read_text(schema: Schema, value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    elif isinstance(value, float) and math.isfinite(value) and abs(value) < _EXACT:
        value = str(int(value)) if value.is_integer() else repr(value)
    choices = schema.get("enum")
    if not choices or not isinstance(value, str) or value in choices:
        return value
    meant = [choice for choice in choices if _plain(str(choice)) == _plain(value)]
    return meant[0] if len(meant) == 1 else value


def _read_whole(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value.strip().partition(".")[0])
    return value


def _read_number(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, str) and _THOUSANDS.fullmatch(value.strip()):
        return value
    if isinstance(value, str) and _DECIMAL.fullmatch(value.strip()):
        number = float(value.strip())
        return int(number) if number.is_integer() and "." not in value else number
    return value


def _read_flag(value: Any) -> Any:  # noqa: ANN401
    said = value.strip().lower() if isinstance(value, str) else value
    if isinstance(said, float) and said in (0.0, 1.0):
        said = int(said)
    if isinstance(said, int) and not isinstance(said, bool):
        said = str(said)
    if not isinstance(said, str):
        return value
    return True if said in _YES else False if said in _NO else value


def _read_list(schema: Schema, value: Any, depth: int) -> Any:  # noqa: ANN401
    if isinstance(value, str):
        found = _read_json(value, list)
        if found is None:
            text = value.strip()
            if not text:
                return []
            # Commas may part items or stand in one; brackets were meant for a list.
            if _SEVERAL.search(text) or text[0] in "[{" or text.lower() in _NOTHING:
                return value
            found = [text]
        value = found
    elif isinstance(value, int | float):
        value = [value]
    if not isinstance(value, Sequence):
        return value
    items = schema.get("items", {})
    return [_read(items, item, depth + 1) for item in value]


class _TwiceError(ValueError):
    """An object has one name twice."""


def _loads(text: str) -> Any:  # noqa: ANN401
    return json.loads(text, object_pairs_hook=_once)


def _literal(text: str) -> Any:  # noqa: ANN401
    """Read what Python would write."""
    tree = ast.parse(text, mode="eval")
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            _once([(ast.dump(key), None) for key in node.keys if key is not None])
    return ast.literal_eval(tree)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _TwiceError
    return found


def _read_json(text: str, kind: type) -> Any:  # noqa: ANN401
    """Return the list or object that a text is in JSON, or as Python writes it; None if none."""
    text = text.strip()
    if len(text) > MAX_TEXT or not text.startswith("[" if kind is list else "{"):
        return None
    for read in (_loads, _literal):
        try:
            found = read(text)
        except _TwiceError:
            return None
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
        return found if isinstance(found, kind) else None
    return None
