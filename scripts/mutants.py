"""Applies each fault of ``tests/mutants`` to a copy of the tree; its tests must notice it.

A fault is a patch of ``src`` below two lines that say what is broken and which tests must notice:

    # A job that was leased without an end is never given up.
    # tests: tests/unit/jobs/test_worker.py

Run by ``make mutants``. Nothing is changed in the tree itself. Fails when a fault is noticed by no
test, when its patch does not apply any more, and when what it leaves cannot be loaded at all: a
module that does not compile proves nothing about the tests.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = "tests/mutants"
TESTS: Final = "tests:"
JOBS: Final = 2
RUN_S: Final = 300.0  # for the tests of one fault; a single test has a deadline of its own
TESTS_FAILED: Final = 1  # pytest's exit code; others are errors in loading, or in its use
NOTICED: Final = "noticed"

_CHANGED: Final = re.compile(r"^(?:---|\+\+\+) [ab]/(\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A fault that tests must notice.

    Attributes:
        patch: The file with it.
        what: What is broken, in plain words.
        tests: Files of tests, or tests, of which one must fail.
        changed: The files that it changes.
    """

    patch: Path
    what: str
    tests: tuple[str, ...]
    changed: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its name: the file's without its ending."""
        return self.patch.stem


def read_mutant(patch: Path) -> Mutant:
    """Read a fault from its file; what its first lines do not say is empty."""
    text = patch.read_text(encoding="utf-8")
    what: list[str] = []
    tests: list[str] = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        words = line.lstrip("# ")
        if words.startswith(TESTS):
            tests += words.removeprefix(TESTS).split()
        else:
            what.append(words)
    changed = tuple(dict.fromkeys(_CHANGED.findall(text)))
    return Mutant(patch, " ".join(what), tuple(tests), changed)


def copy_tree(root: Path, into: Path) -> None:
    """Copy what git knows, and what it may come to know, as it stands in the tree now."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.check_output(listing, cwd=root, text=True)  # noqa: S603
    for name in filter(None, names.split("\0")):
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # deleted, and git was not told yet
            shutil.copy2(root / name, target)


def verdict(mutant: Mutant, tree: Path) -> str:
    """Apply a fault to a copy of the tree, run its tests, and take it back; return what came of it.

    Returns:
        `NOTICED`, or what is wrong.
    """
    if not mutant.what or not mutant.tests:
        return f"malformed: its first lines must say what is broken, and name '# {TESTS}'"
    missing = [test for test in mutant.tests if not (tree / test.partition("::")[0]).exists()]
    if missing:
        return f"malformed: there is no {', '.join(missing)}"
    kept = {name: _contents(tree / name) for name in mutant.changed}
    if (why := _apply(mutant.patch, tree)) is not None:
        return f"does not apply any more: {why}"
    try:
        broken = [name for name in mutant.changed if not _compiles(tree / name)]
        if broken:
            return f"does not compile: {', '.join(broken)}"
        code = run_tests(mutant.tests, tree)
    finally:
        for name, before in kept.items():
            _restore(tree / name, before)
    if code is None:
        return f"unclear: its tests did not end in {RUN_S:.0f} s"
    if code == 0:
        return f"SURVIVED {' '.join(mutant.tests)}"
    return NOTICED if code == TESTS_FAILED else f"unclear: pytest ended with {code}, not a failure"


def run_tests(tests: Sequence[str], tree: Path) -> int | None:
    """Run tests in a copy of the tree; return pytest's exit code, None when it does not end."""
    pytest = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    env = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    env["PYTHONPATH"] = str(tree / "src")
    quiet = subprocess.DEVNULL
    try:
        done = subprocess.run(  # noqa: S603
            pytest, cwd=tree, env=env, stdout=quiet, stderr=quiet, timeout=RUN_S, check=False
        )
    except subprocess.TimeoutExpired:
        return None
    return done.returncode


def check(root: Path, jobs: int = JOBS, only: Sequence[str] = ()) -> bool:
    """Try every fault of a tree whose name holds one of ``only``, and print what came of each.

    Returns:
        Whether every one was noticed, and there was any.
    """
    patches = sorted((root / FOLDER).glob("*.patch"))
    mutants = [read_mutant(one) for one in patches if not only or any(w in one.stem for w in only)]
    named = sorted({test for one in mutants for test in one.tests})
    there = [test for test in named if (root / test.partition("::")[0]).exists()]
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        free: SimpleQueue[Path] = SimpleQueue()
        for number in range(jobs):
            tree = Path(folder) / str(number)
            copy_tree(root, tree)
            free.put(tree)

        def sound(test: str) -> bool:
            with _taken(free) as tree:
                return run_tests([test], tree) == 0

        def judge(mutant: Mutant) -> str:
            # A test that fails by itself would seem to notice everything.
            if failing := [test for test in mutant.tests if not alone.get(test, True)]:
                return f"unclear: without any fault, too, fails {', '.join(failing)}"
            with _taken(free) as tree:
                return verdict(mutant, tree)

        noticed = 0
        with ThreadPoolExecutor(jobs) as pool:
            alone = dict(zip(there, pool.map(sound, there), strict=True))
            for mutant, came in zip(mutants, pool.map(judge, mutants), strict=True):
                noticed += came == NOTICED
                print(f"{came:8} {mutant.name}: {mutant.what}", flush=True)  # noqa: T201
    print(f"{noticed} of {len(mutants)} noticed")  # noqa: T201
    return 0 < len(mutants) == noticed


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the faults; 1 when one was not noticed."""
    parser = argparse.ArgumentParser(description="Which faults do the tests notice?")
    parser.add_argument("only", nargs="*", help="parts of names; all when none is given")
    parser.add_argument("--jobs", type=int, default=JOBS, help="how many at once")
    given = parser.parse_args(arguments)
    return 0 if check(ROOT, max(given.jobs, 1), given.only) else 1


@contextmanager
def _taken(free: "SimpleQueue[Path]") -> Iterator[Path]:
    """Take a copy of the tree that nobody uses, and give it back."""
    tree = free.get()
    try:
        yield tree
    finally:
        free.put(tree)


def _apply(patch: Path, tree: Path) -> str | None:
    """Apply a patch, all of it or nothing; return why it does not apply."""
    # Within a folder of somebody's repository git would look for the files at its top.
    env = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tree.parent)}
    done = subprocess.run(  # noqa: S603
        ["git", "apply", str(patch)],  # noqa: S607
        cwd=tree,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return None
    return (done.stderr.strip().splitlines() or ["git gave no reason"])[0]


def _compiles(path: Path) -> bool:
    if not path.exists():  # a fault may be a file that is missing
        return True
    try:
        compile(path.read_bytes(), str(path), "exec")
    except SyntaxError:
        return False
    return True


def _contents(path: Path) -> tuple[bytes, os.stat_result] | None:
    return (path.read_bytes(), path.stat()) if path.exists() else None


def _restore(path: Path, before: tuple[bytes, os.stat_result] | None) -> None:
    """Put a file back as it was, and forget what Python compiled of it meanwhile."""
    for compiled in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
        compiled.unlink()  # two versions within one second would look the same to Python
    if before is None:
        path.unlink(missing_ok=True)
        return
    content, stat = before
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


if __name__ == "__main__":
    sys.exit(main())
