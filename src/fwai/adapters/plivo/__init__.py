"""Plivo: webhooks, XML, media stream and REST."""
