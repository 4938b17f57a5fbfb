"""What text from outside may hold. No I/O.

Theory of operation. JSON can say things that no text is: half a surrogate pair, which nothing can
write out, and NUL, which PostgreSQL does not take. Control characters move a terminal's cursor and
end a header; bidirectional overrides show other words than are there; the line separators of
Unicode are a line's end to some and none to others. Each border cuts them here: where a person or a
program can be told, the text is refused (`fault`); where a provider or a model speaks, it is
mended (`readable`). What becomes part of a prompt is one line without what a prompt is built of
(`one_line`).
"""

import re
from collections.abc import Mapping
from typing import Any, Final

MAX_CHARS: Final = 20_000
MAX_DEPTH: Final = 32
MAX_LINE_CHARS: Final = 500

_SURROGATE: Final = "\ud800-\udfff"
_CONTROL: Final = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f"
_BREAK: Final = "\x85\u2028\u2029"
_MARKS: Final = "\u061c\u200e\u200f"  # right in texts of several directions
_BIDI: Final = "\u202a-\u202e\u2066-\u2069"
_INVISIBLE: Final = "\u00ad\u180e\u200b\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb"
_TAGS: Final = "\U000e0000-\U000e007f"  # ASCII that nobody sees and a model reads

_BREAKS: Final = re.compile(f"\r(?!\n)|[{_BREAK}]")
_LOST: Final = re.compile(f"[{_SURROGATE}]")
_UNSEEN: Final = re.compile(f"[{_CONTROL}{_MARKS}{_BIDI}{_INVISIBLE}{_TAGS}]")
_FAULTS: Final = (
    (_LOST, "it holds half of a surrogate pair; send whole characters"),
    (re.compile("\x00"), "it holds a NUL character; remove it"),
    (re.compile(f"[{_CONTROL}]"), "it holds a control character; remove it"),
    (re.compile(f"[{_BREAK}]"), "it holds a line separator; write a line break as \\n"),
    (
        re.compile(f"[{_BIDI}{_TAGS}]"),
        "it holds a character that changes how the text around it is read; remove it",
    ),
)
_PLAIN: Final = re.compile("[ -~]*")
_BLANKS: Final = re.compile(r"\s+")
# What opens a block, a heading, a list, a quotation or a turn; what fences are made of.
_FENCES: Final = re.compile(r"`{3,}|~{3,}|-{3,}|={3,}|\*{3,}|_{3,}")
_OPENING: Final = re.compile(r"^(?:#{1,6}(?=\s)|[*+-](?=\s)|[>›|]|\s)+")  # noqa: RUF001
_MARKUP: Final = str.maketrans({"<": "‹", ">": "›"})  # noqa: RUF001
_MARKERS: Final = re.compile(
    r"\{\{|\}\}|\[/?(?:INST|SYS|SYSTEM|USER|ASSISTANT)\b[^\]]*\]", re.IGNORECASE
)
_ROLES: Final = re.compile(
    r"^(system|assistant|user|model|developer|human|tool|agent|caller)\s*:", re.IGNORECASE
)


def fault(text: str) -> str:
    """Return what is wrong with ``text`` and the fix, in words; empty when nothing is.

    Line breaks and tabs are right, and so are the marks and joiners that scripts are written with.
    """
    if text.isascii() and text.isprintable():
        return ""
    return next((words for pattern, words in _FAULTS if pattern.search(text)), "")


def readable(text: str, max_chars: int = MAX_CHARS) -> str:
    """Return ``text`` as text: what is none is left out, at most ``max_chars`` characters.

    Half a surrogate pair becomes a question mark, what only some take for a line's end a line feed.
    """
    text = text[:max_chars]
    return text if _PLAIN.fullmatch(text) else visible(_BREAKS.sub("\n", text))


def visible(text: str) -> str:
    """Return ``text`` with its own line ends, without what is no text."""
    return _UNSEEN.sub("", _LOST.sub("?", text))


def one_line(text: str, max_chars: int = MAX_LINE_CHARS) -> str:
    """Return ``text`` as one line that nobody can take for a part of a prompt's structure.

    It opens no heading, list, quotation or block, closes none, names no speaker, and holds no tag
    or placeholder. What it says stays.

    Args:
        text: Anything.
        max_chars: Longer text is cut, and ends with an ellipsis.
    """
    # Ten times as much as can stay: what is left out is not counted.
    flat = _BLANKS.sub(" ", readable(text, 10 * max_chars)).strip()
    flat = _FENCES.sub(" ", _MARKERS.sub(" ", flat.translate(_MARKUP)))
    flat = _ROLES.sub(r"\1 -", _OPENING.sub("", _BLANKS.sub(" ", flat)).strip())
    return flat if len(flat) <= max_chars else flat[: max_chars - 1].rstrip() + "…"


def readable_json(value: object, max_chars: int = MAX_CHARS, depth: int = 0) -> Any:  # noqa: ANN401 - JSON
    """Return ``value`` with every text in it, and every name, made `readable`.

    What is nested deeper than `MAX_DEPTH` becomes null.
    """
    if isinstance(value, str):
        return readable(value, max_chars)
    if depth >= MAX_DEPTH:
        return None
    if isinstance(value, Mapping):
        return {
            readable(str(name), max_chars): readable_json(item, max_chars, depth + 1)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [readable_json(item, max_chars, depth + 1) for item in value]
    return value
