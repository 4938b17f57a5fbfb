"""Who may use the API and call from a browser."""

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from fwai.domain.api_key import ApiKey, Permission, Role, read_key
from fwai.http.access import (
    COOKIE,
    RENEW_AFTER_S,
    SESSION_S,
    Access,
    SessionRenewal,
    is_local,
)
from fwai.http.problem import ProblemError
from fwai.secret_file import SessionSecret
from unit.adapters.browser.kit import KEY, client, desk

SESSION = "/console/talk/session"
LOCAL = "0123456789abcdef" * 4


def request(address: str = "127.0.0.1", host: str = "localhost:3000", **headers: str) -> Request:
    named = {"host": host, **{name.replace("_", "-"): text for name, text in headers.items()}}
    raw = [(name.encode(), text.encode()) for name, text in named.items()]
    return Request({"type": "http", "client": (address, 4), "headers": raw, "path": "/"})


def cookie_of(response: Response) -> str:
    return response.headers["set-cookie"].partition(";")[0].partition("=")[2]


async def refused(access: Access, asked: Request) -> ProblemError:
    with pytest.raises(ProblemError) as raised:
        await access.admit(asked)
    return raised.value


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
            closed = await far.get(SESSION)
            guessed = await far.get(SESSION, headers={"Authorization": "Bearer "})
            session = await far.post(SESSION, headers={"X-API-Key": ""})

    assert (local.status_code, local.json()) == (200, {"allowed": True})
    assert [r.status_code for r in (forwarded, closed, guessed, session)] == [403, 403, 403, 403]
    assert closed.headers["content-type"] == "application/problem+json"
    assert closed.json() == {
        "type": "urn:fwai:problem:not-allowed",
        "title": "Not allowed",
        "status": 403,
        "detail": "Without API_KEYS, calls from the browser are open only to this machine itself.",
        "field": None,
    }


@pytest.mark.parametrize(
    "asked",
    [
        request(),  # through a proxy that says nothing, every stranger looks like this
        request(authorization="Bearer "),
        request(authorization=f"Bearer {KEY}"),
        request(x_api_key=KEY),
        request("203.0.113.9", "voice.example.com"),
        request(cookie=f"{COOKIE}=9999999999.name.mark.signature"),
    ],
    ids=["loopback", "empty", "bearer", "header", "far", "cookie"],
)
@pytest.mark.parametrize("local_key", ["", LOCAL], ids=["no-file", "file"])
async def test_without_keys_and_trust_nothing_opens(asked: Request, local_key: str) -> None:
    access = Access((), loopback=False, secure_cookies=False, local_key=local_key)

    problem = await refused(access, asked)

    assert (problem.status, problem.kind) == (403, "not-allowed")
    assert "Put API_KEYS into .env" in problem.detail
    with pytest.raises(ProblemError) as begun:
        await access.begin_session(asked, Response())
    assert begun.value.status == 403


@pytest.mark.parametrize("keys", [(), (read_key(KEY),)], ids=["off", "keys"])
async def test_the_local_key_opens_the_api_with_and_without_others(keys: tuple[ApiKey]) -> None:
    access = Access(keys, loopback=False, secure_cookies=False, local_key=LOCAL)

    found = await access.admit(request(x_api_key=LOCAL), Permission.ERASE)

    assert (found.name, found.role) == ("local_key", Role.ADMIN)


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
        wrong = await far.post(SESSION, headers={"Authorization": "Bearer wrong"})
        begun = await far.post(SESSION, headers={"Authorization": f"Bearer {KEY}"})
        known = await far.get(SESSION)

    cookie = begun.headers["set-cookie"]
    words = ("HttpOnly", "SameSite=strict", "Secure", "Max-Age=28800", "Path=/;")
    assert (wrong.status_code, begun.status_code, known.status_code) == (401, 201, 200)
    assert wrong.json()["type"] == "urn:fwai:problem:key-wrong"
    assert all(word in cookie for word in words)
    assert KEY not in cookie


async def test_a_session_ends_and_cannot_be_forged() -> None:
    now = 1000.0
    keys = (read_key(KEY), read_key("desk:operator:key-of-the-desk-4711"))
    secret = SessionSecret()
    access = Access(keys, loopback=False, secure_cookies=False, secret=secret, clock=lambda: now)
    response = Response()
    await access.begin_session(request(x_api_key="key-of-the-desk-4711"), response)
    good = cookie_of(response)
    until, name, mark, signature = good.split(".")
    forged = [
        f"{int(until) + 9}.{name}.{mark}.{signature}",
        f"{until}.{name}.{'0' * 16}.{signature}",
        f"{until}.{name}.{mark}.",
        "",
        ".",
        "..",
        "...",
        "1.é.2",
    ]
    elsewhere = Access(keys, loopback=False, secure_cookies=False, clock=lambda: now)
    without = Access(
        keys[:1], loopback=False, secure_cookies=False, secret=secret, clock=lambda: now
    )

    client_ = await access.admit(request(cookie=f"{COOKIE}={good}"))
    assert client_.id == f"session:{name}"
    assert (client_.name, client_.role) == ("desk", Role.OPERATOR)
    for cookie in forged:
        assert (await refused(access, request(cookie=f"{COOKIE}={cookie}"))).kind == "key-needed"
    good_one = request(cookie=f"{COOKIE}={good}")
    assert (await refused(elsewhere, good_one)).kind == "key-needed"
    assert (await refused(without, good_one)).kind == "key-needed"  # its key was taken away
    now += SESSION_S
    assert (await refused(access, good_one)).kind == "key-needed"


async def test_a_session_goes_on_while_it_is_used_and_ends_when_it_is_not() -> None:
    now = 1000.0
    key = read_key(KEY)
    access = Access((key,), loopback=False, secure_cookies=False, clock=lambda: now)
    app = FastAPI()
    app.add_middleware(SessionRenewal)

    @app.get("/")
    async def page(request: Request) -> str:
        return (await access.admit(request)).id

    async with client(app, "203.0.113.9", "https://voice.example.com") as browser:
        begun = Response()
        await access.begin_session(request(x_api_key=KEY), begun)
        browser.cookies.set(COOKIE, cookie_of(begun), domain="voice.example.com")
        first = await browser.get("/")
        renewed = []
        for _ in range(5):  # 35 hours, seven at a time
            now += 7 * 3600
            answer = await browser.get("/")
            renewed.append(("set-cookie" in answer.headers, answer.json() == first.json()))
        now += RENEW_AFTER_S - 1
        soon = await browser.get("/")
        now += SESSION_S
        with pytest.raises(ProblemError):
            await browser.get("/")

    assert "set-cookie" not in first.headers
    assert renewed == [(True, True)] * 5
    assert "set-cookie" not in soon.headers


@pytest.mark.parametrize("role", Role)
async def test_only_roles_with_pages_begin_a_session(role: Role) -> None:
    key = ApiKey("some", role, KEY)
    access = Access((key,), loopback=False, secure_cookies=False)
    response = Response()

    if role in (Role.ADMIN, Role.OPERATOR):
        await access.begin_session(request(x_api_key=KEY), response)
        assert "set-cookie" in response.headers
    else:
        with pytest.raises(ProblemError, match="Another role") as raised:
            await access.begin_session(request(x_api_key=KEY), response)
        assert "this needs admin or operator" in raised.value.detail
        assert "set-cookie" not in response.headers


async def test_a_form_of_another_site_begins_no_session() -> None:
    access = Access((read_key(KEY),), loopback=False, secure_cookies=False)
    response = Response()

    with pytest.raises(ProblemError) as raised:
        await access.begin_session(request(origin="https://evil.example"), response, KEY)

    assert raised.value.status == 403
    assert "set-cookie" not in response.headers


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
