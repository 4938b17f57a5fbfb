"""Says what is wrong with a value in plain words; pydantic speaks of validation and attributes."""

from collections.abc import Mapping
from typing import Any, Final

_HINTS: Final[Mapping[str, str]] = {
    "missing": "this is needed; add it",
    "extra_forbidden": "there is no such field; remove it or correct its name",
    "string_type": "write text, in quotes",
    "string_too_long": "write at most {max_length} characters",
    "string_too_short": "write at least {min_length} characters",
    "too_short": "give at least {min_length}",
    "int_type": "write a whole number",
    "int_parsing": "write a whole number",
    "int_from_float": "write a whole number",
    "float_type": "write a number",
    "float_parsing": "write a number",
    "finite_number": "write a number that is finite",
    "bool_type": "write true or false",
    "bool_parsing": "write true or false",
    "greater_than": "it must be more than {gt}",
    "greater_than_equal": "it must be at least {ge}",
    "less_than": "it must be less than {lt}",
    "less_than_equal": "it must be at most {le}",
    "dict_type": "send a JSON object: {{...}}",
    "model_type": "send a JSON object: {{...}}",
    "model_attributes_type": "send a JSON object: {{...}}",
    "list_type": "send a JSON list: [...]",
    "enum": "write one of {expected}",
    "literal_error": "write one of {expected}",
}


def hint(error: Mapping[str, Any]) -> str:
    """Return the fix of one of pydantic's errors; its own words where we have none."""
    kind, context = str(error["type"]), error.get("ctx") or {}
    if kind == "too_long":
        what = "characters" if isinstance(error.get("input"), str) else "entries"
        return f"at most {context.get('max_length')} {what}"
    try:
        return _HINTS[kind].format_map(context)
    except (KeyError, ValueError):
        return str(error["msg"]).removeprefix("Value error, ")
