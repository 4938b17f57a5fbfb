"""Descriptions as Meta and browsers send them, read; ours, held against aiortc's parser."""

import pytest
from aiortc import sdp as oracle
from hypothesis import given
from hypothesis import strategies as st

from fwai.adapters.webrtc import sdp
from fwai.errors import WireError

PRINT = ":".join(["AB"] * 32)
META = "\r\n".join(
    [
        "v=0",
        "o=- 1790000000000 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE audio",
        "a=msid-semantic: WMS 5f2c",
        "a=ice-lite",
        "m=audio 3484 UDP/TLS/RTP/SAVPF 111 126",
        "c=IN IP4 198.51.100.20",
        "a=rtcp:9 IN IP4 0.0.0.0",
        "a=candidate:1 1 udp 2122260223 198.51.100.20 3484 typ host generation 0",
        "a=candidate:2 1 udp 2122262783 2001:db8::20 3484 typ host generation 0",
        "a=ice-ufrag:Qa1/",
        "a=ice-pwd:pw/with+signs=and22chars",
        f"a=fingerprint:sha-256 {PRINT}",
        "a=setup:actpass",
        "a=mid:audio",
        "a=sendrecv",
        "a=msid:5f2c audio",
        "a=rtcp-mux",
        "a=rtpmap:111 opus/48000/2",
        "a=rtcp-fb:111 transport-cc",
        (
            "a=fmtp:111 maxaveragebitrate=20000;maxplaybackrate=16000;minptime=20;"
            "sprop-maxcapturerate=16000;useinbandfec=1"
        ),
        "a=rtpmap:126 telephone-event/8000",
        "a=maxptime:20",
        "a=ptime:20",
        "a=ssrc:3212 cname:abc",
        "",
    ]
)
LOCAL = sdp.Local("user", "secret-of-22-characters", PRINT, [("198.51.100.7", 10_042)], 77, "me")


def test_metas_offer_is_read() -> None:
    remote = sdp.read(META)

    assert remote.lite
    assert remote.setup == "actpass"
    assert remote.sound == sdp.Sound(
        111, {126: 8_000}, fec=True, max_rate=16_000, max_bitrate=20_000
    )
    assert (remote.ufrag, remote.password) == ("Qa1/", "pw/with+signs=and22chars")
    assert remote.fingerprints == (("sha-256", PRINT),)
    assert [one.host for one in remote.candidates] == ["198.51.100.20"]  # IPv6 is no use to us
    assert "secret" not in repr(LOCAL)
    assert "pw/" not in repr(remote)


def test_answer_to_meta_says_what_meta_wants() -> None:
    text = sdp.write_answer(LOCAL, sdp.read(META), 16_000)

    lines = text.split("\r\n")
    assert text.endswith("\r\n")
    assert "\n" not in text.replace("\r\n", "")
    for expected in (
        "a=group:BUNDLE audio",
        "m=audio 10042 UDP/TLS/RTP/SAVPF 111 126",
        "c=IN IP4 198.51.100.7",
        "a=candidate:1 1 udp 2130706431 198.51.100.7 10042 typ host",
        "a=setup:active",
        "a=sendrecv",
        "a=mid:audio",
        "a=rtcp-mux",
        "a=fmtp:111 minptime=20;useinbandfec=1;maxplaybackrate=16000",
        "a=rtpmap:126 telephone-event/8000",
        "a=ptime:20",
    ):
        assert expected in lines
    assert [line for line in lines if "fingerprint" in line] == [f"a=fingerprint:sha-256 {PRINT}"]
    assert "a=ice-lite" not in lines


def test_aiortc_reads_what_we_write() -> None:
    for text in (sdp.write_offer(LOCAL, 16_000), sdp.write_answer(LOCAL, sdp.read(META), 16_000)):
        (media,) = oracle.SessionDescription.parse(text).media

        assert media.ice is not None
        assert media.ice.usernameFragment == "user"
        assert media.ice_candidates_complete
        assert media.rtcp_mux
        assert [str(codec) for codec in media.rtp.codecs] == [
            "opus/48000/2",
            "telephone-event/8000",
        ]
        assert sdp.read(text).fingerprints == (("sha-256", PRINT),)


def test_our_offer_leaves_the_roles_open() -> None:
    assert "a=setup:actpass" in sdp.write_offer(LOCAL, 16_000)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("actpass", "active"), ("passive", "active"), ("active", "passive")],
)
def test_answer_takes_the_other_role(theirs: str, ours: str) -> None:
    remote = sdp.read(META.replace("setup:actpass", f"setup:{theirs}"))

    assert f"a=setup:{ours}\r\n" in sdp.write_answer(LOCAL, remote, 16_000)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("sendrecv", "sendrecv"), ("sendonly", "recvonly"), ("recvonly", "sendonly")],
)
def test_answer_turns_the_direction_round(theirs: str, ours: str) -> None:
    remote = sdp.read(META.replace("a=sendrecv", f"a={theirs}"))

    assert f"a={ours}\r\n" in sdp.write_answer(LOCAL, remote, 16_000)


def test_browsers_other_media_are_refused_in_place() -> None:
    """A browser that offers a picture, too, and two clocks for keys."""
    video = "\r\n".join(
        [
            "m=video 9 UDP/TLS/RTP/SAVPF 96 97",
            "c=IN IP4 0.0.0.0",
            "a=ice-ufrag:abcd",
            "a=ice-pwd:0123456789012345678901",
            f"a=fingerprint:sha-256 {PRINT}",
            "a=setup:actpass",
            "a=mid:1",
            "a=recvonly",
            "a=rtcp-mux",
            "a=rtpmap:96 VP8/90000",
            "",
        ]
    )
    offer = META.replace("111 126", "111 63 110 126").replace(
        "a=rtpmap:126",
        "a=rtpmap:63 red/48000/2\r\na=rtpmap:110 telephone-event/48000\r\na=rtpmap:126",
    )
    remote = sdp.read(offer + video)

    text = sdp.write_answer(LOCAL, remote, 16_000)

    assert remote.sound.events == {110: 48_000, 126: 8_000}
    assert text.index("m=audio 10042 UDP/TLS/RTP/SAVPF 111 110 126") < text.index("m=video 0 ")
    assert "a=group:BUNDLE audio\r\n" in text
    assert len(oracle.SessionDescription.parse(text).media) == 2


def test_candidates_that_lead_nowhere_are_left_out() -> None:
    more = [
        "a=candidate:3 1 tcp 1 198.51.100.21 9 typ host tcptype active",
        "a=candidate:4 1 udp 1 1f2e3d4c-aaaa-bbbb-cccc-123456789012.local 5000 typ host",
        "a=candidate:5 2 udp 1 198.51.100.21 5001 typ host",
        "a=candidate:6 1 udp 1 198.51.100.21 0 typ host",
        *(f"a=candidate:9 1 udp 1 198.51.100.{n} 5000 typ host" for n in range(1, 100)),
    ]
    remote = sdp.read(META.replace("a=ice-ufrag", "\r\n".join([*more, "a=ice-ufrag"])))

    hosts = [one.host for one in remote.candidates]
    assert hosts == ["198.51.100.20", *(f"198.51.100.{n}" for n in range(1, 16))]


@pytest.mark.parametrize(
    ("offer", "problem"),
    [
        ("", "no sound"),
        ("hello", "no sound|unreadable"),
        (META.replace("m=audio 3484", "m=audio 0"), "no sound"),
        (META.replace("m=audio", "m=video"), "no sound|unreadable"),
        (META.replace("opus/48000/2", "PCMU/8000"), "no Opus"),
        (META.replace("111", "72"), "no Opus|unreadable"),
        (META.replace(f"a=fingerprint:sha-256 {PRINT}\r\n", ""), "fingerprint"),
        (META.replace("a=ice-pwd:pw/with+signs=and22chars\r\n", ""), "ICE"),
        (META.replace("a=rtcp-mux\r\n", ""), "RTCP"),
        (META.replace("maxaveragebitrate=20000", "maxaveragebitrate=lots"), "unreadable"),
        (META.replace("setup:actpass", "setup:holdconn"), "unreadable"),
        (META + "a=x\r\n" * 20_000, "too long"),
    ],
)
def test_offers_that_cannot_be_answered_are_refused(offer: str, problem: str) -> None:
    with pytest.raises(WireError, match=problem):
        sdp.read(offer)


@given(st.integers(0, len(META)), st.integers(0, 60), st.text(max_size=20))
def test_a_damaged_offer_is_read_or_refused(at: int, size: int, instead: str) -> None:
    try:
        remote = sdp.read(META[:at] + instead + META[at + size :])
    except WireError:
        return
    assert sdp.write_answer(LOCAL, remote, 16_000).startswith("v=0")


def test_a_bitrate_that_cannot_be_is_not_taken_at_its_word() -> None:
    remote = sdp.read(META.replace("maxaveragebitrate=20000", "maxaveragebitrate=-5"))

    assert remote.sound.max_bitrate == sdp.MIN_BITRATE
