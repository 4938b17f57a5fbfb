"""Lets addresses that people type end with a slash.

Starlette would redirect such a request, to the host that it names itself: a provider does not
follow that, or loses the body and the signature on the way.
"""

from fastapi import APIRouter
from fastapi.routing import APIRoute, APIWebSocketRoute


def accept_trailing_slash(api: APIRouter) -> APIRouter:
    """Add to every route of ``api`` the same one with a slash behind; returns ``api``."""
    for route in list(api.routes):
        if isinstance(route, APIRoute):
            path = f"{route.path.removeprefix(api.prefix)}/"
            methods = sorted(route.methods or ())
            api.add_api_route(path, route.endpoint, methods=methods, include_in_schema=False)
        elif isinstance(route, APIWebSocketRoute):
            api.add_api_websocket_route(f"{route.path.removeprefix(api.prefix)}/", route.endpoint)
    return api
