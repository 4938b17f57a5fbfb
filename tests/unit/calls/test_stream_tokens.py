"""Which stream a token admits, and how often."""

import asyncio
from contextlib import ExitStack

import pytest

from fwai.calls import stream_tokens
from fwai.calls.stream_tokens import LIFE_S, TAKE_OVER_S, StreamTokens
from fwai.domain.call import CallId

CALL = CallId("20261122-ab")
PLIVO = "plivo"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def good(tokens: StreamTokens, token: str, provider: str = PLIVO) -> bool:
    with tokens.admission(provider, token) as admitted:
        return admitted


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(clock: Clock) -> StreamTokens:
    return StreamTokens(clock)


def test_a_token_admits_the_stream_of_its_call_once(tokens: StreamTokens) -> None:
    token = tokens.mint(CALL, PLIVO, "c-1")

    assert good(tokens, token)
    assert tokens.redeem(token, "c-1") == CALL
    assert not good(tokens, token)
    assert tokens.redeem(token, "c-1") is None


def test_another_call_cannot_use_it_up(tokens: StreamTokens) -> None:
    token = tokens.mint(CALL, PLIVO, "c-1")

    assert tokens.redeem(token, "c-2") is None
    assert tokens.redeem(token, "c-1") == CALL


def test_a_stream_that_does_not_say_its_call_is_of_the_tokens(tokens: StreamTokens) -> None:
    token = tokens.mint(CALL, PLIVO, "c-1")

    assert tokens.redeem("guess", "") is None
    assert tokens.redeem(token, "") == CALL
    assert tokens.redeem(token, "") is None


def test_a_connection_may_be_retried_until_one_starts(tokens: StreamTokens) -> None:
    """Plivo tries three times; only a valid start uses the token up."""
    token = tokens.mint(CALL, PLIVO, "c-1")

    assert [good(tokens, token) for _ in range(3)] == [True] * 3


def test_one_connection_at_a_time_holds_a_token(tokens: StreamTokens) -> None:
    token, other = tokens.mint(CALL, PLIVO, "c-1"), tokens.mint(CALL, PLIVO, "c-1")

    with ExitStack() as open_connections:
        admitted = [
            open_connections.enter_context(tokens.admission(PLIVO, token)) for _ in range(500)
        ]
        assert admitted == [True] + [False] * 499
        assert good(tokens, other), "what one token's connection does is no other's concern"

    assert good(tokens, token)


async def holding(tokens: StreamTokens, token: str, said: list[str]) -> None:
    """Hold a token as a connection does whose first message does not come."""
    with tokens.admission(PLIVO, token) as admitted:
        said.append("admitted" if admitted else "refused")
        try:
            await asyncio.Event().wait()
        finally:
            said.append("dropped")
    said.append("ended")


async def test_a_connection_that_stays_silent_gives_way_to_a_newer_one(
    tokens: StreamTokens, clock: Clock
) -> None:
    """Its carrier has lost it, and tries again."""
    token, said = tokens.mint(CALL, PLIVO, "c-1"), list[str]()
    async with asyncio.TaskGroup() as group:
        lost = group.create_task(holding(tokens, token, said))
        await asyncio.sleep(0)
        clock.now += TAKE_OVER_S - 0.01
        assert not good(tokens, token)

        clock.now += 0.01
        with tokens.admission(PLIVO, token) as admitted:
            assert admitted
            ended, _ = await asyncio.wait([lost], timeout=5)
            assert ended
            assert not good(tokens, token), "the one that was dropped gives nothing back"
            assert tokens.redeem(token, "c-1") == CALL

    assert said == ["admitted", "dropped", "ended"]
    assert not lost.cancelled(), "its route ends as if the peer had left"


async def test_a_first_message_at_the_moment_of_the_take_over_starts_nothing(
    tokens: StreamTokens, clock: Clock
) -> None:
    """One token, one stream: the older connection may not redeem it behind the newer one."""
    token, came = tokens.mint(CALL, PLIVO, "c-1"), asyncio.Event()
    redeemed = []

    async def older() -> None:
        with tokens.admission(PLIVO, token):
            await came.wait()
            redeemed.append(tokens.redeem(token, "c-1"))

    async with asyncio.TaskGroup() as group:
        task = group.create_task(older())
        await asyncio.sleep(0)
        clock.now += TAKE_OVER_S
        came.set()
        with tokens.admission(PLIVO, token) as admitted:
            await asyncio.wait([task], timeout=5)
            assert admitted

    assert redeemed == []


async def test_a_stream_that_has_started_is_never_taken_over(
    tokens: StreamTokens, clock: Clock
) -> None:
    token, over = tokens.mint(CALL, PLIVO, "c-1"), asyncio.Event()

    async def call() -> None:
        with tokens.admission(PLIVO, token):
            assert tokens.redeem(token, "c-1") == CALL
            await over.wait()

    async with asyncio.TaskGroup() as group:
        carried = group.create_task(call())
        await asyncio.sleep(0)
        clock.now += TAKE_OVER_S
        assert not good(tokens, token)
        await asyncio.sleep(0)
        assert not carried.done()
        over.set()


async def test_a_cancellation_by_others_is_not_swallowed(
    tokens: StreamTokens, clock: Clock
) -> None:
    """The server stops, alone or in the moment of a take-over."""
    for taken_over in (False, True):
        token = tokens.mint(CALL, PLIVO, "c-1")
        async with asyncio.TaskGroup() as group:
            task = group.create_task(holding(tokens, token, []))
            await asyncio.sleep(0)
            clock.now += TAKE_OVER_S
            if taken_over:
                assert good(tokens, token)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()


def test_a_connection_that_fails_gives_the_token_back(tokens: StreamTokens) -> None:
    token = tokens.mint(CALL, PLIVO, "c-1")

    with pytest.raises(ConnectionError), tokens.admission(PLIVO, token):
        raise ConnectionError

    assert good(tokens, token)


def test_the_connection_that_holds_a_token_may_use_it_up(tokens: StreamTokens) -> None:
    token = tokens.mint(CALL, PLIVO, "c-1")

    with tokens.admission(PLIVO, token):
        assert tokens.redeem(token, "c-1") == CALL

    assert not good(tokens, token)


@pytest.mark.parametrize("provider", ["exotel", "", "Plivo", "whatsapp"])
@pytest.mark.parametrize("call", ["c-1", ""])
def test_a_token_opens_no_stream_of_another_provider(
    tokens: StreamTokens, call: str, provider: str
) -> None:
    token = tokens.mint(CALL, PLIVO, call)

    assert not good(tokens, token, provider)
    assert good(tokens, token), "nor does the attempt take it from its own"


def test_it_lives_for_a_minute(tokens: StreamTokens, clock: Clock) -> None:
    token = tokens.mint(CALL, PLIVO, "c-1")

    clock.now += LIFE_S - 0.1
    assert good(tokens, token)
    clock.now += 0.1
    assert not good(tokens, token)
    assert tokens.redeem(token, "c-1") is None


def test_a_started_stream_makes_the_calls_other_tokens_worthless(tokens: StreamTokens) -> None:
    first, second = tokens.mint(CALL, PLIVO, "c-1"), tokens.mint(CALL, PLIVO, "c-1")
    other = tokens.mint(CallId("other"), PLIVO, "c-2")

    tokens.redeem(second, "c-1")

    assert not good(tokens, first)
    assert good(tokens, other)


def test_a_revoked_call_has_no_token(tokens: StreamTokens) -> None:
    token = tokens.mint(CALL, PLIVO, "c-1")

    tokens.revoke(CALL)

    assert not good(tokens, token)


@pytest.mark.parametrize("token", ["", "guess", "x" * 10_000])
def test_a_guess_admits_nothing(tokens: StreamTokens, token: str) -> None:
    tokens.mint(CALL, PLIVO, "c-1")

    assert not good(tokens, token)
    assert tokens.redeem(token, "c-1") is None


def test_tokens_are_unguessable_and_safe_in_a_url(tokens: StreamTokens) -> None:
    minted = {tokens.mint(CALL, PLIVO, "c-1") for _ in range(200)}

    assert len(minted) == 200
    assert all(len(token) >= 32 for token in minted)
    assert all(token.replace("-", "").replace("_", "").isalnum() for token in minted)


def test_expired_tokens_are_forgotten_and_no_flood_fills_the_memory(
    tokens: StreamTokens, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_tokens, "MOST", 50)
    first = tokens.mint(CALL, PLIVO, "c-1")
    for _ in range(50):
        tokens.mint(CALL, PLIVO, "c-1")

    assert len(tokens._grants) == 50
    assert not good(tokens, first)
    clock.now += LIFE_S
    tokens.mint(CALL, PLIVO, "c-1")
    assert len(tokens._grants) == 1


# ---- of a call that is only being placed --------------------------------------------------------


def test_before_the_providers_id_is_known_the_first_stream_uses_the_token(
    tokens: StreamTokens,
) -> None:
    token = tokens.mint(CALL, PLIVO, "", 75.0)

    assert tokens.redeem(token, "whatever") == CALL
    assert tokens.redeem(token, "whatever") is None
    assert tokens.redeem(token, "") is None


def test_the_token_of_an_order_lives_as_long_as_it_is_told_to(
    tokens: StreamTokens, clock: Clock
) -> None:
    long, short = tokens.mint(CALL, PLIVO, "", 75.0), tokens.mint(CallId("other"), PLIVO, "c-2")

    clock.now += LIFE_S
    tokens.mint(CallId("third"), PLIVO, "c-3")  # which forgets what has expired

    assert good(tokens, long)
    assert not good(tokens, short)
    clock.now += 15.0
    assert not good(tokens, long)


def test_an_answer_that_brings_its_own_token_makes_that_of_the_order_worthless(
    tokens: StreamTokens,
) -> None:
    of_the_order = tokens.mint(CALL, PLIVO, "", 75.0)
    of_the_answer = tokens.mint(CALL, PLIVO, "c-1")

    assert tokens.redeem(of_the_answer, "c-1") == CALL
    assert not good(tokens, of_the_order)
