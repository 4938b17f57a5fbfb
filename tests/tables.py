"""One test for the whole table of what is pure and quick.

A test of its own for each of thousands of rows takes a hundred times as long as what it looks at.
"""

import functools
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pytest
from _pytest.mark import ParameterSet

Check = Callable[..., None]
LONGEST_ROW = 200  # characters of a row in what is told of it


def each_row(
    names: str | Sequence[str],
    rows: Iterable[Any],
    ids: Callable[[Any], str] = repr,
) -> Callable[[Check], Callable[[], None]]:
    """Run a test for each row, like `pytest.mark.parametrize`, but as one test.

    All rows are tried. When some fail, the test fails with every one of them and its reason, and
    with the traceback of the first.

    Args:
        names: The arguments that a row is for; of a single one, given as text, rows are its values.
        rows: The table, in which `pytest.param` may give a row its name; an empty one fails.
        ids: What any other row is called, of its value or its tuple.
    """
    one = isinstance(names, str) and "," not in names
    keys = [name.strip() for name in names.split(",")] if isinstance(names, str) else [*names]
    table = list(rows)

    def of(check: Check) -> Callable[[], None]:
        def all_rows() -> None:
            assert table, "a table without rows"
            failed = []
            for row in table:
                named = isinstance(row, ParameterSet)
                values = row.values if named else (row,) if one else row
                if (why := _failure(check, dict(zip(keys, values, strict=True)))) is not None:
                    failed.append((str(row.id) if named else ids(row), why))
            if failed:
                raise AssertionError(_told(failed, len(table))) from failed[0][1]

        functools.update_wrapper(all_rows, check)
        vars(all_rows).pop("__wrapped__")  # pytest would ask for its arguments
        all_rows.__annotations__ = {"return": None}
        return all_rows

    return of


def _failure(check: Check, values: Mapping[str, object]) -> BaseException | None:
    try:
        check(**values)
    except (Exception, pytest.fail.Exception) as exc:  # noqa: BLE001 - told, whatever it is
        return exc
    return None


def _told(failed: Sequence[tuple[str, BaseException]], tried: int) -> str:
    lines = [f"{len(failed)} of {tried} rows fail:"]
    for row, why in failed:
        reason = "".join(traceback.format_exception_only(why)).strip().replace("\n", "\n    ")
        lines.append(f"{row if len(row) <= LONGEST_ROW else row[:LONGEST_ROW] + '…'}\n    {reason}")
    return "\n".join(lines)
