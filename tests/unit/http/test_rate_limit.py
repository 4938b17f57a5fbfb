"""Who is told to wait, who never is, and what it costs."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from starlette.requests import HTTPConnection
from starlette.types import Message, Scope
from structlog.testing import capture_logs

from fwai.domain.host import networks
from fwai.http.client_address import ClientAddresses
from fwai.http.rate_limit import RateLimiter, RateLimits, Webhook
from fwai.rates import Rate

STRANGER = "203.0.113.7"
OTHER = "198.51.100.1"
REQUESTS, REFUSED, PLACED = Rate("requests", 20), Rate("refused", 5), Rate("placed", 3)


def signed(request: HTTPConnection) -> bool:
    return "x-signature" in request.headers


@dataclass
class Door:
    """The limiter in front of an application that answers as a header asks it to."""

    now: float = 1000.0
    seen: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        limits = RateLimits(
            REQUESTS,
            REFUSED,
            {("POST", "/api/calls"): PLACED, ("POST", "/api/callbacks"): PLACED},
            (Webhook("/hook/", signed),),
        )
        addresses = ClientAddresses(networks(["10.0.0.1"]))
        self.limiter = RateLimiter(self._app, limits, addresses, lambda: self.now)

    async def _app(self, scope: Scope, receive: object, send: object) -> None:
        self.seen.append(scope["path"])
        status = int(dict(scope["headers"]).get(b"answer", b"200"))
        await send({"type": "http.response.start", "status": status})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": b""})  # type: ignore[operator]

    async def ask(
        self,
        path: str,
        answer: int = 200,
        peer: str | None = STRANGER,
        method: str = "POST",
        **headers: str,
    ) -> Message:
        named = {"answer": str(answer), **headers}
        raw = [(key.replace("_", "-").encode(), value.encode()) for key, value in named.items()]
        client = None if peer is None else (peer, 1)
        scope = {"type": "http", "method": method, "path": path, "client": client, "headers": raw}
        sent: list[Message] = []

        async def receive() -> Message:
            raise AssertionError("the body is read by the routes alone")

        async def send(message: Message) -> None:
            sent.append(message)

        await self.limiter(scope, receive, send)
        return sent[0]

    async def statuses(self, times: int, path: str, answer: int = 200, **options: str) -> list[int]:
        return [(await self.ask(path, answer, **options))["status"] for _ in range(times)]


@pytest.fixture
def door() -> Door:
    return Door()


async def test_a_flood_of_unsigned_requests_is_refused_before_its_bodies_are_read(
    door: Door,
) -> None:
    statuses = await door.statuses(2_000, "/hook/answer", 403)

    assert statuses == [403] * 5 + [429] * 1_995
    assert len(door.seen) == 5
    assert door.limiter.refused == {"refused": 1_995}


async def test_who_is_told_to_wait_learns_how_long(door: Door) -> None:
    await door.statuses(5, "/hook/answer", 403)
    door.now += 20.0
    refused = await door.ask("/hook/answer", 403)
    headers = dict(refused["headers"])

    assert headers[b"retry-after"] == b"40"
    assert headers[b"content-type"] == b"application/problem+json"
    assert headers[b"cache-control"] == b"no-store"

    door.now += 40.0
    assert (await door.ask("/hook/answer", 403))["status"] == 403


async def test_a_signed_request_is_never_told_to_wait(door: Door) -> None:
    """Not even beside a flood from its very address, nor after as many of its own as there are."""
    await door.statuses(100, "/hook/answer", 403)

    assert set(await door.statuses(5_000, "/hook/answer", 200, x_signature="s")) == {200}
    assert set(await door.statuses(50, "/hook/answer", 503, x_signature="s")) == {503}


async def test_a_forged_signature_is_looked_at_each_time_and_makes_nobody_wait_but_the_unsigned(
    door: Door,
) -> None:
    """Refused unseen it could be the provider's own, signed with another customer's key."""
    assert await door.statuses(50, "/hook/answer", 403, x_signature="forged") == [403] * 50
    assert await door.statuses(5, "/hook/answer", 200, x_signature="good") == [200] * 5
    assert await door.statuses(1, "/hook/answer", 403) == [429]


@pytest.mark.parametrize(
    ("peer", "forwarded"),
    [
        ("127.0.0.1", None),
        ("::1", None),
        ("10.0.0.1", None),
        ("10.0.0.1", "unknown"),
        ("127.0.0.1", "127.0.0.1"),
        (None, None),
        (None, OTHER),
    ],
)
async def test_an_address_that_may_be_everybodys_is_not_refused_unseen(
    peer: str | None, forwarded: str | None, door: Door
) -> None:
    headers = {} if forwarded is None else {"x_forwarded_for": forwarded}
    for _ in range(100):
        await door.ask("/hook/answer", 403, peer, **headers)
        await door.ask("/", 404, peer, **headers)

    assert (await door.ask("/hook/answer", 200, peer, **headers))["status"] == 200
    assert (await door.ask("/api/calls", 200, peer, method="GET", **headers))["status"] == 200


async def test_behind_a_proxy_each_client_has_limits_of_its_own(door: Door) -> None:
    """And one who writes the header in front of the proxy's entry gains and harms nothing."""
    for number in range(20):
        await door.ask("/hook/x", 403, "127.0.0.1", x_forwarded_for=f"{number}.1.1.1, {STRANGER}")
        await door.ask("/hook/x", 403, "127.0.0.1", x_forwarded_for=f"{OTHER}, {STRANGER}")

    assert len(door.seen) == 5
    other = await door.ask("/hook/x", 403, "127.0.0.1", x_forwarded_for=OTHER)
    assert other["status"] == 403


async def test_a_house_with_ipv6_is_one_address(door: Door) -> None:
    for number in range(50):
        await door.ask("/hook/x", 403, f"2001:db8:1:2::{number:x}")

    assert len(door.seen) == 5
    assert (await door.ask("/hook/x", 403, "2001:db8:1:3::1"))["status"] == 403


async def test_wrong_keys_are_refused_unseen_after_a_few(door: Door) -> None:
    for number in range(30):
        await door.ask("/api/calls", 401, method="GET", x_api_key=f"guess {number}")

    assert len(door.seen) == 5
    assert (await door.ask("/api/calls", 200, OTHER, method="GET", x_api_key="k"))["status"] == 200


@pytest.mark.parametrize("answer", [404, 409, 422, 503])
async def test_what_a_client_with_a_key_does_not_find_is_no_offence(
    answer: int, door: Door
) -> None:
    statuses = await door.statuses(15, "/api/calls/x", answer, method="GET", x_api_key="k")

    assert statuses == [answer] * 15


async def test_a_scanner_is_told_to_wait(door: Door) -> None:
    assert await door.statuses(8, "/wp-login.php", 404, method="GET") == [404] * 5 + [429] * 3


async def test_a_page_has_a_limit_per_address(door: Door) -> None:
    statuses = await door.statuses(25, "/", 200, method="GET")

    assert statuses == [200] * 20 + [429] * 5
    assert await door.statuses(1, "/", 200, peer=OTHER) == [200]


@pytest.mark.parametrize(
    "headers",
    [
        {"x_api_key": "k"},
        {"authorization": "Bearer k"},
        {"authorization": "bearer   k "},
        {"authorization": "Basic eDp5", "x_api_key": "k"},
        {"x_api_key": "k", "cookie": "other=1"},
    ],
    ids=range(5),
)
async def test_a_key_has_a_limit_wherever_and_however_it_comes(
    headers: dict[str, str], door: Door
) -> None:
    for number in range(20):
        await door.ask("/api/calls", 200, f"198.51.100.{number}", method="GET", x_api_key="k")

    again = await door.ask("/api/calls", 200, "127.0.0.1", method="GET", **headers)
    assert again["status"] == 429
    mine = await door.ask("/api/calls", 200, "127.0.0.1", method="GET", x_api_key="mine")
    assert mine["status"] == 200


async def test_calls_placed_have_a_limit_of_their_own_per_key(door: Door) -> None:
    """Over all routes that place some, with or without a slash."""
    for path in ("/api/calls", "/api/callbacks", "/api/calls/"):
        assert (await door.ask(path, 202, x_api_key="k"))["status"] == 202

    assert (await door.ask("/api/calls", 202, x_api_key="k"))["status"] == 429
    assert (await door.ask("/api/calls", 200, method="GET", x_api_key="k"))["status"] == 200
    assert (await door.ask("/api/calls", 202, x_api_key="other"))["status"] == 202
    assert door.limiter.refused == {"placed": 1}


async def test_refusals_are_counted_and_logged_once_a_minute_without_the_address(
    door: Door,
) -> None:
    with capture_logs() as logs:
        for _ in range(3):
            await door.statuses(400, "/hook/answer", 403)
            door.now += 59.0

    said = [log for log in logs if log["event"] == "requests_limited"]
    assert [log["reason"] for log in said] == ["refused"] * 2
    assert STRANGER not in str(logs)


async def test_invented_keys_and_addresses_cost_bounded_memory(door: Door) -> None:
    for number in range(20_000):
        peer = f"{number >> 8 & 255}.{number & 255}.1.1"
        await door.ask("/api/calls", 401, peer, x_api_key=str(number))

    windows = door.limiter._rates.windows
    assert windows.names <= 5_000
    assert len(windows) <= 50_000


# ---- handshakes of WebSockets -------------------------------------------------------------------


async def handshake(
    door: Door, path: str = "/hook/stream", answer: int = 403, **headers: str
) -> Message | None:
    """Shake hands; returns the first message of a refusal, None when the socket is open."""
    sent: list[Message] = []
    raw = [(key.replace("_", "-").encode(), value.encode()) for key, value in headers.items()]

    async def app(scope: Scope, receive: object, send: object) -> None:
        door.seen.append(scope["path"])
        if answer != 101:
            await send({"type": "websocket.close", "code": 1008})  # type: ignore[operator]

    async def send(message: Message) -> None:
        sent.append(message)

    door.limiter._app = app
    scope = {"type": "websocket", "path": path, "client": (STRANGER, 1), "headers": raw}
    await door.limiter({**scope, "query_string": b""}, None, send)  # type: ignore[arg-type]
    return sent[0] if sent else None


async def test_refused_handshakes_count_like_any_refused_request(door: Door) -> None:
    refused = [await handshake(door) for _ in range(8)]

    kinds = [message and message["type"] for message in refused]
    assert kinds == ["websocket.close"] * 5 + ["websocket.http.response.start"] * 3
    assert refused[-1] is not None
    assert refused[-1]["status"] == 429
    assert len(door.seen) == 5
    assert await door.statuses(1, "/hook/answer", 403) == [429]


async def test_a_handshake_is_refused_unseen_after_other_requests_were(door: Door) -> None:
    await door.statuses(5, "/hook/answer", 403)

    refused = await handshake(door, "/nowhere", x_signature="s")

    assert refused is not None
    assert refused["status"] == 429


async def test_a_carriers_handshake_is_looked_at_however_many_were_refused(door: Door) -> None:
    for _ in range(50):
        refused = await handshake(door, x_signature="forged")
        assert refused is not None
        assert refused["type"] == "websocket.close"

    assert await handshake(door, answer=101, x_signature="good") is None
    assert len(door.seen) == 51


async def test_streams_that_are_carried_never_count(door: Door) -> None:
    assert [await handshake(door, answer=101) for _ in range(50)] == [None] * 50
    assert await handshake(door) == {"type": "websocket.close", "code": 1008}


async def test_of_an_address_that_is_not_proven_no_handshake_counts() -> None:
    passed: Sequence[Scope] = []

    async def app(scope: Scope, receive: object, send: object) -> None:
        passed.append(scope)  # type: ignore[attr-defined]
        await send({"type": "websocket.close"})  # type: ignore[operator]

    async def send(message: Message) -> None:
        assert message["type"] == "websocket.close"

    limiter = RateLimiter(app, RateLimits(REQUESTS, REFUSED, {}), ClientAddresses())
    scope = {"type": "websocket", "path": "/plivo/stream", "headers": []}
    for _ in range(20):
        await limiter({**scope, "client": ("127.0.0.1", 1)}, None, send)  # type: ignore[arg-type]

    assert len(passed) == 20


async def test_what_is_neither_passes_untouched(door: Door) -> None:
    scope = {"type": "lifespan"}
    seen: list[Scope] = []

    async def app(scope: Scope, receive: object, send: object) -> None:
        seen.append(scope)

    door.limiter._app = app
    await door.limiter(scope, None, None)  # type: ignore[arg-type]

    assert seen == [{"type": "lifespan"}]
