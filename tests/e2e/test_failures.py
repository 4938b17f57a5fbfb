"""A server tells the truth about itself: on /readyz, in events, in calls, and when it is mended."""

import re
from pathlib import Path

import pytest

from e2e.acting_world import Bureau, bureau, until
from e2e.out_of_order import (
    BRIEFLY,
    PATIENTLY,
    bad_login,
    block,
    model_fails,
    ready,
    text,
    told,
    unblock,
)
from fwai.gemini.faults import FAULTS
from fwai.simulator.gemini.scenario import Fault

PERSON = "+919999900003"


async def is_ready(office: Bureau) -> bool:
    status, body = await ready(office)
    return status == 200 and body == {"ready": True, "reasons": [], "warnings": [], "calls": 0}


async def warned(office: Bureau, warnings: int) -> bool:
    _, body = await ready(office)
    return len(body["warnings"]) == warnings


REFUSALS = [
    (Fault(kind="refuse", status=403), "key_refused", "Gemini refuses the key (HTTP 403)", 503),
    (Fault(kind="refuse", status=401), "key_refused", "Gemini refuses the key (HTTP 401)", 503),
    (
        Fault(kind="refuse", status=429),
        "quota_used_up",
        "Gemini's quota is used up (HTTP 429)",  # waited out as long as a caller waits
        200,
    ),
]


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("fault", "name", "cause", "status"), REFUSALS, ids=[str(one[2]) for one in REFUSALS]
)
async def test_a_model_that_refuses_is_named_wherever_somebody_looks_and_so_is_its_return(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    fault: Fault,
    name: str,
    cause: str,
    status: int,
) -> None:
    async with bureau(tmp_path) as office:
        assert await is_ready(office)
        office.house.world.provider.fate(PERSON, PATIENTLY)
        async with model_fails(office, fault):
            call_id = await office.call(PERSON)
            ended = await office.ended(call_id)

            expected = ended.data["cause"]
            assert re.sub(r", \d+ tries", "", expected) == f"{cause}: {FAULTS[name].check}"
            shown = await office.shown(call_id)
            assert shown["cause"] == expected
            if status == 503:  # nobody is kept waiting for what somebody must mend
                assert (ended.data["end_reason"], shown["status"]) == ("agent_failed", "failed")
            down = await office.flow.wait_event("agent.down")
            assert down.data["fix"] == FAULTS[name].fix
            code, body = await ready(office)
            assert code == status
            said = body["reasons" if status == 503 else "warnings"]
            found = [cause.rstrip(")") in one and FAULTS[name].fix in one for one in said]
            assert found.count(True) == 1  # besides, it may say what callers get meanwhile

        office.house.world.provider.fate(PERSON, BRIEFLY)
        await office.ended(await office.call(PERSON))
        await office.flow.wait_event("agent.up")
        assert await is_ready(office)
        assert told(office, "agent.down", "agent.up") == [
            ("agent.down", "gemini"),
            ("agent.up", "gemini"),
        ]
    logged = capsys.readouterr().out
    assert expected in logged
    key = office.house.world.settings.google_api_key.get_secret_value()
    assert key
    assert key not in logged


@pytest.mark.timeout(120)
async def test_folders_that_cannot_be_written_are_told_and_calls_go_on(tmp_path: Path) -> None:
    folders = (tmp_path / "transcripts", tmp_path / "recordings")
    async with bureau(tmp_path, record_calls=True) as office:
        block(*folders)
        office.house.world.provider.fate(PERSON, BRIEFLY)
        ended = await office.ended(await office.call(PERSON))
        assert ended.data["status"] == "completed"
        await until(lambda: warned(office, 2), 20)
        code, body = await ready(office)
        assert code == 200, "calls are answered all the same"
        named = [one.split(":")[1].strip() for one in body["warnings"]]
        assert sorted(named) == ["recordings", "transcripts"]
        assert "TRANSCRIPTS_DIR" in body["warnings"][named.index("transcripts")]
        assert str(tmp_path) not in str(body)
        await office.flow.wait_event("storage.failed")

        unblock(*folders)
        await office.ended(await office.call(PERSON))
        await until(lambda: is_ready(office), 40)

        await office.flow.wait_event("storage.mended")
        assert sorted(told(office, "storage.failed")) == [
            ("storage.failed", "recordings"),
            ("storage.failed", "transcripts"),
        ]
    assert len(list(folders[0].rglob("*.jsonl"))) == 2, "nothing was lost meanwhile"
    assert len(list(folders[1].rglob("*.wav"))) == 2


async def test_credentials_that_a_provider_refuses_are_told(tmp_path: Path) -> None:
    async with bureau(tmp_path) as office:
        office.house.world.provider.faults.append(bad_login())
        assert await text(office, PERSON, "one") == "failed"

        failed = await office.flow.wait_event("service.failed")
        assert (failed.data["area"], failed.data["what"]) == ("provider", "plivo")
        assert "PLIVO_AUTH_TOKEN" in failed.data["fix"]
        code, body = await ready(office)
        assert (code, len(body["warnings"])) == (200, 1)
        assert "it refuses us (status 401)" in body["warnings"][0]

        assert await text(office, PERSON, "two") == "ok"
        await office.flow.wait_event("service.mended")
        assert await is_ready(office)
