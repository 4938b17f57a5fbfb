import pytest

from fwai.simulator.gemini.record import MAX_KEPT, SessionRecord
from fwai.simulator.gemini.scenario import Reply, ToolRequest
from fwai.simulator.gemini.tools import Batch, ToolCalls
from fwai.simulator.gemini.wire import Json

REPLY = Reply(tools=(ToolRequest("a", {"x": 1}), ToolRequest("b")), then="good", otherwise="bad")


class Desk(ToolCalls):
    """A desk that remembers which batches were finished."""

    def __init__(self) -> None:
        self.done: list[Batch] = []
        super().__init__(SessionRecord(0, "/", "key"), self.done.append)

    def open(self, *, blocking: bool = True) -> list[Json]:
        requests = [(request, request.name == "b") for request in REPLY.tools]
        return self.ask(REPLY, requests, blocking=blocking)[1]


def response(call: Json, **fields: object) -> Json:
    return {"id": call["id"], "name": call["name"], "response": {"output": 1}, **fields}


def test_a_batch_is_done_when_all_are_answered() -> None:
    desk = Desk()
    first, second = desk.open()

    desk.answer(response(second))
    assert desk.done == []
    desk.answer(response(first))

    assert [batch.next_reply for batch in desk.done] == ["good"]
    assert desk.record.violations == []
    assert (first["args"], second["args"]) == ({"x": 1}, {})


@pytest.mark.parametrize(
    "said", [{"error": "no"}, {"status": "error"}, {"ok": False}, None, "text"]
)
def test_one_failure_is_enough(said: object) -> None:
    desk = Desk()
    first, second = desk.open()

    desk.answer(response(first, response=said))
    desk.answer(response(second))

    assert desk.done[0].next_reply == "bad"


def test_an_answer_that_will_continue_is_none_yet() -> None:
    desk = Desk()
    first, second = desk.open()

    desk.answer(response(first, willContinue=True))
    desk.answer(response(second))
    assert desk.done == []
    desk.answer(response(first, scheduling="SILENT"))

    assert desk.done[0].scheduling == "SILENT"


def test_answers_that_fit_nothing_are_violations() -> None:
    desk = Desk()
    first, second = desk.open()

    desk.answer({"id": "strange", "name": "a"})
    desk.answer({"name": "a"})
    desk.answer(response(first))
    desk.answer(response(first))
    desk.answer(response(second, name="a"))
    desk.close()

    assert desk.record.violations == [
        "unknown tool id 'strange'",
        "unknown tool id None",
        "tool id call-0-1 answered twice",
        "tool id call-0-2 answered as 'a'",
        "tool id call-0-2 (b) never answered",
    ]


def test_only_blocking_calls_are_taken_back() -> None:
    desk = Desk()
    desk.open(blocking=False)
    blocking = desk.open()

    taken = desk.cancel_blocking()
    desk.answer(response(blocking[0]))

    assert taken == [call["id"] for call in blocking]
    assert desk.record.violations == [f"cancelled tool id {taken[0]} answered"]
    assert desk.cancel_blocking() == []


def test_a_record_is_bounded() -> None:
    record = SessionRecord(0, "/", None)
    for number in range(MAX_KEPT + 5):
        record.keep(record.texts, str(number))

    assert len(record.texts) == MAX_KEPT
    assert record.dropped == 5
