"""Who is let in to Exotel's endpoints: whoever knows the secret in their path."""

from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import HTTPException, Request

from fwai.adapters.account_log import AccountLog
from fwai.adapters.exotel.webhook import Fields, parse_fields, secrets_equal
from fwai.errors import WireError
from fwai.http.body import read_body
from fwai.http.refusal_log import RefusalLog

MAX_BODY_BYTES: Final = 64 * 1024


def authenticated_fields(
    path_secret: str, accounts: AccountLog
) -> Callable[[Request, str], Awaitable[Fields]]:
    """Build the dependency that checks the secret in the path and parses the request's fields.

    Args:
        path_secret: What the path must name.
        accounts: Knows which account is ours; a request that names another is refused.
    """
    refused = RefusalLog("webhook_refused")

    def refuse(reason: str) -> HTTPException:
        refused.add(reason, provider="exotel")
        return HTTPException(403)

    async def fields(request: Request, secret: str) -> Fields:
        if not secrets_equal(secret, path_secret):
            raise refuse("secret")
        body = await read_body(request, MAX_BODY_BYTES)
        content_type = request.headers.get("Content-Type", "")
        try:
            found = parse_fields(request.query_params.multi_items(), content_type, body)
        except WireError as exc:
            raise refuse(str(exc)) from None
        account = found.get("accountsid", "")
        if account and not accounts.is_ours(account):
            raise refuse("account")
        return found

    return fields
