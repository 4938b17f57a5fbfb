"""The messages that are broken: the recorded ones of ``tests/contract``, and those of ``corpus/``.

A file of ``corpus`` has one message per line, as a Python bytes literal; ``#`` begins a comment.
What `make fuzz` finds is printed in this form: add the line, and every run begins from it.
"""

import ast
import json
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent / "corpus"
CONTRACT: Final = Path(__file__).parents[1] / "contract"
_LISTS: Final = ("messages", "starts", "cases", "requests")


def found(name: str) -> list[bytes]:
    """Return the messages of one file of the corpus."""
    path = HERE / f"{name}.seeds"
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return [ast.literal_eval(line) for line in lines if line and not line.startswith("#")]


def recorded(*names: str) -> list[dict[str, Any]]:
    """Return the cases of files of ``tests/contract``."""
    cases: list[dict[str, Any]] = []
    for name in names:
        body = json.loads((CONTRACT / f"{name}.json").read_text("utf-8"))
        cases += [case for key in _LISTS for case in body.get(key, ()) if isinstance(case, dict)]
    return cases


def messages(*names: str) -> list[bytes]:
    """Return the recorded messages of files of ``tests/contract`` as they come over the wire."""
    said = []
    for case in recorded(*names):
        if isinstance(case.get("raw"), str):
            said.append(case["raw"].encode(errors="surrogatepass"))
        elif (body := case.get("message", case.get("frame"))) is not None:
            said.append(json.dumps(body).encode())
    return said
