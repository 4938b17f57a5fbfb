"""SDP: parsed with aiortc's parser, written by us. No I/O.

We write them ourselves because they say more than aiortc's (FEC, ptime, telephone events, the
public address) and less (one fingerprint; Meta refuses several).

Source: RFC 8866, 8829, 7587 (Opus), 4733 (telephone events); Meta's Calling API reference, 2026-06.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from aiortc import sdp

from fwai.errors import WireError

Setup = Literal["actpass", "active", "passive"]

MAX_CHARS: Final = 32_000
MAX_CANDIDATES: Final = 16
OFFERED_SOUND: Final = 111
OFFERED_EVENTS: Final = {126: 8_000}

MIN_BITRATE: Final = 6_000  # below that Opus cannot be understood

_PAYLOAD_TYPES: Final = frozenset(range(128)) - frozenset(range(64, 96))  # those look like RTCP
_REVERSED: Final = {"sendonly": "recvonly", "recvonly": "sendonly"}
_SETUPS: Final[dict[str, Setup]] = {"auto": "actpass", "client": "active", "server": "passive"}
_PRIORITY: Final = 2_130_706_431
# What the parser of aiortc raises on garbage.
_PARSER_ERRORS = (ValueError, AssertionError, LookupError, TypeError, AttributeError, StopIteration)


@dataclass(frozen=True, slots=True)
class Sound:
    """Negotiated audio parameters.

    Attributes:
        payload_type: Payload type of Opus.
        events: Clock rate by payload type of telephone events.
        fec: The peer supports in-band FEC.
        max_rate: Highest sample rate the peer can play, in Hz.
        max_bitrate: Highest average bitrate, in bits per second, or None.
    """

    payload_type: int = OFFERED_SOUND
    events: Mapping[int, int] = field(default_factory=lambda: dict(OFFERED_EVENTS))
    fec: bool = False
    max_rate: int = 48_000
    max_bitrate: int | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """An IPv4 ICE candidate of the peer."""

    host: str
    port: int
    priority: int
    foundation: str
    kind: str


@dataclass(frozen=True, slots=True)
class Remote:
    """Parsed session description of the peer.

    Attributes:
        lines: Kind, profile, formats and mid of all media sections, in order.
        line: Index of the audio section that we use.
        fingerprints: Pairs of algorithm and value.
        candidates: Those that we can reach: UDP over IPv4, no mDNS names.
    """

    lines: tuple[tuple[str, str, tuple[str, ...], str], ...]
    line: int
    sound: Sound
    direction: str
    ufrag: str
    password: str = field(repr=False)
    lite: bool
    setup: Setup
    fingerprints: tuple[tuple[str, str], ...]
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Local:
    """ICE, DTLS and RTP values of our session description.

    Attributes:
        fingerprint: SHA-256 of our certificate.
        addresses: Hosts and ports to announce, the best first.
    """

    ufrag: str
    password: str = field(repr=False)
    fingerprint: str
    addresses: Sequence[tuple[str, int]]
    ssrc: int
    name: str


def read(text: str) -> Remote:
    """Parse an offer or an answer.

    Raises:
        WireError: It cannot be parsed, or has no Opus over DTLS with rtcp-mux.
    """
    if len(text) > MAX_CHARS:
        raise WireError("webrtc: the session description is too long")
    try:
        return _read(sdp.SessionDescription.parse(text))
    except _PARSER_ERRORS as exc:
        raise WireError(f"webrtc: unreadable session description ({type(exc).__name__})") from exc


def _read(description: sdp.SessionDescription) -> Remote:
    sounds = [
        index
        for index, media in enumerate(description.media)
        if media.kind == "audio" and media.port
    ]
    if not sounds:
        raise WireError("webrtc: no sound is offered")
    media = description.media[sounds[0]]
    sound = _sound(media.rtp.codecs)
    if sound is None:
        raise WireError("webrtc: no Opus is offered")
    if media.dtls is None or not media.dtls.fingerprints or media.ice is None:
        raise WireError("webrtc: no DTLS fingerprint or no ICE parameters")
    ufrag, password = media.ice.usernameFragment, media.ice.password
    if not (ufrag and password and media.rtcp_mux):
        raise WireError("webrtc: no ICE credentials, or RTCP on a port of its own")
    return Remote(
        lines=tuple(
            (line.kind, line.profile, tuple(map(str, line.fmt)), line.rtp.muxId or "")
            for line in description.media
        ),
        line=sounds[0],
        sound=sound,
        direction=media.direction or "sendrecv",
        ufrag=ufrag,
        password=password,
        lite=media.ice.iceLite,
        setup=_SETUPS[media.dtls.role],
        fingerprints=tuple((print_.algorithm, print_.value) for print_ in media.dtls.fingerprints),
        candidates=tuple(filter(None, map(_candidate, media.ice_candidates)))[:MAX_CANDIDATES],
    )


def _sound(codecs: Sequence[Any]) -> Sound | None:
    events = {
        codec.payloadType: codec.clockRate
        for codec in codecs
        if codec.mimeType.lower() == "audio/telephone-event" and codec.payloadType in _PAYLOAD_TYPES
    }
    for codec in codecs:
        opus = codec.mimeType.lower() == "audio/opus" and codec.clockRate == 48_000
        if opus and codec.payloadType in _PAYLOAD_TYPES:
            parameters = codec.parameters
            most = parameters.get("maxaveragebitrate")
            return Sound(
                payload_type=codec.payloadType,
                events=events,
                fec=str(parameters.get("useinbandfec", 0)) == "1",
                max_rate=int(parameters.get("maxplaybackrate") or 48_000),
                max_bitrate=max(int(most), MIN_BITRATE) if most else None,
            )
    return None


def _candidate(parameters: Any) -> Candidate | None:  # noqa: ANN401 - aiortc's type stays inside
    try:
        ipaddress.IPv4Address(parameters.ip)
    except ValueError:
        return None  # IPv6, or a name that only the peer's own network can resolve
    if (
        parameters.protocol.lower() != "udp"
        or parameters.component != 1
        or not 0 < parameters.port < 65536
    ):
        return None
    return Candidate(
        parameters.ip, parameters.port, parameters.priority, parameters.foundation, parameters.type
    )


def write_offer(local: Local, play_rate: int) -> str:
    """Build an offer; ``play_rate`` is the highest sampling rate that we can use, in Hz."""
    body = _media(local, Sound(), "0", "sendrecv", "actpass", play_rate)
    return _session(local, "0", [body])


def write_answer(local: Local, remote: Remote, play_rate: int) -> str:
    """Build the answer to an offer; media other than its audio are rejected."""
    mid = remote.lines[remote.line][3]
    setup: Setup = "passive" if remote.setup == "active" else "active"
    direction = _REVERSED.get(remote.direction, remote.direction)
    sections = []
    for index, (kind, profile, formats, other) in enumerate(remote.lines):
        if index == remote.line:
            sections.append(_media(local, remote.sound, mid, direction, setup, play_rate))
        else:
            refused = [f"m={kind} 0 {profile} {' '.join(formats)}", "c=IN IP4 0.0.0.0"]
            sections.append([*refused, "a=inactive", *([f"a=mid:{other}"] if other else [])])
    return _session(local, mid, sections)


def _session(local: Local, mid: str, sections: Sequence[Sequence[str]]) -> str:
    lines = [
        "v=0",
        f"o=- {local.ssrc} 1 IN IP4 {_host(local)}",
        "s=-",
        "t=0 0",
        *([f"a=group:BUNDLE {mid}"] if mid else []),
        "a=msid-semantic: WMS *",
    ]
    lines += [line for section in sections for line in section]
    return "\r\n".join(lines) + "\r\n"


def _media(
    local: Local, sound: Sound, mid: str, direction: str, setup: Setup, play_rate: int
) -> list[str]:
    opus, host = sound.payload_type, _host(local)
    port = local.addresses[0][1] if local.addresses else 9
    formats = " ".join(map(str, (opus, *sound.events)))
    lines = [
        f"m=audio {port} UDP/TLS/RTP/SAVPF {formats}",
        f"c=IN IP4 {host}",
        f"a=rtcp:{port} IN IP4 {host}",
    ]
    for number, (address, at) in enumerate(local.addresses):
        priority = _PRIORITY - (number << 8)
        lines.append(f"a=candidate:{number + 1} 1 udp {priority} {address} {at} typ host")
    lines += [
        "a=end-of-candidates",
        f"a=ice-ufrag:{local.ufrag}",
        f"a=ice-pwd:{local.password}",
        f"a=fingerprint:sha-256 {local.fingerprint}",
        f"a=setup:{setup}",
        *([f"a=mid:{mid}"] if mid else []),
        f"a={direction}",
        "a=rtcp-mux",
        f"a=rtpmap:{opus} opus/48000/2",
        f"a=fmtp:{opus} minptime=20;useinbandfec=1;maxplaybackrate={play_rate}",
    ]
    for payload_type, clock in sound.events.items():
        lines.append(f"a=rtpmap:{payload_type} telephone-event/{clock}")
        lines.append(f"a=fmtp:{payload_type} 0-15")
    lines += [
        "a=ptime:20",
        f"a=ssrc:{local.ssrc} cname:{local.name}",
        f"a=ssrc:{local.ssrc} msid:{local.name} sound",
    ]
    return lines


def _host(local: Local) -> str:
    return local.addresses[0][0] if local.addresses else "0.0.0.0"  # noqa: S104 - SDP for "none"
