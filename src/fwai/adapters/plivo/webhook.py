"""Plivo's webhooks: signature checks, call states and XML answers. No I/O.

Source: Plivo's signature, XML request and hang-up cause pages, and the algorithm its SDK 4.63.0
executes, read 2026-11-22. Where prose and SDK differ (a POST without a query), both forms count.
"""

import hmac
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Final
from urllib.parse import parse_qsl, urlparse
from xml.sax.saxutils import escape, quoteattr

from fwai.adapters.plivo.fields import TERMINAL_STATUSES, Pairs, is_nothing
from fwai.domain.call import CallState
from fwai.errors import SignatureError

EMPTY_XML: Final = "<Response></Response>"
BUSY_XML: Final = '<Response><Hangup reason="busy"/></Response>'

_STATES: Final[Mapping[str, CallState]] = {
    "1000": CallState.CANCELED,
    "3000": CallState.NO_ANSWER,
    "3010": CallState.BUSY,
    "3020": CallState.REJECTED,
    "6000": CallState.NO_ANSWER,
    "9100": CallState.COMPLETED,  # a machine took it
}
"""What calls came out as that were not answered, by ``HangupCauseCode``."""
_BY_NAME: Final[Mapping[str, str]] = {
    "cancelled": "1000",
    "no answer": "3000",
    "busy line": "3010",
    "rejected": "3020",
    "ring timeout reached": "6000",
    "machine detected": "9100",
}
_BY_CAUSE: Final[Mapping[str, CallState]] = {
    "USER_BUSY": CallState.BUSY,
    "NO_ANSWER": CallState.NO_ANSWER,
    "NO_USER_RESPONSE": CallState.NO_ANSWER,
    "ORIGINATOR_CANCEL": CallState.CANCELED,
    "CALL_REJECTED": CallState.REJECTED,
    "REJECTED": CallState.REJECTED,
}
_BY_STATUS: Final[Mapping[str, CallState]] = {
    "busy": CallState.BUSY,
    "timeout": CallState.NO_ANSWER,
    "no-answer": CallState.NO_ANSWER,
    "cancel": CallState.CANCELED,
    "canceled": CallState.CANCELED,
    "cancelled": CallState.CANCELED,
    "failed": CallState.FAILED,
    "completed": CallState.COMPLETED,
}


def verify_v3(
    method: str,
    url: str,
    form: Pairs,
    *,
    nonce: str | None,
    signatures: Iterable[str | None],
    tokens: Sequence[str],
) -> None:
    """Verify the signature of a voice webhook.

    Args:
        method: ``GET`` or ``POST``.
        url: What Plivo dialled: scheme, host and port as we gave them to it, path and query.
        form: Decoded form fields, in any order, repeated keys repeated.
        nonce: Value of X-Plivo-Signature-V3-Nonce.
        signatures: Values of X-Plivo-Signature-V3 and -Ma-V3; each may hold several by commas.
        tokens: Auth tokens that may have signed; several while one is rotated.

    Raises:
        SignatureError: No signature matches under any token.
    """
    offered = [
        one.strip() for value in signatures if value for one in value.split(",") if one.strip()
    ]
    if not nonce or not offered:
        raise SignatureError("plivo: signature or nonce missing")
    inputs = _signing_inputs(method, url, form)
    for token in tokens:
        for base in inputs:
            expected = _sign(f"{base}.{nonce}", token)
            if any(hmac.compare_digest(expected.encode(), one.encode()) for one in offered):
                return
    raise SignatureError("plivo: signature does not match")


def verify_v2(
    url: str, *, nonce: str | None, signatures: Iterable[str | None], tokens: Sequence[str]
) -> None:
    """Verify the signature of a messaging webhook; arguments and errors as for `verify_v3`."""
    offered = [
        one.strip() for value in signatures if value for one in value.split(",") if one.strip()
    ]
    if not nonce or not offered:
        raise SignatureError("plivo: signature or nonce missing")
    base = _strip_url(url)
    for token in tokens:
        expected = _sign(base + nonce, token)
        if any(hmac.compare_digest(expected.encode(), one.encode()) for one in offered):
            return
    raise SignatureError("plivo: signature does not match")


def _sign(message: str, token: str) -> str:
    return b64encode(hmac.new(token.encode(), message.encode(), sha256).digest()).decode()


def _strip_url(url: str) -> str:
    parts = urlparse(url)  # takes ;parameters and #fragment, which are not signed, off the path
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def _signing_inputs(method: str, url: str, form: Pairs) -> list[str]:
    """Return every string that Plivo may have signed for this request."""
    stripped = _strip_url(url)
    query = sorted(parse_qsl(urlparse(url).query, keep_blank_values=True))
    query_text = "&".join(f"{key}={value}" for key, value in query)
    form_text = "".join(f"{key}{value}" for key, value in sorted(form))
    with_query = f"{stripped}?{query_text}" if query else stripped
    if method == "GET" or not form:
        return [with_query] if query else [stripped, f"{stripped}."]
    if query:
        return [f"{with_query}.{form_text}"]
    return [f"{stripped}?{form_text}", f"{stripped}.{form_text}"]


def stream_xml(stream_url: str, *, content_type: str, status_url: str) -> str:
    """Build the XML that opens a two-way audio stream.

    Args:
        stream_url: ``wss://`` URL, token included, at most 2048 characters.
        content_type: Such as ``audio/x-mulaw;rate=8000``; decides the format of both directions.
        status_url: Where Plivo reports how the stream fares.
    """
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<Response><Stream bidirectional="true" keepCallAlive="true" '
        f"contentType={quoteattr(content_type)} "
        f'statusCallbackUrl={quoteattr(status_url)} statusCallbackMethod="POST">'
        f"{escape(stream_url)}</Stream></Response>"
    )


def transfer_xml(number: str, caller_id: str) -> str:
    """Build the XML that transfers the caller; the call ends with the transfer.

    Args:
        number: Whom to dial, E.164.
        caller_id: What they see, E.164: must be ours.
    """
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f"<Response><Dial callerId={quoteattr(caller_id.lstrip('+'))}>"
        f"<Number>{escape(number.lstrip('+'))}</Number></Dial></Response>"
    )


def is_call_ended(fields: Mapping[str, str]) -> bool:
    """Whether a request to the answer URL reports a call that has ended.

    Without a hang-up URL of its own Plivo posts the hang-up here; answering it with a stream would
    open a second, dead socket.
    """
    return _word(fields, "CallStatus") in TERMINAL_STATUSES or _word(fields, "Event") == "hangup"


def final_state(fields: Mapping[str, str]) -> CallState:
    """Map a hang-up webhook to a call's final state; every field may be missing.

    Plivo's own number is exact, the carrier's word less so; ``CallStatus`` calls a call that was
    rejected busy.
    """
    if _answered(fields):
        return CallState.COMPLETED
    code = _word(fields, "HangupCauseCode").removesuffix(".0")
    code = code or _BY_NAME.get(_word(fields, "HangupCauseName"), "")
    by_cause = _BY_CAUSE.get(_word(fields, "HangupCause").upper())
    by_status = _BY_STATUS.get(_word(fields, "CallStatus").replace("_", "-").replace(" ", "-"))
    return _STATES.get(code) or by_cause or by_status or CallState.FAILED


def _answered(fields: Mapping[str, str]) -> bool:
    try:
        lasted = float(_word(fields, "Duration") or 0) > 0
    except ValueError:
        lasted = False
    return bool(_word(fields, "AnswerTime")) and lasted


def _word(fields: Mapping[str, str], name: str) -> str:
    """Return a field in lower case without blanks around; empty for what means nothing."""
    word = fields.get(name, "").strip().lower()
    return "" if is_nothing(word) else word
