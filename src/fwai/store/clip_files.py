"""Sentences that agents' own models have spoken, as files: sound, and its words beside it.

``<name>.pcm`` is raw s16le mono at 24 kHz; ``<name>.json`` tells its text, how many bytes it has
and whose voice it is. Every method blocks: it belongs into a thread.
"""

import json
import os
import re
import secrets
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from fwai.domain.agent_voice import NAME_DIGITS
from fwai.domain.sentence import SpokenSentence
from fwai.store.folders import make_folder

MODE: Final = 0o600
MAX_SOUND_BYTES: Final = 1024 * 1024  # 21 s
MAX_FACTS_BYTES: Final = 16 * 1024
_OURS: Final = re.compile(rf"\.?[0-9a-f]{{{NAME_DIGITS}}}\.(?:pcm|json)(?:\.[0-9a-f]{{12}})?")


class ClipFiles:
    """Keeps clips in a folder of their own.

    Args:
        folder: Made when the first one is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> SpokenSentence | None:
        """Return a clip; None when it is not there, not whole or cannot be read."""
        try:
            facts = json.loads(_read(self._folder / f"{name}.json", MAX_FACTS_BYTES))
            pcm = _read(self._folder / f"{name}.pcm", MAX_SOUND_BYTES)
            text, size = facts["text"], facts["bytes"]
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            return None
        if not isinstance(text, str) or not text or not pcm or len(pcm) != size or size % 2:
            return None
        return SpokenSentence(text, pcm)

    def write(self, name: str, spoken: SpokenSentence, facts: Mapping[str, str]) -> None:
        """Keep a clip; each of its files appears under its name only when it is whole.

        Args:
            name: Of `clip_name`.
            spoken: The clip.
            facts: What else an operator may want to know of it.

        Raises:
            OSError: It cannot be written, as on a full disk; nothing new is left of it.
        """
        make_folder(self._folder)
        told = {"text": spoken.text, "bytes": len(spoken.pcm), **facts}
        self._replace(f"{name}.pcm", spoken.pcm)
        self._replace(f"{name}.json", json.dumps(told, ensure_ascii=False, indent=1).encode())

    def keep_only(self, names: Collection[str]) -> int:
        """Remove clips of other names, and what an end in the middle of writing left behind.

        What cannot be removed stays, and files that are not clips are not touched.

        Returns:
            How many files were removed.
        """
        removed = 0
        keep = {f"{name}.{kind}" for name in names for kind in ("pcm", "json")}
        with suppress(OSError):
            for path in list(self._folder.iterdir()):
                if path.name not in keep and _OURS.fullmatch(path.name):
                    with suppress(OSError):
                        path.unlink()
                        removed += 1
        return removed

    def _replace(self, name: str, content: bytes) -> None:
        scratch = self._folder / f".{name}.{secrets.token_hex(6)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            with os.fdopen(os.open(scratch, flags, MODE), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(self._folder / name)
        except OSError:
            with suppress(OSError):
                scratch.unlink()
            raise


def _read(path: Path, limit: int) -> bytes:
    """Read a file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no file, or larger than ``limit``.
    """
    if not path.is_file():
        raise ValueError("no file")
    with path.open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError("too large")
    return content
