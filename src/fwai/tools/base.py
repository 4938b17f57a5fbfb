"""The ``Tool`` dataclass, its arguments and its outcome."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from fwai.interfaces.tools import ToolContext

ArgsT = TypeVar("ArgsT")


class Args(BaseModel):
    """Base of a tool's arguments; strips whitespace around texts."""

    model_config = ConfigDict(str_strip_whitespace=True)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a tool's run.

    Attributes:
        text: One sentence for the model, true as it stands.
        data: Structured data beside it.
        silent: The model need not speak about it.
    """

    text: str
    data: Mapping[str, Any] = field(default_factory=dict)
    silent: bool = False


@dataclass(frozen=True, slots=True)
class SchemaArgs:
    """Arguments described by a JSON Schema instead of a pydantic class.

    Attributes:
        schema: JSON Schema in the subset Live accepts; empty for no arguments.
        check: Returns the validated arguments, or raises ValueError: ``field: what is wrong``.
    """

    schema: Mapping[str, Any]
    check: Callable[[Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Tool(Generic[ArgsT]):
    """A function that the model can call during a conversation.

    Attributes:
        name: What the model calls it.
        description: When to use it, in words for the model.
        args: Its arguments, a pydantic model or `SchemaArgs`; the schema with its descriptions goes
            to the model, and what the model sends is validated against the same.
        run: Does the work, or raises ToolError with a sentence for the model, or FieldError with
            one about an argument.
        timeout_s: How long the caller may be kept waiting, in seconds.
    """

    name: str
    description: str
    args: type[ArgsT] | SchemaArgs
    run: Callable[[ArgsT, ToolContext], Awaitable[Outcome]]
    timeout_s: float = 8.0
