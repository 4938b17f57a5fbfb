"""Hanging up waits for a goodbye."""

from fwai.domain.call import EndReason
from fwai.tools.end_call import end_call
from unit.tools.kit import Actions, run, use


async def test_after_a_goodbye_the_model_need_not_speak_again() -> None:
    actions = Actions(goodbye_said=True)

    result = await run(end_call(), {"reason": "done"}, actions=actions)

    assert result.ok
    assert result.silent
    assert actions.finished == [EndReason.AGENT_HUNG_UP]


async def test_without_a_goodbye_the_model_is_asked_for_one() -> None:
    actions = Actions(goodbye_said=False)

    result = await run(end_call(), actions=actions)

    assert result.ok
    assert not result.silent
    assert "goodbye" in result.text
    assert actions.finished == [EndReason.AGENT_HUNG_UP]


async def test_a_long_reason_is_refused() -> None:
    actions = Actions()

    result = await run(end_call(), {"reason": "x" * 201}, actions=actions)

    assert "reason: " in result.text
    assert actions.finished == []


async def test_without_a_live_call_there_is_nothing_to_end() -> None:
    result = await use(end_call())

    assert (result.ok, result.text) == (False, "There is no live call to end.")
