"""The agent may only say what is known of a text message."""

import pytest

from fakes import CALL
from fwai.errors import ApiAuthError, ApiError, ApiUnknownError
from fwai.tools.send_sms import MAX_SMS_PER_CALL, send_sms
from unit.tools.kit import Actions, run

TEXT = {"text": "Foundations of AI: eight weeks."}


class Network:
    """Takes messages, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.sent: list[tuple[str, str]] = []

    async def send_sms(self, to: str, text: str) -> str:
        if self.error is not None:
            raise self.error
        self.sent.append((to, text))
        return "m-1"


async def test_the_caller_gets_the_message() -> None:
    network = Network()

    result = await run(send_sms(network), TEXT)

    assert network.sent == [(CALL.caller, TEXT["text"])]
    assert result.ok
    assert result.data == {"message_id": "m-1"}
    assert result.text == "The message was handed to the network."


async def test_the_model_cannot_choose_another_recipient() -> None:
    network = Network()

    await run(send_sms(network), {**TEXT, "to": "+15550000000", "phone": "+15550000000"})

    assert network.sent == [(CALL.caller, TEXT["text"])]


async def test_a_withheld_number_gets_none() -> None:
    network, actions = Network(), Actions()

    result = await run(send_sms(network), TEXT, caller="", actions=actions)

    assert not result.ok
    assert "withheld" in result.text
    assert network.sent == []
    assert actions.uses == {}


async def test_one_call_sends_only_so_many() -> None:
    network, actions = Network(), Actions()

    results = [
        await run(send_sms(network), TEXT, actions=actions) for _ in range(MAX_SMS_PER_CALL + 2)
    ]

    assert [result.ok for result in results] == [True] * MAX_SMS_PER_CALL + [False] * 2
    assert len(network.sent) == MAX_SMS_PER_CALL
    assert results[-1].text == "No further message can be sent in this call."


@pytest.mark.parametrize("args", [{}, {"text": ""}, {"text": "x" * 481}, {"text": None}])
async def test_a_message_has_words_and_an_end(args: dict[str, object]) -> None:
    network = Network()

    result = await run(send_sms(network), args)

    assert not result.ok
    assert "text: " in result.text
    assert network.sent == []


async def test_an_unknown_outcome_is_not_called_a_success_nor_repeated() -> None:
    result = await run(send_sms(Network(ApiUnknownError("plivo", "no answer"))), TEXT)

    assert not result.ok
    assert "not known whether" in result.text
    assert "Do not send it again" in result.text


@pytest.mark.parametrize(
    "error",
    [ApiError("plivo", "refused (HTTP 400)", status=400), ApiAuthError("plivo", "refused")],
)
async def test_a_refused_message_was_not_sent(error: ApiError) -> None:
    result = await run(send_sms(Network(error)), TEXT)

    assert (result.ok, result.text) == (
        False,
        "The message was not sent. Say so and offer another way.",
    )
