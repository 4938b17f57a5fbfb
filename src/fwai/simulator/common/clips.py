"""The spoken phrases that callers and the agent say in simulated calls.

Made once by ``scripts/make_clips.sh`` and shipped as raw 16 kHz mu-law beside this file.
"""

import json
from collections.abc import Iterator
from functools import cached_property
from importlib import resources
from typing import Literal, Self

from fwai.audio.g711 import ulaw_to_pcm
from fwai.audio.resample import Resampler
from fwai.errors import StoreError

Role = Literal["caller", "agent"]

STORED_HZ = 16_000
"""Sample rate of the stored clips."""


class Clip:
    """One spoken phrase.

    Attributes:
        name: What the scenarios call it, unique in the library.
        role: Who says it, ``caller`` or ``agent``.
        language: Language tag such as ``en-IN``.
        text: What is said.
        duration_ms: Length of the audio, 30 ms of silence at both ends included.
    """

    def __init__(self, name: str, role: Role, language: str, text: str, ulaw: bytes) -> None:
        self.name = name
        self.role: Role = role
        self.language = language
        self.text = text
        self.duration_ms = len(ulaw) * 1000 // STORED_HZ
        self._ulaw = ulaw
        self._cache: dict[int, bytes] = {}

    def __repr__(self) -> str:
        return f"Clip({self.name!r}, {self.role}, {self.duration_ms} ms)"

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The text cut as transcripts arrive: every word but the first with its leading space."""
        first, *rest = self.text.split()
        return (first, *(f" {word}" for word in rest))

    def pcm(self, sample_rate: int) -> bytes:
        """Return the audio as s16le mono at ``sample_rate`` Hz; each rate is made once and kept."""
        made = self._cache.get(sample_rate)
        if made is None:
            made = ulaw_to_pcm(self._ulaw)
            if sample_rate != STORED_HZ:
                resampler = Resampler(STORED_HZ, sample_rate)
                made = resampler.feed(made) + resampler.flush()
            self._cache[sample_rate] = made
        return made


class ClipLibrary:
    """Finds clips by name."""

    def __init__(self, clips: dict[str, Clip]) -> None:
        self._clips = clips

    @classmethod
    def load(cls) -> Self:
        """Read the clips that are shipped with the package.

        Raises:
            StoreError: The package is incomplete: the index or a sound file is missing or broken.
        """
        folder = resources.files("fwai.simulator.common") / "phrases"
        try:
            index = json.loads((folder / "clips.json").read_text("utf-8"))
            clips = [
                Clip(
                    entry["name"],
                    entry["role"],
                    entry["language"],
                    entry["text"],
                    (folder / f"{entry['name']}.ulaw").read_bytes(),
                )
                for entry in index
            ]
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise StoreError(f"simulator clips: {type(exc).__name__}: {exc}") from exc
        return cls({clip.name: clip for clip in clips})

    def __getitem__(self, name: str) -> Clip:
        return self._clips[name]

    def __contains__(self, name: object) -> bool:
        return name in self._clips

    def __iter__(self) -> Iterator[Clip]:
        return iter(self._clips.values())

    def __len__(self) -> int:
        return len(self._clips)

    def by_role(self, role: Role) -> Iterator[Clip]:
        """Go through the clips that ``role`` says."""
        return (clip for clip in self._clips.values() if clip.role == role)
