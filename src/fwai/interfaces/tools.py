"""Tools as the API uses them, and where a tool runs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from fwai.domain.call import Call
from fwai.domain.events import ToolResult
from fwai.domain.job import action_key
from fwai.domain.read_back import Confirmation, ReadBack
from fwai.domain.tool import ToolSpec
from fwai.interfaces.calls import CallActions


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

    async def confirm(self, kind: str, recipient: str) -> Confirmation | ReadBack:
        """Return what confirmed a dictated recipient, or why nothing has; see ``CallActions``."""
        if self.actions is None:
            return ReadBack.UNHEARD
        return await self.actions.confirm(kind, recipient)

    def key(self, tool: str, args: Mapping[str, Any]) -> str:
        """Return the key of this action, for jobs and rows."""
        return action_key(self.scope, tool, args)


class ToolCatalog(Protocol):
    """The tools of this server."""

    @property
    def unconfigured(self) -> Mapping[str, str]:
        """Which settings are missing, by the name of the tool that needs them."""
        ...

    def describe(self, agent: str = "") -> Sequence[ToolSpec]:
        """Return every tool that can be used, an agent's own ones too, with its JSON Schema."""
        ...

    def specs(self, names: Iterable[str], agent: str = "") -> Sequence[ToolSpec]:
        """Return an agent's own tools and those of ``names``, as far as they can be used."""
        ...

    async def use(self, name: str, args: Mapping[str, Any], context: ToolContext) -> ToolResult:
        """Run a tool.

        Raises:
            FieldError: An argument is wrong; it is named.
            RefusedError: The tool is not configured.
        """
        ...
