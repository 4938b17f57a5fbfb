"""``make mutants``, on a tree with one function, one test and a patch of each kind."""

import difflib
import importlib.util
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "mutants.py"
SOUND = "def larger(a, b):\n    return a if a > b else b\n"
TEST = "from tiny import larger\n\n\ndef test_larger():\n    assert larger(1, 2) == 2\n"


def the_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mutants", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Tree:
    """A repository in a folder, with faults."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("src/tiny.py", SOUND)
        self.write("tests/test_tiny.py", TEST)
        subprocess.run(["git", "init", "--quiet", root], check=True)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def fault(
        self, name: str, after: str, before: str = SOUND, tests: str = "tests/test_tiny.py"
    ) -> None:
        lines = before.splitlines(keepends=True), after.splitlines(keepends=True)
        diff = "".join(difflib.unified_diff(*lines, "a/src/tiny.py", "b/src/tiny.py"))
        head = f"# The function is broken.\n# tests: {tests}\n"
        self.write(f"tests/mutants/{name}.patch", head + diff)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return Tree(tmp_path / "tree")


def test_only_a_failing_test_notices_a_fault(
    tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    tree.fault("inverted", SOUND.replace(">", "<"))
    tree.fault("equal", SOUND.replace(">", ">="))
    tree.fault("import", f"import nothing_of_this_name\n{SOUND}")
    tree.fault("old", SOUND.replace(">", "<"), before=SOUND.replace("larger", "smaller"))
    tree.fault("syntax", SOUND.replace("return", "give back"))
    tree.fault("untested", SOUND.replace(">", "<"), tests="tests/test_gone.py")

    assert not the_script().check(tree.root)

    *lines, count = capsys.readouterr().out.splitlines()
    assert [line.partition(": The function is broken.")[0] for line in lines] == [
        "SURVIVED tests/test_tiny.py equal",
        "unclear: pytest ended with 2, not a failure import",
        "noticed  inverted",
        "does not apply any more: error: patch failed: src/tiny.py:1 old",
        "does not compile: src/tiny.py syntax",
        "malformed: there is no tests/test_gone.py untested",
    ]
    assert count == "1 of 6 noticed"
    assert (tree.root / "src/tiny.py").read_text(encoding="utf-8") == SOUND


def test_all_noticed_is_well_and_none_at_all_is_not(
    tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    tree.fault("inverted", SOUND.replace(">", "<"))
    tree.fault("constant", SOUND.replace("a if a > b else b", "1"))
    script = the_script()

    assert script.check(tree.root, jobs=1)
    assert capsys.readouterr().out.splitlines()[-1] == "2 of 2 noticed"
    assert not script.check(tree.root, only=["no such fault"])


def test_a_test_that_fails_by_itself_notices_nothing(
    tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    tree.write("tests/test_tiny.py", TEST.replace("== 2", "== 3"))
    tree.fault("inverted", SOUND.replace(">", "<"))

    assert not the_script().check(tree.root)

    assert "without any fault" in capsys.readouterr().out


def test_every_fault_of_ours_says_what_it_breaks_and_who_must_notice() -> None:
    script = the_script()
    root = SCRIPT.parent.parent
    mutants = [script.read_mutant(path) for path in (root / script.FOLDER).glob("*.patch")]

    assert len(mutants) > 30
    for mutant in mutants:
        assert mutant.what, mutant.name
        assert mutant.tests, mutant.name
        assert all((root / test).exists() for test in mutant.tests), mutant.name
        assert all((root / changed).exists() for changed in mutant.changed), mutant.name
