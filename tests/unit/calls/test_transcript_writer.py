"""The order of a call's lines: question before answer, only what was heard, tools in between."""

from fakes import FakeLog
from fwai.calls.transcript_writer import TranscriptWriter
from fwai.domain.events import ToolCall, ToolResult

REQUEST = ToolCall("t-1", "send_sms", {"text": "hi"})
RESULT = ToolResult("t-1", "send_sms", ok=True, text="sent", data={})

WORD_MS = 400.0


class Told:
    """A transcript and the log it is written into; replies last `WORD_MS` a word."""

    def __init__(self) -> None:
        self.log = FakeLog()
        self.transcript = TranscriptWriter(self.log)
        self.sound_ms = 0.0

    def caller(self, text: str, at: float, *, late: bool = False) -> None:
        self.transcript.caller_text(text, at, late=late)

    def begin(self, text: str) -> None:
        self.transcript.agent_begins()
        self.transcript.agent_text(text)
        ms = WORD_MS * len(text.split())
        self.transcript.agent_sound(ms)
        self.sound_ms += ms

    def reply(self, text: str) -> None:
        self.begin(text)
        self.transcript.agent_done()

    @property
    def said(self) -> list[tuple[str, str]]:
        return self.log.turns()

    @property
    def in_order_of_turns(self) -> list[tuple[str, int, str]]:
        return sorted(self.log.lines, key=lambda line: line[1])


def test_a_conversation_is_written_in_the_order_it_was_spoken() -> None:
    told = Told()
    told.reply("Hello there")
    told.transcript.heard(2 * WORD_MS, 1.0)
    told.caller("What does it cost?", 2.0)
    told.reply("Eighteen thousand")
    told.transcript.heard(4 * WORD_MS, 3.0)
    told.caller("Thanks", 4.0)

    told.transcript.finish(4 * WORD_MS)

    assert told.said == [
        ("agent", "Hello there"),
        ("caller", "What does it cost?"),
        ("agent", "Eighteen thousand"),
        ("caller", "Thanks"),
    ]
    assert told.log.lines == told.in_order_of_turns


def test_a_question_is_written_before_its_answer_though_it_was_not_quiet_yet() -> None:
    told = Told()
    told.caller("What?", 10.0)
    told.reply("This")

    told.transcript.heard(1 * WORD_MS, 10.1)

    assert told.said == [("caller", "What?"), ("agent", "This")]


def test_words_that_come_after_their_answer_began_belong_before_it() -> None:
    """The first words of the call: no turn of the caller's exists yet."""
    told = Told()
    told.reply("Hello")
    told.transcript.heard(1 * WORD_MS, 1.0)
    told.begin("Eighteen thousand")

    told.caller("What does it cost?", 2.0, late=True)
    told.transcript.agent_done()
    told.transcript.heard(3 * WORD_MS, 2.1)

    assert told.said == [
        ("agent", "Hello"),
        ("caller", "What does it cost?"),
        ("agent", "Eighteen thousand"),
    ]
    assert told.log.lines == told.in_order_of_turns


def test_late_words_are_not_put_into_an_earlier_turn() -> None:
    told = Told()
    told.caller("Hello", 1.0)
    told.reply("Good day")
    told.transcript.heard(2 * WORD_MS, 2.5)
    told.begin("Eighteen thousand")
    told.transcript.heard(2.5 * WORD_MS, 3.0)

    told.caller("What does it cost?", 3.1, late=True)
    told.transcript.agent_done()
    told.transcript.finish(4 * WORD_MS)

    assert [(role, text) for role, _, text in told.in_order_of_turns] == [
        ("caller", "Hello"),
        ("agent", "Good day"),
        ("caller", "What does it cost?"),
        ("agent", "Eighteen thousand"),
    ]


def test_the_rest_of_a_question_joins_its_beginning() -> None:
    told = Told()
    told.caller("What does", 1.0)
    told.begin("Eighteen thousand")
    told.caller(" it cost?", 1.2, late=True)
    told.transcript.agent_done()

    told.transcript.finish(2 * WORD_MS)

    assert told.said == [("caller", "What does it cost?"), ("agent", "Eighteen thousand")]


def test_words_spoken_into_a_reply_come_after_it() -> None:
    told = Told()
    told.caller("Tell me more", 1.0)
    told.begin("There are three courses and")
    told.transcript.interrupted(3 * WORD_MS)
    told.caller("Stop", 2.0)

    told.transcript.finish(3 * WORD_MS)

    assert told.said == [
        ("caller", "Tell me more"),
        ("agent", "There are three"),
        ("caller", "Stop"),
    ]
    assert told.log.cut == [2]


def test_a_new_question_does_not_join_the_one_that_was_answered() -> None:
    """Its answer is playing but not yet written, and the first question is not written either."""
    told = Told()
    told.caller("One?", 1.0)
    told.begin("Answer to one")
    told.caller("Two?", 1.3)

    told.transcript.finish(0.0)

    assert [line[2] for line in told.log.lines] == ["One?", "Two?"]
    assert [line[1] for line in told.log.lines] == [1, 3]


def test_the_last_words_of_both_keep_their_order() -> None:
    told = Told()
    told.reply("Anything else?")
    told.caller("No, bye", 1.0)

    told.transcript.finish(2 * WORD_MS)

    assert told.said == [("agent", "Anything else?"), ("caller", "No, bye")]


def test_only_what_was_heard_is_written() -> None:
    told = Told()
    told.reply("one two three four")

    told.transcript.finish(2 * WORD_MS)

    assert told.said == [("agent", "one two")]


def test_a_reply_comes_in_pieces_of_one_turn() -> None:
    told = Told()
    told.reply("one two three four")

    for words in (1, 2, 4):
        told.transcript.heard(words * WORD_MS, 1.0)

    assert len(told.log.lines) > 1
    assert told.said == [("agent", "one two three four")]


def test_a_tool_comes_after_the_words_that_led_to_it() -> None:
    told = Told()
    order: list[str] = []
    told.log.tool_finished = lambda *_: order.extend(line[2] for line in told.log.lines)  # type: ignore[method-assign]
    told.caller("Text me the price", 1.0)

    told.transcript.tool(REQUEST, RESULT, 1.2, 30.0)

    assert order == ["Text me the price"]


def test_a_tool_and_a_note_are_passed_on() -> None:
    told = Told()

    told.transcript.tool(REQUEST, RESULT, 1.2, 30.0)
    told.transcript.note("agent_reconnected")

    assert told.log.tools == [("send_sms", True)]
    assert told.log.notes == ["agent_reconnected"]


def test_text_before_its_sound_begins_the_reply() -> None:
    told = Told()
    replying = [told.transcript.agent_replying]

    told.transcript.agent_text("Hello")

    replying.append(told.transcript.agent_replying)
    told.transcript.agent_sound(WORD_MS)
    told.transcript.agent_done()
    told.transcript.heard(1 * WORD_MS, 1.0)
    replying.append(told.transcript.agent_replying)
    assert told.said == [("agent", "Hello")]
    assert replying == [False, True, False]


def test_quiet_closes_a_turn_of_the_caller() -> None:
    told = Told()
    told.caller("One", 1.0)
    told.transcript.heard(0.0, 5.0)
    told.caller("Two", 6.0)
    told.transcript.heard(0.0, 9.0)

    assert told.said == [("caller", "One"), ("caller", "Two")]
