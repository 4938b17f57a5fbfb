"""Validates SDP from Meta, and prepares ours to Meta's rules. No I/O.

SDP posted to Meta must have one audio section, one SHA-256 fingerprint, CRLF line ends, and must
neither be ICE-lite nor passive: Meta is ICE-lite itself and refuses or drops the rest with errors
that do not say why. So our own SDP is checked before it is posted.

Source: Meta's user- and business-initiated call pages and FAQ, 2026-06; read 2026-11-22.
"""

from typing import Final

from fwai.errors import WireError

MAX_CHARS: Final = 32_000
_FINGERPRINT: Final = "a=fingerprint:"
_SHA256_FINGERPRINT: Final = "a=fingerprint:sha-256 "


def check_remote_sdp(text: str) -> None:
    """Validate an offer or answer of Meta before a leg is created for it.

    Raises:
        WireError: It cannot lead to a call.
    """
    if not text.strip():
        raise WireError("whatsapp: the call came without a session description")
    if len(text) > MAX_CHARS:
        raise WireError("whatsapp: the session description is too long")
    lines = _lines(text)
    if not any(line.startswith("m=audio ") for line in lines):
        raise WireError("whatsapp: the session description has no audio")
    if any(line.startswith("a=crypto:") for line in lines) and not _any_starts_with(
        lines, _FINGERPRINT
    ):
        raise WireError(
            "whatsapp: the number uses SDES keys; set srtp_key_exchange_protocol to DTLS"
        )
    if not _any_starts_with(lines, _FINGERPRINT):
        raise WireError("whatsapp: the session description has no DTLS fingerprint")


def prepare_local_sdp(text: str, *, answer: bool) -> str:
    """Prepare our SDP for Meta: the same text for pre_accept and accept.

    Args:
        text: As the peer wrote it.
        answer: It answers Meta's offer.

    Raises:
        WireError: It lacks something, or has something, that Meta refuses.
    """
    lines = [
        line
        for line in _lines(text)
        if not line.lower().startswith(_FINGERPRINT) or line.lower().startswith(_SHA256_FINGERPRINT)
    ]
    problems = [
        problem
        for problem, found in (
            ("not exactly one audio section", sum(line.startswith("m=") for line in lines) != 1),
            ("no SHA-256 fingerprint", not _any_starts_with(lines, _SHA256_FINGERPRINT)),
            ("it is ICE-lite", "a=ice-lite" in lines),
            ("it does not send", any(f"a={way}" in lines for way in ("recvonly", "inactive"))),
            ("its set-up role", f"a=setup:{'active' if answer else 'actpass'}" not in lines),
            ("RTCP is not multiplexed", "a=rtcp-mux" not in lines),
        )
        if found
    ]
    if problems:
        raise WireError(f"whatsapp: our session description is unfit: {', '.join(problems)}")
    return "\r\n".join(lines) + "\r\n"


def _lines(text: str) -> list[str]:
    return [line for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n") if line]


def _any_starts_with(lines: list[str], prefix: str) -> bool:
    return any(line.lower().startswith(prefix) for line in lines)
