"""The Protocols that parts of the server know each other by; each is defined once, here."""
