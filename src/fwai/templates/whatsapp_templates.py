"""WhatsApp message templates approved by Meta, with validation of their parameters.

A template is approved by Meta under a name and a language; its texts live there. Here is what a
sender must know: which parameters it takes, how they are spelt and how long they may be. Keep both
in step: a wrong count is refused with 132000, a wrong language with 132001.

Source: Meta's template message reference; read 2026-11-22.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

MAX_VALUE_CHARS: Final = 1024
_NAME: Final = re.compile(r"[a-z0-9_]{1,512}")
_FORBIDDEN: Final = re.compile(r"[\n\r\t]| {5,}")


class TemplateError(ValueError):
    """A template cannot be rendered; the text says which parameter and why."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One variable of a template.

    Attributes:
        name: What tools call it; on the wire only of templates with named parameters.
        description: For whoever fills it in.
        max_chars: Longest value.
    """

    name: str
    description: str
    max_chars: int = 200


@dataclass(frozen=True, slots=True)
class Template:
    """An approved template.

    Attributes:
        name: At Meta.
        language: Exactly that of the approved translation: ``en`` is not ``en_US``.
        purpose: When to send it.
        text: Its body for people and models to read, with ``{{name}}`` for each parameter.
        body: Parameters of the body, in the order of their positions.
        named: The template was made with named parameters.
        url_suffix: Parameter of its URL button, if it has one.
        asks_permission: It carries a call permission request, and then no buttons.
    """

    name: str
    language: str
    purpose: str
    text: str
    body: tuple[Parameter, ...] = field(default=())
    named: bool = False
    url_suffix: Parameter | None = None
    asks_permission: bool = False

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or not self.language:
            raise TemplateError(f"{self.name}: a name is of a-z, 0-9 and _; a language is needed")
        names = [one.name for one in self.parameters]
        if len(set(names)) != len(names):
            raise TemplateError(f"{self.name}: two parameters of one name")
        if set(re.findall(r"\{\{(\w+)\}\}", self.text)) != {one.name for one in self.body}:
            raise TemplateError(f"{self.name}: text and parameters differ")
        if self.asks_permission and self.url_suffix is not None:
            raise TemplateError(f"{self.name}: a permission request has no buttons")

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """All parameters: body and URL button."""
        return (*self.body, self.url_suffix) if self.url_suffix is not None else self.body

    def render(self, values: Mapping[str, str]) -> dict[str, Any]:
        """Render the ``template`` object of a message.

        Raises:
            TemplateError: A value is missing, unknown, too long, or has what Meta refuses.
        """
        known = {one.name for one in self.parameters}
        if unknown := sorted(set(values) - known):
            raise TemplateError(f"{self.name} has no parameter {', '.join(unknown)}")
        components: list[dict[str, Any]] = []
        if self.body:
            parameters = [self._text_parameter(one, values) for one in self.body]
            components.append({"type": "body", "parameters": parameters})
        if self.url_suffix is not None:
            text = {"type": "text", "text": _validated_value(self.name, self.url_suffix, values)}
            components.append(
                {"type": "button", "sub_type": "url", "index": "0", "parameters": [text]}
            )
        rendered: dict[str, Any] = {"name": self.name, "language": {"code": self.language}}
        return rendered | ({"components": components} if components else {})

    def _text_parameter(self, parameter: Parameter, values: Mapping[str, str]) -> dict[str, str]:
        text = {"type": "text", "text": _validated_value(self.name, parameter, values)}
        return text | ({"parameter_name": parameter.name} if self.named else {})


def _validated_value(template: str, parameter: Parameter, values: Mapping[str, str]) -> str:
    value = values.get(parameter.name, "").strip()
    if not value:
        raise TemplateError(f"{template} needs {parameter.name}: {parameter.description}")
    if len(value) > min(parameter.max_chars, MAX_VALUE_CHARS):
        raise TemplateError(f"{parameter.name} is longer than {parameter.max_chars} characters")
    if _FORBIDDEN.search(value):
        raise TemplateError(f"{parameter.name} may have no line breaks, tabs or long gaps")
    return value


_CUSTOMER: Final = Parameter("name", "the customer's name", 60)
_WHEN: Final = Parameter("when", "day and time in words", 60)

WHATSAPP_TEMPLATES: Final[Mapping[str, Template]] = {
    one.name: one
    for one in (
        Template(
            name="demo_booked",
            language="en",
            purpose="confirm a demo that was booked",
            text="Hello {{name}}, your demo of {{topic}} is booked for {{when}}.",
            body=(_CUSTOMER, Parameter("topic", "what the demo is about", 100), _WHEN),
        ),
        Template(
            name="callback_scheduled",
            language="en",
            purpose="confirm that we will call back",
            text="Hello {{name}}, we will call you back on {{when}}.",
            body=(_CUSTOMER, _WHEN),
        ),
        Template(
            name="call_summary",
            language="en",
            purpose="send what was asked for in the call",
            text="Hello {{name}}, as discussed in our call: {{summary}}",
            body=(_CUSTOMER, Parameter("summary", "one or two sentences", 600)),
        ),
        Template(
            name="call_permission",
            language="en",
            purpose="ask for permission to call on WhatsApp",
            text="Hello {{name}}, may we call you on WhatsApp about {{topic}}?",
            body=(_CUSTOMER, Parameter("topic", "what the call is about", 100)),
            asks_permission=True,
        ),
    )
}


def render(name: str, values: Mapping[str, str]) -> dict[str, Any]:
    """Render a template of `WHATSAPP_TEMPLATES`.

    Raises:
        TemplateError: There is none of that name, or a value does not fit.
    """
    template = WHATSAPP_TEMPLATES.get(name)
    if template is None:
        raise TemplateError(f"no template {name!r}; there are {', '.join(WHATSAPP_TEMPLATES)}")
    return template.render(values)
