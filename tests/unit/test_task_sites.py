"""Every place that starts a task: who owns it, and what its exception does.

A task of one call, message, peer or job is started by `IsolatedTasks`, one of the whole process by
`start_enduring`. What is started otherwise stands here with the reason why no other call ends with
it; `test_tasks` shows what the two do, and the tests of faults named here raise at every await.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "fwai"
# The simulated world stands for other processes: it is never loaded beside real calls.
OTHER_PROCESSES = ("simulator/", "demo/", "faults/")
STARTS = {
    "create_task",
    "ensure_future",
    "run_coroutine_threadsafe",
    "start_soon",
    "run_in_executor",
}
ENDS_ITS_CALL = "ends its call"

# Raw tasks: what their exception does.
RAW = {
    "tasks.py IsolatedTasks.start": "logged, ends itself",
    "tasks.py start_enduring": "logged, on /readyz, begun again",
    "calls/call_runner.py CallRunner.run": ENDS_ITS_CALL,  # the agent
    "calls/session.py CallSession.run": ENDS_ITS_CALL,  # the watch
    "calls/session_tools.py SessionTools.start": ENDS_ITS_CALL,  # a tool
    "calls/session.py CallSession._fall_back": ENDS_ITS_CALL,  # apology, transfer or voice message
    "calls/goodbye.py Goodbye.begin": ENDS_ITS_CALL,  # hangs up once the goodbye was heard
    "store/membership.py Membership.run": "begins membership again",  # heartbeat, look at siblings
    "wiring/app.py open_server": "ends the server",  # CallManager.run, which waits for its end
    "server/serving.py serve": "ends the server",  # drain_watch, which waits for a signal
}

# Tasks of one call, message, read or job.
ISOLATED = {
    "adapters/browser/line.py BrowserLine.answer": "browser:",
    "adapters/whatsapp/calls.py WhatsAppCalls._handle_terminate": "whatsapp_end:",
    "adapters/whatsapp/calls.py WhatsAppCalls._handle_progress": "whatsapp_ringing:",
    "adapters/whatsapp/calls.py WhatsAppCalls._handle_unknown_call": "whatsapp_end:",
    "adapters/whatsapp/calls.py WhatsAppCalls._start": "whatsapp:",
    "adapters/whatsapp/calls.py WhatsAppCalls.close": "whatsapp_end:",
    "adapters/whatsapp/messages.py WhatsAppMessages.status": "whatsapp_report",
    "adapters/whatsapp/missed.py MissedReports.start": "whatsapp_missed:",
    "calls/bounded_reads.py BoundedReads.within": "bounded_read",
    "calls/call_records.py CallRecords._begin": "records:",
    "calls/manager.py CallManager._begin": "call:",
    "jobs/worker.py Worker._take": "job:",
}

# Tasks of the process.
ENDURING = {
    "adapters/whatsapp/account.py open_whatsapp": {"whatsapp_contacts", "whatsapp_token"},
    "calls/manager.py CallManager.run": {"call_records"},
    "store/open.py _running": {
        "file_writer", "database_writer", "database_log", "membership", "storage_watch",
        "erasing_again",
    },
    "wiring/app.py open_server": {
        "failures", "limit_alarms", "model_watch", "message_reports", "session_secret", "worker",
        "sentence_clips",
    },
}  # fmt: skip


class Site(NamedTuple):
    """One call in the sources, in the outermost function of a class or module."""

    place: str
    call: ast.Call


@cache
def all_sites() -> tuple[Site, ...]:
    """Read the sources once, and by the process only that looks at them."""
    return tuple(_all_sites())


def _all_sites() -> Iterator[Site]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith(OTHER_PROCESSES):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            yield from _sites(name, "", tree)


def _sites(file: str, inside: str, node: ast.AST) -> Iterator[Site]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield from _sites(file, f"{child.name}.", child)
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            place = f"{file} {inside}{child.name}"
            yield from (Site(place, one) for one in ast.walk(child) if isinstance(one, ast.Call))
        elif isinstance(child, ast.Call):
            yield Site(f"{file} {inside}", child)
        else:
            yield from _sites(file, inside, child)


def _method(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)


def _of_isolated(file: str) -> set[str]:
    """Return the expressions that hold an `IsolatedTasks` in a file."""
    held = set()
    for node in ast.walk(ast.parse((PACKAGE / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and "IsolatedTasks(" in ast.unparse(node.value):
            for target in node.targets:
                parts = target.elts if isinstance(target, ast.Tuple) else [target]
                held |= {ast.unparse(part) for part in parts}
        elif isinstance(node, ast.arg) and ast.unparse(node).endswith(": IsolatedTasks"):
            held |= {node.arg, f"self._{node.arg}"}
    return held


def test_no_task_is_started_in_another_way() -> None:
    found = {place for place, call in all_sites() if _method(call) in STARTS}

    assert found == RAW.keys()


def test_what_belongs_to_one_call_or_message_cannot_end_another() -> None:
    found = {
        place: ast.unparse(call.args[1]).removeprefix("f").strip("'\"")
        for place, call in all_sites()
        if isinstance(call.func, ast.Attribute)
        and call.func.attr == "start"
        and ast.unparse(call.func.value) in _of_isolated(place.split()[0])
    }

    assert found.keys() == ISOLATED.keys()
    named = {place: name for place, name in found.items() if name != "name"}  # a variable
    assert all(name.startswith(ISOLATED[place]) for place, name in named.items()), named


def test_what_the_process_needs_is_begun_again() -> None:
    found: dict[str, set[str]] = {}
    for place, call in all_sites():
        direct = _method(call) == "start_enduring" and "name" not in map(ast.unparse, call.args)
        if direct or (place == "store/open.py _running" and _method(call) == "start"):
            names = {
                arg.value
                for arg in call.args
                if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
            }
            found.setdefault(place, set()).update(names)

    assert found == ENDURING


@pytest.mark.parametrize(
    ("source", "raw"),
    [
        ("async def f(g):\n    g.create_task(x())", True),
        ("class A:\n    def f(self):\n        def g(): self._group.create_task(x())", True),
        ("class A:\n    def f(self):\n        asyncio.ensure_future(x())", True),
        ("create_task(x())", True),
        ("class A:\n    def f(self):\n        self._tasks.start(x(), 'x')", False),
    ],
)
def test_the_search_finds_them(source: str, raw: bool) -> None:
    found = [call for _, call in _sites("a.py", "", ast.parse(source))]

    assert any(_method(call) in STARTS for call in found) is raw
