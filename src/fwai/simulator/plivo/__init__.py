"""A simulated Plivo: telephones, webhooks, media streams and the REST API."""
