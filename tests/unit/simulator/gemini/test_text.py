"""Summaries are made of the transcript in the prompt."""

import pytest

from fwai.simulator.gemini.text import summarise


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ("", "Nobody said anything."),
        ("Rules: be short.", "Nobody said anything."),
        ("caller: Yes.", "The caller said: Yes."),
        ("- **Agent** (10:01): Bye", "The agent said last: Bye."),
        ("[00:12] CALLER: Hi: you\n  agent said: no", "The caller said: Hi: you."),
        ("User: A\nModel: B\nuser: C\nmodel: D", "The caller said: A. The agent said last: D."),
        ("caller: " + "x" * 500, "The caller said: " + "x" * 160 + "."),
    ],
)
def test_first_and_last_words_are_quoted(text: str, summary: str) -> None:
    assert summarise(text) == summary
