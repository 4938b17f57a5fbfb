"""What stands in front of the routes and of the calls: limits, built from the settings."""

from collections.abc import Callable, Iterator
from typing import Final

from starlette.requests import HTTPConnection

from fwai.calls.admission import InboundLimits
from fwai.config.settings import Settings
from fwai.domain.host import networks
from fwai.http.client_address import ClientAddresses
from fwai.http.front import Front
from fwai.http.rate_limit import RateLimits, Webhook
from fwai.rates import Rate

# Providers' webhooks: a GET of theirs begins or ends a call.
ACTING: Final = ("/plivo/", "/exotel/")
BROWSER_CALLS: Final = Rate("calls from the browser", 10)
_PLIVO_SIGNS: Final = (
    "x-plivo-signature-v3",
    "x-plivo-signature-ma-v3",
    "x-plivo-signature-v2",
    "x-plivo-signature-ma-v2",
)
_META_SIGNS: Final = ("x-hub-signature-256",)

Claims = Callable[[HTTPConnection], bool]


def front(settings: Settings) -> Front:
    """Build what meets every request first."""
    placed = Rate("calls placed", settings.api_calls_per_minute)
    limits = RateLimits(
        requests=Rate("requests", settings.requests_per_minute),
        refused=Rate("refused requests", settings.refused_requests_per_minute),
        acts={
            ("POST", "/api/calls"): placed,
            ("POST", "/api/callbacks"): placed,
            ("POST", "/console/talk/calls"): BROWSER_CALLS,
        },
        webhooks=tuple(_webhooks(settings)),
    )
    return Front(
        limits=limits,
        addresses=ClientAddresses(networks(settings.trusted_proxies)),
        https=settings.base_url.startswith("https:"),
        acting=ACTING,
    )


def inbound_limits(settings: Settings) -> InboundLimits:
    """Build the bounds on calls that come in."""
    own = {settings.human_handoff_number, *settings.owner_phones} - {""}
    return InboundLimits(
        per_caller=settings.calls_per_caller,
        at_once=settings.calls_at_once_per_caller,
        waiting=settings.calls_waiting,
        exempt=frozenset(own),
        bounded_elsewhere=frozenset({"browser"}),
    )


def _webhooks(settings: Settings) -> Iterator[Webhook]:
    """Yield the addresses of the enabled providers, with what a request of theirs bears."""
    unsigned = settings.allow_unsigned_webhooks
    if "plivo" in settings.call_provider:
        yield Webhook("/plivo/", _anybody if unsigned else _bears(*_PLIVO_SIGNS))
    if "exotel" in settings.call_provider:
        secret = settings.exotel_webhook_secret.get_secret_value()
        yield Webhook("/exotel/", _knows(secret))
    if "whatsapp" in settings.call_provider:
        yield Webhook("/webhook", _anybody if unsigned else _bears(*_META_SIGNS))


def _anybody(_: HTTPConnection) -> bool:
    return True


def _bears(*headers: str) -> Claims:
    """Return whether a request has one of these headers, or a handshake a stream's token.

    Plivo does not sign every handshake; what admits a stream is the token that it was given.
    """

    def claims(request: HTTPConnection) -> bool:
        if request.scope["type"] == "websocket" and request.query_params.get("t"):
            return True
        return any(name in request.headers for name in headers)

    return claims


def _knows(secret: str) -> Claims:
    """Return whether a request's path has Exotel's secret."""
    from fwai.adapters.exotel.webhook import secrets_equal

    def claims(request: HTTPConnection) -> bool:
        given = request.scope["path"].split("/")[2]
        return bool(secret) and secrets_equal(given, secret)

    return claims
