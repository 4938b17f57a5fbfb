"""The HTTP API: every route under ``/api``."""

from typing import Final

from fastapi import APIRouter, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.routing import Route

from fwai.http.access import Access
from fwai.web import (
    agents,
    audit,
    bookings,
    callbacks,
    calls,
    contacts,
    jobs,
    live_calls,
    tools,
    transcripts,
)
from fwai.web.idempotency import Idempotency
from fwai.web.route import NotFoundApp, api_route_class
from fwai.web.services import ApiServices

PREFIX: Final = "/api"
# For the OpenAPI document only; Access reads the headers itself.
_SCHEMES: Final = (
    HTTPBearer(auto_error=False, scheme_name="bearer", description="A key of `API_KEYS`."),
    APIKeyHeader(
        name="X-API-Key", auto_error=False, scheme_name="key", description="A key of `API_KEYS`."
    ),
)


def router(services: ApiServices, access: Access) -> APIRouter:
    """Build the router of the whole API.

    Include it after every other route under ``/api``: it answers all addresses there.

    Args:
        services: What the routes work with.
        access: Authenticates the requests.
    """
    api = APIRouter(
        prefix=PREFIX,
        route_class=api_route_class(access, services.audit),
        dependencies=[Security(scheme) for scheme in _SCHEMES],
    )
    idempotency = Idempotency(services.requests, services.clock)
    calls.add(api, services, idempotency)
    transcripts.add(api, services)
    live_calls.add(api, services)
    tools.add(api, services, idempotency)
    callbacks.add(api, services, idempotency)
    bookings.add(api, services)
    agents.add(api, services)
    contacts.add(api, services)
    jobs.add(api, services)
    audit.add(api, services)
    routes = list(api.routes)
    not_found_app = NotFoundApp(access, lambda: routes)
    api.routes.append(Route(f"{PREFIX}/{{path:path}}", not_found_app, include_in_schema=False))
    api.routes.append(Route(PREFIX, not_found_app, include_in_schema=False))
    return api
