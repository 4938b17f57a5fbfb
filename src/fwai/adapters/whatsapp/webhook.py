"""Verifies Meta's webhooks and parses payloads to events. No I/O.

Parsing is lenient: missing fields become empty, and unknown items are listed in `Payload.ignored`
without affecting the rest of the payload.

Source: Meta's Calling API and webhook reference (2026-06), user- and business-initiated calls, call
permissions, call settings, webhooks; read 2026-11-22.
"""

import hmac
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from fwai.adapters.whatsapp.events import (
    AccountChanged,
    CallConnect,
    CallProgress,
    CallTerminated,
    ErrorsReported,
    Event,
    MessageReceived,
    MessageStatus,
    Party,
    PermissionReply,
    Problem,
    SettingsChanged,
    TemplateChanged,
)
from fwai.domain.call import Direction
from fwai.domain.phone import caller_number
from fwai.domain.plain_text import fault, readable
from fwai.errors import SignatureError, WireError

MAX_BODY_BYTES: Final = 3 * 1024 * 1024  # Meta's own limit
MAX_EVENTS: Final = 1_000
MAX_ID_CHARS: Final = 255
MAX_TEXT_CHARS: Final = 64 * 1024  # an SDP is the longest
_MAX_NUMBER: Final = 10**40
VOICEMAIL: Final = "voicemail"

_ALGORITHM: Final = "sha256"
_DIRECTIONS: Final = {
    "USER_INITIATED": Direction.INBOUND,
    "BUSINESS_INITIATED": Direction.OUTBOUND,
}

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Payload:
    """The parsed payload of one POST.

    Attributes:
        events: In the order they came.
        ignored: Kinds of items that are unused or unreadable.
    """

    events: tuple[Event, ...]
    ignored: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Ignored:
    kind: str


def challenge(mode: str, token: str, text: str, verify_token: str) -> str:
    """Check a verification request and return the challenge to answer with.

    Raises:
        SignatureError: The token is wrong, or something is missing.
    """
    if mode != "subscribe" or not text or not verify_token:
        raise SignatureError("whatsapp: not a verification request")
    if not hmac.compare_digest(token.encode(errors="replace"), verify_token.encode()):
        raise SignatureError("whatsapp: wrong verify token")
    return text


def verify(body: bytes, signature: str | None, secrets: Sequence[str]) -> None:
    """Verify the signature of a POST.

    Args:
        body: Exactly as it came.
        signature: Value of X-Hub-Signature-256.
        secrets: App secrets that may have signed; several while one is rotated.

    Raises:
        SignatureError: It is missing or does not match.
    """
    kind, _, digest = (signature or "").strip().partition("=")
    if kind.strip().lower() != _ALGORITHM:
        raise SignatureError("whatsapp: signature missing")
    offered = digest.strip().lower().encode("utf-8", "replace")
    for secret in filter(None, secrets):
        expected = hmac.new(secret.encode(), body, sha256).hexdigest().encode()
        if hmac.compare_digest(expected, offered):
            return
    raise SignatureError("whatsapp: signature does not match")


def read(body: bytes, phone_number_id: str = "") -> Payload:
    """Parse a verified payload.

    Args:
        body: UTF-8 JSON.
        phone_number_id: Items of other numbers are ignored; empty accepts all.

    Raises:
        WireError: It is no JSON object at all.
    """
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise WireError(f"whatsapp: unreadable payload ({type(exc).__name__})") from None
    if not isinstance(payload, dict):
        raise WireError("whatsapp: the payload is no object")
    events: list[Event] = []
    ignored: list[str] = []
    if _text(payload, "object").strip().lower() != "whatsapp_business_account":
        return Payload((), ("object",))
    for found in _changes(payload, phone_number_id):
        if isinstance(found, _Ignored):
            ignored.append(found.kind)
        elif len(events) < MAX_EVENTS:
            events.append(found)
        else:
            ignored.append("too_many")
    return Payload(tuple(events), tuple(dict.fromkeys(ignored)))


def _changes(payload: Json, phone_number_id: str) -> Iterator[Event | _Ignored]:
    for entry in _objects(payload, "entry"):
        for change in _objects(entry, "changes"):
            name, value = _text(change, "field").strip().lower(), _object(change, "value")
            match name:
                case "calls" | "messages":
                    their_number_id = _text(_object(value, "metadata"), "phone_number_id")
                    if phone_number_id and their_number_id not in ("", phone_number_id):
                        yield _Ignored("other_number")
                    else:
                        yield from _value_events(name, value)
                case "account_settings_update":
                    yield _settings_event(value)
                case "account_update":
                    restrictions = _objects(value, "restriction_info")
                    names = tuple(_upper_text(one, "restriction_type") for one in restrictions)
                    yield AccountChanged(_upper_text(value, "event"), names)
                case "message_template_status_update":
                    yield TemplateChanged(
                        name=_text(value, "message_template_name")[:120],
                        language=_text(value, "message_template_language")[:20],
                        event=_upper_text(value, "event"),
                    )
                case _:
                    yield _Ignored(f"field:{name[:40]}")


def _value_events(name: str, value: Json) -> Iterator[Event | _Ignored]:
    problems = _problems(value)
    reported = False
    for call in _objects(value, "calls"):
        event = _call_event(call, value, problems)
        reported = reported or isinstance(event, CallTerminated)
        yield event
    for status in _objects(value, "statuses"):
        yield _status_event(name, status, value)
    for message in _objects(value, "messages"):
        yield _message_event(message, value)
    if problems and not reported:
        yield ErrorsReported(problems)


def _call_event(call: Json, value: Json, shared: tuple[Problem, ...]) -> Event | _Ignored:
    call_id, event = _id(call), _text(call, "event").strip().lower()
    if not call_id:
        return _Ignored("call_without_id")
    session = _object(call, "session")
    direction = _DIRECTIONS.get(_upper_text(call, "direction"))
    if event == "connect":
        answers = _text(session, "sdp_type").strip().lower() == "answer"
        direction = direction or (Direction.OUTBOUND if answers else Direction.INBOUND)
        outbound = direction is Direction.OUTBOUND
        our_number = caller_number(_text(call, "from" if outbound else "to"))
        display_number = caller_number(_text(_object(value, "metadata"), "display_phone_number"))
        return CallConnect(
            call_id=call_id,
            direction=direction,
            user=_party(call, value, "to" if outbound else "from"),
            line=our_number or display_number,
            at=_number(call.get("timestamp")),
            sdp=_text(session, "sdp"),
            reference=_text(call, "biz_opaque_callback_data")[:512],
        )
    if event == "terminate":
        return CallTerminated(
            call_id=call_id,
            direction=direction,
            user=_party(call, value, "to" if direction is Direction.OUTBOUND else "from"),
            status=_upper_text(call, "status") or "UNKNOWN",
            duration_s=_number(call.get("duration")),
            at=_number(call.get("timestamp")),
            problems=_problems(call) or shared,
            reference=_text(call, "biz_opaque_callback_data")[:512],
        )
    return _Ignored(f"call:{event[:40]}")


def _status_event(name: str, status: Json, value: Json) -> Event | _Ignored:
    about, word = _id(status), _upper_text(status, "status")
    if not about or not word:
        return _Ignored("status_without_id")
    user, at = _party(status, value, "recipient"), _number(status.get("timestamp"))
    reference = _text(status, "biz_opaque_callback_data")[:512]
    if _text(status, "type").strip().lower() == "call" or name == "calls":
        return CallProgress(about, word, user, at, reference)
    return MessageStatus(about, word.lower(), user, at, _problems(status), reference)


def _message_event(message: Json, value: Json) -> Event | _Ignored:
    message_id, kind = _id(message), _text(message, "type").strip().lower()
    if not message_id:
        return _Ignored("message_without_id")
    user, at = _party(message, value, "from"), _number(message.get("timestamp"))
    reply = _object(_object(message, "interactive"), "call_permission_reply")
    if kind == "interactive" and reply:
        accepted = _text(reply, "response").strip().lower() == "accept"
        permanent = accepted and reply.get("is_permanent") in (True, "true", "True")
        return PermissionReply(
            id=message_id,
            user=user,
            accepted=accepted,
            permanent=permanent,
            automatic=_text(reply, "response_source").lower() == "automatic",
            expires_at=None if permanent else _number(reply.get("expiration_timestamp")),
            at=at,
        )
    if kind == "audio" and message_id.startswith("wacid."):
        kind = VOICEMAIL
    return MessageReceived(message_id, user, kind[:40] or "unknown", at)


def _settings_event(value: Json) -> SettingsChanged:
    settings = _object(value, "phone_number_settings")
    calling = _object(settings, "calling")
    return SettingsChanged(
        phone_number_id=_text(settings, "phone_number_id")[:MAX_ID_CHARS],
        calling=_upper_text(calling, "status"),
        sip=_upper_text(_object(calling, "sip"), "status"),
        callback_permission=_upper_text(calling, "callback_permission_status"),
    )


def _party(item: Json, value: Json, role: str) -> Party:
    """Parse the user of an item; what it does not say is taken from the contact that is its own.

    A contact is joined by what both name: a number brings its user id, a user id its number. An
    item that names neither is the only contact's, when both are alone in their payload. A user id
    at another's number would let one user answer for another, so nothing is guessed.
    """
    number_key, id_key = (
        ("recipient_id", "recipient_user_id") if role == "recipient" else (role, f"{role}_user_id")
    )
    written, user_id = _text(item, number_key).strip(), _user_id(item, id_key)
    number = caller_number(written)
    people = [
        Party(caller_number(_text(one, "wa_id")), _user_id(one, "user_id"))
        for one in _objects(value, "contacts")
    ]
    if number and not user_id:
        return Party(number, _only({one.user_id for one in people if one.number == number}))
    if user_id and not written:
        return Party(_only({one.number for one in people if one.user_id == user_id}), user_id)
    if not written and not user_id and len(people) == 1 and _is_alone(value):
        return people[0]
    return Party(number, user_id)


def _only(found: set[str]) -> str:
    """Return the one thing that was found; empty when there are none or several."""
    found.discard("")
    return found.pop() if len(found) == 1 else ""


def _is_alone(value: Json) -> bool:
    items = [*_objects(value, "calls"), *_objects(value, "statuses"), *_objects(value, "messages")]
    return len(items) == 1


def _user_id(item: Json, key: str) -> str:
    return _text(item, key).strip()[:MAX_ID_CHARS]


def _problems(item: Json) -> tuple[Problem, ...]:
    return tuple(read_problem(one) for one in _objects(item, "errors"))


def read_problem(error: Json) -> Problem:
    """Parse an error of a webhook or a response; ``error_data`` is an object or a text."""
    code, data = error.get("code"), error.get("error_data")
    details = _text(data, "details") if isinstance(data, dict) else data
    return Problem(
        code=int(_number(code) or 0),
        title=(_text(error, "title") or _text(error, "message"))[:200],
        details=readable(details, 200) if isinstance(details, str) else "",
    )


# ---- lenient field access ------------------------------------------------------------------------


def _object(item: Json, key: str) -> Json:
    value = item.get(key)
    return value if isinstance(value, dict) else {}


def _objects(item: Json, key: str) -> Iterable[Json]:
    value = item.get(key)
    if isinstance(value, dict):
        return (value,)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else ()


def _text(item: Json, key: str) -> str:
    """Return text, without what is none; a whole number is text that somebody typed otherwise."""
    value = item.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        # Python writes no number out that has more digits than its limit.
        return str(value) if abs(value) < _MAX_NUMBER else ""
    return readable(value, MAX_TEXT_CHARS) if isinstance(value, str) else ""


def _upper_text(item: Json, key: str) -> str:
    """Return a status in upper case; Meta sometimes sends a list of one."""
    value = item.get(key)
    if isinstance(value, list):
        value = value[0] if value else ""
    return readable(value, 60).strip().upper()[:60] if isinstance(value, str) else ""


def _id(item: Json) -> str:
    """Return an id as it came; empty when it is none: two that were mended could be the same."""
    value = item.get("id")
    if not isinstance(value, str):
        value = _text(item, "id")
    return value if len(value) <= MAX_ID_CHARS and not fault(value) and value.strip() else ""


def _number(value: object) -> float | None:
    """Parse a number that Meta sends as text or as a number."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
