"""Signs webhooks and stream upgrades the way Plivo does.

Written from Plivo's rules alone and on purpose not shared with the server's verifier: two
independent readings that agree are worth more than one that agrees with itself.

Source: plivo SDK 4.63.0 ``plivo/utils/signature_v3.py`` and https://www.plivo.com/docs/voice/
concepts/signature-validation (read 2026-11-22).
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlparse

FormValue = str | Sequence[str]


def _digest(token: str, message: str) -> str:
    mac = hmac.new(token.encode(), message.encode(), hashlib.sha256)
    return base64.b64encode(mac.digest()).decode("ascii")


def _pairs(fields: Mapping[str, FormValue]) -> list[tuple[str, str]]:
    """Sort by name, then by value within a name; both by code point."""
    flat: list[tuple[str, str]] = []
    for name, value in fields.items():
        values = [value] if isinstance(value, str) else value
        flat.extend((name, one) for one in values)
    return sorted(flat)


def _split(url: str) -> tuple[str, list[tuple[str, str]]]:
    """Cut a URL into what comes before the query and the sorted query; the fragment is dropped."""
    parts = urlparse(url)
    query = sorted(parse_qsl(parts.query, keep_blank_values=True))
    return f"{parts.scheme}://{parts.netloc}{parts.path}", query


def v3_base(method: str, url: str, fields: Mapping[str, FormValue] | None = None) -> str:
    """Return what V3 signs, without the nonce.

    Args:
        method: ``GET`` or ``POST``.
        url: The address as dialled, query included.
        fields: The decoded form fields of a POST; a GET carries its fields in the URL.
    """
    base, query = _split(url)
    form = _pairs(fields or {}) if method.upper() == "POST" else []
    if query or form:
        base += "?" + "&".join(f"{name}={value}" for name, value in query)
    if form:
        base += "." if query else ""
        base += "".join(f"{name}{value}" for name, value in form)
    return base


def sign_v3(
    token: str, nonce: str, method: str, url: str, fields: Mapping[str, FormValue] | None = None
) -> str:
    """Return the base64 V3 signature of a voice webhook."""
    return _digest(token, f"{v3_base(method, url, fields)}.{nonce}")


def sign_v2(token: str, nonce: str, url: str) -> str:
    """Return the base64 V2 signature of a messaging webhook: address without query, then nonce."""
    return _digest(token, _split(url)[0] + nonce)


@dataclass(frozen=True, slots=True)
class PlivoSigner:
    """Makes the signature headers of one account.

    Attributes:
        auth_token: Token of the account, or of the subaccount that owns the number.
        main_auth_token: Token of the main account; the same one unless a subaccount is played.
    """

    auth_token: str
    main_auth_token: str | None = None

    def voice(
        self, method: str, url: str, fields: Mapping[str, FormValue] | None = None
    ) -> dict[str, str]:
        """Return the V3 headers of a voice webhook."""
        nonce = new_nonce()
        main = self.main_auth_token or self.auth_token
        return {
            "X-Plivo-Signature-V3": sign_v3(self.auth_token, nonce, method, url, fields),
            "X-Plivo-Signature-Ma-V3": sign_v3(main, nonce, method, url, fields),
            "X-Plivo-Signature-V3-Nonce": nonce,
        }

    def upgrade(self, url: str) -> dict[str, str]:
        """Return the V3 headers of a WebSocket upgrade: signed as a GET of the ``http://`` form."""
        return self.voice("GET", "http" + url[url.index("://") :])

    def message(
        self, method: str, url: str, fields: Mapping[str, FormValue] | None = None
    ) -> dict[str, str]:
        """Return the V2 headers of a messaging webhook; method and fields are not signed."""
        del method, fields
        nonce = new_nonce()
        main = self.main_auth_token or self.auth_token
        return {
            "X-Plivo-Signature-V2": sign_v2(self.auth_token, nonce, url),
            "X-Plivo-Signature-Ma-V2": sign_v2(main, nonce, url),
            "X-Plivo-Signature-V2-Nonce": nonce,
        }


def new_nonce() -> str:
    """Return a nonce of the shape Plivo sends: twenty decimal digits."""
    return str(secrets.randbelow(9 * 10**19) + 10**19)
