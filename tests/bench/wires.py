"""What is said on the wire by each carrier: enough of its protocol to be a telephone quickly."""

import json
import secrets
from abc import ABC, abstractmethod
from typing import ClassVar, Final

PLAY, CLEAR, MARK, OTHER = range(4)
LINES: Final = {"plivo": "+918888800000", "exotel": "08047100000"}


class Wire(ABC):
    """One stream's messages.

    Attributes:
        bytes_per_s: Of the agent's voice, both providers at 8 kHz.
        call_id: As the provider names it.
    """

    bytes_per_s: ClassVar[int]

    def __init__(self, call: str) -> None:
        self.call_id = call
        self.stream_id = secrets.token_hex(16)
        self._head = self._media_head()

    @abstractmethod
    def _media_head(self) -> bytes:
        """Return a media message up to its payload, with three numbers to be filled in."""

    @abstractmethod
    def start(self, account_id: str, number: str) -> list[bytes]:
        """Return what opens the stream."""

    @abstractmethod
    def media(self, message: int, at_ms: int, payload: bytes) -> bytes:
        """Carry the caller's voice; ``payload`` is base64."""

    @abstractmethod
    def kind(self, message: bytes) -> int:
        """Tell `PLAY`, `CLEAR` and `MARK` apart without reading all of a message."""

    @abstractmethod
    def name(self, mark: bytes) -> str:
        """Return the name of a mark."""

    @abstractmethod
    def played(self, name: str) -> bytes:
        """Tell that a mark was reached."""


class PlivoWire(Wire):
    """Plivo's media stream, mu-law."""

    bytes_per_s = 8_000

    def _media_head(self) -> bytes:
        stream = f'"streamId":"{self.stream_id}"'.encode()
        head = b'{"event":"media","sequenceNumber":%d,' + stream
        return head + b',"media":{"track":"inbound","timestamp":"%d","chunk":%d,"payload":"'

    def start(self, account_id: str, number: str) -> list[bytes]:
        body = {
            "callId": self.call_id,
            "streamId": self.stream_id,
            "accountId": account_id,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000},
        }
        message = {"event": "start", "sequenceNumber": 0, "start": body, "extra_headers": ""}
        return [json.dumps(message).encode()]

    def media(self, message: int, at_ms: int, payload: bytes) -> bytes:
        return self._head % (message, at_ms, message) + payload + b'"},"extra_headers":""}'

    def kind(self, message: bytes) -> int:
        if b"playAudio" in message[:24]:
            return PLAY
        if b"clearAudio" in message[:64]:
            return CLEAR
        return MARK if b"checkpoint" in message[:64] else OTHER

    def name(self, mark: bytes) -> str:
        return str(json.loads(mark)["name"])

    def played(self, name: str) -> bytes:
        body = {"event": "playedStream", "streamId": self.stream_id, "name": name}
        return json.dumps(body).encode()


class ExotelWire(Wire):
    """Exotel's media stream, linear samples at 8 kHz."""

    bytes_per_s = 16_000

    def _media_head(self) -> bytes:
        stream = f'"stream_sid":"{self.stream_id}"'.encode()
        head = b'{"event":"media","sequence_number":"%d",' + stream
        return head + b',"media":{"timestamp":"%d","chunk":"%d","payload":"'

    def start(self, account_id: str, number: str) -> list[bytes]:
        body = {
            "stream_sid": self.stream_id,
            "call_sid": self.call_id,
            "account_sid": account_id,
            "from": number,
            "to": LINES["exotel"],
            "custom_parameters": "",
            "media_format": {"encoding": "base64", "sample_rate": "8000", "bit_rate": "128kbps"},
        }
        start = {"event": "start", "sequence_number": "1", "stream_sid": self.stream_id}
        return [b'{"event":"connected"}', json.dumps({**start, "start": body}).encode()]

    def media(self, message: int, at_ms: int, payload: bytes) -> bytes:
        return self._head % (message + 1, at_ms, message) + payload + b'"}}'

    def kind(self, message: bytes) -> int:
        head = message[:20]
        if b'"media"' in head:
            return PLAY
        if b'"clear"' in head:
            return CLEAR
        return MARK if b'"mark"' in head else OTHER

    def name(self, mark: bytes) -> str:
        return str(json.loads(mark)["mark"]["name"])

    def played(self, name: str) -> bytes:
        mark = {"event": "mark", "stream_sid": self.stream_id, "mark": {"name": name}}
        return json.dumps(mark).encode()


WIRES: Final[dict[str, type[Wire]]] = {"plivo": PlivoWire, "exotel": ExotelWire}
