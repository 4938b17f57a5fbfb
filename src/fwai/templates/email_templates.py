"""E-mail templates: render subject, plain text and HTML from validated, escaped values.

The look is a table-free column of at most 560 px with colours that also hold in dark mode; styles
that matter are inline, because some programs drop ``<style>``.
"""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from string import Template as Text
from typing import Final

from fwai.domain.plain_text import readable

MAX_CHARS: Final = 10_000
_BLANK_LINES: Final = re.compile(r"\n{3,}")


class EmailTemplateError(ValueError):
    """A template cannot be rendered; the text says which value and why."""


@dataclass(frozen=True, slots=True)
class RenderedEmail:
    """A rendered e-mail: a one-line subject, and a plain text and an HTML body."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A placeholder of a template.

    Attributes:
        name: Its key.
        description: For whoever fills it in.
        max_chars: Longest value.
        label: Makes it a row of the facts table, under this heading.
        lines: It may have several lines.
        optional: It may be missing.
    """

    name: str
    description: str
    max_chars: int = 200
    label: str = ""
    lines: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True)
class EmailTemplate:
    """An e-mail template with placeholders, written as ``$name``.

    Attributes:
        name: Its key in `EMAIL_TEMPLATES`.
        subject: One line.
        title: Headline of the HTML; empty for none.
        body: Paragraphs, separated by empty lines.
        footer: Who sent this, and why.
        values: Its placeholders.
    """

    name: str
    subject: str
    title: str
    body: str
    footer: str
    values: tuple[Placeholder, ...]

    def render(self, values: Mapping[str, str]) -> RenderedEmail:
        """Render the e-mail with ``values``.

        Raises:
            EmailTemplateError: A value is missing, unknown, too long, or has what it may not have.
        """
        if unknown := sorted(set(values) - {one.name for one in self.values}):
            raise EmailTemplateError(f"{self.name} has no value {', '.join(unknown)}")
        given = {one.name: _validated_value(self.name, one, values) for one in self.values}
        facts = [
            (one.label, given[one.name]) for one in self.values if one.label and given[one.name]
        ]
        body, footer = (Text(part).substitute(given) for part in (self.body, self.footer))
        return RenderedEmail(
            subject=Text(self.subject).substitute(given),
            text=_text_body(body, facts, footer),
            html=_html_body(Text(self.title).substitute(given), body, facts, footer),
        )


def _validated_value(template: str, placeholder: Placeholder, values: Mapping[str, str]) -> str:
    # Among what is left out is what turns the direction of writing: it can disguise a link.
    given = values.get(placeholder.name, "")
    value = readable(given, len(given)).replace("\r\n", "\n")
    value = _BLANK_LINES.sub("\n\n", value.strip())
    if not value and not placeholder.optional:
        raise EmailTemplateError(f"{template} needs {placeholder.name}: {placeholder.description}")
    if len(value) > min(placeholder.max_chars, MAX_CHARS):
        raise EmailTemplateError(
            f"{placeholder.name} is longer than {placeholder.max_chars} characters"
        )
    if "\n" in value and not placeholder.lines:
        raise EmailTemplateError(f"{placeholder.name} is one line")
    return value


def _text_body(body: str, facts: list[tuple[str, str]], footer: str) -> str:
    parts = [body]
    if facts:
        parts.append("\n".join(f"{label}: {value}" for label, value in facts))
    return "\n\n".join([*parts, f"-- \n{footer}"]) + "\n"


_HTML_PAGE: Final = Text("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<style>
@media (prefers-color-scheme: dark) {
  body, .sheet { background: #16181c !important; color: #e8eaed !important; }
  .card { background: #202328 !important; border-color: #3a3f47 !important; }
  .quiet { color: #a9b0ba !important; border-color: #3a3f47 !important; }
}
</style>
</head>
<body class="sheet" style="margin:0;padding:0;background:#f3f4f6;color:#1b1f24">
<div style="max-width:560px;margin:0 auto;padding:24px 16px;$font">
<div class="card" style="background:#ffffff;border:1px solid #dfe3e8;border-radius:10px;\
padding:24px 24px 8px;font-size:16px;line-height:1.55;overflow-wrap:anywhere">
$content
</div>
<p class="quiet" dir="auto" style="margin:16px 8px 0;color:#5b6470;font-size:13px;\
line-height:1.5;overflow-wrap:anywhere">$footer</p>
</div>
</body>
</html>
""")
_FONT: Final = (
    "font-family:-apple-system,'Segoe UI',Roboto,'Noto Sans','Noto Sans Devanagari',Arial,"
    "sans-serif"
)
_TITLE: Final = '<h1 dir="auto" style="margin:0 0 16px;font-size:21px;line-height:1.3">{}</h1>'
_PARAGRAPH: Final = '<p dir="auto" style="margin:0 0 16px">{}</p>'
_FACTS: Final = '<dl style="margin:0">\n{}\n</dl>'
_FACT: Final = (
    '<dt class="quiet" style="color:#5b6470;font-size:13px">{}</dt>'
    '<dd dir="auto" style="margin:0 0 12px;font-weight:600">{}</dd>'
)


def _html_body(title: str, body: str, facts: list[tuple[str, str]], footer: str) -> str:
    content = [_TITLE.format(_escaped(title))] if title else []
    content += [_PARAGRAPH.format(_escaped(part)) for part in body.split("\n\n")]
    if facts:
        rows = [_FACT.format(_escaped(label), _escaped(value)) for label, value in facts]
        content.append(_FACTS.format("\n".join(rows)))
    return _HTML_PAGE.substitute(font=_FONT, content="\n".join(content), footer=_escaped(footer))


def _escaped(text: str) -> str:
    return html.escape(text).replace("\n", "<br>\n")


_BUSINESS: Final = Placeholder("business", "the name of the business", 100)
_NAME: Final = Placeholder("name", "the customer's name", 60)
_FOOTER: Final = (
    "An AI assistant sent this on behalf of $business, because it was asked for in a phone call."
    " If that was not you, you can ignore this message."
)

EMAIL_TEMPLATES: Final[Mapping[str, EmailTemplate]] = {
    one.name: one
    for one in (
        EmailTemplate(
            name="message",
            subject="$subject",
            title="",
            body="$body",
            footer=_FOOTER,
            values=(
                Placeholder("subject", "what it is about", 150),
                Placeholder("body", "what the caller asked for, in plain text", 8000, lines=True),
                _BUSINESS,
            ),
        ),
        EmailTemplate(
            name="demo_booked",
            subject="Your demo of $topic: $when",
            title="Your demo is booked",
            body="Hello $name,\n\nthank you for your call. We look forward to meeting you.",
            footer=_FOOTER,
            values=(
                _NAME,
                Placeholder("when", "day, time and time zone in words", 80, label="When"),
                Placeholder("topic", "what the demo is about", 100, label="About"),
                Placeholder("duration", "how long it takes", 40, label="Duration", optional=True),
                Placeholder("place", "where, or the link", 300, label="Where", optional=True),
                _BUSINESS,
            ),
        ),
        EmailTemplate(
            name="demo_canceled",
            subject="Canceled: your demo of $topic, $when",
            title="Your demo is canceled",
            body="Hello $name,\n\nyour demo does not take place. If you would like another time,"
            " please call us again.",
            footer=_FOOTER,
            values=(
                _NAME,
                Placeholder("when", "day, time and time zone in words", 80, label="When"),
                Placeholder("topic", "what the demo was about", 100, label="About"),
                _BUSINESS,
            ),
        ),
        EmailTemplate(
            name="callback_confirmed",
            subject="We will call you back: $when",
            title="We will call you back",
            body="Hello $name,\n\nas agreed in our call, we will phone you at this time.",
            footer=_FOOTER,
            values=(
                _NAME,
                Placeholder("when", "day, time and time zone in words", 80, label="When"),
                Placeholder("topic", "what the call is about", 200, label="About", optional=True),
                _BUSINESS,
            ),
        ),
    )
}


def render_email(name: str, values: Mapping[str, str]) -> RenderedEmail:
    """Render a template of `EMAIL_TEMPLATES`.

    Raises:
        EmailTemplateError: There is none of that name, or a value does not fit.
    """
    template = EMAIL_TEMPLATES.get(name)
    if template is None:
        raise EmailTemplateError(f"no template {name!r}; there are {', '.join(EMAIL_TEMPLATES)}")
    return template.render(values)
