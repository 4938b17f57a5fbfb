"""Tidies values that came with quotes, spaces or line endings around them; no I/O.

A file for Docker or systemd keeps the quotes that a shell and ``.env`` take away, one from Windows
ends its lines with a carriage return, and what is pasted from a document brings typographic quotes
and characters without width. Around a value none of these can be meant.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, get_args

_INVISIBLE: Final = "\ufeff\u200b\u200c\u200d\u2060\u00ad"
_AROUND: Final = f" \t\r\n\f\v\0\u00a0\u202f\u3000{_INVISIBLE}"
# Straight ones, backticks, and the pairs that word processors make of them.
_QUOTES: Final = {
    '"': '"',
    "'": "'",
    "`": "`",
    "\u201c": "\u201d",
    "\u201d": "\u201d",
    "\u201e": "\u201c",
    "\u2018": "\u2019",
    "\u00ab": "\u00bb",
}
_QUOTE_CHARACTERS: Final = frozenset(_QUOTES) | frozenset(_QUOTES.values())


def tidy(value: str) -> str:
    """Take spaces, invisible characters and pairs of quotes off both ends."""
    value = value.strip(_AROUND)
    while len(value) > 1 and _QUOTES.get(value[0]) == value[-1]:
        inner = value[1:-1]
        if value[0] in inner or value[-1] in inner:
            break  # two pairs side by side: "plivo","exotel"
        value = inner.strip(_AROUND)
    return value


def tidied(values: Mapping[str, Any], kinds: Mapping[str, Any]) -> dict[str, Any]:
    """Tidy all texts of ``values``; one that is nothing but quotes or spaces is left out.

    Args:
        values: As they were given, by field.
        kinds: The annotation of each field; a choice of a ``Literal`` may be written in any case.
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        text = tidy(value) if isinstance(value, str) else value
        if text == "" != value:
            continue
        found[name] = choice(text, kinds.get(name)) if isinstance(text, str) else text
    return found


def parts(value: str) -> list[str]:
    """Split a list at its commas; empty parts are left out."""
    return [part for piece in value.split(",") if (part := tidy(piece))]


def default_database(data_dir: Path) -> str:
    """Return the URL of the database that is used where none is set."""
    path = str(data_dir / "fwai.db").replace("%", "%25").replace("?", "%3F")
    return f"sqlite+aiosqlite:///{path}"


def half_quoted(value: str) -> bool:
    """Whether a tidied value still begins or ends with a quote: its partner was lost."""
    return bool(value) and (value[0] in _QUOTE_CHARACTERS or value[-1] in _QUOTE_CHARACTERS)


def has_hidden_characters(value: str) -> bool:
    """Whether there is a line break, another control character or one without width inside."""
    return any(not one.isprintable() or one in _INVISIBLE for one in value)


def is_token(value: str) -> bool:
    """Whether a value can be a key or a token: ASCII without spaces, quotes and the like."""
    return all("!" <= one <= "~" and one not in _QUOTE_CHARACTERS for one in value)


def choice(value: str, annotation: object) -> str:
    """Write a value the way one of the choices of its ``Literal`` is written, if it is one."""
    for one in get_args(annotation):
        written = one if isinstance(one, str) else choice(value, one)
        if written.casefold() == value.casefold():
            return written
    return value
