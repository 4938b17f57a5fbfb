"""A UDP port with an ICE-lite agent, which answers connectivity checks and sends none."""

import asyncio
from typing import Any, Final, Protocol, cast

from aioice import stun

MAX_WAITING: Final = 256  # DTLS datagrams


class Owner(Protocol):
    """The media session whose port it is."""

    @property
    def deaf(self) -> bool:
        """Whether nothing that comes is heard at all."""
        ...

    @property
    def check_name(self) -> str:
        """The user name that checks must carry; empty while there is none."""
        ...

    @property
    def password(self) -> str:
        """What checks are signed with."""
        ...

    def arrived(self, data: bytes) -> None:
        """Take RTP or RTCP."""
        ...

    def violate(self, rule: str) -> None:
        """Note a broken rule."""
        ...


class LiteSocket(asyncio.DatagramProtocol):
    """An ICE-lite UDP port that aiortc's DTLS can use as its ICE transport.

    Attributes:
        reached: A check nominated the way.
    """

    role = "controlled"

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._udp: asyncio.DatagramTransport | None = None
        self._dtls: asyncio.Queue[bytes] = asyncio.Queue(MAX_WAITING)
        self._peer: tuple[str, int] | None = None
        self.reached = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The port is bound."""
        # In Python 3.11 it is one by its methods only.
        self._udp = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Give a datagram to whom it is for: checks, DTLS, or sound."""
        if not data or self._owner.deaf:
            return
        if data[0] < 4:
            self._check(data, (addr[0], addr[1]))
        elif 19 < data[0] < 64 and not self._dtls.full():
            self._dtls.put_nowait(data)
        elif 127 < data[0] < 192:
            self._owner.arrived(data)

    def _check(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer a connectivity check, as a lite agent does."""
        key = self._owner.password.encode()
        try:
            request = stun.parse_message(data)
            known = request.attributes.get("USERNAME") == self._owner.check_name
            if not known or not request.check_message_integrity(key):
                return
        except ValueError:
            return
        answer = stun.Message(request.message_method, stun.Class.RESPONSE, request.transaction_id)
        if "ICE-CONTROLLED" in request.attributes:
            self._owner.violate("the server wants to be controlled")
            answer.message_class = stun.Class.ERROR
            answer.attributes["ERROR-CODE"] = (487, "Role Conflict")
        else:
            answer.attributes["XOR-MAPPED-ADDRESS"] = addr
        answer.add_message_integrity(key)
        answer.add_fingerprint()
        self.send(bytes(answer), addr)
        if "USE-CANDIDATE" in request.attributes:
            self._peer = addr
            self.reached.set()

    def send(self, data: bytes, addr: tuple[str, int] | None = None) -> None:
        """Send to ``addr``, by default to where the checks came from."""
        to = addr or self._peer
        if self._udp is not None and to is not None and not self._udp.is_closing():
            self._udp.sendto(data, to)

    async def _recv(self) -> bytes:
        return await self._dtls.get()

    async def _send(self, data: bytes) -> None:
        self.send(data)

    def close(self) -> None:
        """Free the port."""
        if self._udp is not None:
            self._udp.close()
