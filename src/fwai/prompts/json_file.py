"""Reads prompts.json; what is no JSON, is written twice or cannot be sent is named by place."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from fwai.domain.plain_text import fault
from fwai.errors import ConfigError

# Programs to write with leave these behind, and nobody sees them: the owner's own text.
_LINE_ENDS: Final = dict.fromkeys((0x85, 0x2028, 0x2029), "\n")


class _Object(dict[str, Any]):
    """An object of the file.

    Attributes:
        doubled: Keys that it has more than once; the last value counts.
    """

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.doubled = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]


def read_json_file(path: Path) -> tuple[dict[str, Any], list[str]]:
    """Read the file, and what is wrong with it as JSON in spite of being readable.

    Returns:
        The object, and a sentence for each key that is written twice and each unusable text.

    Raises:
        ConfigError: It is not there, not UTF-8 or not a JSON object.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        body = json.loads(text, object_pairs_hook=_Object, parse_constant=_refuse)
    except FileNotFoundError:
        raise ConfigError([f"{path}: not found; write one with: fwai init"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{path}: not UTF-8; save it as UTF-8"]) from None
    except json.JSONDecodeError as exc:
        place = f"line {exc.lineno}, column {exc.colno}"
        raise ConfigError([f"{path}: not valid JSON at {place}: {exc.msg}; correct it"]) from None
    except (RecursionError, ValueError):  # ValueError: NaN, or a number of thousands of digits
        raise ConfigError([f"{path}: not valid JSON: nested too deep, or no number"]) from None
    except OSError as exc:
        raise ConfigError([f"{path}: cannot be read ({exc.strerror}); check its owner"]) from None
    if not isinstance(body, dict):
        raise ConfigError([f"{path}: must be an object of agents by id, in {{ }}"])
    return body, [f"{path.name}: {problem}" for problem in _problems(body, "")]


def _refuse(constant: str) -> Any:  # noqa: ANN401 - json's signature
    raise ValueError(constant)


def _problems(value: object, where: str) -> Iterator[str]:
    if isinstance(value, _Object):
        for key in value.doubled:
            place = f"{where}.{printable(key)}".removeprefix(".")
            yield f"{place}: is written twice; keep one, only the last one would count"
        for key, inner in value.items():
            place = f"{where}.{printable(key)}".removeprefix(".")
            if words := fault(key):
                yield f"{place}: its name is unusable: {words}"
            yield from _problems(inner, place)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _problems(inner, f"{where}.{index}")
    elif isinstance(value, str) and not can_be_sent(value):
        yield f"{where}: holds half a character (\\ud800 to \\udfff); type it again"
    elif isinstance(value, str) and (words := fault(value.translate(_LINE_ENDS))):
        yield f"{where}: {words}"


def can_be_sent(text: str) -> bool:
    """Whether a text can be written at all: it holds no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(key: str) -> str:
    """Return a key of the file so that it can be shown in one line."""
    return "".join(one if one.isprintable() else "?" for one in key[:80])
