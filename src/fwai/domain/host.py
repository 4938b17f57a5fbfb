"""Host names and addresses."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether ``host`` names this machine and nothing else."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
