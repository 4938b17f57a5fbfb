"""Demo: the real server against simulated providers and a simulated model, on one machine."""
