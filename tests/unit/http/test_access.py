"""Who may call from a browser."""

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from fwai.http.access import COOKIE, SESSION_S, Access, is_local
from fwai.http.problem import ProblemError
from unit.adapters.browser.kit import KEY, client, desk

SESSION = "/console/talk/session"


def request(address: str = "127.0.0.1", host: str = "localhost:3000", **headers: str) -> Request:
    named = {"host": host, **{name.replace("_", "-"): text for name, text in headers.items()}}
    raw = [(name.encode(), text.encode()) for name, text in named.items()]
    return Request({"type": "http", "client": (address, 4), "headers": raw, "path": "/"})


def cookie_of(response: Response) -> str:
    return response.headers["set-cookie"].partition(";")[0].partition("=")[2]


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["localhost", "localhost:3000", "127.0.0.1:80", "[::1]:3000"])
def test_this_machine_is_near(address: str, host: str) -> None:
    assert is_local(request(address, host))


@pytest.mark.parametrize(
    "strange",
    [
        request("192.168.1.5"),
        request("nonsense"),
        request(host="evil.example"),
        request(host="localhost.evil.example"),
        request(host=""),
        request(x_forwarded_for="127.0.0.1"),
        request(x_forwarded_proto="https"),
        request(forwarded="for=1.2.3.4"),
        request(x_real_ip="1.2.3.4"),
    ],
)
def test_what_is_not_near(strange: Request) -> None:
    """Another machine, a name that only points here, a proxy on this machine."""
    assert not is_local(strange)


async def test_without_keys_only_this_machine_may_call() -> None:
    async with desk() as house:
        local = await house.client.get(SESSION)
        forwarded = await house.client.get(SESSION, headers={"X-Forwarded-For": "127.0.0.1"})
        async with house.stranger() as far:
            refused = await far.get(SESSION)
            guessed = await far.get(SESSION, headers={"Authorization": "Bearer "})
            session = await far.post(SESSION, headers={"X-API-Key": ""})

    assert (local.status_code, local.json()) == (200, {"allowed": True})
    assert [r.status_code for r in (forwarded, refused, guessed, session)] == [403, 403, 401, 403]
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json() == {
        "type": "urn:fwai:problem:not-allowed",
        "title": "Not allowed",
        "status": 403,
        "detail": "Without API_KEYS, calls from the browser are open only to this machine itself.",
        "field": None,
    }


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": f"Bearer {KEY}"}, 200),
        ({"authorization": f"bearer {KEY}"}, 200),
        ({"X-API-Key": KEY}, 200),
        ({"Authorization": f"Basic {KEY}"}, 401),
        ({"X-API-Key": KEY[:-1]}, 401),
        ({"X-API-Key": ""}, 401),
        ({}, 401),
    ],
)
async def test_a_key_opens_from_everywhere(headers: dict[str, str], status: int) -> None:
    async with desk(keys=("another-key", KEY)) as house, house.stranger() as far:
        answer = await far.get(SESSION, headers=headers)

    assert answer.status_code == status
    assert status == 200 or answer.headers["www-authenticate"] == "Bearer"


async def test_this_machine_may_need_a_key_too() -> None:
    async with desk(keys=(KEY,), loopback=False) as house:
        assert (await house.client.get(SESSION)).status_code == 401


async def test_a_key_is_traded_for_a_cookie() -> None:
    async with desk(keys=(KEY,), secure_cookies=True) as house, house.stranger() as far:
        refused = await far.post(SESSION, headers={"Authorization": "Bearer wrong"})
        begun = await far.post(SESSION, headers={"Authorization": f"Bearer {KEY}"})
        known = await far.get(SESSION)

    cookie = begun.headers["set-cookie"]
    assert (refused.status_code, begun.status_code, known.status_code) == (401, 201, 200)
    assert refused.json()["type"] == "urn:fwai:problem:key-wrong"
    assert all(word in cookie for word in ("HttpOnly", "SameSite=strict", "Secure", "Max-Age=3600"))
    assert KEY not in cookie


def test_a_session_ends_and_cannot_be_forged() -> None:
    now = 1000.0
    access = Access((KEY,), loopback=False, secure_cookies=False, clock=lambda: now)
    response = Response()
    access.begin_session(request(x_api_key=KEY), response)
    good = cookie_of(response)
    until, name, signature = good.split(".")
    forged = [f"{int(until) + 9}.{name}.{signature}", "", ".", "..", f"{until}.{name}.", "1.é.2"]
    other = Access((KEY,), loopback=False, secure_cookies=False, clock=lambda: now)

    assert access.client(request(cookie=f"{COOKIE}={good}")).id == f"session:{name}"
    for cookie in forged:
        with pytest.raises(ProblemError):
            access.client(request(cookie=f"{COOKIE}={cookie}"))
    with pytest.raises(ProblemError):
        other.client(request(cookie=f"{COOKIE}={good}"))
    now += SESSION_S
    with pytest.raises(ProblemError):
        access.client(request(cookie=f"{COOKIE}={good}"))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": "http://localhost:3000"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
async def test_the_page_of_another_site_calls_nobody(headers: dict[str, str], status: int) -> None:
    async with desk() as house:
        assert (await house.client.get(SESSION, headers=headers)).status_code == status


async def test_a_name_that_points_here_is_refused() -> None:
    async with desk() as house, client(house.app, "127.0.0.1", "http://evil.example") as rebound:
        answer: httpx.Response = await rebound.get(SESSION)

    assert answer.status_code == 403
    assert isinstance(house.app, FastAPI)
