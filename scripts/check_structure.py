"""Points at files, classes and functions that grew too long, and at build products in the tree.

Fails on those that `LONG` does not list with a reason; run by ``make check``.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
MAX_FILE: Final = 400
MAX_CLASS: Final = 250
MAX_FUNCTION: Final = 50
BUILD_PRODUCTS: Final = (".whl", ".egg", ".pyc", ".so", ".tar.gz", ".zip", ".log", ".db")

# What is longer for a reason: path, or path:name.
LONG: Final[dict[str, str]] = {
    "src/fwai/wiring/app.py:open_server": "the one visible order in which a server is built",
    "src/fwai/wiring/jobs.py:background_jobs": "declarative: the handler of every kind of job",
    "src/fwai/store/open.py:_build": "declarative: one object per thing that is kept",
    "src/fwai/integrations/invitation.py:invitation": "an iCalendar file, property by property",
    "src/fwai/tools/callbacks.py:schedule_callback": "a tool's builder with its documentation",
    "src/fwai/adapters/browser/routes.py:router": "declarative: the routes of the page",
    "src/fwai/adapters/exotel/routes.py:router": "declarative: the routes of one provider",
    "src/fwai/calls/session.py": "one call: what each event of its two legs means, at one place",
    "src/fwai/calls/session.py:CallSession": "one call: each part that stands alone is a module",
    "src/fwai/calls/manager.py:CallManager": "what providers, operators and jobs may do to calls",
    "src/fwai/gemini/agent.py": "one conversation over its connections, at one place",
    "src/fwai/gemini/agent.py:GeminiAgent": "one conversation over its connections, at one place",
    "src/fwai/web/bookings.py:add": "declarative: the routes of one resource",
    "src/fwai/web/callbacks.py:add": "declarative: the routes of one resource",
    "src/fwai/web/calls.py:add": "declarative: the routes of one resource",
    "src/fwai/web/contacts.py:add": "declarative: the routes of one resource",
    "src/fwai/web/jobs.py:add": "declarative: the routes of one resource",
    "src/fwai/web/live_calls.py:add": "declarative: the routes of one resource",
}


def too_long(path: Path) -> Iterator[tuple[str, int, int]]:
    """Yield the key in `LONG`, the length and the limit of what is too long in a file."""
    name = path.relative_to(ROOT).as_posix()
    text = path.read_text("utf-8")
    lines = len(text.splitlines())
    if lines > MAX_FILE:
        yield name, lines, MAX_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef):
            limit = MAX_CLASS
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            limit = MAX_FUNCTION
        else:
            continue
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        if length > limit:
            yield f"{name}:{node.name}", length, limit


def build_products() -> list[str]:
    """Return the tracked files that are made by a build or a run."""
    listed = subprocess.run(
        ["git", "ls-files"],  # noqa: S607 - the checkout's own git
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [
        name
        for name in listed.stdout.splitlines()
        if name.endswith(BUILD_PRODUCTS) or name.startswith(("build/", "dist/"))
    ]


def main() -> int:
    """Print what is found and return 1 when there is something."""
    problems = [f"{name}: a build product is tracked; remove it" for name in build_products()]
    found = {}
    for path in sorted((ROOT / "src").rglob("*.py")):
        for key, length, limit in too_long(path):
            found[key] = length
            if key not in LONG:
                problems.append(
                    f"{key}: {length} lines, at most {limit}; cut it, or say why in LONG"
                )
    problems += [
        f"{key}: is not too long any more; take it out of LONG" for key in LONG if key not in found
    ]
    for problem in problems:
        print(problem)  # noqa: T201
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
