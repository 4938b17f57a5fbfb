from html.parser import HTMLParser

import pytest

from fwai.templates.email_templates import EMAIL_TEMPLATES, EmailTemplateError, render_email

MESSAGE = {"subject": "Fees", "body": "One.\n\nTwo.", "business": "Acme Academy"}
DEMO = {
    "name": "Asha",
    "when": "Tuesday, 1 December 2026, 5:00 pm (India)",
    "topic": "Data course",
    "business": "Acme Academy",
}
CALLBACK = {"name": "Asha", "when": "tomorrow, 5:00 pm (India)", "business": "Acme Academy"}
EXAMPLES = {
    "message": MESSAGE,
    "demo_booked": DEMO,
    "demo_canceled": DEMO,
    "callback_confirmed": CALLBACK,
}
every_template = pytest.mark.parametrize("name", sorted(EMAIL_TEMPLATES))


class Reader(HTMLParser):
    """Reads a page as a person would, and notes its tags."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.seen.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    return reader


def test_every_template_has_an_example() -> None:
    assert set(EXAMPLES) == set(EMAIL_TEMPLATES)


@every_template
def test_both_bodies_say_the_same_and_who_sent_them(name: str) -> None:
    values = EXAMPLES[name]

    mail = render_email(name, values)

    seen = " ".join(" ".join(read(mail.html).seen).split())
    for value in values.values():
        if value != values.get("subject"):
            for part in value.split("\n\n"):
                assert part in mail.text
                assert part in seen
    for body in (mail.text, seen):
        assert "AI assistant" in body
        assert "on behalf of Acme Academy" in body
        assert "phone call" in body
    assert "$" not in mail.subject + mail.text + mail.html
    assert mail.text.endswith("\n")


@every_template
def test_nothing_in_a_value_becomes_html(name: str) -> None:
    evil = "<b>x</b><script>alert(1)</script>\"'&"
    values = dict.fromkeys(EXAMPLES[name], evil)

    mail = render_email(name, values)

    harmless = render_email(name, dict.fromkeys(EXAMPLES[name], "x"))
    assert read(mail.html).tags == read(harmless.html).tags
    assert "<script" not in mail.html
    assert "&lt;script&gt;" in mail.html
    assert evil in mail.text


def test_a_value_that_looks_like_a_gap_stays_as_it_is() -> None:
    mail = render_email("message", MESSAGE | {"body": "It costs $business and ${subject}, $5."})

    assert "It costs $business and ${subject}, $5." in mail.text
    assert "It costs $business and ${subject}, $5." in mail.html


def test_lines_and_paragraphs_are_kept() -> None:
    mail = render_email("message", MESSAGE | {"body": "a\r\nb\r\n\r\n\r\n\r\nc"})

    assert mail.text.startswith("a\nb\n\nc\n")
    assert ">a<br>\nb</p>" in mail.html
    assert ">c</p>" in mail.html


def test_optional_facts_are_left_out_when_missing() -> None:
    with_place = render_email("demo_booked", DEMO | {"place": "https://example.com/room"})

    assert "Where: https://example.com/room" in with_place.text
    assert "Where" in with_place.html
    assert "Where" not in render_email("demo_booked", DEMO).text
    assert "Where" not in render_email("demo_booked", DEMO).html


def test_subjects_tell_the_appointment() -> None:
    assert render_email("demo_booked", DEMO).subject == f"Your demo of Data course: {DEMO['when']}"
    assert render_email("demo_canceled", DEMO).subject == (
        f"Canceled: your demo of Data course, {DEMO['when']}"
    )
    assert render_email("callback_confirmed", CALLBACK).subject == (
        "We will call you back: tomorrow, 5:00 pm (India)"
    )


def test_control_characters_and_turned_writing_are_dropped() -> None:
    mail = render_email("message", MESSAGE | {"body": "a\x00b\u202ec\u2066d"})

    assert mail.text.startswith("abcd\n")


@pytest.mark.parametrize(
    ("name", "values", "sentence"),
    [
        ("letter", {}, "no template 'letter'; there are message"),
        ("message", MESSAGE | {"colour": "red"}, "message has no value colour"),
        ("message", MESSAGE | {"body": "  \n"}, "message needs body"),
        ("message", {"subject": "x"}, "message needs body"),
        ("message", MESSAGE | {"subject": "a\nBcc: x@example.com"}, "subject is one line"),
        ("message", MESSAGE | {"subject": "a\rb"}, "subject is one line"),
        ("message", MESSAGE | {"subject": "x" * 151}, "longer than 150"),
        ("message", MESSAGE | {"body": "x" * 8001}, "longer than 8000"),
        ("demo_booked", DEMO | {"name": "a\nb"}, "name is one line"),
    ],
)
def test_a_value_that_does_not_fit_is_named(
    name: str, values: dict[str, str], sentence: str
) -> None:
    with pytest.raises(EmailTemplateError, match=sentence):
        render_email(name, values)
