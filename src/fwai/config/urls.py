"""Says what is wrong with a URL in the settings, and how to write it. No I/O."""

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import SplitResult, urlsplit

from fwai.domain.host import is_loopback

_HOST: Final = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_-]{1,63}")
_MAX_HOST_CHARS: Final = 253
# A host as documents write it for "put yours here".
_PLACEHOLDERS: Final = re.compile(r"(?:(?:www\.)?your[.-]?(?:domain|host|server)\b.*|.*[<>].*)")
_OUR_PATHS: Final = re.compile(r"/(?:plivo|exotel|webhook|api|console|healthz|readyz)(?:/.*)?$")


def url_problem(url: str, schemes: Sequence[str], *, base: bool = True) -> str | None:
    """Return what is wrong with a URL and the fix, in words; None when nothing is.

    The URL is shown only without a user and a password.

    Args:
        url: As it was written, tidied.
        schemes: What it may begin with; the first one is proposed.
        base: Paths are put behind it, so it has no query.
    """
    if re.search(r"[\s\"'<>\\^`{|}]", url):
        return "take out the spaces, quotes and brackets in it"
    scheme, separator, rest = url.partition("://")
    if not separator:
        bare = re.fullmatch(r"[\w.-]+\.[\w-]+(?::\d+)?(?:/[\w./-]*)?", url)
        return f"write {schemes[0]}://{url}" if bare else f"begin it with {schemes[0]}://"
    if scheme not in schemes:
        shown = "" if "@" in rest else f": {_right_scheme(scheme, schemes)}://{rest}"
        return f"begin it with {_right_scheme(scheme, schemes)}://, not {scheme[:20]}://{shown}"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "its host or its port cannot be read"
    if parts.username is not None or parts.password is not None:
        return "take out the user and the password before the @"
    if base and ("?" in url or "#" in url):
        return "without a query: take out what begins with ? or #"
    if port == 0 or parts.netloc.endswith(":"):
        return "write a port behind the colon, or take the colon out"
    return _host_problem(parts)


def public_url_problem(url: str) -> str | None:
    """Return what is wrong with the address that providers call, and the fix."""
    if problem := url_problem(url, ("https", "http")):
        return problem
    parts = urlsplit(url)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        return f"write https://{url.partition('://')[2]}"
    if found := _OUR_PATHS.search(parts.path.rstrip("/")):
        return f"leave out {found[0]}: the server puts its own paths behind it"
    return None


def _right_scheme(scheme: str, schemes: Sequence[str]) -> str:
    """Return the scheme to write: the same word in small letters, or as secure as possible."""
    return scheme.lower() if scheme.lower() in schemes else schemes[0]


def _host_problem(parts: SplitResult) -> str | None:
    host = parts.hostname or ""
    if not host:
        return f"write a host behind {parts.scheme}://"
    if _PLACEHOLDERS.fullmatch(host):
        return "write your own host in place of the example's"
    if host.endswith("."):
        return f"write the host without the dot at its end: {host.rstrip('.')}"
    if not host.isascii():
        try:
            return f"write the host in ASCII: {host.encode('idna').decode()}"
        except UnicodeError:
            return "write the host in ASCII"
    if ":" in host:  # an IPv6 address; urlsplit has checked it
        return None
    if len(host) > _MAX_HOST_CHARS or not _HOST.fullmatch(host):
        return "the host cannot be right; write letters, digits, - and single dots"
    return None
