"""Exotel's leg: a Stream applet hears and cannot be spoken to."""

from typing import Any

import pytest

from fwai.adapters.exotel.codec import ExotelCodec
from fwai.adapters.exotel.leg import ExotelLeg


class Wire:
    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, message: bytes, *, droppable: bool = False) -> bool:
        self.sent.append(message)
        return True


@pytest.mark.parametrize("listening", [False, True])
async def test_only_a_voicebot_is_spoken_to(listening: bool) -> None:
    leg, wire = ExotelLeg(ExotelCodec()), Wire()
    socket: Any = wire
    leg._socket, leg.listening = socket, listening

    leg.play(b"\1\0" * 8000)
    leg.flush()
    leg.clear()
    marked = leg.mark("turn-1")

    assert marked is not listening
    assert bool(wire.sent) is not listening
