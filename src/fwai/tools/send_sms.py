"""Tool ``send_sms``: sends a text message to the caller or a confirmed number."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, WithJsonSchema

from fwai.domain.job import SEND_SMS
from fwai.domain.quota import UNLIMITED
from fwai.domain.sms_template import (
    MAX_VALUE,
    SmsTemplate,
    SmsTemplateError,
    needs_template,
    offered,
)
from fwai.errors import FieldError
from fwai.interfaces.jobs import JobSubmitter
from fwai.interfaces.messages import MessageQuotas
from fwai.interfaces.tools import ToolContext
from fwai.tools.base import Args, Outcome, Tool
from fwai.tools.message_jobs import DayLimit, Outbox
from fwai.tools.recipient import ANYBODY, CONFIRMED_DESCRIPTION, RecipientRules

MAX_SMS_PER_CALL: Final = 3
MAX_SMS_PER_DAY: Final = 10
MAX_TEXT: Final = 480
_DESCRIPTION: Final = (
    "Send a text message (SMS) to the number of the person on the line. "
    "Use it when they ask for details in writing. Tell them only what the result says."
)


class _Recipient(Args):
    """To whom it goes, if not to the person on the line."""

    to: str | None = Field(
        default=None,
        max_length=40,
        description="Only for another number than the caller's: a number the caller dictated, with "
        "+ and its country code.",
    )
    confirmed: bool = Field(
        default=False, description=CONFIRMED_DESCRIPTION.format(what="the number")
    )


class SendSmsArgs(_Recipient):
    """What is sent, and to whom if not to the person on the line."""

    text: str = Field(min_length=1, max_length=MAX_TEXT, description="The message, in plain words.")


def _given_variables(value: object) -> Sequence[str] | Mapping[str, str]:
    """Accept a list in order, an object by name, or the list of names and values that models give.

    Raises:
        ValueError: It is none of them.
    """
    if value is None:
        return []
    if isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
        named = {str(one.get("name", "")): one.get("value") for one in value}
        if len(named) < len(value):
            raise ValueError("each variable of the template once; one of them came twice")
        value = named
    try:
        if isinstance(value, Mapping):
            return {str(name): _given_text(one) for name, one in value.items()}
        if isinstance(value, list):
            return [_given_text(one) for one in value]
    except TypeError:
        pass
    raise ValueError("give a list of texts, in the order of the template's variables")


def _given_text(value: object) -> str:
    """Return a value as text; models say 500 for "500"."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError
    return str(value)


class SendTemplateArgs(_Recipient):
    """A registered wording with its variables, or a text where none is needed."""

    text: str | None = Field(
        default=None,
        max_length=MAX_TEXT,
        description="The message, in plain words: only for numbers outside India.",
    )
    template: str | None = None  # its choices are those of the tool
    variables: Annotated[
        Any,
        BeforeValidator(_given_variables),
        WithJsonSchema(
            {
                "type": "array",
                "items": {"type": "string"},
                "description": "What the template's variables stand for, in their order; at most "
                f"{MAX_VALUE} characters each.",
            }
        ),
    ] = Field(default_factory=list)


def sms_outbox(jobs: JobSubmitter, quotas: MessageQuotas = UNLIMITED) -> Outbox:
    """Build what sends text messages within the limits that all agents share."""
    limit = DayLimit(jobs, SEND_SMS, "text message", MAX_SMS_PER_DAY)
    return Outbox(
        jobs, SEND_SMS, "the network", per_call=MAX_SMS_PER_CALL, limit=limit, quotas=quotas
    )


def send_sms(
    jobs: JobSubmitter,
    rules: RecipientRules = ANYBODY,
    templates: Mapping[str, SmsTemplate] | None = None,
    *,
    outbox: Outbox | None = None,
) -> Tool[Any]:
    """Build the tool; its jobs are of kind ``send_sms`` with ``to`` and ``text``.

    Args:
        jobs: Takes the jobs.
        rules: To whom callers may have texts sent.
        templates: Registered wordings, by name. With any, a text to a number in India is one of
            them, and its job has ``dlt``: what it is registered under.
        outbox: What it shares with the tools of other agents; None is one of its own.
    """
    out = outbox or sms_outbox(jobs)
    chosen = offered(templates or {})
    if chosen:
        return _template_tool(out, rules, chosen)

    async def run(args: SendSmsArgs, context: ToolContext) -> Outcome:
        whom = await rules.number(context, args.to, confirmed=args.confirmed)
        return await out.send(context, {"to": whom.to, "text": args.text}, whom, phone=whom.to)

    return Tool(name=SEND_SMS, description=_DESCRIPTION, args=SendSmsArgs, run=run)


def _template_tool(
    out: Outbox, rules: RecipientRules, templates: Mapping[str, SmsTemplate]
) -> Tool[SendTemplateArgs]:
    choices = {"type": "string", "enum": list(templates)}

    class Arguments(SendTemplateArgs):
        template: Annotated[str, WithJsonSchema(choices)] | None = Field(
            default=None, description="The registered wording; needed for numbers in India."
        )

    async def run(args: SendTemplateArgs, context: ToolContext) -> Outcome:
        template, text = _wording(templates, args)
        whom = await rules.number(context, args.to, confirmed=args.confirmed)
        payload: dict[str, Any] = {"to": whom.to, "text": text}
        if needs_template(whom.to):
            template = template or _recognised(templates, text)
            payload |= {"dlt": dict(template.dlt)} if template.dlt else {}
        return await out.send(context, payload, whom, phone=whom.to)

    return Tool(
        name=SEND_SMS,
        description=f"{_DESCRIPTION} To a number in India only these can be sent, as template with "
        f"its variables: {_listed(templates)}.",
        args=Arguments,
        run=run,
    )


def _wording(
    templates: Mapping[str, SmsTemplate], args: SendTemplateArgs
) -> tuple[SmsTemplate | None, str]:
    """Return what is to be sent, and the template it was made of if it was."""
    if not args.template:
        if not args.text:
            raise FieldError("template", f"Give one of: {_listed(templates)}.")
        if args.variables:
            raise FieldError("variables", "They need a template; a text has none.")
        return None, args.text
    if args.text:
        raise FieldError("text", "Give either a template with its variables, or a text, not both.")
    template = templates.get(args.template)
    if template is None:
        raise FieldError(
            "template", f"There is none of that name; there are: {_listed(templates)}."
        )
    try:
        if isinstance(args.variables, Mapping):
            return template, template.fill_by_name(args.variables)
        return template, template.fill(args.variables)
    except SmsTemplateError as exc:
        raise FieldError("variables", f"Nothing was sent: {exc}.") from None


def _recognised(templates: Mapping[str, SmsTemplate], text: str) -> SmsTemplate:
    """Return the template that ``text`` is, word for word."""
    for template in templates.values():
        if template.matches(text):
            return template
    raise FieldError(
        "text",
        "Nothing was sent: numbers in India get registered wordings only. Give template and "
        f"variables instead of the text; there are: {_listed(templates)}.",
    )


def _listed(templates: Mapping[str, SmsTemplate]) -> str:
    return "; ".join(
        f"{one.name} ({', '.join(one.variables) or 'no variables'}): "
        + (one.description or one.text).rstrip(" .")
        for one in templates.values()
    )
