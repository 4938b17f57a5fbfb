"""Reads the fields of Plivo's webhooks: each says one thing, in the form it must have. No I/O.

What a signature covers can be cut into fields in several ways, so the form of a field is part of
what protects. What names a call or a message is refused in any other form; what only describes it
means nothing then, for Plivo has more words than it documents, and a call is not lost for one.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from fwai.domain.plain_text import readable
from fwai.errors import WireError

MAX_ID_CHARS: Final = 128
MAX_WORDS_CHARS: Final = 200
TERMINAL_STATUSES: Final = frozenset(
    {"completed", "busy", "failed", "timeout", "no-answer", "cancel", "canceled", "cancelled"}
)
_LIVE_STATUSES: Final = frozenset(
    {"queued", "initiated", "early-media", "ringing", "answered", "in-progress"}
)
_EVENTS: Final = frozenset(
    {"startapp", "hangup", "machinedetection", "redirect", "transfer", "ring", "fallback"}
    | {"startstream", "stopstream", "droppedstream", "degradedstream", "playedstream"}
    | {"clearedaudio", "started", "stopped", "failed"}
)
_NOTHING: Final = frozenset({"", "none", "null", "undefined"})

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_ID: Final = re.compile(rf"[A-Za-z0-9._:=+/-]{{1,{MAX_ID_CHARS}}}")
_NUMBER: Final = re.compile(r"\+?[0-9 ().-]{1,40}")
_SIP: Final = re.compile(r"(?:[^<>]{0,60}<)?\s*(?:sips?|tel):[^\s<>]{1,200}>?", re.IGNORECASE)
_NAME: Final = re.compile(r"[^\W\d_](?:[^\W\d]|[ .-]){0,39}")
_CODE: Final = re.compile(r"[A-Za-z0-9 _.-]{1,40}")
_FIGURE: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")

Pairs = Sequence[tuple[str, str]]


def is_nothing(value: str) -> bool:
    """Whether a value says nothing, in whatever words."""
    return value.strip().lower() in _NOTHING


def read_fields(query: Pairs, form: Pairs) -> dict[str, str]:
    """Return the fields that we use of a verified request, as the documents spell them.

    Unknown fields are left out. One that comes several times must say the same each time; an empty
    one says nothing.

    Args:
        query: Decoded; ``call`` and ``job``, which we give to Plivo, count here alone.
        form: Decoded.

    Raises:
        WireError: A field says two things, or one that names something has not its form.
    """
    found: dict[str, str] = {}
    for pairs, readers in ((query, {**_READERS, **_OURS}), (form, _READERS)):
        for key, value in pairs:
            name = _NAMES.get(key.replace("_", "").lower(), "")
            if name not in readers or is_nothing(value):
                continue
            if found.setdefault(name, value) != value:
                raise WireError(f"plivo: {name} says two things")
    return {name: _READERS_OF_ALL[name](name, value) for name, value in found.items()}


def _call_uuid(name: str, value: str) -> str:
    value = value.strip()
    if not _UUID.fullmatch(value):
        raise WireError(f"plivo: {name} is no UUID")
    return value


def _id(name: str, value: str) -> str:
    value = value.strip()
    if not _ID.fullmatch(value):
        raise WireError(f"plivo: {name} is no id")
    return value


def _party(name: str, value: str) -> str:  # noqa: ARG001 - as all readers
    """Read a number, a SIP address or a word; what is none of them tells no more than a word."""
    value = value.strip()
    shapes = (_NUMBER, _SIP, _NAME)
    return value if any(shape.fullmatch(value) for shape in shapes) else "unknown"


def _one_of(known: frozenset[str]) -> Callable[[str, str], str]:
    def read(name: str, value: str) -> str:  # noqa: ARG001
        word = value.strip().lower().replace("_", "-").replace(" ", "-")
        return value.strip() if word in known else ""

    return read


def _shaped(shape: re.Pattern[str]) -> Callable[[str, str], str]:
    def read(name: str, value: str) -> str:  # noqa: ARG001
        value = value.strip()
        return value if shape.fullmatch(value) else ""

    return read


def _words(name: str, value: str) -> str:  # noqa: ARG001
    """Read what is shown and looked up, and decides nothing by itself."""
    return readable(value, MAX_WORDS_CHARS).replace("\n", " ")


_READERS: Final[Mapping[str, Callable[[str, str], str]]] = {
    "CallUUID": _call_uuid,
    "From": _party,
    "To": _party,
    "Direction": _one_of(frozenset({"inbound", "outbound"})),
    "CallStatus": _one_of(TERMINAL_STATUSES | _LIVE_STATUSES),
    "Event": _one_of(_EVENTS),
    "Machine": _one_of(frozenset({"true", "false"})),
    "HangupCause": _words,
    "HangupCauseName": _words,
    "HangupCauseCode": _shaped(_FIGURE),
    "AnswerTime": _words,
    "Duration": _shaped(_FIGURE),
    "MessageUUID": _id,
    "Status": _shaped(_CODE),
    "ErrorCode": _shaped(_CODE),
}
_OURS: Final[Mapping[str, Callable[[str, str], str]]] = {"call": _id, "job": _id}
_READERS_OF_ALL: Final = {**_READERS, **_OURS}
_NAMES: Final = {name.lower(): name for name in _READERS_OF_ALL}
