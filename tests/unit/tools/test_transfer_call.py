"""A caller is connected with a human once they heard so; where that cannot be, it is said."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import pytest

from fakes import CALL
from fwai.domain.call import EndReason
from fwai.errors import ApiError, ApiUnknownError
from fwai.tools.transfer_call import TRANSFER_S, transfer_call
from unit.tools.kit import Actions, run, use
from virtual_time import run as run_in_virtual_time


@dataclass
class Line:
    """Hands calls over, or fails to."""

    error: ApiError | None = None
    hangs: bool = False
    transferred: list[str] = field(default_factory=list)

    async def transfer(self, provider_call_id: str) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        self.transferred.append(provider_call_id)


def handing_over(actions: Actions) -> Callable[[], Awaitable[bool]]:
    assert actions.before is not None
    return actions.before


async def test_a_caller_is_handed_over_after_the_agents_last_words() -> None:
    line, actions = Line(), Actions(goodbye_said=False)

    result = await run(transfer_call({"plivo": line}), {"reason": "a refund"}, actions=actions)

    assert (result.ok, result.silent) == (True, False)
    assert result.text == "Say one short sentence that you connect them now."
    assert actions.finished == [EndReason.TRANSFERRED]
    assert line.transferred == [], "not before the words were heard"
    assert await handing_over(actions)()
    assert line.transferred == [CALL.provider_call_id]


async def test_who_was_told_already_is_not_told_again() -> None:
    result = await run(transfer_call({"plivo": Line()}), actions=Actions(goodbye_said=True))

    assert (result.ok, result.silent) == (True, True)


@pytest.mark.parametrize(
    "error", [ApiError("plivo", "refused"), ApiUnknownError("plivo", "no answer")]
)
async def test_a_provider_that_refuses_leaves_the_call_alive(error: ApiError) -> None:
    actions = Actions()

    await run(transfer_call({"plivo": Line(error)}), actions=actions)

    assert not await handing_over(actions)()


def test_a_provider_that_does_not_answer_is_not_waited_for() -> None:
    async def main() -> float:
        actions = Actions()
        await run(transfer_call({"plivo": Line(hangs=True)}), actions=actions)
        started = asyncio.get_running_loop().time()
        assert not await handing_over(actions)()
        return asyncio.get_running_loop().time() - started

    assert run_in_virtual_time(main()) == pytest.approx(TRANSFER_S)


@pytest.mark.parametrize("provider", ["whatsapp", "browser"])
async def test_where_no_transfer_is_possible_a_callback_is_offered(provider: str) -> None:
    actions = Actions()

    result = await run(
        transfer_call({"plivo": Line()}), actions=actions, call=replace(CALL, provider=provider)
    )

    assert not result.ok
    assert "offer a callback" in result.text
    assert actions.finished == []


async def test_a_call_that_the_provider_has_not_named_is_not_transferred() -> None:
    call = replace(CALL, provider_call_id="")

    result = await run(transfer_call({"plivo": Line()}), call=call)

    assert not result.ok


@pytest.mark.parametrize("call", [None, CALL])
async def test_without_a_live_call_there_is_nothing_to_transfer(call: object) -> None:
    result = await use(transfer_call({"plivo": Line()}), call=CALL if call else None)

    assert (result.ok, result.text) == (False, "There is no live call to transfer.")
