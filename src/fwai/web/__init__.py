"""The HTTP API under ``/api``, and the health endpoints."""
