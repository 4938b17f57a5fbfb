"""A server with its whole outside world on one machine: no account, no telephone, no cost."""
