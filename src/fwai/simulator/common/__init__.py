"""Code that the simulated providers share: callers, phrases, media streams, REST servers."""
