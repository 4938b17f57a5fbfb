"""A call that a dead process left at its carrier is hung up there."""

import pytest

from fwai.calls.hang_up import CarrierHangUp
from fwai.domain.job import Dead, Done, JobOutcome, Retry
from fwai.errors import ApiAuthError, ApiError, ApiUnknownError
from unit.jobs.kit import a_job, no_mark

JOB = a_job("hang_up", payload={"provider": "plivo", "provider_call_id": "p-1"})


class Line:
    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault
        self.hung_up: list[str] = []

    async def hang_up(self, provider_call_id: str) -> None:
        self.hung_up.append(provider_call_id)
        if self.fault is not None:
            raise self.fault


async def test_the_call_is_ended() -> None:
    line = Line()

    assert await CarrierHangUp({"plivo": line})(JOB, no_mark) == Done()

    assert line.hung_up == ["p-1"]


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (ApiError("plivo", "busy", status=503, retryable=True), Retry),
        (ApiUnknownError("plivo", "no answer"), Retry),
        (ApiAuthError("plivo", "refused", status=401), Dead),
    ],
)
async def test_what_fails_is_tried_again_where_that_can_help(
    fault: ApiError, outcome: type[JobOutcome]
) -> None:
    line = Line(fault)

    assert isinstance(await CarrierHangUp({"plivo": line})(JOB, no_mark), outcome)


async def test_a_provider_that_holds_no_call_needs_none() -> None:
    job = a_job("hang_up", payload={"provider": "browser", "provider_call_id": "b-1"})

    assert await CarrierHangUp({})(job, no_mark) == Done()
