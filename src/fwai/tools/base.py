"""What a tool is."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from fwai.domain.call import Call
from fwai.domain.job import action_key
from fwai.interfaces.media import CallActions

ArgsT = TypeVar("ArgsT")


class Args(BaseModel):
    """Arguments of a tool; texts lose the blanks around them."""

    model_config = ConfigDict(str_strip_whitespace=True)


@dataclass(frozen=True, slots=True)
class ToolContext:
    """Where a tool runs.

    Attributes:
        to: The person it is done for, E.164; empty when their number is withheld.
        scope: The same action asked for twice within a scope (a call, a request) is done once.
        call: The call it was asked for in, or None.
        actions: What it may do to that call while it lives; None when nothing can be done to it.
        trusted: An operator asked, not a model: recipients may be chosen freely.
    """

    to: str
    scope: str
    call: Call | None = None
    actions: CallActions | None = None
    trusted: bool = False

    @property
    def call_id(self) -> str:
        """Our id of the call, or empty."""
        return self.call.id if self.call is not None else ""

    def allow(self, what: str, limit: int) -> bool:
        """Count one more use of ``what`` in this call; False when ``limit`` is reached."""
        return self.actions is None or self.actions.allow(what, limit)

    def key(self, tool: str, args: Mapping[str, Any]) -> str:
        """Return the key of this action, for jobs and rows."""
        return action_key(self.scope, tool, args)


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
class ByHand:
    """Arguments whose schema somebody wrote, rather than a class.

    Attributes:
        schema: JSON Schema in the subset Live accepts; empty for no arguments.
        check: Returns what the tool gets, or raises ValueError: ``field: what is wrong``.
    """

    schema: Mapping[str, Any]
    check: Callable[[Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Tool(Generic[ArgsT]):
    """Something the model may ask this server to do during a call.

    Attributes:
        name: What the model calls it.
        description: When to use it, in words for the model.
        args: Its arguments, a pydantic model or `ByHand`; their schema and descriptions go to the
            model, and what the model sends is validated against the same.
        run: Does the work, or raises ToolError with a sentence for the model, or FieldError with
            one about an argument.
        timeout_s: How long the caller may be kept waiting, in seconds.
    """

    name: str
    description: str
    args: type[ArgsT] | ByHand
    run: Callable[[ArgsT, ToolContext], Awaitable[Outcome]]
    timeout_s: float = 8.0
