"""Rules of the house that no linter knows."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src" / "fwai").rglob("*.py"))
DETACHED = {"asyncio.create_task", "asyncio.ensure_future", "loop.create_task"}
# What the environment holds is read in one place; the exceptions set what libraries read.
READS_ENVIRONMENT = {"settings.py"}
LONGEST_FILE = 450


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


@pytest.mark.parametrize("path", named_in_the_tree())
def test_every_path_drawn_in_the_architecture_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_the_drawing_is_read_at_all() -> None:
    assert "src/fwai/adapters/plivo" in named_in_the_tree()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_task_has_an_owner(path: Path) -> None:
    found = [call for call in calls(path) if call in DETACHED or call.endswith("_loop.create_task")]

    assert found == [], "start tasks in a TaskGroup"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_environment_is_read_in_one_place(path: Path) -> None:
    if path.name not in READS_ENVIRONMENT:
        assert "os.environ" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_too_long_to_read(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE
