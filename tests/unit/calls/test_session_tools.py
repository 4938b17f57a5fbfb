"""Tool calls of one call: each runs once, however often and over however many links it is asked."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import virtual_time
from fakes import CALL
from fwai.calls.session_tools import FORGOTTEN_S, MAX_KEPT, REPEATED_S, SessionTools
from fwai.domain.call import Call
from fwai.domain.events import ToolCall, ToolResult
from fwai.interfaces.calls import CallActions

TAKES_S = 2.0
ANNA = {"to": "+919999900001"}


class Bench:
    """Tools that take a while, and what was told of them."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self.ran: list[str] = []
        self.finished: list[str] = []
        self.again: list[ToolResult] = []
        self.loop = asyncio.get_running_loop()
        self.tools = SessionTools(
            CALL, self, tasks, cast("CallActions", None), self._finished, self.again.append,
            self.loop.time,
        )  # fmt: skip

    async def run(self, request: ToolCall, call: Call, actions: CallActions) -> ToolResult:
        self.ran.append(request.id)
        await asyncio.sleep(TAKES_S)
        text = f"outcome {len(self.ran)}"
        return ToolResult(request.id, request.name, ok=True, text=text, data={})

    def _finished(
        self, request: ToolCall, result: ToolResult, at: float, elapsed_ms: float
    ) -> None:
        assert round(elapsed_ms) == TAKES_S * 1000
        assert round(self.loop.time() - at, 3) == TAKES_S
        self.finished.append(result.id)

    def ask(self, call_id: str, name: str = "send_sms", **args: Any) -> None:  # noqa: ANN401
        self.tools.start(ToolCall(call_id, name, args or ANNA))

    @property
    def answered_again(self) -> list[tuple[str, str]]:
        return [(one.id, one.text) for one in self.again]


def at_work(act: Callable[[Bench], Awaitable[None]]) -> Bench:
    async def main() -> Bench:
        async with asyncio.TaskGroup() as tasks:
            bench = Bench(tasks)
            await act(bench)
        assert not bench.tools.running
        assert bench.tools.since is None
        return bench

    return virtual_time.run(main())


def test_the_same_id_while_it_runs_is_the_same_call() -> None:
    async def act(bench: Bench) -> None:
        bench.ask("a")
        await asyncio.sleep(1)
        bench.ask("a")

    bench = at_work(act)

    assert bench.ran == bench.finished == ["a"]
    assert bench.again == []


def test_the_same_id_after_its_answer_gets_the_same_answer() -> None:
    async def act(bench: Bench) -> None:
        bench.ask("a")
        await asyncio.sleep(TAKES_S + 100)
        bench.ask("a")

    bench = at_work(act)

    assert bench.ran == bench.finished == ["a"]
    assert bench.answered_again == [("a", "outcome 1")]


def test_what_another_connection_asks_again_while_it_runs_is_answered_with_it() -> None:
    async def act(bench: Bench) -> None:
        bench.ask("a")
        await asyncio.sleep(1)
        bench.tools.reconnected()
        bench.ask("b")
        bench.ask("b")
        assert bench.again == []

    bench = at_work(act)

    assert bench.ran == bench.finished == ["a"]
    assert bench.answered_again == [("b", "outcome 1")]


def test_what_another_connection_asks_again_soon_after_it_is_answered_with_it() -> None:
    async def act(bench: Bench) -> None:
        bench.ask("a")
        await asyncio.sleep(TAKES_S + FORGOTTEN_S - 1)
        bench.tools.reconnected()
        bench.ask("b")

    bench = at_work(act)

    assert bench.ran == ["a"]
    assert bench.answered_again == [("b", "outcome 1")]


def test_what_is_asked_again_is_run_again() -> None:
    async def act(bench: Bench) -> None:
        bench.ask("first")
        await asyncio.sleep(TAKES_S + 1)
        bench.tools.caller_said(bench.loop.time())
        bench.ask("they asked for it again")
        await asyncio.sleep(TAKES_S + REPEATED_S + 1)
        bench.ask("a while later")
        await asyncio.sleep(TAKES_S + 1)
        bench.tools.agent_spoke()
        bench.tools.reconnected()
        bench.ask("other words", to="+919999900002")
        bench.ask("other tool", name="send_email")
        await asyncio.sleep(TAKES_S + FORGOTTEN_S + 1)
        bench.ask("long after")

    bench = at_work(act)

    assert bench.ran == [
        "first", "they asked for it again", "a while later", "other words", "other tool",
        "long after",
    ]  # fmt: skip
    assert bench.finished == bench.ran
    assert bench.again == []


def test_a_cancelled_call_is_not_answered() -> None:
    async def act(bench: Bench) -> None:
        bench.ask("a")
        bench.ask("b", to="+919999900002")
        await asyncio.sleep(1)
        bench.tools.cancel("a", "unknown")

    bench = at_work(act)

    assert bench.ran == ["a", "b"]
    assert bench.finished == ["b"]


def test_a_call_that_waits_for_another_and_is_cancelled_is_not_answered() -> None:
    async def act(bench: Bench) -> None:
        bench.ask("a")
        bench.ask("other", to="+919999900002")
        await asyncio.sleep(1)
        bench.tools.reconnected()
        bench.ask("b")
        bench.ask("other again", to="+919999900002")
        bench.tools.cancel("b")

    bench = at_work(act)

    assert bench.finished == ["a", "other"], "its cancellation is not that of the one that runs"
    assert bench.answered_again == [("other again", "outcome 2")]


def test_it_is_known_since_when_a_tool_runs() -> None:
    async def act(bench: Bench) -> None:
        began = bench.loop.time()
        idle = bench.tools.since
        assert idle is None
        bench.ask("a")
        await asyncio.sleep(1)
        bench.ask("b", to="+919999900002")
        assert bench.tools.running
        assert bench.tools.since == began
        await asyncio.sleep(TAKES_S - 0.5)
        assert bench.tools.since == began + 1

    at_work(act)


def test_a_call_with_very_many_tools_forgets_the_first() -> None:
    async def act(bench: Bench) -> None:
        for number in range(MAX_KEPT + 1):
            bench.ask(f"t{number}", to=str(number))
        await asyncio.sleep(TAKES_S + 1)
        bench.ask("t1", to="1")
        bench.ask("t0", to="0")

    bench = at_work(act)

    assert bench.answered_again == [("t1", "outcome 201")]
    assert bench.ran[-1] == "t0"


def test_uses_are_counted_by_what_is_used() -> None:
    async def act(bench: Bench) -> None:
        asked = ["sms", "sms", "email", "sms"]
        assert [bench.tools.allow(what, 2) for what in asked] == [True, True, True, False]

    at_work(act)
