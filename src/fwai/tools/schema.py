"""Converts a pydantic model to the JSON Schema subset that Gemini Live accepts. No I/O.

Source: google-genai 3.4.0's Schema type and the reports of calls broken by anything beyond it, read
2026-11-22: no references, no ``const``, no exclusive bounds, no type lists; every property typed.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

_KEYWORDS = frozenset(
    {
        "type", "properties", "required", "items", "enum", "description", "format", "pattern",
        "default", "nullable", "minimum", "maximum", "minLength", "maxLength", "minItems",
        "maxItems",
    }
)  # fmt: skip
_FORMATS = frozenset({"date-time", "enum", "float", "double", "int32", "int64"})


def parameters(args: type[BaseModel]) -> dict[str, Any]:
    """Build the Live schema of ``args``; empty when it has no fields.

    Raises:
        ValueError: A field has a type that Live cannot express; it is named.
    """
    if not args.model_fields:
        return {}
    schema = args.model_json_schema()
    try:
        return _simplify(schema, schema.get("$defs", {}), args.__name__)
    except RecursionError:
        raise ValueError(f"{args.__name__}: it contains itself; Live cannot express that") from None


def _simplify(schema: Mapping[str, Any], defs: Mapping[str, Any], where: str) -> dict[str, Any]:
    if "$ref" in schema:
        target = defs[schema["$ref"].rsplit("/", 1)[-1]]
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    if "anyOf" in schema:
        schema = _unwrap_optional(schema, where)
        return _simplify(schema, defs, where)
    if "const" in schema:
        schema = {**schema, "enum": [schema["const"]]}
    if "type" not in schema:
        raise ValueError(f"{where}: give it one plain type; Live cannot express this one")
    _reject_unsupported(schema, where)
    kept = {key: value for key, value in schema.items() if key in _KEYWORDS and value is not None}
    if kept.get("format") not in _FORMATS:
        kept.pop("format", None)  # checked by the model class all the same
    if "properties" in kept:
        kept["properties"] = {
            name: _simplify(field, defs, f"{where}.{name}")
            for name, field in kept["properties"].items()
        }
    if "items" in kept:
        kept["items"] = _simplify(kept["items"], defs, f"{where}[]")
    return kept


def _reject_unsupported(schema: Mapping[str, Any], where: str) -> None:
    if schema["type"] == "object" and not schema.get("properties"):
        raise ValueError(f"{where}: an object needs named fields; use a model with fields")
    if schema["type"] == "array" and "items" not in schema:
        raise ValueError(f"{where}: a list needs one type of items, such as list[str]")
    if not all(isinstance(choice, str) for choice in schema.get("enum", ())):
        raise ValueError(f"{where}: choices must be text")


def _unwrap_optional(schema: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Convert ``anyOf [X, null]`` to a nullable X."""
    options = [option for option in schema["anyOf"] if option.get("type") != "null"]
    if len(options) != 1:
        raise ValueError(f"{where}: a choice between types cannot be expressed; use one type")
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    return {**options[0], **rest, "nullable": True}
