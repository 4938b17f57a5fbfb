"""Every way in, by name; each is built when it is asked for."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Final, cast

from fuzz.judge import Wire


def _of(module: str, name: str) -> Callable[[], Wire]:
    def build() -> Wire:
        return cast("Wire", getattr(import_module(f"fuzz.{module}"), name)())

    return build


WIRES: Final[Mapping[str, Callable[[], Wire]]] = {
    "plivo-media": _of("media_wires", "plivo_wire"),
    "exotel-media": _of("media_wires", "exotel_wire"),
    "live": _of("live_wire", "live_wire"),
    "datagrams": _of("datagram_wire", "datagram_wire"),
    "rtp": _of("rtp_wires", "rtp_wire"),
    "rtcp": _of("rtp_wires", "rtcp_wire"),
    "sdp": _of("file_wires", "sdp_wire"),
    "plivo-forms": _of("server_wires", "plivo_wire"),
    "exotel-forms": _of("server_wires", "exotel_wire"),
    "meta": _of("server_wires", "meta_wire"),
    "api": _of("server_wires", "api_wire"),
    "prompts": _of("file_wires", "prompts_wire"),
}
