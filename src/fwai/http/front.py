"""What stands in front of all routes, in one place: headers, the edge of HTTP, limits."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import FastAPI

from fwai.http.client_address import ClientAddresses
from fwai.http.edge import Edge
from fwai.http.rate_limit import RateLimiter, RateLimits
from fwai.http.security_headers import SecurityHeaders


@dataclass(frozen=True, slots=True)
class Front:
    """How requests are met.

    Attributes:
        limits: How many there may be.
        addresses: Tells whose they are.
        https: The server is reached over https.
        acting: Beginnings of paths whose GET does something.
    """

    limits: RateLimits
    addresses: ClientAddresses
    https: bool
    acting: Sequence[str] = ()


def install(app: FastAPI, front: Front) -> None:
    """Put it in front of ``app``: what is added last meets a request first."""
    app.add_middleware(RateLimiter, limits=front.limits, addresses=front.addresses)
    # Around the limits: a refusal reads the rest of its request, else a proxy would answer 502.
    app.add_middleware(Edge, acting=front.acting)
    # Around everything: a fault of the server has the headers, too.
    app.add_middleware(SecurityHeaders, https=front.https)
