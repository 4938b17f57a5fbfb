"""Runs rows of the matrix, in several processes, each call in virtual time."""

import gc
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

import msgspec

from fwai.errors import ConfigError
from fwai.faults.call import run_call
from fwai.faults.measures import Measures
from fwai.faults.row import Plan, load, shipped
from fwai.faults.schedule import schedules
from fwai.faults.verdict import Verdict, judge

NORMAL: Final = "normal"
MAX_JOBS: Final = 4


def plans(
    only: str = "", *, files: Sequence[Path] = (), random: int = 0, seed: int = 1, rounds: int = 1
) -> list[Plan]:
    """Return the rows to run.

    Args:
        only: A word of their names or groups.
        files: Files of rows, those that ship by default.
        random: How many random schedules, which take the place of the rows.
        seed: Of them.
        rounds: How often calls without a fault are held.

    Raises:
        ConfigError: A file is wrong; line and field are named.
    """
    rows = schedules(random, seed) if random else load(files or shipped())
    chosen = [plan for plan in rows if only in plan.row.name or only == plan.row.group]
    again = [
        msgspec.structs.replace(
            plan, row=msgspec.structs.replace(plan.row, name=f"{plan.row.name}, round {number}")
        )
        for number in range(2, rounds + 1)
        for plan in chosen
        if plan.row.group == NORMAL
    ]
    if not chosen:
        raise ConfigError([f"no row is called {only!r}, nor anything like it"])
    return [*chosen, *again]


def run(rows: Sequence[Plan], jobs: int = 0) -> Iterator[Verdict]:
    """Yield the verdict of each row, in order.

    Args:
        rows: What is run.
        jobs: How many processes; 0 takes one per processor, at most `MAX_JOBS`; 1 none besides
            this one.
    """
    jobs = jobs or min(os.cpu_count() or 1, MAX_JOBS)
    if jobs == 1 or len(rows) == 1:
        yield from map(verdict, rows)
        return
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(verdict, rows)


def verdict(plan: Plan) -> Verdict:
    """Run one row and judge it; what breaks in it is a verdict, too."""
    gc.enable()
    try:
        return judge(run_call(plan))
    except Exception as exc:  # noqa: BLE001 - the other rows go on
        name = f"{type(exc).__name__}: {exc}"[:200]
        return Verdict(plan.row.name, plan.row.group, Measures(), (f"broke: {name}",))
