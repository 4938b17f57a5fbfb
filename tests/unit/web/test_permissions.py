"""Every route against every role."""

from pathlib import Path

import pytest

from fwai.domain.api_key import ApiKey, Role
from fwai.http.access import Access
from fwai.web.permissions import RULES, rule_of
from unit.web.kit import House, house, problem

SECRETS = {role: f"key-of-{role.value}-0123456789abcdef" for role in Role}
# What each role may not do; everything else of the API it may.
FORBIDDEN = {
    Role.ADMIN: set[tuple[str, str]](),
    Role.OPERATOR: {("DELETE", "/api/contacts/{phone}"), ("GET", "/api/audit")},
    Role.N8N: {("GET", "/api/audit")},
}


def all_keys() -> Access:
    keys = [ApiKey(f"the-{role.value}", role, secret) for role, secret in SECRETS.items()]
    return Access(keys, loopback=True, secure_cookies=False)


def operations(home: House) -> list[tuple[str, str]]:
    paths = home.app.openapi()["paths"]
    return [(method.upper(), path) for path, methods in paths.items() for method in methods]


@pytest.mark.parametrize("role", Role)
async def test_each_role_may_what_it_may_on_each_route(role: Role, tmp_path: Path) -> None:
    """A request that is let in fails of its own: there is nothing of that name, or no body."""
    async with house(tmp_path, access=all_keys()) as home:
        asked = operations(home)
        forbidden = FORBIDDEN.get(role, set(asked))
        assert forbidden <= set(asked)
        async with home.stranger(**{"X-API-Key": SECRETS[role]}) as far:
            refused = set()
            for method, path in asked:
                answer = await far.request(method, path.replace("{phone}", "919999900000"))
                assert answer.status_code != 401
                if answer.json().get("type") == "urn:fwai:problem:role-needed":
                    detail = problem(answer, 403, "role-needed")
                    assert f"The key the-{role.value} has the role {role.value}" in detail
                    assert "this needs admin" in detail
                    refused.add((method, path))

    assert refused == forbidden
    assert len(asked) > 25


@pytest.mark.parametrize("role", [Role.METRICS, Role.MCP])
async def test_a_key_for_something_else_is_told_of_no_address(role: Role, tmp_path: Path) -> None:
    async with (
        house(tmp_path, access=all_keys()) as home,
        home.stranger(**{"X-API-Key": SECRETS[role]}) as far,
    ):
        problem(await far.get("/api/nothing"), 403, "role-needed")
        problem(await far.put("/api/calls"), 403, "role-needed")


async def test_each_rule_has_its_route(home: House) -> None:
    assert set(RULES) == set(operations(home))


def test_a_route_without_a_rule_cannot_be_added() -> None:
    with pytest.raises(LookupError, match=r"DELETE /api/calls has no rule in web/permissions\.py"):
        rule_of("DELETE", "/api/calls")


def test_whatever_changes_something_has_a_name_for_the_audit_list_of_its_own() -> None:
    names = [rule.action for (method, _), rule in RULES.items() if method != "GET"]

    assert all(names)
    assert len(set(names)) == len(names)
    assert {rule.action for (method, _), rule in RULES.items() if method == "GET"} == {""}
