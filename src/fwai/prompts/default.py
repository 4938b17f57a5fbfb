"""Path of the packaged default prompts.json."""

from pathlib import Path
from typing import Final

DEFAULT_PROMPTS: Final = Path(__file__).with_name("default.json")
"""``fwai init`` copies this file, and the demo uses it where there is no prompts.json."""
