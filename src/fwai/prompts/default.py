"""The agents that ship with the package, for a first start without a prompts.json."""

from pathlib import Path
from typing import Final

DEFAULT_PROMPTS: Final = Path(__file__).with_name("default.json")
"""The shipped file; ``fwai init`` copies it, and the demo speaks it where there is none."""
