"""The HTTP API: every route under ``/api``."""

from typing import Final

from fastapi import APIRouter, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.routing import Route

from fwai.http.access import Access
from fwai.web import agents, bookings, callbacks, calls, contacts, jobs, tools
from fwai.web import live_calls as live
from fwai.web import transcripts as records
from fwai.web.idempotency import Idempotency
from fwai.web.route import NoRoute, route_class
from fwai.web.services import ApiServices

PREFIX: Final = "/api"
# The document tells of them; Access looks at the headers itself.
_SCHEMES: Final = (
    HTTPBearer(auto_error=False, scheme_name="bearer", description="A key of `API_KEYS`."),
    APIKeyHeader(
        name="X-API-Key", auto_error=False, scheme_name="key", description="A key of `API_KEYS`."
    ),
)


def router(services: ApiServices, access: Access) -> APIRouter:
    """Build the API.

    Include it after every other route under ``/api``: it answers all addresses there.

    Args:
        services: What it works with.
        access: Who may ask.
    """
    api = APIRouter(
        prefix=PREFIX,
        route_class=route_class(access),
        dependencies=[Security(scheme) for scheme in _SCHEMES],
    )
    keys = Idempotency(services.requests, services.clock)
    calls.add(api, services, keys)
    records.add(api, services)
    live.add(api, services)
    tools.add(api, services, keys)
    callbacks.add(api, services, keys)
    bookings.add(api, services)
    agents.add(api, services)
    contacts.add(api, services)
    jobs.add(api, services)
    known = list(api.routes)
    nowhere = NoRoute(access, lambda: known)
    api.routes.append(Route(f"{PREFIX}/{{path:path}}", nowhere, include_in_schema=False))
    api.routes.append(Route(PREFIX, nowhere, include_in_schema=False))
    return api
