"""Tracks the tool calls of a simulated session and the responses to them."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fwai.simulator.gemini.memory import Memory
from fwai.simulator.gemini.record import SessionRecord
from fwai.simulator.gemini.scenario import Reply, ToolRequest
from fwai.simulator.gemini.wire import Json


@dataclass(slots=True)
class Batch:
    """The tool calls of one message.

    Attributes:
        reply: The reply they belong to.
        blocking: Whether the conversation waits for them.
        pending: Ids not answered yet.
        failed: One of the answers says that its tool failed.
        scheduling: How a non-blocking answer wants to be spoken about; empty is ``WHEN_IDLE``.
    """

    reply: Reply
    blocking: bool
    pending: set[str]
    failed: bool = False
    scheduling: str = ""

    @property
    def next_reply(self) -> str | None:
        """Name of the reply that the outcome leads to, or None."""
        return self.reply.otherwise if self.failed else self.reply.then


@dataclass(slots=True)
class ToolCalls:
    """Tracks every tool call of one session, open and answered.

    Attributes:
        record: Where calls, answers and violations are kept.
        finished: Called with each batch when its last answer has come.
        memory: What sessions remember of each other.
    """

    record: SessionRecord
    finished: Callable[[Batch], None]
    memory: Memory = field(default_factory=Memory)
    _batches: dict[str, Batch] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)
    _answered: set[str] = field(default_factory=set)
    _cancelled: set[str] = field(default_factory=set)

    def ask(
        self, reply: Reply, requests: Sequence[tuple[ToolRequest, bool]], *, blocking: bool
    ) -> tuple[Batch, list[Json]]:
        """Open a batch; each request says whether its arguments arrive empty.

        Returns:
            The batch and the function calls for the wire.
        """
        numbers = itertools.count(len(self._names) + 1)
        calls = [
            {
                "id": f"call-{self.record.index}-{next(numbers)}",
                "name": request.name,
                "args": {} if argless else dict(request.args),
            }
            for request, argless in requests
        ]
        batch = Batch(reply, blocking, {str(call["id"]) for call in calls})
        for call in calls:
            self._batches[str(call["id"])] = batch
            self._names[str(call["id"])] = str(call["name"])
            self.record.keep(self.record.tool_calls, call)
            self.memory.asked = call, reply
        return batch, calls

    def answer(self, response: Json) -> None:
        """Take one functionResponse."""
        self.record.keep(self.record.tool_responses, response)
        call_id = response.get("id")
        batch = self._batches.get(str(call_id))
        if batch is None or not isinstance(call_id, str):
            self._violation(f"unknown tool id {call_id!r}")
        elif response.get("name") != self._names[call_id]:
            self._violation(f"tool id {call_id} answered as {response.get('name')!r}")
        elif call_id in self._cancelled:
            self._violation(f"cancelled tool id {call_id} answered")
        elif call_id in self._answered:
            self._violation(f"tool id {call_id} answered twice")
        elif not response.get("willContinue"):
            self._settle(batch, call_id, response)

    def cancel_blocking(self) -> list[str]:
        """Take back the calls the conversation waits for; return their ids."""
        ids = sorted({i for b in self._batches.values() if b.blocking for i in b.pending})
        for call_id in ids:
            self._batches[call_id].pending.discard(call_id)
            self._cancelled.add(call_id)
            self.record.keep(self.record.cancelled, call_id)
        return ids

    def cancel_one(self) -> list[str]:
        """Take back the latest call that is not answered; return its id, or none."""
        ids = [i for i in self._names if i in self._batches[i].pending][-1:]
        for call_id in ids:
            self._batches[call_id].pending.discard(call_id)
            self._cancelled.add(call_id)
            self.record.keep(self.record.cancelled, call_id)
        return ids

    def ask_again(self, *, new_id: bool) -> Json | None:
        """Ask for the latest call of any session once more; return it, or None: there is none.

        A second answer to the same id is no violation then.
        """
        if self.memory.asked is None:
            return None
        latest, reply = self.memory.asked
        call, before = dict(latest), str(latest["id"])
        call["id"] = f"{before}-again" if new_id else before
        if call["id"] not in self._batches:
            self._batches[call["id"]] = Batch(reply, False, {call["id"]})
            self._names[call["id"]] = str(call["name"])
        self._answered.discard(before)
        self.record.keep(self.record.tool_calls, call)
        return call

    def close(self) -> None:
        """The client left: what it owes is a violation."""
        for call_id, batch in self._batches.items():
            if call_id in batch.pending:
                self._violation(f"tool id {call_id} ({self._names[call_id]}) never answered")

    def _settle(self, batch: Batch, call_id: str, response: Json) -> None:
        self._answered.add(call_id)
        batch.pending.discard(call_id)
        batch.failed |= _says_failed(response.get("response"))
        batch.scheduling = str(response.get("scheduling") or batch.scheduling)
        if not batch.pending:
            self.finished(batch)

    def _violation(self, what: str) -> None:
        self.record.keep(self.record.violations, what)


def _says_failed(response: object) -> bool:
    if not isinstance(response, dict):
        return True
    status = str(response.get("status", "")).lower()
    return (
        bool(response.get("error")) or status in {"error", "failed"} or response.get("ok") is False
    )
