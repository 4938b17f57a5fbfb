"""Why the Live service does not serve us, in words an operator can act on. No I/O.

What the service says in its own words is only searched for signs: those words are never passed on,
because they may repeat the key, an address that carries it, or what was sent. The causes and their
fixes stand in docs/FAILURES.md, too.

Source: Live API reference and observed closes; see the table in docs/adr/0004.
"""

import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from fwai.domain.plain_text import one_line

MAX_CAUSE: Final = 120  # characters of a call's ``cause``


@dataclass(frozen=True, slots=True)
class LiveFault:
    """One way in which the service fails us.

    Attributes:
        name: Names it in logs and tables.
        what: What is wrong.
        check: What to look at; short, for a call's ``cause``.
        fix: What to do about it.
        lasting: Another try does not help: somebody must act.
        stops_calls: It strikes every call.
    """

    name: str
    what: str
    check: str
    fix: str
    lasting: bool = False
    stops_calls: bool = False


KEY: Final = LiveFault(
    "key_refused",
    "Gemini refuses the key",
    "check GOOGLE_API_KEY",
    "check GOOGLE_API_KEY: it must be a key of Google AI Studio that is not expired, blocked or "
    "restricted to other addresses, in a project with the Generative Language API enabled",
    lasting=True,
    stops_calls=True,
)
REGION: Final = LiveFault(
    "region_refused",
    "Gemini is not offered where this server stands",
    "use a server in another region",
    "move the server, or its way out, to a region where the Gemini API is offered",
    lasting=True,
    stops_calls=True,
)
MODEL: Final = LiveFault(
    "model_unknown",
    "Gemini does not know the model",
    "check GEMINI_MODEL and model in prompts.json",
    "set GEMINI_MODEL, or the agent's model in prompts.json, to a Live model of the Gemini API",
    lasting=True,
    stops_calls=True,
)
ADDRESS: Final = LiveFault(
    "address_wrong",
    "Gemini is not found at its address",
    "check GEMINI_LIVE_URL and GEMINI_MODEL",
    "check GEMINI_LIVE_URL, which is wss://generativelanguage.googleapis.com unless you use a "
    "simulator or a proxy, and GEMINI_MODEL",
    lasting=True,
    stops_calls=True,
)
REQUEST: Final = LiveFault(
    "request_refused",
    "Gemini refuses the connection",
    "check GOOGLE_API_KEY and GEMINI_LIVE_URL",
    "check GOOGLE_API_KEY and GEMINI_LIVE_URL",
    lasting=True,
    stops_calls=True,
)
SETUP: Final = LiveFault(
    "setup_refused",
    "Gemini refuses the set-up",
    "check prompts.json and GEMINI_MODEL",
    "check voice, language and tools of the agent in prompts.json, and that GEMINI_MODEL is a Live "
    "model that supports them",
)
QUOTA: Final = LiveFault(
    "quota_used_up",
    "Gemini's quota is used up",
    "raise it in Google AI Studio, or wait",
    "look at quota and billing in Google AI Studio; raise the limit, or wait until it is renewed",
)
DNS: Final = LiveFault(
    "name_not_found",
    "Gemini's name cannot be resolved",
    "check DNS and GEMINI_LIVE_URL",
    "check the machine's DNS (resolvectl status) and the host in GEMINI_LIVE_URL",
)
TLS: Final = LiveFault(
    "tls_failed",
    "Gemini's certificate cannot be trusted",
    "check clock, CA certificates and proxies",
    "check the machine's clock, its CA certificates (package ca-certificates), proxies that break "
    "TLS, and GEMINI_LIVE_URL",
)
UNREACHABLE: Final = LiveFault(
    "unreachable",
    "Gemini cannot be reached",
    "check network, firewall and GEMINI_LIVE_URL",
    "check the network and that the firewall lets TCP 443 out, and GEMINI_LIVE_URL",
)
TIMEOUT: Final = LiveFault(
    "no_answer",
    "Gemini does not answer in time",
    "check the network and Google's status page",
    "check the network and that the firewall lets TCP 443 out; look at Google's status page",
)
SERVICE: Final = LiveFault(
    "service_failed",
    "Gemini failed",
    "its own fault; look at Google's status page",
    "nothing here: it is Google's own fault; look at its status page",
)
LINK: Final = LiveFault(
    "link_broken",
    "the connection to Gemini broke",
    "check the network",
    "check the network and proxies on the way that cut long WebSocket connections",
)
SILENT: Final = LiveFault(
    "silent",
    "Gemini does not answer although it is connected",
    "its own fault; look at Google's status page",
    "nothing here: it is Google's own fault; look at its status page",
)
UNREADABLE: Final = LiveFault(
    "unreadable",
    "Gemini's messages cannot be read",
    "check GEMINI_LIVE_URL",
    "check that GEMINI_LIVE_URL leads to the Live API; if it does, update this server",
)

FAULTS: Final[Mapping[str, LiveFault]] = {
    one.name: one
    for one in (
        KEY, REGION, MODEL, ADDRESS, REQUEST, SETUP, QUOTA,
        DNS, TLS, UNREACHABLE, TIMEOUT, SERVICE, LINK, SILENT, UNREADABLE,
    )
}  # fmt: skip

# Signs in the service's words, lower case; the first that is found counts.
_SIGNS: Final = (
    (QUOTA, ("quota", "resource_exhausted", "resource exhausted", "rate limit", "too many request",
             "billing", "prepay", "credits")),
    (REGION, ("location is not supported", "location not supported", "region", "your country")),
    (KEY, ("api key", "api_key", "apikey", "unauthenticated", "unauthorized", "credential",
           "access token", "permission_denied", "permission denied", "has not been used in",
           "is disabled")),
)  # fmt: skip
_NO_MODEL: Final = (
    "not found", "not supported for", "does not exist", "not available", "unknown", "shut down",
    "deprecated", "no longer",
)  # fmt: skip
_NAMED: Final = ("voice", "language", "tool", "function", "schema", "modalit", "thinking", "model")
_CLOSED_BY_LINK: Final = 1006
# Addresses, mail, what stands in quotes, anything long and unspaced, numbers of more than 4 digits.
_PRIVATE: Final = re.compile(
    r"""\w+://\S+|\S+@\S+|"[^"]*"|'[^']*'|`[^`]*`|[\w+/=.-]{25,}|\+?\d[\d -]{3,}\d"""
)


def fault_named(name: str) -> LiveFault:
    """Return a fault by its name; one that has none is the service's."""
    return FAULTS.get(name, SERVICE)


def fault_of_words(words: str) -> LiveFault | None:
    """Return what the service's own words are a sign of; None when they are none."""
    lower = words.lower()
    for fault, signs in _SIGNS:
        if any(sign in lower for sign in signs):
            return fault
    if "model" in lower and any(sign in lower for sign in _NO_MODEL):
        return MODEL
    return None


def masked_words(words: str) -> str:
    """Return the service's words for the log: no address, key, number or quotation is left."""
    return _PRIVATE.sub("…", one_line(words, MAX_CAUSE))


def fault_of_close(code: int, words: str, *, opening: bool) -> LiveFault:
    """Return what a close means.

    Args:
        code: Of the WebSocket.
        words: The service's reason.
        opening: It came in answer to the set-up.
    """
    known = fault_of_words(words)
    if known is not None:
        return known
    if code == _CLOSED_BY_LINK:
        return LINK
    refused = code == 1007 or (opening and code == 1008)
    return SETUP if refused else SERVICE


def fault_of_status(status: int | None) -> LiveFault:
    """Return what an HTTP status means that answers the request for a WebSocket."""
    match status:
        case None:
            return LINK
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return KEY
        case HTTPStatus.BAD_REQUEST:
            return REQUEST
        case HTTPStatus.TOO_MANY_REQUESTS:
            return QUOTA
        case HTTPStatus.REQUEST_TIMEOUT:
            return TIMEOUT
    return SERVICE if status >= HTTPStatus.INTERNAL_SERVER_ERROR else ADDRESS


def fault_of_error(exc: BaseException) -> LiveFault:
    """Return what an error means that came while connecting."""
    if isinstance(exc, socket.gaierror):
        return DNS
    if isinstance(exc, ssl.SSLError):
        return TLS
    if isinstance(exc, TimeoutError):
        return TIMEOUT
    return UNREACHABLE if isinstance(exc, OSError) else ADDRESS


def detail_of(code: int, words: str = "") -> str:
    """Return a close code, with what of the set-up the service's words name."""
    named = [one for one in _NAMED if one in words.lower()]
    return f"close {code}, about {' and '.join(named[:2])}" if named else f"close {code}"


def cause_of(fault: str, detail: str, tries: int = 1) -> str:
    """Return a call's ``cause``: what is wrong and what to look at, at most `MAX_CAUSE` characters.

    Args:
        fault: Name of a `LiveFault`.
        detail: What is known of it besides, such as ``HTTP 403``.
        tries: How often it was tried.
    """
    one = fault_named(fault)
    facts = [detail] if detail else []
    if tries > 1:
        facts.append(f"{tries} tries")
    what = f"{one.what} ({', '.join(facts)})" if facts else one.what
    return f"{what}: {one.check}"[:MAX_CAUSE]
