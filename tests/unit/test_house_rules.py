"""Rules of the house that no linter knows."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import grimp

from tables import each_row

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src" / "fwai").rglob("*.py"))
DETACHED = {"asyncio.create_task", "asyncio.ensure_future", "loop.create_task"}
# What the environment holds is read in one place; the exceptions set what libraries read.
READS_ENVIRONMENT = {"loading.py"}
UNIT_TESTS = sorted((ROOT / "tests" / "unit").rglob("*.py"))
# Whoever imports one of these has a clock that jumps.
JUMPING_CLOCKS = {"virtual_time", "fwai.simulator.common.jumping_loop"}
SLEEPS = {"asyncio.sleep", "time.sleep", "sleep"}
# What sleeps in real time in spite of that, and why it must.
SLEEPS_FOR_A_REASON = {
    "adapters/browser/test_routes.py": "heartbeats between two events, beside a peer of aiortc's",
    "adapters/whatsapp/kit.py": "its tests run on a clock that jumps",
    "faults/test_caller.py": "a clock that jumps",
    "faults/test_line.py": "a clock that jumps",
    "store/crashing.py": "a process that works until it is killed",
    "store/test_database.py": "a lock that another connection holds: SQLite sets no event",
}


def calls(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


def named_in_the_tree() -> list[str]:
    """Return the paths of the drawing in ARCHITECTURE.md, folders joined to their files."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    drawing = text.split("```")[1]
    paths, folders = [], ["src/fwai"]
    for line in drawing.splitlines():
        match = re.match(r"^((?:│   )*)(?:[├└]── )(\S+)", line)
        if match is None:
            continue
        depth = len(match[1]) // 4
        folders = folders[: depth + 1]
        paths.append("/".join([*folders, match[2].rstrip("/")]))
        if match[2].endswith("/"):
            folders.append(match[2].rstrip("/"))
    return paths


@each_row("path", named_in_the_tree())
def test_every_path_drawn_in_the_architecture_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_the_drawing_is_read_at_all() -> None:
    assert "src/fwai/adapters/plivo" in named_in_the_tree()


@each_row("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_task_has_an_owner(path: Path) -> None:
    found = [call for call in calls(path) if call in DETACHED or call.endswith("_loop.create_task")]

    assert found == [], "start tasks in a TaskGroup"


@each_row("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_environment_is_read_in_one_place(path: Path) -> None:
    if path.name not in READS_ENVIRONMENT:
        assert "os.environ" not in path.read_text(encoding="utf-8")


def sleeps(path: Path) -> list[int]:
    """Return the lines in which real time would pass; a sleep of 0 only lets others run."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in [getattr(node, "module", None), *(alias.name for alias in node.names)]
    }
    if imported & JUMPING_CLOCKS:
        return []
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in SLEEPS
        and [ast.unparse(arg) for arg in node.args] != ["0"]
    ]


@each_row("path", UNIT_TESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_unit_test_sleeps(path: Path) -> None:
    allowed = path.relative_to(ROOT / "tests" / "unit").as_posix() in SLEEPS_FOR_A_REASON

    assert bool(sleeps(path)) == allowed, "use virtual_time, an event, or polling.until"


def test_every_folder_is_drawn_in_the_architecture() -> None:
    package = ROOT / "src" / "fwai"
    folders = {path.parent.relative_to(ROOT).as_posix() for path in package.glob("*/__init__.py")}

    assert folders <= set(named_in_the_tree())


def test_the_top_level_holds_folders_and_little_else() -> None:
    modules = {path.stem for path in (ROOT / "src" / "fwai").glob("*.py")}

    assert modules == {"__init__", "__main__", "errors", "log", "rates", "secret_file", "tasks"}


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = grimp.build_graph("fwai", cache_dir=None)
    left = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    while free := {module for module, needs in left.items() if not needs & left.keys()}:
        for module in free:
            del left[module]

    # What is left imports a circle or is in one.
    assert sorted(left) == []
