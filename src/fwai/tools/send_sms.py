"""Text the caller a link, an address, a confirmation."""

from pydantic import BaseModel, Field

from fwai.errors import ApiError, ApiUnknownError, ToolError
from fwai.interfaces import SmsSender
from fwai.tools.base import Outcome, Tool, ToolContext

MAX_SMS_PER_CALL = 3


class SendSmsArgs(BaseModel):
    """What the model supplies; the recipient is always the caller."""

    text: str = Field(min_length=1, max_length=480, description="The message, in plain words.")


def send_sms(sms: SmsSender) -> Tool[SendSmsArgs]:
    """Build the tool around whoever sends text messages."""

    async def run(args: SendSmsArgs, context: ToolContext) -> Outcome:
        if not context.call.caller:
            raise ToolError("The caller's number is withheld, so no message can be sent.")
        if not context.allow("send_sms", MAX_SMS_PER_CALL):
            raise ToolError("No further message can be sent in this call.")
        try:
            message_id = await sms.send_sms(context.call.caller, args.text)
        except ApiUnknownError:
            raise ToolError(
                "It is not known whether the message went out. Do not send it again; say so."
            ) from None
        except ApiError:
            raise ToolError("The message was not sent. Say so and offer another way.") from None
        # Accepted by the provider is all that is known now; delivery is reported later.
        return Outcome("The message was handed to the network.", {"message_id": message_id})

    return Tool(
        name="send_sms",
        description="Send a text message (SMS) to the number of the person on the line. "
        "Use it when they ask for details in writing. Tell them only what the result says.",
        args=SendSmsArgs,
        run=run,
    )
