"""Prepared e-mails: how they are written down, filled, and what no gap takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwai.domain.email_text import (
    MAX_TEMPLATES,
    MAX_VALUE,
    EmailText,
    EmailTextError,
    holds_link,
    parse_email_templates,
)

RIGHT = {"subject": "Fees for {#name#}", "body": "Hello {#name#},\n\nsee you {#day#}."}
WHERE = "p.json: A.email_templates"


def faults(raw: object) -> list[str]:
    return parse_email_templates(raw, WHERE)[1]


def test_a_template_is_read_with_its_variables() -> None:
    found, problems = parse_email_templates({"fees": {**RIGHT, "description": "the fees"}}, WHERE)

    assert problems == []
    assert found == {
        "fees": EmailText("fees", RIGHT["subject"], RIGHT["body"], "the fees"),
    }
    assert found["fees"].variables == ("name", "day")
    assert found["fees"].fill({"name": " Asha\nRao ", "day": "on Monday, 5:30 pm"}) == (
        "Fees for Asha Rao",
        "Hello Asha Rao,\n\nsee you on Monday, 5:30 pm.",
    )


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (["x"], ": must be an object"),
        (None, ": must be an object"),
        ({"Fees": RIGHT}, ".Fees: its name must be small letters"),
        ({"fees": "Hello"}, ".fees: must be an object"),
        ({"fees": {"subject": "S"}}, ".fees.body: missing"),
        ({"fees": {**RIGHT, "subject": " "}}, ".fees.subject: missing"),
        ({"fees": {**RIGHT, "subject": "a\nb"}}, ".fees.subject: must be one line"),
        ({"fees": {**RIGHT, "subject": "x" * 121}}, ".fees.subject: too long; at most 120"),
        ({"fees": {**RIGHT, "body": "x" * 4001}}, ".fees.body: too long; at most 4000"),
        ({"fees": {**RIGHT, "body": "Hello {#Name#}"}}, ".fees.body: a brace that is no variable"),
        ({"fees": {**RIGHT, "body": "Hello {#name"}}, ".fees.body: a brace that is no variable"),
        ({"fees": {**RIGHT, "html": "<b>"}}, ".fees.html: unknown key; use one of subject"),
        ({"fees": {**RIGHT, "description": 5}}, ".fees.description: must be text"),
        (
            {"fees": {**RIGHT, "body": "".join(f"{{#a{one}#}}" for one in range(9))}},
            ".fees: too many variables",
        ),
        ({f"a{one}": RIGHT for one in range(MAX_TEMPLATES + 1)}, ": 21 templates; at most 20"),
    ],
)
def test_a_wrong_template_is_named_with_its_fix(raw: object, fault: str) -> None:
    (found,) = faults(raw)

    assert found.startswith(f"{WHERE}{fault}")


LINKS = (
    "http://spam.example", "HTTPS://SPAM.EXAMPLE/x", "ftp://a", "www.spam.example", "spam.example",
    "see spam.example/win now", "a@b", "ask@spam.example", "bit.ly/3", "spam.co.in",
    "spam dot example slash win", "javascript://x", "пример.рф", "WWW spam",
)  # fmt: skip
WORDS = (
    "Asha", "Dr. Asha Rao", "A. K. Singh", "Monday, 5 p.m.", "5.30 pm", "4.000 rupees", "Class 10.",
    "web design", "आशा राव", "O'Brien-Rao", "at 10 on Monday", "Spoken English, two months",
    "no. 5", "the dot com course",
)  # fmt: skip


@pytest.mark.parametrize("text", LINKS)
def test_a_link_or_an_address_is_found(text: str) -> None:
    assert holds_link(text)
    with pytest.raises(EmailTextError, match="without a link"):
        EmailText("a", "{#x#}", "b").fill({"x": text})


@pytest.mark.parametrize("text", WORDS)
def test_plain_words_are_none(text: str) -> None:
    assert not holds_link(text)


@given(st.text(max_size=MAX_VALUE))
def test_whatever_fills_a_gap_stays_on_its_line(value: str) -> None:
    template = EmailText("a", "S {#x#}", "B {#x#}")
    try:
        subject, body = template.fill({"x": value})
    except EmailTextError:
        return

    assert len(subject.splitlines()) == len(body.splitlines()) == 1


def test_a_value_is_never_read_as_a_variable() -> None:
    template = EmailText("a", "S", "{#x#} {#y#}")

    assert template.fill({"x": "{#y#}", "y": "two"}) == ("S", "{#y#} two")
