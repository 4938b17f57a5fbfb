"""Signs and posts Meta's webhooks, and keeps how they were answered."""

import hmac
import json
import time
from collections import deque
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

import httpx

KEEP: Final = 1000
WEBHOOK_S: Final = 10.0


class MetaWebhooks:
    """Posts webhooks about one number to one server.

    Args:
        url: The server's ``/webhook``.
        app_secret: Signs.
        number: The number's id.
        shown: The number itself, digits.

    Attributes:
        deliveries: Status (0: no answer) and seconds of each post, the last 1000.
    """

    def __init__(self, url: str, app_secret: str, number: str, shown: str) -> None:
        self.url = url
        self.deliveries: deque[tuple[int, float]] = deque(maxlen=KEEP)
        self._secret = app_secret.encode()
        self._metadata = {"display_phone_number": shown, "phone_number_id": number}
        self._http = httpx.AsyncClient(timeout=WEBHOOK_S, trust_env=False)

    async def tell(self, value: Mapping[str, Any], field: str) -> tuple[int, float]:
        """Post one change about the number; return the server's status and the seconds."""
        whole = {"messaging_product": "whatsapp", "metadata": self._metadata, **value}
        entry = [{"id": "WABA1", "changes": [{"field": field, "value": whole}]}]
        return await self.post({"object": "whatsapp_business_account", "entry": entry})

    async def post(self, payload: object, signature: str | None = None) -> tuple[int, float]:
        """Post anything; return the server's status, 0 when there was none, and the seconds."""
        raw = json.dumps(payload).encode()
        signed = "sha256=" + hmac.new(self._secret, raw, sha256).hexdigest()
        headers = {"X-Hub-Signature-256": signature or signed, "Content-Type": "application/json"}
        began = time.monotonic()
        try:
            answer = await self._http.post(self.url, content=raw, headers=headers)
        except httpx.HTTPError:
            status = 0
        else:
            status = answer.status_code
        posted = (status, time.monotonic() - began)
        self.deliveries.append(posted)
        return posted

    async def close(self) -> None:
        """Close connections."""
        await self._http.aclose()
