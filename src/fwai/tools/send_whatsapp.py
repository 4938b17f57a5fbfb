"""Tool ``send_whatsapp``: sends text inside the 24-hour window, a template outside it."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

from fwai.domain.job import SEND_WHATSAPP
from fwai.domain.quota import UNLIMITED
from fwai.errors import FieldError, ToolError
from fwai.interfaces.jobs import JobSubmitter
from fwai.interfaces.messages import MessageQuotas
from fwai.interfaces.tools import ToolContext
from fwai.templates.whatsapp_templates import WHATSAPP_TEMPLATES, Template, TemplateError
from fwai.tools.base import Args, Outcome, Tool
from fwai.tools.message_jobs import DayLimit, Outbox
from fwai.tools.recipient import ANYBODY, RecipientRules

MAX_WHATSAPP_PER_CALL: Final = 3
MAX_WHATSAPP_PER_DAY: Final = 10
FALLBACK: Final = "call_summary"
_DEFAULT_NAME: Final = "there"  # as in "Hello there"
_NAME_KEYS: Final = ("customer_name", "name")


class TemplateValue(Args):
    """One parameter of a template."""

    name: str = Field(max_length=64, description="Its name.")
    value: str = Field(max_length=1024, description="Its value.")


def _as_list(value: object) -> object:
    """Accept ``{"name": "Asha"}`` for ``[{"name": "name", "value": "Asha"}]``; Live has no maps."""
    if isinstance(value, Mapping):
        return [{"name": name, "value": one} for name, one in value.items()]
    return [] if value is None else value


class SendWhatsAppArgs(Args):
    """A text, or a template with its parameters, or both: the template stands in for the text."""

    text: str | None = Field(
        default=None, max_length=4096, description="The message, in plain words."
    )
    template: str | None = Field(
        default=None, max_length=100, description="Name of a template, instead of a text."
    )
    parameters: Annotated[list[TemplateValue], BeforeValidator(_as_list)] = Field(
        default_factory=list, max_length=20, description="What the template's parameters stand for."
    )


def send_whatsapp(
    jobs: JobSubmitter,
    templates: Mapping[str, Template] = WHATSAPP_TEMPLATES,
    rules: RecipientRules = ANYBODY,
    quotas: MessageQuotas = UNLIMITED,
) -> Tool[SendWhatsAppArgs]:
    """Build the tool; its jobs are of kind ``send_whatsapp`` with ``to``, ``text``, ``template``.

    Args:
        jobs: Takes the jobs.
        templates: Those that are approved, by name. A text goes with `FALLBACK`, if that is one of
            them and the text fits, for the case that the window is closed.
        rules: Who the owner is.
        quotas: The server's limits, for all that callers ask for.
    """
    offered = {name: one for name, one in templates.items() if not one.asks_permission}
    limit = DayLimit(jobs, SEND_WHATSAPP, "WhatsApp message", MAX_WHATSAPP_PER_DAY)
    outbox = Outbox(
        jobs,
        SEND_WHATSAPP,
        "WhatsApp",
        per_call=MAX_WHATSAPP_PER_CALL,
        limit=limit,
        quotas=quotas,
        dictated_only=False,
    )

    async def run(args: SendWhatsAppArgs, context: ToolContext) -> Outcome:
        if not context.to:
            raise ToolError(
                "Their number is withheld, so no WhatsApp message can be sent. Say so and offer "
                "another way."
            )
        text = args.text or ""
        if args.template:
            template: Mapping[str, Any] | None = _render_template(offered, args)
        elif text:
            template = _fallback_template(offered, text, context)
        else:
            raise FieldError("text", "Give a text, or a template with its parameters.")
        payload = {"to": context.to, "text": text, "template": template}
        return await outbox.send(context, payload, rules.person(context), phone=context.to)

    return Tool(
        name=SEND_WHATSAPP,
        description="Send a WhatsApp message to the person on the line, when they ask for details "
        "there. Tell them only what the result says. " + _template_list(offered),
        args=SendWhatsAppArgs,
        run=run,
    )


def _render_template(offered: Mapping[str, Template], args: SendWhatsAppArgs) -> Mapping[str, Any]:
    template = offered.get(args.template or "")
    if template is None:
        names = ", ".join(offered) or "none"
        raise FieldError("template", f"There is no template of that name; there are: {names}.")
    try:
        return template.render({one.name: one.value for one in args.parameters})
    except TemplateError as exc:
        raise FieldError("parameters", f"Nothing was sent: {exc}.") from None


def _fallback_template(
    offered: Mapping[str, Template], text: str, context: ToolContext
) -> Mapping[str, Any] | None:
    """Render ``text`` in the `FALLBACK` template for a closed window; None when it does not fit."""
    known = context.call.context if context.call is not None else {}
    name = next((known[key] for key in _NAME_KEYS if known.get(key)), _DEFAULT_NAME)
    try:
        return offered[FALLBACK].render({"name": name, "summary": " ".join(text.split())})
    except (KeyError, TemplateError):
        return None


def _template_list(offered: Mapping[str, Template]) -> str:
    if not offered:
        return "There are no templates: give a text."
    each = "; ".join(
        f"{one.name} ({', '.join(each.name for each in one.parameters)}): {one.purpose}"
        for one in offered.values()
    )
    return f"Templates and their parameters: {each}."
