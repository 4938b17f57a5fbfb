"""Keys of the API: who may do what with which. No I/O.

An entry of ``API_KEYS`` is a bare key, or ``name:role:key``.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from fwai.domain.near_miss import nearest

MAX_NAME_CHARS: Final = 40
LOCAL_KEY: Final = "local_key"
"""Name of the key that the server keeps in a file for commands on this machine."""
LOOPBACK: Final = "loopback"
"""Name of whoever needs no key because they are on this machine."""
_NAME: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.-]{{0,{MAX_NAME_CHARS - 1}}}")


class Role(StrEnum):
    """What a key is for."""

    ADMIN = "admin"
    OPERATOR = "operator"
    N8N = "n8n"
    METRICS = "metrics"
    MCP = "mcp"


class Permission(StrEnum):
    """What a route of ours lets its client do."""

    READ = "read"
    """See calls, words, recordings, people and work."""
    ACT = "act"
    """Place and end calls, run tools, change promises, bar people, try work again."""
    ERASE = "erase"
    """Erase a person for good."""
    AUDIT = "audit"
    """See which key did what."""
    CONSOLE = "console"
    """Sign in to the pages, and talk to an agent there."""


GRANTS: Final[Mapping[Role, frozenset[Permission]]] = {
    Role.ADMIN: frozenset(Permission),
    Role.OPERATOR: frozenset({Permission.READ, Permission.ACT, Permission.CONSOLE}),
    Role.N8N: frozenset({Permission.READ, Permission.ACT, Permission.ERASE}),
    Role.METRICS: frozenset(),
    Role.MCP: frozenset(),
}
"""Roles without one open no route of the API: theirs are ``/metrics`` and ``/mcp``."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key.

    Attributes:
        name: What the audit list calls it.
        role: What it may be used for.
        secret: The key itself.
    """

    name: str
    role: Role
    secret: str = field(repr=False)

    def may(self, permission: Permission) -> bool:
        """Whether this key opens routes that need ``permission``."""
        return permission in GRANTS[self.role]


def roles_with(permission: Permission) -> list[str]:
    """Return the names of the roles that have a permission, the lowest last."""
    return [role.value for role in Role if permission in GRANTS[role]]


def read_key(entry: str) -> ApiKey:
    """Read one entry of ``API_KEYS``.

    A bare key is an admin's; its name is ``key-`` and the first eight hexadecimal digits of its
    SHA-256, which stays when the order of the keys changes.

    Raises:
        ValueError: What is wrong with it and the fix; no part of the entry is in the text, because
            any part may be the key.
    """
    if ":" not in entry:
        return ApiKey(f"key-{hashlib.sha256(entry.encode()).hexdigest()[:8]}", Role.ADMIN, entry)
    name, _, rest = entry.partition(":")
    role, colon, secret = rest.partition(":")
    if not colon or ":" in secret:
        raise ValueError("write name:role:key, or a key without a colon")
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"the name takes 1 to {MAX_NAME_CHARS} letters, digits, points, _ and -, and begins "
            "with a letter or digit"
        )
    if name in (LOCAL_KEY, LOOPBACK):
        raise ValueError(f"the name {name} is the server's own; take another one")
    try:
        return ApiKey(name, Role(role.lower()), secret)
    except ValueError:
        meant = nearest(role, list(Role))
        hint = f"; did you mean {meant}?" if meant else ""
        raise ValueError(f"unknown role; use {', '.join(Role)}{hint}") from None


def doubled(keys: Sequence[ApiKey]) -> list[str]:
    """Return what several keys share, as sentences without any key's text."""
    names = [key.name.casefold() for key in keys]
    secrets = [key.secret for key in keys]
    found = [
        f"the name {key.name} is given twice; each key needs its own"
        for position, key in enumerate(keys)
        if key.name.casefold() in names[:position] and key.secret not in secrets[:position]
    ]
    if len(set(secrets)) < len(secrets):
        found.append("the same key stands there twice; each entry needs its own")
    return found
