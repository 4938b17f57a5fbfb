"""Tool ``send_email``: a prepared e-mail to a confirmed address, any words to the owner."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

from fwai.domain.email_text import EmailText, EmailTextError
from fwai.domain.job import SEND_EMAIL
from fwai.domain.quota import UNLIMITED
from fwai.errors import FieldError, ToolError
from fwai.interfaces.jobs import JobSubmitter
from fwai.interfaces.messages import MessageQuotas
from fwai.interfaces.tools import ToolContext
from fwai.tools.base import Args, Outcome, Tool
from fwai.tools.message_jobs import DayLimit, Outbox
from fwai.tools.recipient import ANYBODY, CONFIRMED_DESCRIPTION, RecipientRules

MAX_EMAILS_PER_CALL: Final = 2
MAX_EMAILS_PER_DAY: Final = 5


class EmailValue(Args):
    """One variable of a prepared e-mail."""

    name: str = Field(max_length=64, description="Its name.")
    value: str = Field(max_length=200, description="Its value, a few plain words.")


def _as_list(value: object) -> object:
    """Accept ``{"name": "Asha"}`` for ``[{"name": "name", "value": "Asha"}]``; Live has no maps."""
    if isinstance(value, Mapping):
        return [{"name": name, "value": one} for name, one in value.items()]
    return [] if value is None else value


class SendEmailArgs(Args):
    """What is sent, and where: a prepared e-mail, or words of one's own to the owner."""

    template: str | None = Field(
        default=None, max_length=100, description="Name of the prepared e-mail."
    )
    variables: Annotated[list[EmailValue], BeforeValidator(_as_list)] = Field(
        default_factory=list, max_length=20, description="What its variables stand for."
    )
    subject: str | None = Field(
        default=None,
        max_length=150,
        description="Only for mail to our own office: what it is about, in one line.",
    )
    body: str | None = Field(
        default=None,
        max_length=8000,
        description="Only for mail to our own office: the text, in plain words.",
    )
    to: str | None = Field(
        default=None,
        max_length=300,
        description="The e-mail address that the caller dictated.",
    )
    confirmed: bool = Field(
        default=False, description=CONFIRMED_DESCRIPTION.format(what="the address")
    )


def email_limit(jobs: JobSubmitter) -> DayLimit:
    """Build the daily limit that all e-mail sending tools share."""
    return DayLimit(jobs, SEND_EMAIL, "e-mail", MAX_EMAILS_PER_DAY)


def email_outbox(
    jobs: JobSubmitter, limit: DayLimit | None = None, quotas: MessageQuotas = UNLIMITED
) -> Outbox:
    """Build what sends e-mails within the limits that all agents share."""
    return Outbox(
        jobs,
        SEND_EMAIL,
        "the mail server",
        per_call=MAX_EMAILS_PER_CALL,
        limit=limit or email_limit(jobs),
        quotas=quotas,
    )


def send_email(
    jobs: JobSubmitter,
    templates: Mapping[str, EmailText] | None = None,
    rules: RecipientRules = ANYBODY,
    *,
    outbox: Outbox | None = None,
) -> Tool[SendEmailArgs]:
    """Build the tool; its jobs are of kind ``send_email`` with ``to``, ``template``, ``values``.

    Args:
        jobs: Takes the jobs.
        templates: Prepared e-mails, by name: all that callers can have sent to others.
        rules: To whom callers may have mail sent, and who the owner is.
        outbox: What it shares with the tools of other agents; None is one of its own.
    """
    out = outbox or email_outbox(jobs)
    known = templates or {}

    async def run(args: SendEmailArgs, context: ToolContext) -> Outcome:
        values = _wording(known, args)
        if not args.to:
            raise ToolError(
                "Their e-mail address is not known. Ask for it, read it back letter by letter, and "
                "call again with it."
            )
        if not args.template and not rules.takes_free_words(context, "to", args.to):
            raise FieldError("template", f"Nothing was sent. {_prepared(known)}")
        whom = await rules.email(context, "to", args.to, confirmed=args.confirmed)
        payload = {"to": whom.to, "template": "message", "values": values}
        return await out.send(context, payload, whom, phone=context.to, address=whom.to)

    return Tool(
        name=SEND_EMAIL,
        description="Send a prepared e-mail to an address that the caller dictated. Use it when "
        "they ask for details by mail. Tell them only what the result says. " + _prepared(known),
        args=SendEmailArgs,
        run=run,
    )


def _wording(templates: Mapping[str, EmailText], args: SendEmailArgs) -> dict[str, Any]:
    """Return subject and body."""
    if not args.template:
        if not args.subject or not args.body:
            raise FieldError("subject" if not args.subject else "body", _prepared(templates))
        return {"subject": " ".join(args.subject.split()), "body": args.body}
    if args.subject or args.body:
        raise FieldError(
            "template", "Give either a template with its variables, or subject and body."
        )
    template = templates.get(args.template)
    if template is None:
        raise FieldError("template", f"There is none of that name. {_prepared(templates)}")
    try:
        subject, body = template.fill({one.name: one.value for one in args.variables})
    except EmailTextError as exc:
        raise FieldError("variables", f"Nothing was sent: {exc}.") from None
    return {"subject": subject, "body": body}


def _prepared(templates: Mapping[str, EmailText]) -> str:
    if not templates:
        return "No e-mail is prepared for callers: offer another way."
    each = "; ".join(
        f"{one.name} ({', '.join(one.variables) or 'no variables'}): "
        f"{one.description or one.subject}"
        for one in templates.values()
    )
    return f"To callers only these can be sent, as template with its variables: {each}."
