"""Signs outgoing webhooks by the Standard Webhooks scheme. No I/O.

Source: github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md, read 2026-11-22.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Final

PREFIX: Final = "whsec_"
MIN_KEY_BYTES: Final = 24
MAX_KEY_BYTES: Final = 64
# Any bytes are a good key. These can be typed as well, as n8n's Crypto credential needs it:
# token_urlsafe yields letters, digits, - and _.
KEYGEN_COMMAND: Final = (
    'python3 -c "import base64, secrets; '
    "print('whsec_' + base64.b64encode(secrets.token_urlsafe(24).encode()).decode())\""
)
# A dot would let two messages share one signed text, which is "id.timestamp.body".
_MESSAGE_ID: Final = re.compile(r"[!-\-/-~]{1,256}")


class Signer:
    """Signs messages with the current secret, and with older ones during a key rotation.

    Args:
        secret: ``whsec_`` and base64 of the key.
        old: Secrets that receivers may still check with; one more signature for each.

    Raises:
        ValueError: A secret cannot be used; the text says how to make one.
    """

    def __init__(self, secret: str, old: Sequence[str] = ()) -> None:
        self._keys = tuple(_key(text) for text in (secret, *old))

    def headers(self, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
        """Build the three signature headers of ``body``.

        Args:
            message_id: The same for every repetition of a message, so that receivers can drop them.
            timestamp: When it is sent, in seconds since 1970; receivers refuse old ones.
            body: The exact bytes that are posted.

        Raises:
            ValueError: The id is empty, too long, or has a character that it must not have.
        """
        if not _MESSAGE_ID.fullmatch(message_id):
            raise ValueError(
                "message_id: use 1 to 256 letters, digits and signs, without dots and blanks"
            )
        signed = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
        signatures = (hmac.digest(key, signed, hashlib.sha256) for key in self._keys)
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(
                f"v1,{base64.b64encode(signature).decode()}" for signature in signatures
            ),
        }


def check_secret(text: str) -> None:
    """Validate a signing secret.

    Raises:
        ValueError: What is wrong with it and the command that makes a good one; not the secret.
    """
    _key(text)


def as_typed(secret: str) -> str:
    """Return the decoded key as text, as n8n's Crypto credential takes it.

    Raises:
        ValueError: The secret cannot be used, or not there: its bytes are no text. The text has
            the command that makes one for n8n.
    """
    key = _key(secret)
    if not all(0x21 <= byte <= 0x7E for byte in key):
        raise ValueError(
            "holds bytes that cannot be typed, so n8n's Crypto credential cannot take it; "
            f"make a new one with: {KEYGEN_COMMAND}"
        )
    return key.decode("ascii")


def _key(text: str) -> bytes:
    if not text.startswith(PREFIX):
        raise ValueError(f"must begin with {PREFIX}; make a new one with: {KEYGEN_COMMAND}")
    encoded = text.removeprefix(PREFIX).rstrip("=")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        # ``from None``: what was wrong in it may show a part of the secret.
        raise ValueError(
            f"is not base64 after {PREFIX}; make a new one with: {KEYGEN_COMMAND}"
        ) from None
    if not MIN_KEY_BYTES <= len(key) <= MAX_KEY_BYTES:
        raise ValueError(
            f"must hold {MIN_KEY_BYTES} to {MAX_KEY_BYTES} bytes, not {len(key)}; "
            f"make a new one with: {KEYGEN_COMMAND}"
        )
    return key
