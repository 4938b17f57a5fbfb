"""Conditions of the simulated network. PURE."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NetworkConditions:
    """Loss and delay of packets on the network.

    Attributes:
        loss: Share of packets that are lost in both directions, 0 to 1.
        jitter_ms: Packets to the server are late by 0 to this, so they overtake each other.
        deaf: Connectivity checks are not answered at all.
        seed: The same seed has the same packets lost.
        lost: Numbers of packets to the server that are lost in any case, counted from 0.
    """

    loss: float = 0.0
    jitter_ms: float = 0.0
    deaf: bool = False
    seed: int = 1
    lost: frozenset[int] = frozenset()
