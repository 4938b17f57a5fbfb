"""What tells a demo's world from the business's."""

from typing import Final

DEMO_LINE: Final = "+918888800000"
"""The number that the demo's simulated telephones call; nobody's who does not configure it."""
