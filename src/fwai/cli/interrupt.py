"""Ctrl-C, answered in one line."""

import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import Final

EXIT_INTERRUPTED: Final = 130
_STOPPED: Final = "Stopped.\n"


def stopped() -> int:
    """Say in one line that Ctrl-C has ended the command; return the exit code.

    From here on another Ctrl-C does nothing: Python itself would answer it on its way out.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stderr.write(_STOPPED)
    sys.stderr.flush()
    return EXIT_INTERRUPTED


def leave(signal_number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler
    """End the process on the spot, in one line."""
    with suppress(RuntimeError, ValueError, OSError):  # it may be written to at this very moment
        sys.stdout.flush()
    os.write(2, _STOPPED.encode())
    os._exit(EXIT_INTERRUPTED)
