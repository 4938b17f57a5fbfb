"""Cuts runs of any length into frames of one length."""


class Framer:
    """Collects bytes until they fill a frame; holds less than one frame.

    Raises:
        ValueError: ``frame_bytes`` is not positive.
    """

    def __init__(self, frame_bytes: int) -> None:
        if frame_bytes <= 0:
            raise ValueError(f"frame_bytes must be positive, not {frame_bytes}")
        self._frame_bytes = frame_bytes
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Take ``data`` in and return the frames that are now full, in order; often none."""
        size = self._frame_bytes
        if self._rest:
            data = self._rest + data
        whole = len(data) - len(data) % size
        self._rest = data[whole:]
        return [data[at : at + size] for at in range(0, whole, size)]

    def flush(self, pad: bytes | None) -> bytes:
        """Return what does not fill a frame and hold nothing; empty when nothing was held.

        Args:
            pad: Repeated until the frame is full, such as one byte 0xFF for mu-law silence;
                None returns the short rest as it is.

        Raises:
            ValueError: ``pad`` is empty.
        """
        if pad == b"":
            raise ValueError("pad must not be empty")
        rest, self._rest = self._rest, b""
        if not rest or pad is None:
            return rest
        missing = self._frame_bytes - len(rest)
        return rest + (pad * missing)[:missing]
