"""Gathers what is wrong with the fields of one request, so that all of it is told at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from fwai.errors import FieldError


class FieldFaults:
    """Faults of the fields that were looked at so far."""

    def __init__(self) -> None:
        self._found: list[FieldError] = []

    @contextmanager
    def of_field(self) -> Iterator[None]:
        """Keep a FieldError of the block and go on behind it."""
        try:
            yield
        except FieldError as exc:
            self._found.append(exc)

    def check(self) -> None:
        """Raise the first fault with the others, if there is any.

        Raises:
            FieldError: Something is wrong.
        """
        if self._found:
            first, *others = self._found
            first.others = tuple(others)
            raise first
