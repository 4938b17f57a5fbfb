"""Declaration of a tool for the model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool's declaration as the model sees it.

    Attributes:
        name: What the model calls it.
        description: When to use it, in words for the model.
        parameters: JSON Schema of its arguments in the subset Live accepts; empty for none.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
