"""What ``demo`` says before it runs anything."""

import argparse
from pathlib import Path

import pytest

from fwai.cli import demo as command
from fwai.cli.demo import EXIT_FAILED


@pytest.mark.parametrize(
    ("below", "why"),
    [("file", "File exists"), ("file/below", "Not a directory")],
)
def test_a_folder_that_cannot_be_used_is_named_in_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    below: str,
    why: str,
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("nothing is run where nothing can be kept")

    monkeypatch.setattr(command, "run_demo", never)
    (tmp_path / "file").write_text("")
    args = argparse.Namespace(keep=str(tmp_path / below), provider="plivo")

    assert command.demo(args) == EXIT_FAILED

    said = capsys.readouterr().err
    assert said == f"{tmp_path / below}: {why}; choose another folder\n"
