"""A table that is one test fails of each of its rows, and says which."""

import pytest

from tables import LONGEST_ROW, each_row


def test_a_table_that_holds_is_tried_row_by_row() -> None:
    seen = []

    @each_row(("left", "right"), [(1, 2), (3, 4)])
    def check(left: int, right: int) -> None:
        seen.append((left, right))

    check()

    assert seen == [(1, 2), (3, 4)]


def test_every_row_that_fails_is_named_with_its_reason_and_the_others_are_tried() -> None:
    @each_row("number", range(5))
    def check(number: int) -> None:
        assert number % 2 == 0, f"{number} is odd"

    with pytest.raises(AssertionError) as failed:
        check()

    told = str(failed.value)
    assert told.startswith("2 of 5 rows fail:\n1\n    AssertionError: 1 is odd")
    assert "\n3\n    AssertionError: 3 is odd" in told
    assert "1 is odd" in str(failed.value.__cause__), "the first one's traceback"


def test_an_error_that_does_not_come_is_a_row_that_fails() -> None:
    @each_row("text", ["1", "x"])
    def check(text: str) -> None:
        with pytest.raises(ValueError, match="invalid"):
            int(text)

    with pytest.raises(AssertionError, match=r"(?s)1 of 2 rows fail:\n'1'\n.*DID NOT RAISE"):
        check()


def test_any_other_error_is_a_row_that_fails() -> None:
    @each_row("key", ["there", "missing"], ids=str.upper)
    def check(key: str) -> None:
        assert {"there": 1}[key]

    with pytest.raises(AssertionError, match=r"1 of 2 rows fail:\nMISSING\n    KeyError"):
        check()


def test_a_row_may_have_a_name() -> None:
    @each_row("number", [pytest.param(1, id="the first")])
    def check(number: int) -> None:
        assert number != 1

    with pytest.raises(AssertionError, match=r"1 of 1 rows fail:\nthe first\n"):
        check()


def test_a_row_is_not_printed_for_pages() -> None:
    @each_row("text", ["9" * 10**6])
    def check(text: str) -> None:
        raise TypeError

    with pytest.raises(AssertionError) as failed:
        check()

    assert len(str(failed.value)) < LONGEST_ROW + 100


def test_a_table_without_rows_proves_nothing() -> None:
    @each_row("row", [])
    def check(row: object) -> None: ...

    with pytest.raises(AssertionError, match="without rows"):
        check()


def test_a_row_that_does_not_fit_its_names_is_an_error() -> None:
    @each_row("left, right", [(1, 2, 3)])
    def check(left: int, right: int) -> None: ...

    with pytest.raises(ValueError, match="zip"):
        check()


@each_row(("left", "right"), [(1, 1), (2, 2)])
def test_pytest_finds_it_and_gives_it_no_arguments(left: int, right: int) -> None:
    """It keeps its name and its text, too."""
    assert left == right
    assert test_pytest_finds_it_and_gives_it_no_arguments.__name__.startswith("test_pytest_finds")
