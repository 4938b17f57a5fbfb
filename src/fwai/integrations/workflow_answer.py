"""Reads what a workflow answers, in whatever shape, to words and facts for the model. No I/O.

The model gets it, so it is bounded in every direction, and what is cut is said to be cut. Shapes
that n8n makes by itself are known: what it says when it only started a workflow must never be heard
as done.

Source: docs.n8n.io (Webhook, Respond to Webhook), n8n 2.41's descriptors and the answers of its
webhook helpers, read 2026-11-29; tests/contract/n8n/answers.json, each case with its source.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

from fwai.domain.plain_text import readable
from fwai.integrations.answer_json import read_value, read_values, size
from fwai.integrations.answer_text import UnreadableError, decode, unpack, words

MAX_TEXT_CHARS: Final = 2000
MAX_DATA_CHARS: Final = 8000
MAX_DEPTH: Final = 8
MAX_WRAPPERS: Final = 6

EMPTY_LIST: Final = "The answer is an empty list: nothing was found."
RETURNED_NOTHING: Final = (
    "It ran and returned nothing: no result, and no word on whether anything was done."
)

_TEXT_FIELDS: Final = (
    "message",
    "text",
    "output",
    "response",
    "answer",
    "reply",
    "result",
    "content",
)
# Where language models and n8n's nodes for them put the words, below one of the fields above.
_INNER_FIELDS: Final = (*_TEXT_FIELDS, "parts", "choices")
# Objects and lists that hold nothing but the answer.
_WRAPPERS: Final = ("json", "data", "body", "output", "response", "result", "results", "items")
_ITEM_FIELDS: Final = frozenset({"json", "binary", "pairedItem", "index", "metadata"})
_STARTED: Final = re.compile(r"workflow (?:was|got|has been) started[.!]?", re.IGNORECASE)
_NO_ITEM: Final = "no item to return"
_NOTHING: Final = frozenset({"null", "undefined", "none", "[object object]"})
_LINE_FIELDS: Final = frozenset({"type", "content", "metadata"})
_FORM: Final = "application/x-www-form-urlencoded"
_EVENTS: Final = "text/event-stream"


@dataclass(frozen=True, slots=True)
class WorkflowAnswer:
    """A workflow's answer.

    Attributes:
        text: Text for the model, at most `MAX_TEXT_CHARS`; empty if it gave data only, or nothing.
        data: Structured data beside it, at most `MAX_DATA_CHARS` as JSON.
        started: It only says that it was started: it is not done, and may fail.
        shortened: It was longer; the rest is left out.
    """

    text: str
    data: Mapping[str, Any] = field(default_factory=dict)
    started: bool = False
    shortened: bool = False


class NoAnswerError(ValueError):
    """What came is no answer of a workflow; the text says what it is, never what is in it.

    Attributes:
        taken: Whether the workflow took the request; None when that cannot be known.
    """

    def __init__(self, what: str, *, taken: bool | None) -> None:
        super().__init__(what)
        self.taken = taken


def parse_answer(
    content_type: str, encoding: str, body: bytes, *, complete: bool = True
) -> WorkflowAnswer:
    """Parse an answer's body to text and data.

    An object's ``message``, ``text``, ``output`` or the like is the text and all fields but that
    are data; of a list every item counts; words are words, whatever their type is called.

    Args:
        content_type: ``Content-Type``; may be empty.
        encoding: ``Content-Encoding``.
        body: Its bytes, as far as they came.
        complete: Whether that is all.

    Raises:
        NoAnswerError: It is a page for people, a file, or JSON that is broken from the beginning.
    """
    kind = content_type.partition(";")[0].strip().lower()
    try:
        raw, whole = unpack(body, encoding)
        text = decode(raw, content_type)
        content, read_whole = _content(text, kind)
        return _answer(content, cut=not (complete and whole and read_whole))
    except UnreadableError as exc:
        raise NoAnswerError(str(exc), taken=None if exc.page else True) from None


# ---- from text to content ---------------------------------------------------------------------


def _content(text: str, kind: str) -> tuple[Any, bool]:
    """Return what a text holds, JSON or words, and whether all of it could be read."""
    if kind == _EVENTS:  # words may begin like one: "event: concert at 5 pm"
        text = _event_data(text)
    is_json = kind.endswith("json") or "ndjson" in kind or "jsonl" in kind
    if is_json or text.startswith(("{", "[", '"')):
        values, whole = read_values(text)
        if values and (whole or isinstance(values[0], dict | list)):
            return _joined(values, whole)
        if is_json and text.startswith(("{", "[")):
            raise NoAnswerError("not valid JSON", taken=True)
    if kind == _FORM and "=" in text:
        return dict(parse_qsl(text, keep_blank_values=True)), True
    bare = words(text, markup="html" in kind)
    if bare != text and bare.startswith(("{", "[")):  # JSON in the frame that n8n puts around HTML
        return _content(bare, "text/plain")
    return bare, True


def _event_data(text: str) -> str:
    """Return the data of server-sent events, one after the other."""
    lines = (line.partition(":")[2].strip() for line in text.splitlines() if line[:5] == "data:")
    return "\n".join(line for line in lines if line and line != "[DONE]")


def _joined(values: list[Any], whole: bool) -> tuple[Any, bool]:
    if _is_stream(values):
        return _streamed(values, whole)
    return (values[0] if len(values) == 1 else values), whole


def _is_stream(values: Sequence[Any]) -> bool:
    """Whether these are the lines of n8n's streaming mode, of its AI agents."""
    lines = [one for one in values if isinstance(one, dict) and one.keys() <= _LINE_FIELDS]
    kinds = [line.get("type") for line in lines if isinstance(line.get("type"), str)]
    return len(kinds) == len(values) and ("begin" in kinds or "item" in kinds)


def _streamed(values: Sequence[Mapping[str, Any]], whole: bool) -> tuple[Any, bool]:
    """Return what a stream says: the pieces of each node together, one node after the other."""
    said: dict[tuple[object, ...], str] = {}
    for line in values:
        if line["type"] == "error":
            raise NoAnswerError("a stream that failed", taken=None)
        if line["type"] == "item":
            origin = line.get("metadata")
            node = origin if isinstance(origin, dict) else {}
            names = (node.get("nodeId"), node.get("runIndex"), node.get("itemIndex"))
            key = tuple(name if isinstance(name, str | int) else None for name in names)
            content = line.get("content")
            piece = content if isinstance(content, str) else ""
            said[key] = said.get(key, "") + piece
    ended = any(line["type"] == "end" for line in values)
    texts = list(dict.fromkeys(text.strip() for text in said.values() if text.strip()))
    contents = [_embedded(text) for text in texts]
    content = contents[0] if len(contents) == 1 else contents or None
    return content, whole and ended


def _embedded(text: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return the object or list that a text is the JSON of; else the text."""
    if text.lstrip().startswith(("{", "[")):
        try:
            return read_value(text)
        except ValueError:
            return text
    return text


# ---- from content to words and facts ----------------------------------------------------------


def _answer(content: Any, *, cut: bool) -> WorkflowAnswer:  # noqa: ANN401
    content = _unwrapped(content)
    if isinstance(content, dict):
        return _from_object(content, cut=cut)
    if isinstance(content, list):
        return _from_list(content, cut=cut)
    text = _scalar(content)
    if _STARTED.fullmatch(text):
        return WorkflowAnswer("", started=True)
    return _made(text, {}, cut=cut)


def _unwrapped(content: Any) -> Any:  # noqa: ANN401
    """Take off what only holds the answer: lists of one, n8n's items, JSON within text."""
    for _ in range(MAX_WRAPPERS):
        inner = content
        if isinstance(content, list) and len(content) == 1:
            inner = content[0]
        elif isinstance(content, dict):
            inner = _inside(content)
        elif isinstance(content, str):
            inner = _embedded(content)
        if inner is content:
            break
        content = inner
    return content


def _inside(content: Mapping[str, Any]) -> Any:  # noqa: ANN401
    if "json" in content and content.keys() <= _ITEM_FIELDS:
        return content["json"]
    if len(content) == 1:
        ((name, value),) = content.items()
        if name in _WRAPPERS and isinstance(value, dict | list):
            return value
        if name in _WRAPPERS and isinstance(value, str):
            inner = _embedded(value)
            return content if isinstance(inner, str) else inner
    return content


def _scalar(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = _clean(str(value)).strip()
    return "" if text.lower() in _NOTHING else text


def _from_object(content: Mapping[str, Any], *, cut: bool) -> WorkflowAnswer:
    named = {name.lower(): name for name in reversed(list(content))}
    name = next(
        (
            named[field]
            for field in _TEXT_FIELDS
            if field in named
            and isinstance(content[named[field]], str)
            and content[named[field]].strip()
        ),
        None,
    )
    text = words(_scalar(content[name]), markup=False) if name is not None else ""
    rest = {key: value for key, value in content.items() if key != name and value != ""}
    if _STARTED.fullmatch(text):
        return WorkflowAnswer("", _fit(rest)[0], started=True)
    if "code" in content and _NO_ITEM in text.lower():
        return WorkflowAnswer(RETURNED_NOTHING)
    if not text:
        text = next((found for field in _INNER_FIELDS if (found := _inner(content, field))), "")
        text = words(text, markup=False)
    return _made(text, rest, cut=cut)


def _inner(content: Mapping[str, Any], field: str) -> str:
    value = content.get(field)
    return _deep_text(value) if isinstance(value, dict | list) else ""


def _deep_text(value: object, depth: int = 5) -> str:
    """Return the words of an object in the shapes of language models; empty when there are none."""
    if isinstance(value, str):
        return _clean(value).strip()
    if depth and isinstance(value, list):
        texts = [_deep_text(one, depth - 1) for one in value if isinstance(one, str | dict)]
        return "\n".join(text for text in texts if text) if len(texts) == len(value) else ""
    if depth and isinstance(value, dict):
        found = (_deep_text(value.get(name), depth - 1) for name in _INNER_FIELDS)
        return next((text for text in found if text), "")
    return ""


def _from_list(content: Sequence[Any], *, cut: bool) -> WorkflowAnswer:
    items = [_unwrapped(one) for one in content]
    if not items:
        return WorkflowAnswer(EMPTY_LIST, {"items": []}, shortened=cut)
    if all(not isinstance(one, dict | list) for one in items):
        return _made("\n".join(filter(None, map(_scalar, items))), {}, cut=cut)
    texts = [_only_text(one) for one in items]
    if all(texts):
        return _made("\n".join(texts), {}, cut=cut)
    data, shortened = _fit({"items": items})
    kept = len(data.get("items", ()))
    if kept < len(items) or cut:
        text = f"The answer is a list; the first {kept} of its items are in the data."
    else:
        text = f"The answer is a list of {kept} items; they are in the data."
    return WorkflowAnswer(text, data, shortened=shortened or cut)


def _only_text(item: object) -> str:
    """Return the text of an item that says nothing else."""
    if isinstance(item, dict) and len(item) == 1:
        ((name, value),) = item.items()
        if str(name).lower() in _TEXT_FIELDS and isinstance(value, str):
            return words(_scalar(value), markup=False)
    return ""


def _made(text: str, data: Mapping[str, Any], *, cut: bool) -> WorkflowAnswer:
    facts, shortened = _fit(data)
    text = _clean(text)
    if len(text) > MAX_TEXT_CHARS:
        text, shortened = text[: MAX_TEXT_CHARS - 1] + "…", True
    return WorkflowAnswer(text, facts, shortened=shortened or cut)


# ---- bounds -----------------------------------------------------------------------------------


class _Room:
    """What is left for data, in characters of JSON."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.cut = False

    def take(self, value: object, depth: int = 0) -> Any:  # noqa: ANN401 - as it came
        """Return as much of ``value`` as there is room for."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict | list) and depth >= MAX_DEPTH:
            self.cut = True
            return "…"
        if isinstance(value, dict):
            return self._object(value, depth)
        if isinstance(value, list):
            return self._list(value, depth)
        self.left -= size(value) + 2
        return value

    def _text(self, value: str) -> str:
        text = _clean(value)
        most = max(min(MAX_TEXT_CHARS, self.left - 2), 0)
        if size(text) > most + 2:
            # Characters that JSON escapes take more room: by as much less goes in.
            text = text[: most * len(text) // size(text)].rstrip() + "…"
            self.cut = True
        self.left -= size(text) + 2
        return text

    def _object(self, value: Mapping[str, Any], depth: int) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        self.left -= 2
        for name, inner in value.items():
            key = _clean(str(name))
            if not self._room_for(size(key) + 8):
                break
            self.left -= size(key) + 2
            kept[key] = self.take(inner, depth + 1)
        return kept

    def _list(self, value: Sequence[Any], depth: int) -> list[Any]:
        kept: list[Any] = []
        self.left -= 2
        for inner in value:
            if not self._room_for(8):
                break
            kept.append(self.take(inner, depth + 1))
        return kept

    def _room_for(self, chars: int) -> bool:
        if self.left < chars:
            self.cut = True
            return False
        return True


def _fit(data: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return data within `MAX_DATA_CHARS`, and whether something was left out."""
    room = _Room(MAX_DATA_CHARS)
    kept = room.take(data, -1)
    return kept, room.cut


def _clean(text: str) -> str:
    """Leave out what JSON can say and no text is."""
    return readable(text, len(text))
