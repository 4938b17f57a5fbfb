"""What a tool is."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from fwai.domain.call import Call
from fwai.interfaces import CallActions

ArgsT = TypeVar("ArgsT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class ToolContext:
    """Where a tool runs.

    Attributes:
        call: The call it was asked for in.
        actions: What it may do to that call.
    """

    call: Call
    actions: CallActions

    def allow(self, what: str, limit: int) -> bool:
        """Count one more use of ``what`` in this call; False when ``limit`` is reached."""
        return self.actions.allow(what, limit)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a tool did.

    Attributes:
        text: One sentence for the model, true as it stands.
        data: Facts beside it.
        silent: The model need not speak about it.
    """

    text: str
    data: Mapping[str, Any] = field(default_factory=dict)
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Tool(Generic[ArgsT]):
    """Something the model may ask this server to do during a call.

    Attributes:
        name: What the model calls it.
        description: When to use it, in words for the model.
        args: Its arguments; their schema and descriptions go to the model, and what the model
            sends is validated against the same class.
        run: Does the work, or raises ToolError with a sentence for the model.
        timeout_s: How long the caller may be kept waiting, in seconds.
    """

    name: str
    description: str
    args: type[ArgsT]
    run: Callable[[ArgsT, ToolContext], Awaitable[Outcome]]
    timeout_s: float = 8.0
