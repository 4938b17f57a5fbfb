"""The audit list: what is written of each changing request, and the route that shows it."""

import re
import secrets
from datetime import UTC, datetime
from typing import Final

from fastapi import APIRouter, Request, Response

from fwai.domain.audit import AuditEntry
from fwai.domain.call_event import format_utc
from fwai.domain.phone import masked
from fwai.errors import FieldError
from fwai.http.access import Client, client_address
from fwai.interfaces.jobs import ListPosition
from fwai.web import paging
from fwai.web.errors import problem_responses
from fwai.web.models import AuditPage
from fwai.web.responses import json_response
from fwai.web.services import ApiServices
from fwai.web.values import is_safe_id, parse_asked_phone

MAX_ADDRESS_CHARS: Final = 64
_ALL_DIGITS: Final = re.compile(r"\d{5,}", re.ASCII)


def add(api: APIRouter, services: ApiServices) -> None:
    """Add the route."""

    @api.get(
        "/audit",
        tags=["audit"],
        summary="Which key did what",
        response_model=AuditPage,
        responses=problem_responses(),
    )
    async def listed(
        limit: paging.Limit = paging.DEFAULT_PAGE, cursor: paging.Cursor = ""
    ) -> Response:
        """Return what was changed or tried, the newest first; for the role `admin` only."""
        after = paging.decode_position(cursor)
        found = await services.audit.page(after=after, limit=limit + 1)
        return json_response(paging.page("entries", found, limit, _to_json, _position))


def audit_entry(request: Request, client: Client, action: str, response: Response) -> AuditEntry:
    """Build the entry of a request that was answered."""
    return AuditEntry(
        id=f"aud_{secrets.token_hex(12)}",
        at=datetime.now(UTC),
        key=client.name,
        role=client.role.value,
        address=client_address(request)[:MAX_ADDRESS_CHARS],
        action=action,
        object=_object(request, response),
        status=response.status_code,
    )


def _object(request: Request, response: Response) -> str:
    """Return what a request was about: an id, a tool's name or a number's last four digits."""
    made = response.headers.get("location", "").rpartition("/")[2]
    named = made or next(iter(request.path_params.values()), "")
    if "phone" in request.path_params or _ALL_DIGITS.fullmatch(named.lstrip("+ ")):
        return _masked_number(named)
    # What does not exist was made up by the client, and could be anything.
    known = is_safe_id(named) and response.status_code != 404
    return named if known else ""


def _masked_number(text: str) -> str:
    """Return the last digits of the number that a text is read as; empty when it is none."""
    try:
        return masked(parse_asked_phone(text).number)
    except FieldError:
        return ""


def _to_json(entry: AuditEntry) -> dict[str, str | int | None]:
    return {
        "id": entry.id,
        "at": format_utc(entry.at),
        "key": entry.key,
        "role": entry.role,
        "address": entry.address or None,
        "action": entry.action,
        "object": entry.object or None,
        "status": entry.status,
    }


def _position(entry: AuditEntry) -> ListPosition:
    return entry.at, entry.id
