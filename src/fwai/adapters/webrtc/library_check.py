"""Checks that the private names of aiortc and aioice that we use still exist.

An upgrade that removes one of these names must not show as a silent call: `verify` is called before
the first call, and a test calls it in CI.
"""

import functools
import inspect
from importlib import metadata

from fwai.errors import ConfigError

VERSIONS = {"aiortc": "1.16.", "aioice": "0.13."}


@functools.cache
def verify() -> None:
    """Check the installed libraries against what `transport` needs of them.

    Raises:
        ConfigError: Something is missing; everything that is missing is named.
    """
    problems = missing()
    if problems:
        found = ", ".join(f"{name} {metadata.version(name)}" for name in VERSIONS)
        raise ConfigError(
            [
                f"WebRTC calls are not possible with {found}: {problem}; "
                "install the versions in requirements.txt"
                for problem in problems
            ]
        )


def missing() -> list[str]:
    """List what is not as `transport` expects it, one sentence each."""
    from aioice import Connection
    from aioice.ice import CandidatePair, StunProtocol
    from aiortc import RTCDtlsTransport, RTCIceGatherer, RTCIceTransport

    expected: list[tuple[object, str, tuple[str, ...]]] = [
        (Connection, "get_component_candidates", ("self", "component", "addresses", "timeout")),
        (Connection, "check_incoming", ("self", "message", "addr", "protocol")),
        (Connection, "close", ("self",)),
        (Connection, "gather_candidates", ("self",)),
        (StunProtocol, "datagram_received", ("self", "data", "addr")),
        (StunProtocol, "__init__", ("self", "receiver")),
        (RTCDtlsTransport, "_set_role", ("self", "role")),
        (RTCDtlsTransport, "start", ("self", "remoteParameters")),
        (RTCIceTransport, "start", ("self", "remoteParameters")),
        (RTCIceGatherer, "gather", ("self",)),
    ]
    problems = [
        f"{owner.__name__}.{name} is not the method it was"  # type: ignore[attr-defined]
        for owner, name, parameters in expected
        if _parameters(getattr(owner, name, None)) != parameters
    ]
    # Attributes are made by constructors: it is their code that is looked at.
    attributes: list[tuple[type, tuple[str, ...]]] = [
        (Connection, ("_protocols", "_nominated", "ice_controlling")),
        (RTCDtlsTransport, ("_rx_srtp", "_tx_srtp")),
        (RTCIceGatherer, ("_connection",)),
        (RTCIceTransport, ("_connection",)),
    ]
    problems += [
        f"{owner.__name__}.{name} is gone"
        for owner, names in attributes
        for name in names
        if name not in owner.__init__.__code__.co_names  # type: ignore[misc]
    ]
    if not isinstance(getattr(CandidatePair, "remote_addr", None), property):
        problems.append("CandidatePair.remote_addr is gone")
    if "local_candidate" not in StunProtocol.__annotations__:
        problems.append("StunProtocol.local_candidate is gone")
    return problems


def _parameters(function: object) -> tuple[str, ...]:
    return tuple(inspect.signature(function).parameters) if callable(function) else ()
