"""Reads what the documentation promises: events, settings, commands."""

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from fwai.cli.arguments import parser

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    {
        ROOT / "README.md",
        ROOT / "ARCHITECTURE.md",
        ROOT / "n8n_flows" / "FWAI_Internal" / "README.md",
        *(ROOT / "docs").rglob("*.md"),
    }
)
_NAME = re.compile(r"`([a-z_]+(?:\.[a-z_]+)?)`")
_CODE = re.compile(r"```.*?\n(.*?)```|`([^`\n]+)`", re.DOTALL)


def snippets(page: Path) -> Iterator[str]:
    """Yield every line of a page's code blocks, and what it sets in code between words."""
    for block, inline in _CODE.findall(page.read_text("utf-8")):
        yield from (block or inline).splitlines()


# ---- events -------------------------------------------------------------------------------------


def _table(text: str, heading: str) -> list[list[str]]:
    """Return the cells of the rows below a heading row."""
    lines = text[text.index(heading) :].splitlines()[2:]
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def documented_events() -> dict[str, set[str]]:
    """Return the fields of ``data`` by type of event, as docs/N8N.md lists them."""
    text = (ROOT / "docs" / "N8N.md").read_text("utf-8")
    call = {name for row in _table(text, "| field of a call |") for name in _NAME.findall(row[0])}
    events: dict[str, set[str]] = {}
    for types, _, data in _table(text, "| type | when | `data` |"):
        fields = set(_NAME.findall(data)) | (call if data.startswith("a call") else set())
        events |= dict.fromkeys(_NAME.findall(types), fields)
    return events


def documented_items() -> dict[str, set[str]]:
    """Return the fields of one entry of a call's lists, by the name of the list."""
    text = (ROOT / "docs" / "N8N.md").read_text("utf-8")
    found = re.findall(r"`(\w+)` is `\[\{([^}]*)\}\]`", text)
    return {name: set(re.findall(r'"(\w+)"', fields)) for name, fields in found}


# ---- commands -----------------------------------------------------------------------------------


def documented_commands() -> dict[str, list[str]]:
    """Return the arguments of every ``fwai ...`` and ``python run.py ...`` in the pages."""
    found = {}
    for page in PAGES:
        for line in snippets(page):
            match = re.match(r"^(?:\S*python run\.py|fwai)\b(?! &&)(.*)$", line.strip())
            if match is None or match[1].strip().startswith(("...", "[command]", "/", ".")):
                continue
            words = match[1].partition("#")[0].replace("[", "").replace("]", "").rstrip(";")
            found[line.strip()] = shlex.split(words)
    return found


def documented_targets() -> set[str]:
    """Return every target of ``make`` that the pages name."""
    return {
        target
        for page in PAGES
        for line in snippets(page)
        for target in re.findall(r"\bmake ([a-z][a-z0-9-]*)", line)
    }


def make_targets() -> set[str]:
    """Return the targets of the Makefile that a person may type."""
    text = (ROOT / "Makefile").read_text("utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    return set(phony.split())


def commands() -> set[str]:
    """Return the names of the parser's commands."""
    (action,) = [one for one in parser()._actions if isinstance(one, argparse._SubParsersAction)]
    return set(action.choices)
