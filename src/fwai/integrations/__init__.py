"""Clients of external services: SMTP mail, signed webhooks, workflows."""
