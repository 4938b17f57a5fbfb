"""Who may do what with which key."""

import re

import pytest

from fwai.domain.api_key import ApiKey, Permission, Role, doubled, read_key, roles_with

SECRET = "8c1f0e6d5b4a39281706f5e4"


@pytest.mark.parametrize(
    ("entry", "name", "role"),
    [
        (SECRET, "key-abe36f7d", Role.ADMIN),
        (f"desk:operator:{SECRET}", "desk", Role.OPERATOR),
        (f"n8n.flows-2:n8n:{SECRET}", "n8n.flows-2", Role.N8N),
        (f"Prom_1:METRICS:{SECRET}", "Prom_1", Role.METRICS),
        (f"bot:mcp:{SECRET}", "bot", Role.MCP),
    ],
)
def test_an_entry_is_a_key_or_names_its_role(entry: str, name: str, role: Role) -> None:
    key = read_key(entry)

    assert (key.name, key.role, key.secret) == (name, role, SECRET)
    assert SECRET not in repr(key)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (f"desk:operatr:{SECRET}", "did you mean operator?"),
        (f"desk:metrix:{SECRET}", "did you mean metrics?"),
        (f"desk:boss:{SECRET}", "unknown role; use admin, operator, n8n, metrics, mcp"),
        (f"desk::{SECRET}", "unknown role"),
        (f"desk:{SECRET}", "write name:role:key, or a key without a colon"),
        (f"desk:admin:{SECRET}:x", "write name:role:key"),
        (f":admin:{SECRET}", "the name takes"),
        (f"-desk:admin:{SECRET}", "the name takes"),
        (f"front desk:admin:{SECRET}", "the name takes"),
        (f"{'d' * 41}:admin:{SECRET}", "the name takes 1 to 40"),
        (f"local_key:admin:{SECRET}", "the server's own"),
        (f"loopback:admin:{SECRET}", "the server's own"),
        (f"{SECRET}:admin:desk:x", "write name:role:key"),
        (f"desk:{SECRET}:admin", "unknown role"),  # the order is wrong: the role is the secret
    ],
)
def test_what_is_wrong_is_named_and_no_part_of_the_entry_is_shown(entry: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as raised:
        read_key(entry)

    assert SECRET not in str(raised.value)


def test_each_key_needs_a_name_and_a_secret_of_its_own() -> None:
    desk = ApiKey("desk", Role.ADMIN, SECRET)

    assert doubled([desk, ApiKey("Desk", Role.N8N, "another-key-0123456")]) == [
        "the name Desk is given twice; each key needs its own"
    ]
    assert doubled([desk, ApiKey("door", Role.N8N, SECRET)]) == [
        "the same key stands there twice; each entry needs its own"
    ]
    assert doubled([desk, desk]) == ["the same key stands there twice; each entry needs its own"]
    assert doubled([desk, ApiKey("door", Role.N8N, "another-key-0123456")]) == []


def test_a_refusal_can_name_the_roles_that_may() -> None:
    assert roles_with(Permission.ERASE) == ["admin", "n8n"]
    assert roles_with(Permission.CONSOLE) == ["admin", "operator"]
