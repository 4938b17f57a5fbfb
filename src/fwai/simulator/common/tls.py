"""The default TLS context of simulated clients."""

import functools
import ssl


@functools.cache
def default_tls() -> ssl.SSLContext:
    """Return the machine's trust store, read once; slow the first time."""
    return ssl.create_default_context()
