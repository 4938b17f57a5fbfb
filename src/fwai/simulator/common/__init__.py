"""What the simulated providers share: callers, their ears, phrases, a media line, a REST server."""
