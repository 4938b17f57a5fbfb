"""Finds the known word that a mistyped one was meant to be. No I/O."""

from collections.abc import Iterable

MAX_COMPARED_CHARS = 80  # a longer word was not mistyped, it is something else


def slips(word: str, meant: str) -> int:
    """Count the slips between two words: a letter too many, missing, wrong, or two swapped."""
    before: list[int] = []
    last = list(range(len(meant) + 1))
    for row, letter in enumerate(word, 1):
        current = [row]
        for column, other in enumerate(meant, 1):
            cost = min(
                last[column] + 1, current[column - 1] + 1, last[column - 1] + (letter != other)
            )
            swapped = row > 1 and column > 1 and letter == meant[column - 2] != other
            if swapped and word[row - 2] == other:
                cost = min(cost, before[column - 2] + 1)
            current.append(cost)
        before, last = last, current
    return last[-1]


def nearest(word: str, known: Iterable[str], most: int | None = None) -> str:
    """Return the known word with the fewest slips, whatever its case; empty when none is near.

    Args:
        word: As it was written.
        known: Candidates; of equally near ones the first is taken.
        most: The most slips; by default one for every three characters of the shorter word, and
            three at most.
    """
    if len(word) > MAX_COMPARED_CHARS:
        return ""
    best, fewest = "", MAX_COMPARED_CHARS
    for candidate in known:
        allowed = min(3, min(len(word), len(candidate)) // 3) if most is None else most
        if abs(len(word) - len(candidate)) > allowed:
            continue
        found = slips(word.casefold(), candidate.casefold())
        if found <= allowed and found < fewest:
            best, fewest = candidate, found
    return best
