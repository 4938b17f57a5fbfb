"""What each route of the API needs of its client's role, and what the audit list calls it.

A route that does not stand here cannot be added: building the API fails.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fwai.domain.api_key import Permission


@dataclass(frozen=True, slots=True)
class RouteRule:
    """One route.

    Attributes:
        permission: What a client's role must have.
        action: What the audit list calls it; empty for what changes nothing.
    """

    permission: Permission
    action: str = ""


_READ: Final = RouteRule(Permission.READ)

RULES: Final[Mapping[tuple[str, str], RouteRule]] = {
    ("POST", "/api/calls"): RouteRule(Permission.ACT, "place_call"),
    ("GET", "/api/calls"): _READ,
    ("GET", "/api/calls/{call_id}"): _READ,
    ("GET", "/api/calls/{call_id}/transcript"): _READ,
    ("GET", "/api/calls/{call_id}/recording"): _READ,
    ("GET", "/api/calls/{call_id}/events"): _READ,
    ("POST", "/api/calls/{call_id}/hangup"): RouteRule(Permission.ACT, "hang_up"),
    ("POST", "/api/calls/{call_id}/say"): RouteRule(Permission.ACT, "say"),
    ("POST", "/api/calls/{call_id}/transfer"): RouteRule(Permission.ACT, "transfer"),
    ("GET", "/api/tools"): _READ,
    ("GET", "/api/tools/{name}"): _READ,
    ("POST", "/api/tools/{name}"): RouteRule(Permission.ACT, "run_tool"),
    ("GET", "/api/callbacks"): _READ,
    ("POST", "/api/callbacks"): RouteRule(Permission.ACT, "promise_callback"),
    ("GET", "/api/callbacks/{callback_id}"): _READ,
    ("DELETE", "/api/callbacks/{callback_id}"): RouteRule(Permission.ACT, "take_back_callback"),
    ("GET", "/api/bookings"): _READ,
    ("GET", "/api/bookings/{booking_id}"): _READ,
    ("DELETE", "/api/bookings/{booking_id}"): RouteRule(Permission.ACT, "cancel_booking"),
    ("GET", "/api/agents"): _READ,
    ("GET", "/api/contacts/{phone}"): _READ,
    ("PUT", "/api/contacts/{phone}"): RouteRule(Permission.ACT, "change_contact"),
    ("DELETE", "/api/contacts/{phone}"): RouteRule(Permission.ERASE, "erase_contact"),
    ("GET", "/api/do-not-call"): _READ,
    ("GET", "/api/jobs"): _READ,
    ("GET", "/api/jobs/{job_id}"): _READ,
    ("POST", "/api/jobs/{job_id}/retry"): RouteRule(Permission.ACT, "retry_job"),
    ("POST", "/api/events/replay"): RouteRule(Permission.ACT, "replay_events"),
    ("GET", "/api/audit"): RouteRule(Permission.AUDIT),
}


def rule_of(method: str, path: str) -> RouteRule:
    """Return the rule of a route.

    Raises:
        LookupError: It stands nowhere.
    """
    try:
        return RULES[method, path]
    except KeyError:
        raise LookupError(f"{method} {path} has no rule in web/permissions.py") from None
