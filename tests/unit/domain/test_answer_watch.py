"""What is said and done while the agent owes an answer: stories, each a list of what happens."""

from collections.abc import Sequence
from typing import Final

import pytest

from fwai.domain.answer_watch import ESCALATION, AnswerWatch, Step
from tables import each_row

LOOK_S: Final = 0.05
SENTENCE_S: Final = 1.5
LOOSE_S: Final = 0.3

ASK, RESUME, FRESH, GIVE_UP = ESCALATION
SAY: Final = "say"

Happens = tuple[float, str]
Done = tuple[float, str]


def sounds(from_s: float, to_s: float, how: str = "sound") -> list[Happens]:
    """The caller is heard, in pieces of 40 ms."""
    return [(from_s + 0.04 * at, how) for at in range(round((to_s - from_s) / 0.04))]


class Story:
    """Plays what happens to one watch and keeps what it wants done."""

    def __init__(self) -> None:
        self.watch = AnswerWatch(0.0)
        self.watch.back(0.0)
        self.heard_until = 0.0
        self.tool_since: float | None = None
        self.done: list[Done] = []

    def happen(self, now: float, what: str) -> None:
        watch = self.watch
        match what:
            case "sound" | "sound over it":
                watch.caller_sound(now, over_agent=what != "sound")
            case "tool":
                watch.answered(now)
                self.tool_since = now
            case "tool done":
                self.tool_since = None
                watch.asked(now)
            case "speech":
                watch.answered(now)
                self.heard_until = now + 1.0
            case _:
                getattr(watch, what)(now)

    def look(self, now: float) -> None:
        step = self.watch.step(now, self.heard_until, self.tool_since)
        if self.watch.must_say(now, self.heard_until, self.tool_since):
            self.done.append((now, SAY))
            self.heard_until = now + SENTENCE_S
            self.watch.said_locally(self.heard_until)
        if step is not Step.NOTHING:
            self.done.append((now, step))
            if step in (RESUME, FRESH):
                self.watch.gone(now)
                self.watch.back(now)


def play(happens: Sequence[Happens], until: float) -> Story:
    story, left = Story(), sorted(happens, key=lambda one: one[0])
    for tick in range(round(until / LOOK_S)):
        now = tick * LOOK_S
        while left and left[0][0] <= now:
            story.happen(*left.pop(0))
        story.look(now)
    return story


# What happens | until when | what is done
STORIES: Final[dict[str, tuple[Sequence[Happens], float, Sequence[Done]]]] = {
    "nothing": ([], 60, []),
    "it answers at once": ([(0, "asked"), (1, "speech")], 60, []),
    "it answers in time": ([(0, "asked"), (3.5, "speech")], 60, []),
    "it never answers": (
        [(0, "asked")],
        40,
        [
            (4.2, SAY), (4.2, ASK), (8.2, RESUME), (11.2, SAY), (12.2, FRESH), (16.2, GIVE_UP),
            (18.2, SAY), (25.2, SAY), (32.2, SAY), (39.2, SAY),
        ],
    ),
    "it answers once it was asked again": (
        [(0, "asked"), (5.2, "speech")], 40, [(4.2, SAY), (4.2, ASK)],
    ),
    "it answers once, and not the next time": (
        [(0, "asked"), (5.2, "speech"), (20, "asked")], 27,
        [(4.2, SAY), (4.2, ASK), (24.2, SAY), (24.2, ASK)],
    ),
    "the caller hears the last answer to its end first": (
        [(0, "asked"), (1, "speech"), (1.2, "asked")], 7, [(6.2, SAY), (6.2, ASK)],
    ),
    "a turn without a word": (
        [(0, "asked"), (1, "turn_over")], 4, [(2.5, ASK)],
    ),
    "a turn that nobody waited for": ([(1, "turn_over")], 30, []),
    "the link is lost": ([(0, "asked"), (1, "gone")], 5, [(2.5, SAY)]),
    "the link is lost and back": (
        [(0, "asked"), (1, "gone"), (2, "back"), (4, "speech")], 40, [],
    ),
    "the link is lost for long: said now and then, no step": (
        [(0, "asked"), (1, "gone"), (1.5, "gone")], 12, [(2.5, SAY), (9.5, SAY)],
    ),
    "a new link is given time": (
        [(0, "asked"), (1, "gone"), (4, "back")], 8.2, [(2.5, SAY), (8, ASK)],
    ),
    "the link is lost while nothing is owed": ([(1, "gone"), (9, "back")], 60, []),
    "a slow tool": (
        [(0, "asked"), (1, "tool")], 20, [(9.5, SAY), (16.5, SAY)],
    ),
    "a tool whose result is not spoken about": (
        [(0, "asked"), (1, "tool"), (3, "tool done")], 10,
        [(7.2, SAY), (7.2, ASK)],
    ),
    "the caller spoke, in words": (
        [*sounds(0, 1), (1.2, "caller_words")], 10, [(5.2, SAY), (5.2, ASK), (9.2, RESUME)],
    ),
    "words that come late, of speech that was answered": (
        [*sounds(0, 1), (2, "speech"), (7, "caller_words")], 60, [],
    ),
    "words of a caller who speaks too quietly to be heard here": (
        [(20, "caller_words")], 28, [(23.5, ASK), (24.5, SAY), (27.5, RESUME)],
    ),
    "such words, and the model lives": ([(20, "caller_words"), (24, "alive")], 60, [(23.5, ASK)]),
    "a click": ([*sounds(0, 0.2)], 60, []),
    "a word or two over the agent": ([*sounds(0, 1.2, "sound over it")], 60, []),
    "many words over the agent": (
        [*sounds(0, 3, "sound over it"), (3.3, "caller_words")], 7.6, [(7.2, SAY), (7.2, ASK)],
    ),
    "sound without a word, and the model lives": (
        [*sounds(0, 1), (5, "alive")], 60, [(4.5, ASK)],
    ),
    "sound without a word, and the model is dead": (
        [*sounds(0, 1)], 10, [(4.5, ASK), (5.5, SAY), (8.5, RESUME)],
    ),
    "music": ([*sounds(0, 40)], 60, []),
    "a second sound within a minute is not asked about": (
        [*sounds(0, 1), (5, "alive"), *sounds(20, 21)], 60, [(4.5, ASK)],
    ),
    "the caller speaks on while an answer is owed: nothing is said into it": (
        [(0, "asked"), *sounds(3, 8)], 9, [],
    ),
    "the caller speaks while the link is lost": (
        [(0, "gone"), *sounds(1, 3)], 5, [(4.5, SAY)],
    ),
    "music while the link is lost": ([(0, "gone"), *sounds(1, 30)], 40, []),
}  # fmt: skip


@each_row("what", STORIES)
def test_what_is_said_and_done(what: str) -> None:
    happens, until, expected = STORIES[what]

    done = play(happens, until).done

    assert [one for _, one in done] == [one for _, one in expected], done
    assert [at for at, _ in done] == pytest.approx([at for at, _ in expected], abs=LOOSE_S)


def test_what_was_said_in_another_wait_hastens_nothing() -> None:
    watch = AnswerWatch(0.0)
    watch.back(0.0)
    assert watch.must_say(10.0, 0.0, 1.0)  # for a tool after which nothing is said
    watch.said_locally(11.0)

    watch.caller_sound(70.0, over_agent=False)
    watch.caller_sound(70.5, over_agent=False)
    watch.caller_words(70.6)

    assert not watch.must_say(72.0, 11.0, None)
    assert watch.must_say(74.6, 11.0, None)


def test_words_over_the_agent_are_no_question_yet() -> None:
    watch = AnswerWatch(0.0)
    watch.back(0.0)

    watch.caller_words(20.0, over_agent=True)

    assert not watch.owed


def test_it_is_known_whether_an_answer_is_owed() -> None:
    watch = AnswerWatch(0.0)
    watch.back(0.0)
    seen = [(watch.owed, watch.pressing)]
    watch.gone(1.0)
    seen.append((watch.owed, watch.pressing))
    watch.asked(2.0)
    watch.back(3.0)
    seen.append((watch.owed, watch.pressing))
    watch.answered(4.0)
    seen.append((watch.owed, watch.pressing))

    assert seen == [(False, False), (False, True), (True, True), (False, False)]


def test_sentences_are_counted_until_it_answers() -> None:
    story = play([(0, "asked")], 20)
    assert story.watch.said == len([one for _, one in story.done if one == SAY])

    story.happen(20, "speech")
    assert story.watch.said == 0
