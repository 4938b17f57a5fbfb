"""The way out for signed webhooks: what a secret that n8n cannot hold means at the start."""

import base64

import httpx
import pytest
from structlog.testing import capture_logs

from fwai.config.loading import load_settings
from fwai.wiring.webhooks import outgoing_webhooks


@pytest.mark.parametrize(
    ("key", "told"), [(b"Letters-and-digits-0123456789_ab", 0), (bytes(range(200, 232)), 1)]
)
async def test_a_secret_that_n8n_cannot_hold_works_and_is_said(key: bytes, told: int) -> None:
    secret = "whsec_" + base64.b64encode(key).decode()
    url = "https://hooks.example.com/x"
    settings = load_settings(
        {"events_webhook_url": url, "events_webhook_secret": secret}, environment=False
    )
    async with httpx.AsyncClient() as http:
        with capture_logs() as logs:
            webhooks = outgoing_webhooks(settings, {}, http)

    assert webhooks is not None
    webhooks.guard.check(url)
    assert [line["event"] for line in logs].count("events_secret_not_typeable") == told
    assert secret not in str(logs)
