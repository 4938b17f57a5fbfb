import pytest

from fwai.calls import stream_tokens
from fwai.calls.stream_tokens import LIFE_S, StreamTokens
from fwai.domain.call import CallId

CALL = CallId("20261122-ab")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(clock: Clock) -> StreamTokens:
    return StreamTokens(clock)


def test_a_token_admits_the_stream_of_its_call_once(tokens: StreamTokens) -> None:
    token = tokens.mint(CALL, "c-1")

    assert tokens.good(token)
    assert tokens.redeem(token, "c-1") == CALL
    assert not tokens.good(token)
    assert tokens.redeem(token, "c-1") is None


def test_another_call_cannot_use_it_up(tokens: StreamTokens) -> None:
    token = tokens.mint(CALL, "c-1")

    assert tokens.redeem(token, "c-2") is None
    assert tokens.redeem(token, "c-1") == CALL


def test_a_stream_that_does_not_say_its_call_is_of_the_tokens(tokens: StreamTokens) -> None:
    token = tokens.mint(CALL, "c-1")

    assert tokens.redeem("guess", "") is None
    assert tokens.redeem(token, "") == CALL
    assert tokens.redeem(token, "") is None


def test_a_connection_may_be_retried_until_one_starts(tokens: StreamTokens) -> None:
    """Plivo tries three times; only a valid start uses the token up."""
    token = tokens.mint(CALL, "c-1")

    assert [tokens.good(token) for _ in range(3)] == [True] * 3


def test_it_lives_for_a_minute(tokens: StreamTokens, clock: Clock) -> None:
    token = tokens.mint(CALL, "c-1")

    clock.now += LIFE_S - 0.1
    assert tokens.good(token)
    clock.now += 0.1
    assert not tokens.good(token)
    assert tokens.redeem(token, "c-1") is None


def test_a_started_stream_makes_the_calls_other_tokens_worthless(tokens: StreamTokens) -> None:
    first, second = tokens.mint(CALL, "c-1"), tokens.mint(CALL, "c-1")
    other = tokens.mint(CallId("other"), "c-2")

    tokens.redeem(second, "c-1")

    assert not tokens.good(first)
    assert tokens.good(other)


def test_a_revoked_call_has_no_token(tokens: StreamTokens) -> None:
    token = tokens.mint(CALL, "c-1")

    tokens.revoke(CALL)

    assert not tokens.good(token)


@pytest.mark.parametrize("token", ["", "guess", "x" * 10_000])
def test_a_guess_admits_nothing(tokens: StreamTokens, token: str) -> None:
    tokens.mint(CALL, "c-1")

    assert not tokens.good(token)
    assert tokens.redeem(token, "c-1") is None


def test_tokens_are_unguessable_and_safe_in_a_url(tokens: StreamTokens) -> None:
    minted = {tokens.mint(CALL, "c-1") for _ in range(200)}

    assert len(minted) == 200
    assert all(len(token) >= 32 for token in minted)
    assert all(token.replace("-", "").replace("_", "").isalnum() for token in minted)


def test_expired_tokens_are_forgotten_and_no_flood_fills_the_memory(
    tokens: StreamTokens, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_tokens, "MOST", 50)
    first = tokens.mint(CALL, "c-1")
    for _ in range(50):
        tokens.mint(CALL, "c-1")

    assert len(tokens._grants) == 50
    assert not tokens.good(first)
    clock.now += LIFE_S
    tokens.mint(CALL, "c-1")
    assert len(tokens._grants) == 1


# ---- of a call that is only being placed --------------------------------------------------------


def test_before_the_providers_id_is_known_the_first_stream_uses_the_token(
    tokens: StreamTokens,
) -> None:
    token = tokens.mint(CALL, "", 75.0)

    assert tokens.redeem(token, "whatever") == CALL
    assert tokens.redeem(token, "whatever") is None
    assert tokens.redeem(token, "") is None


def test_the_token_of_an_order_lives_as_long_as_it_is_told_to(
    tokens: StreamTokens, clock: Clock
) -> None:
    long, short = tokens.mint(CALL, "", 75.0), tokens.mint(CallId("other"), "c-2")

    clock.now += LIFE_S
    tokens.mint(CallId("third"), "c-3")  # which forgets what has expired

    assert tokens.good(long)
    assert not tokens.good(short)
    clock.now += 15.0
    assert not tokens.good(long)


def test_an_answer_that_brings_its_own_token_makes_that_of_the_order_worthless(
    tokens: StreamTokens,
) -> None:
    of_the_order, of_the_answer = tokens.mint(CALL, "", 75.0), tokens.mint(CALL, "c-1")

    assert tokens.redeem(of_the_answer, "c-1") == CALL
    assert not tokens.good(of_the_order)
