"""The answer's XML, by Plivo's rules."""

import pytest
from plivo import plivoxml

from fwai.errors import WireError
from fwai.simulator.plivo.wire import FORMATS
from fwai.simulator.plivo.xml import (
    DialInstruction,
    HangUpInstruction,
    OtherInstruction,
    RedirectInstruction,
    SpeakInstruction,
    StreamInstruction,
    read_instructions,
)

GOOD = 'bidirectional="true" keepCallAlive="true" contentType="audio/x-mulaw;rate=8000"'


def stream(attributes: str = GOOD, url: str = "wss://h/s?a=1&amp;b=2") -> StreamInstruction:
    body = f"<Response><Stream {attributes}>{url}</Stream></Response>".encode()
    (order,) = read_instructions("application/xml; charset=utf-8", body)
    assert isinstance(order, StreamInstruction)
    return order


def test_a_good_stream() -> None:
    order = stream(f'{GOOD} extraHeaders="a=1,b=2" statusCallbackUrl="https://h/st"')

    assert order.url == "wss://h/s?a=1&b=2"
    assert order.audio is FORMATS["audio/x-mulaw;rate=8000"]
    assert order.bidirectional
    assert order.keep_call_alive
    assert order.timeout_s == 86400
    assert (order.status_url, order.status_method) == ("https://h/st", "POST")
    assert order.extra_headers == "a=1;b=2"
    assert order.doubts == ()


def test_what_the_sdk_writes_can_be_read() -> None:
    response = plivoxml.ResponseElement()
    response.add(
        plivoxml.StreamElement(
            "wss://h/s?a=1&b=2",
            bidirectional=True,
            keepCallAlive=True,
            contentType="audio/x-l16;rate=16000",
        )
    )

    (order,) = read_instructions("text/xml", response.to_string(pretty=False).encode())

    assert isinstance(order, StreamInstruction)
    assert (order.url, order.audio.sample_rate) == ("wss://h/s?a=1&b=2", 16000)


def test_what_is_missing_is_doubted() -> None:
    doubts = " ".join(stream('colour="red"').doubts)

    for word in ("colour", "contentType", "bidirectional", "keepCallAlive"):
        assert word in doubts


def test_other_orders() -> None:
    body = (
        b'<?xml version="1.0"?><Response><Record/><Speak>Hi</Speak><Redirect method="get">https://h/r</Redirect>'
        b"<Dial><Number>+911</Number><Number>+912</Number></Dial><Hangup/></Response>"
    )

    assert read_instructions("text/xml", body) == [
        OtherInstruction("Record"),
        SpeakInstruction("Hi"),
        RedirectInstruction("https://h/r", "GET"),
        DialInstruction(("+911", "+912")),
        HangUpInstruction(),
    ]
    assert read_instructions("text/xml", b"<Response></Response>") == []


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"<Response/>"),
        ("", b"<Response/>"),
        ("text/xml", b"\n<Response/>"),
        ("text/xml", b'{"a": 1}'),
        ("text/xml", b"<Response>wss://h/?a=1&b=2</Response>"),
        ("text/xml", b"<html/>"),
        ("text/xml", b"<Response><Dance/></Response>"),
        ("text/xml", b"<!DOCTYPE x><Response/>"),
        ("text/xml", b"<Response>" + b" " * 102_400 + b"</Response>"),
    ],
)
def test_answers_that_plivo_refuses(content_type: str, body: bytes) -> None:
    with pytest.raises(WireError):
        read_instructions(content_type, body)


@pytest.mark.parametrize(
    "attributes",
    [
        'contentType="audio/wav"',
        'contentType="audio/x-l16;rate=24000"',
        'bidirectional="True"',
        'bidirectional="true" audioTrack="both"',
        'streamTimeout="0"',
        'streamTimeout="soon"',
        'statusCallbackMethod="PUT"',
        'noiseCancellation="true" noiseCancellationLevel="10"',
        f'extraHeaders="{"a" * 513}"',
    ],
)
def test_attributes_that_plivo_refuses(attributes: str) -> None:
    with pytest.raises(WireError):
        stream(attributes)


@pytest.mark.parametrize(
    "url", ["https://h/s", "/s", "", "wss://h:99999/s", "wss://[/s", "wss://h/" + "a" * 2048]
)
def test_addresses_that_plivo_refuses(url: str) -> None:
    with pytest.raises(WireError):
        stream(url=url)
