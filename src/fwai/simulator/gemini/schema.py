"""Makes a value that fits a response schema, the same one every time.

Both spellings are read: Google's (``OBJECT``, ``nullable``) and JSON Schema's (``object``,
``["string", "null"]``). All functions are pure.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

MAX_DEPTH: Final = 20
_TEXTS: Final[Mapping[str, str]] = {
    "date-time": "2026-01-01T00:00:00Z",
    "date": "2026-01-01",
    "time": "00:00:00Z",
}
_SUMMARISING: Final = ("summary", "text", "note", "description", "gist")


def fitting(schema: Mapping[str, Any], summary: str, name: str = "summary") -> Any:  # noqa: ANN401
    """Return a value for ``schema``.

    What may be null is null, except what ``name`` says is a summary. An enum has its first value,
    a number its minimum or 0, a list its fewest items.

    Args:
        schema: Of the whole answer or of a part.
        summary: Goes into texts whose name says so.
        name: Of the property that is filled.
    """
    return _value(schema, summary, name, schema, 0)


def _value(
    schema: Mapping[str, Any], summary: str, name: str, root: Mapping[str, Any], depth: int
) -> Any:  # noqa: ANN401 - JSON
    schema = _resolved(schema, root)
    kind, nullable = _kind(schema)
    summarising = kind in {"string", ""} and any(word in name.lower() for word in _SUMMARISING)
    if (nullable and not summarising) or depth > MAX_DEPTH:
        return None
    if schema.get("enum"):
        return schema["enum"][0]
    if kind == "object" or "properties" in schema:
        properties = schema.get("properties") or {}
        return {
            key: _value(inner, summary, key, root, depth + 1) for key, inner in properties.items()
        }
    if kind == "array":
        fewest, item = int(schema.get("minItems") or 0), schema.get("items") or {}
        return [_value(item, summary, name, root, depth + 1) for _ in range(fewest)]
    if kind == "string" and not summarising:
        return _TEXTS.get(str(schema.get("format", "")), "unknown")
    simple = _SIMPLE.get(kind)
    return summary if simple is None else simple(schema)


_SIMPLE: Final[Mapping[str, Callable[[Mapping[str, Any]], object]]] = {
    "integer": lambda schema: int(schema.get("minimum") or 0),
    "number": lambda schema: float(schema.get("minimum") or 0),
    "boolean": lambda _: False,
    "null": lambda _: None,
}


def _kind(schema: Mapping[str, Any]) -> tuple[str, bool]:
    """Return the type in lower case, and whether null is allowed."""
    given = schema.get("type") or ""
    kinds = [str(one).lower() for one in (given if isinstance(given, list) else [given])]
    nullable = bool(schema.get("nullable")) or (len(kinds) > 1 and "null" in kinds)
    return next((one for one in kinds if one != "null"), kinds[0]), nullable


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow references and take the first of several alternatives, null last."""
    for _ in range(MAX_DEPTH):
        reference = schema.get("$ref")
        choices = schema.get("anyOf") or schema.get("any_of") or schema.get("oneOf")
        if isinstance(reference, str):
            schema = _pointed(root, reference)
        elif isinstance(choices, list) and choices:
            others = [one for one in choices if str(one.get("type", "")).lower() != "null"]
            nullable = len(others) < len(choices)
            schema = {**(others or choices)[0], **({"nullable": True} if nullable else {})}
        else:
            break
    return schema


def _pointed(root: Mapping[str, Any], reference: str) -> Mapping[str, Any]:
    found: Any = root
    for key in reference.removeprefix("#/").split("/"):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}
