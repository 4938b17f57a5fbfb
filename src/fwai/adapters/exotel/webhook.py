"""Parses and authenticates Exotel's requests. No I/O.

Nothing that Exotel sends is signed; what protects is a secret in the path, Basic credentials on the
handshake, single-use tokens and the account in ``start``.

Method and content type differ from page to page (Passthru: GET here, POST with JSON there; status
callbacks: multipart by default, form or JSON), so whatever comes is read, and a key counts whatever
its case and underscores.

Source: Exotel's articles on Voicebot, Passthru and Connect applets and developer.exotel.com's pages
on status callbacks, read 2026-11-22.
"""

import codecs
import hmac
import json
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from typing import Any, Final
from urllib.parse import parse_qsl, quote

from fwai.adapters.exotel.codec import SAMPLE_RATES
from fwai.domain import phone
from fwai.domain.call import CallState, Direction
from fwai.domain.delivery import standing
from fwai.domain.plain_text import readable
from fwai.errors import WireError

MAX_DEPTH: Final = 4
MAX_ID_CHARS: Final = 128
MAX_VALUE_CHARS: Final = 4_000
_STATES: Final[Mapping[str, CallState]] = {
    "completed": CallState.COMPLETED,
    "failed": CallState.FAILED,
    "busy": CallState.BUSY,
    "no-answer": CallState.NO_ANSWER,
    "canceled": CallState.CANCELED,
    "cancelled": CallState.CANCELED,
}
_ENDED_BY_PEOPLE: Final = frozenset({"caller", "user", "bot"})
_CHARSET: Final = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
_CHARSETS: Final = frozenset(
    {"utf-8", "utf8", "us-ascii", "iso-8859-1", "latin-1", "windows-1252", "utf-16"}
)
_WORDS: Final = frozenset(
    {"callsid", "smssid", "accountsid", "direction", "status", "callstatus", "eventtype", "mode"}
    | {"detailedstatus", "detailedstatuscode", "job", "call"}
)

_IDS: Final = ("callsid", "smssid")
_ID: Final = re.compile(rf"[A-Za-z0-9._:=+/-]{{1,{MAX_ID_CHARS}}}")
_OURS: Final = frozenset({"job", "call", "mode"})
_USED: Final = _WORDS | {"callfrom", "callto", "from", "to", "customfield", "errorcode"}

Fields = Mapping[str, str]
"""A request's values; keys in lower case without underscores: ``callsid``, ``stream[status]``."""


# ---- authentication -----------------------------------------------------------------------------


def secrets_equal(given: str, expected: str) -> bool:
    """Compare secrets in constant time; an empty one never matches."""
    fits = hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())
    return fits and bool(expected)


def basic_auth_matches(header: str | None, user: str, password: str) -> bool:
    """Whether an ``Authorization`` header carries these Basic credentials."""
    scheme, _, encoded = (header or "").partition(" ")
    try:
        given = b64decode(encoded.strip(), validate=True)
    except ValueError:
        return False
    expected = f"{user}:{password}".encode()
    return scheme.lower() == "basic" and hmac.compare_digest(given, expected)


def stream_url(
    public_url: str,
    secret: str,
    *,
    sample_rate: int,
    token: str = "",
    basic: tuple[str, str] | None,
) -> str:
    """Build the URL of the media stream; it may hold secrets, so never log it.

    Args:
        public_url: This server as Exotel sees it, without a slash at the end.
        secret: The path's secret.
        sample_rate: What to ask for, in Hz.
        token: Admits one call; empty for the address of an applet.
        basic: User and password that Exotel shall send on the handshake.
    """
    scheme, _, place = public_url.partition("://")
    scheme = "ws" if scheme == "http" else "wss"
    login = f"{quote(basic[0], safe='')}:{quote(basic[1], safe='')}@" if basic else ""
    path = f"/exotel/{quote(secret, safe='')}/stream" + (f"/{token}" if token else "")
    return f"{scheme}://{login}{place}{path}?sample-rate={sample_rate}"


def requested_rate(query: Mapping[str, str]) -> int:
    """Return the sample rate in a stream's URL, in Hz; 0 when missing or unsupported."""
    text = query.get("sample-rate") or query.get("sample_rate") or ""
    return int(text) if text in {str(rate) for rate in SAMPLE_RATES} else 0


# ---- fields -------------------------------------------------------------------------------------


def parse_fields(query: Sequence[tuple[str, str]], content_type: str, body: bytes) -> Fields:
    """Parse a request's fields; the query overrides the body, as Exotel's documents have it.

    A field that we use says one thing, however often it comes; an empty one says nothing. Ids and
    words lose the blanks around them; numbers stay as they came. What is no text is left out.

    Args:
        query: Decoded; what we give to Exotel ourselves (`_OURS`) counts here alone.
        content_type: Of the body; when it says nothing useful the body itself decides.
        body: As it came.

    Raises:
        WireError: A field says two things, or an id has not its form.
    """
    said = {
        name: value
        for name, value in _fields_of(_body_pairs(content_type, body)).items()
        if name not in _OURS
    }
    asked = _fields_of(query)
    fields = said | {name: value for name, value in asked.items() if value or name not in said}
    for name in _IDS:
        if fields.get(name) and not _ID.fullmatch(fields[name]):
            raise WireError(f"exotel: {name} is no id")
    return fields


def _fields_of(pairs: Sequence[tuple[str, Any]]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for key, value in pairs:
        for name, text in _flatten(_normalize_key(key), value):
            plain = readable(text, MAX_VALUE_CHARS)
            word = plain.strip() if name in _WORDS or "[" in name else plain
            if word and fields.get(name) and fields[name] != word and name in _USED:
                raise WireError(f"exotel: {name} says two things")
            if word or name not in fields:
                fields[name] = word
    return fields


def _body_pairs(content_type: str, body: bytes) -> list[tuple[str, Any]]:
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data" or body.lstrip().startswith(b"--"):
        return list(_multipart(content_type, body))
    text = _decoded(content_type, body)
    if kind.endswith("json") or text.startswith(("{", "[")):
        parsed = _json(text)
        if isinstance(parsed, list) and len(parsed) == 1:
            parsed = parsed[0]
        if isinstance(parsed, _Object):
            return parsed.pairs
        if text.startswith(("{", "[")):
            return []
    # A form, whatever its type says.
    return list(parse_qsl(text, keep_blank_values=True))


def _decoded(content_type: str, body: bytes) -> str:
    """Decode text by its byte order mark or its charset; UTF-8 when neither says."""
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return body.decode("utf-16", "replace").strip()
    charset = _CHARSET.search(content_type)
    name = charset[1].lower() if charset else "utf-8"
    if name not in _CHARSETS:
        name = "utf-8"
    return body.decode(name, "replace").lstrip("\ufeff").strip()


def _multipart(content_type: str, body: bytes) -> Iterator[tuple[str, str]]:
    if "boundary" not in content_type.lower():  # it stands in the body as well
        first = body.lstrip().partition(b"\n")[0].strip()[2:72].decode("ascii", "replace")
        content_type = f'multipart/form-data; boundary="{first}"'
    head = f"Content-Type: {content_type}\r\n\r\n".encode("utf-8", "replace")
    body = body.lstrip()
    for part in message_from_bytes(head + body).walk():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            yield name, content.decode("utf-8", "replace")


class _Object(dict[str, Any]):
    """An object of JSON that still knows what it said twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


def _json(text: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_Object)
    except (ValueError, RecursionError):
        return None


def _flatten(key: str, value: object, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Flatten objects and lists as forms do: ``stream[status]``, ``legs[0][status]``."""
    if isinstance(value, str) and key in ("stream", "legs"):
        value = _json(value) or value
    if depth < MAX_DEPTH and isinstance(value, dict):
        for name, inner in value.items():
            yield from _flatten(f"{key}[{_normalize_key(str(name))}]", inner, depth + 1)
    elif depth < MAX_DEPTH and isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _flatten(f"{key}[{index}]", inner, depth + 1)
    elif isinstance(value, str | int | float):
        yield key, str(value)


def _normalize_key(key: str) -> str:
    return key.replace("_", "").lower()


# ---- calls --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Parties:
    """The numbers and direction of a call.

    Attributes:
        caller: The remote party, E.164; empty when withheld or not readable.
        line: Our number, E.164.
        direction: Who dialled.
    """

    caller: str
    line: str
    direction: Direction


def identify_parties(
    from_number: str, to_number: str, own_line: str, direction: str = ""
) -> Parties:
    """Identify the caller's and our number, and the direction.

    On a call out it is not certain which of the two numbers is the customer's, so the one that is
    not ours counts; only when neither is known to be ours does the direction decide.

    Args:
        from_number: As Exotel writes it.
        to_number: As Exotel writes it.
        own_line: The ExoPhone we know of.
        direction: Exotel's word, such as ``incoming`` or ``outbound-api``; empty when not said.
    """
    ours_calls = _same_number(from_number, own_line)
    ours_is_called = _same_number(to_number, own_line)
    if direction:
        outbound = direction.lower().startswith("out")
    else:
        outbound = ours_calls and not ours_is_called
    we_are_from = ours_calls if ours_calls != ours_is_called else outbound
    ours, theirs = (from_number, to_number) if we_are_from else (to_number, from_number)
    return Parties(e164(theirs), e164(ours), Direction.OUTBOUND if outbound else Direction.INBOUND)


def is_inbound(fields: Fields) -> bool:
    """Whether Exotel says that a call came in; False when it does not say."""
    return fields.get("direction", "").lower().startswith("in")


def e164(number: str) -> str:
    """Convert a number as Exotel writes it to E.164; empty when invalid.

    Exotel writes Indian numbers as dialled at home, ``09812345678``, without the zero, with a plus
    before it, or with the country code after it: ``091...``.
    """
    return phone.caller_number(number, phone.INDIA, national_first=True)


def _same_number(one: str, other: str) -> bool:
    first, second = e164(one), e164(other)
    return bool(first) and first == second


def final_state(fields: Fields) -> CallState | None:
    """Map a status callback to a call's final state; None while it is in progress."""
    if (fields.get("eventtype") or "terminal").lower() != "terminal":
        return None
    word = (fields.get("status") or fields.get("callstatus", "")).lower()
    return _STATES.get(word.replace("_", "-").replace(" ", "-"))


def is_ringing(fields: Fields) -> bool:
    """Whether a status callback reports ringing."""
    return fields.get("eventtype", "").lower() == "ringing"


@dataclass(frozen=True, slots=True)
class MessageReport:
    """A delivery report of a message.

    Attributes:
        status: Exotel's word; the detailed one where it gives one.
        error: Its number, or the status again, of a message that failed; else empty.
    """

    message_id: str
    status: str
    error: str
    reference: str


def parse_message_report(fields: Fields) -> MessageReport | None:
    """Parse a delivery callback; None when it has no message id or no status."""
    message_id = fields.get("smssid", "")[:MAX_ID_CHARS]
    status = fields.get("status", "")[:40]
    detail = fields.get("detailedstatus", "")[:60]
    if not message_id or not (status or detail):
        return None
    failed = status.lower().startswith("fail")
    error = (fields.get("detailedstatuscode") or detail or status)[:40] if failed else ""
    reference = (fields.get("job") or fields.get("customfield", ""))[:MAX_ID_CHARS]
    # Of a failure the detail may name the stage at which it failed, which alone is none.
    told = status if failed and standing(detail) != standing(status) else detail or status
    return MessageReport(message_id, told, error, reference)


def stream_failed(fields: Fields) -> bool:
    """Whether Passthru reports that the stream failed rather than ended."""
    if fields.get("stream[error]", "").lower() not in ("", "none", "null", "0", "false"):
        return True  # where Status and Error differ, Error is right
    ended_by = fields.get("stream[disconnectedby]", "").lower()
    return fields.get("stream[status]", "").lower() == "failed" and ended_by not in _ENDED_BY_PEOPLE
