"""Writes Meta's session descriptions and checks the server's. PURE.

Source: Meta's SDP samples and call pages, 2026-06; RFC 8445 (lite).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

SOUND: Final = 111
EVENTS: Final = 126
_FORMAT: Final = (
    "maxaveragebitrate=20000;maxplaybackrate=16000;minptime=20;"
    "sprop-maxcapturerate=16000;useinbandfec=1"
)
_NAMED: Final = re.compile(r"^a=(ice-ufrag|ice-pwd|fingerprint|setup):(.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Credentials:
    """ICE, DTLS and RTP identifiers of Meta's side.

    Attributes:
        ufrag: User fragment of its connectivity checks.
        password: Signs them.
        fingerprint: SHA-256 of its certificate.
        ssrc: Marks its sound.
        session: Number of the description.
    """

    ufrag: str
    password: str
    fingerprint: str
    ssrc: int
    session: int


def describe(own: Credentials, port: int, *, answer: bool) -> str:
    """Return Meta's offer, or its answer to one."""
    mid = "0" if answer else "audio"
    lines = [
        *("v=0", f"o=- {own.session} 2 IN IP4 127.0.0.1", "s=-", "t=0 0"),
        *(f"a=group:BUNDLE {mid}", "a=msid-semantic: WMS", "a=ice-lite"),
        f"m=audio {port} UDP/TLS/RTP/SAVPF {SOUND} {EVENTS}",
        *("c=IN IP4 127.0.0.1", "a=rtcp:9 IN IP4 0.0.0.0"),
        f"a=candidate:1 1 udp 2113937151 127.0.0.1 {port} typ host generation 0",
        f"a=ice-ufrag:{own.ufrag}",
        f"a=ice-pwd:{own.password}",
        f"a=fingerprint:sha-256 {own.fingerprint}",
        f"a=setup:{'active' if answer else 'actpass'}",
        *(f"a=mid:{mid}", "a=sendrecv", "a=rtcp-mux"),
        f"a=rtpmap:{SOUND} opus/48000/2",
        f"a=rtcp-fb:{SOUND} transport-cc",
        f"a=fmtp:{SOUND} {_FORMAT}",
        f"a=rtpmap:{EVENTS} telephone-event/8000",
        *("a=maxptime:20", "a=ptime:20", f"a=ssrc:{own.ssrc} cname:WhatsAppAudioStream1"),
    ]
    return "\r\n".join(lines) + "\r\n"


def read(description: str) -> tuple[Mapping[str, str], str]:
    """Return what is needed of the server's description by name, and what is wrong with it."""
    if not description.endswith("\r\n") or "\n" in description.replace("\r\n", ""):
        return {}, "lines must end in CRLF"
    lines = description.split("\r\n")
    named = {name: value.strip() for name, value in _NAMED.findall(description)}
    if sum(line.startswith("a=fingerprint:") for line in lines) != 1:
        return {}, "exactly one fingerprint is needed"
    if not named["fingerprint"].startswith("sha-256 ") or len(named) != 4:
        return {}, "ICE credentials, set-up role or SHA-256 fingerprint missing"
    if "a=ice-lite" in lines or "a=sendrecv" not in lines or "a=rtcp-mux" not in lines:
        return {}, "ice-lite, direction or rtcp-mux"
    if sum(line.startswith("m=") for line in lines) != 1:
        return {}, "one audio section is needed"
    if named["setup"] not in ("active", "actpass"):
        return {}, "setup must be active"
    return named, ""
