"""English vocabulary of spoken times."""

from collections.abc import Iterator
from typing import Final

from fwai.domain.spoken_time_kinds import (
    AFTERNOON,
    DAY_S,
    DONE,
    EARLY,
    EVENING,
    FITTING,
    HOUR_S,
    LASTING,
    LATE,
    MIDNIGHT,
    MINUTE_S,
    MORNING,
    NIGHT,
    NOON,
    Kind,
    Rows,
    Word,
)

_ONES: Final = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_NTH_ONES: Final = (
    *("first", "second", "third", "fourth", "fifth"),
    *("sixth", "seventh", "eighth", "ninth"),
)
_TENS: Final = {"twenty": 20, "thirty": 30, "forty": 40, "fourty": 40, "fifty": 50}
ZONES: Final = (
    "utc gmt bst cet cest eet eest est edt cst cdt mst mdt pst pdt ist pkt gst sgt jst aest aedt"
)
ROWS: Final[Rows] = {
    Kind.NUMBER: (
        (
            "zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|"
            "fourteen|fifteen|sixteen|seventeen|eighteen|nineteen"
        ),
        range(0, 1200, 60),
    ),
    Kind.COUPLE: ("couple pair", (120,)),
    Kind.OH: ("oh o", (0,)),
    Kind.PART: ("half|quarter quarters", (30, 15)),
    Kind.AND_PART: (
        "and_a_half and_an_half and_half|and_a_quarter and_quarter|and_three_quarters",
        (30, 15, 45),
    ),
    Kind.ARTICLE: ("a an", (0,)),
    Kind.UNIT: (
        (
            "second seconds sec secs|minute minutes min mins|hour hours hr hrs|day days|"
            "week weeks|fortnight"
        ),
        (1, MINUTE_S, HOUR_S, DAY_S, 7 * DAY_S, 14 * DAY_S),
    ),
    Kind.DAY: (
        (
            "yesterday|today|tomorrow tomorow tommorow tommorrow tmrw tmr|"
            "day_after_tomorrow overmorrow"
        ),
        (-1, 0, 1, 2),
    ),
    Kind.NEXT_DAY: ("next_day the_next_day following_day the_following_day", (1,)),
    Kind.WEEKDAY: (
        (
            "monday mon|tuesday tue tues|wednesday wed|thursday thu thur thurs|friday fri|"
            "saturday sat|sunday sun"
        ),
        range(7),
    ),
    Kind.MONTH: (
        (
            "january jan|february feb|march mar|april apr|may|june jun|july jul|august aug|"
            "september sep sept|october oct|november nov|december dec"
        ),
        range(1, 13),
    ),
    Kind.NTH: (
        (
            "first the_first|the_second|third the_third|fourth|fifth|sixth|seventh|eighth|ninth|"
            "tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth|sixteenth|seventeenth|eighteenth|nineteenth|"
            "twentieth"
        ),
        range(1, 21),
    ),
    Kind.ORDINAL: ("st nd rd th", (0,)),
    Kind.MERIDIEM: ("am a_m|pm p_m", (0, 12)),
    Kind.DAY_PART: (
        (
            "morning|early_morning|noon midday mid_day|afternoon|evening|late_evening|"
            "night late_night|midnight mid_night"
        ),
        (MORNING, EARLY, NOON, AFTERNOON, EVENING, LATE, NIGHT, MIDNIGHT),
    ),
    Kind.OCLOCK: ("oclock o_clock '_o_clock '_oclock ’_o_clock ’_oclock", (0,)),  # noqa: RUF001
    Kind.PAST: ("past", (0,)),
    Kind.TO: ("to", (0,)),
    Kind.THIS: ("this", (0,)),
    Kind.NEXT: ("next", (0,)),
    Kind.THIS_WEEK: ("this_week", (0,)),
    Kind.NEXT_WEEK: ("next_week coming_week", (0,)),
    Kind.NEAR_MONTH: ("this_month|next_month", (0, 1)),
    Kind.NOW: ("now right_now immediately right_away", (0,)),
    Kind.SAME_TIME: ("same_time the_same_time this_time", (0,)),
    Kind.AT: ("at @", (0,)),
    Kind.ON: ("on", (0,)),
    Kind.IN: ("in|give_me i_need", (0, 1)),
    Kind.FOR: ("for", (0,)),
    Kind.FROM: ("from", (0,)),
    Kind.AFTER: ("after", (0,)),
    Kind.LATER: ("later from_now hence", (0,)),
    Kind.BREAK: ("and then", (0,)),
    Kind.OPEN: (
        "before by until till within upto up_to earliest latest no_later_than onwards since",
        (0,),
    ),
    Kind.SEVERAL: ("or either between", (0,)),
    Kind.REPEATED: ("every each daily weekly monthly everyday mondays fridays weekdays", (0,)),
    Kind.VAGUE: (
        (
            "sometime some_time anytime any_time whenever soon sooner shortly asap just_now "
            "as_soon_as_possible few a_few several some a_bit a_little a_while moment a_moment "
            "lunch lunchtime dinner breakfast tea work weekend month months year years eod "
            "end_of_day end week_end day_after weekday"
        ),
        (0,),
    ),
    Kind.GONE: ("ago last previous", (0,)),
    Kind.THING: (
        (
            "call calls a_call callback a_callback give_me_a_call give_me_a_ring give_a_call ring "
            "phone talk speak connect i_can_talk i_can_speak to_call to_talk to_speak free is_free "
            "available it make_it schedule schedule_it schedule_a_call book book_it book_me set "
            "set_up fix arrange lets_do demo a_demo meeting a_meeting appointment slot the_slot|"
            "call_me call_me_back call_back call_back_to_me ring_me phone_me me_back reach_me "
            "get_back_to_me call_us call_us_back|"
            "is_fine is_good is_ok is_okay is_best is_great works works_for_me would_be_good "
            "would_be_fine will_be_fine will_be_good will_do suits_me i_want id_like i_would_like"
        ),
        (LASTING, DONE, FITTING),
    ),
    Kind.OF: ("of", (0,)),
}
# Words that say nothing about when: whoever calls, what is asked for, politeness; and those that
# one instant fulfils as well as any other near it ("around 5" is 5).
FILLERS: Final = (
    "the time please pls plz kindly just only ok okay yes yeah yep sure fine well so um uh hmm "
    "hello how_about what_about hi hey sir madam thanks thank_you thank_you_very_much "
    "back again more "
    "can could would will shall should can_you could_you you we i us my i_am im ill id "
    "i_want_to i_will_be let_us lets let_me say "
    "may_i want_to like_to to_me be convenient "
    "sounds_good good great perfect best "
    "coming upcoming exactly sharp precisely on_the_dot "
    "about around approximately approx roughly ish or_so or_thereabouts nearly"
)


def compounds() -> Iterator[tuple[str, tuple[Word, ...]]]:
    """Yield compound phrases: forty five, twenty first, this evening."""
    for ten, number in _TENS.items():
        yield ten, (Word(Kind.NUMBER, number * 60),)
        for unit, word in enumerate(_ONES, 1):
            yield f"{ten} {word}", (Word(Kind.NUMBER, (number + unit) * 60),)
    for day, word in enumerate(_NTH_ONES, 21):
        yield f"twenty {word}", (Word(Kind.NTH, day),)
    yield "thirtieth", (Word(Kind.NTH, 30),)
    yield "thirty first", (Word(Kind.NTH, 31),)
    today = Word(Kind.DAY, 0)
    for name in ("tonight", "tonite", "this night"):
        yield name, (today, Word(Kind.DAY_PART, NIGHT))
    for name, part in (("morning", MORNING), ("afternoon", AFTERNOON), ("evening", EVENING)):
        yield f"this {name}", (today, Word(Kind.DAY_PART, part))
    for name in ("indian time", "india time", "indian standard time", "india standard time"):
        yield name, (Word(Kind.ZONE, 0, "ist"),)
    for name in ZONES.split():
        yield name, (Word(Kind.ZONE, 0, name),)
