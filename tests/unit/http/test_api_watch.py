"""What each request to a service of others says of it."""

from contextlib import suppress

import pytest

from fakes import SeenFailures
from fwai.domain.failure import Area
from fwai.errors import ApiAuthError, ApiError, ApiUnknownError, BusyError
from fwai.http.api_watch import ApiWatch, unwatched

Outcome = Exception | None
STANDS, MENDS, SAYS_NOTHING = "stands", "mends", "says nothing"

HTTP: list[tuple[Outcome, str]] = [
    (None, MENDS),
    (ApiAuthError("plivo", "refused", status=401), STANDS),
    (ApiAuthError("plivo", "refused", status=403), STANDS),
    (ApiAuthError("whatsapp", "the token has expired"), STANDS),
    (ApiError("plivo", "cannot connect", retryable=True), STANDS),
    (ApiUnknownError("plivo", "no answer"), STANDS),
    (ApiUnknownError("plivo", "server error", status=500), STANDS),
    (ApiError("exotel", "server error", status=503, retryable=True), STANDS),
    (ApiError("plivo", "too many requests", status=429, retryable=True), SAYS_NOTHING),
    (ApiError("plivo", "refused", status=400), MENDS),
    (ApiError("plivo", "refused", status=404), MENDS),
    (BusyError("as many calls as it may"), MENDS),
    (ApiError("exotel", "a message of more than 2000 characters"), SAYS_NOTHING),
    (ValueError("the payload"), SAYS_NOTHING),
]
SMTP: list[tuple[Outcome, str]] = [
    (None, MENDS),
    (ApiAuthError("smtp", "login refused", status=535), STANDS),
    (ApiError("smtp", "no connection", retryable=True), STANDS),
    (ApiError("smtp", "recipient refused", status=550), MENDS),
    (ApiError("smtp", "text refused", status=451, retryable=True), MENDS),
]


def after(outcome: Outcome, *, http: bool, standing: bool) -> SeenFailures:
    failures = SeenFailures()
    watch = ApiWatch(failures, Area.PROVIDER, "plivo", "check the keys", "check the way", http)
    if standing:
        watch.seen("it was so before", "wait")
    with suppress(ApiError, BusyError, ValueError), watch.watched():
        if outcome is not None:
            raise outcome
    return failures


@pytest.mark.parametrize("outcome", [one for one, _ in HTTP if one is not None], ids=repr)
def test_whoever_asked_gets_the_error_as_it_was(outcome: Exception) -> None:
    with pytest.raises(type(outcome)) as caught, unwatched("plivo").watched():
        raise outcome

    assert caught.value is outcome


@pytest.mark.parametrize("standing", [True, False])
@pytest.mark.parametrize(
    ("http", "outcome", "means"),
    [(True, *case) for case in HTTP] + [(False, *case) for case in SMTP],
    ids=repr,
)
def test_a_request_tells_whether_its_service_can_be_used(
    http: bool, outcome: Outcome, means: str, *, standing: bool
) -> None:
    failures = after(outcome, http=http, standing=standing)

    expected = standing if means == SAYS_NOTHING else means == STANDS
    assert failures.names == (["plivo"] if expected else [])


@pytest.mark.parametrize(
    ("outcome", "cause", "fix"),
    [
        (HTTP[1][0], "it refuses us (status 401)", "check the keys"),
        (HTTP[3][0], "it refuses us", "check the keys"),
        (HTTP[4][0], "it cannot be reached, or does not answer", "check the way"),
        (HTTP[6][0], "it answers with a fault of its own (HTTP 500)", "check the way"),
    ],
)
def test_a_failure_is_told_with_its_cause_and_fix(outcome: Outcome, cause: str, fix: str) -> None:
    (trouble,) = after(outcome, http=True, standing=False).standing.values()

    assert (trouble.cause, trouble.fix) == (cause, fix)


def test_a_service_that_nobody_asks_about_can_be_used_all_the_same() -> None:
    with unwatched("plivo").watched():
        pass
