"""Services outside the call: mail, webhooks."""
