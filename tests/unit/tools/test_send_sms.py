"""A text message goes to the caller or to whom they dictated, once, and is told as it is."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from fakes import CALL
from fwai.domain.call import CallId
from fwai.domain.events import ToolCall
from fwai.domain.job import JobState
from fwai.domain.phone import CountryAllowList
from fwai.domain.sms_template import SmsTemplate, parse_sms_templates
from fwai.errors import FieldError, StoreError
from fwai.tools.base import Tool
from fwai.tools.recipient import RecipientRules
from fwai.tools.registry import ToolRegistry
from fwai.tools.schema import parameters
from fwai.tools.send_sms import MAX_SMS_PER_CALL, MAX_SMS_PER_DAY, send_sms, sms_outbox
from unit.tools.kit import CONFIRMED, OTHER, PHONE, Actions, JobSubmission, Quotas, run, use

TEXT = {"text": "Foundations of AI: eight weeks."}


async def test_the_caller_gets_the_message() -> None:
    jobs = JobSubmission()

    result = await run(send_sms(jobs), TEXT)

    (job,) = jobs.jobs.values()
    assert (job.kind, job.payload) == ("send_sms", {"to": PHONE, "text": TEXT["text"]})
    assert (job.call_id, job.phone) == (CALL.id, PHONE)
    assert job.key.startswith(f"send_sms:{CALL.id}:")
    assert result.ok
    assert result.data == {"delivery": "accepted", "message_id": "m-1"}


@pytest.mark.parametrize(
    ("state", "ok", "words"),
    [
        (JobState.DONE, True, "handed to the network"),
        (JobState.WAITING, True, "not sent yet"),
        (JobState.RUNNING, True, "not sent yet"),
        (JobState.DEAD, False, "was not sent"),
        (JobState.CANCELED, False, "was not sent"),
        (JobState.UNKNOWN, False, "not known whether"),
    ],
)
async def test_the_agent_may_only_say_what_is_known(state: JobState, ok: bool, words: str) -> None:
    result = await run(send_sms(JobSubmission(state)), TEXT)

    assert result.ok is ok
    assert words in result.text


async def test_the_same_message_asked_for_again_is_the_same_message() -> None:
    jobs, actions = JobSubmission(), Actions()
    tool = send_sms(jobs)

    results = [await run(tool, TEXT, actions=actions) for _ in range(MAX_SMS_PER_CALL + 2)]

    assert len(jobs.jobs) == 1
    assert all(result.ok and result.data == results[0].data for result in results)
    assert actions.uses == {"send_sms": 1}


async def test_the_same_message_asked_for_twice_at_once_is_one() -> None:
    jobs = JobSubmission()
    tool = send_sms(jobs)

    await asyncio.gather(run(tool, TEXT), run(tool, TEXT))

    assert len(jobs.jobs) == 1


async def test_another_text_is_another_message() -> None:
    jobs = JobSubmission()
    tool = send_sms(jobs)

    await run(tool, TEXT)
    await run(tool, {"text": "Another."})

    assert len(jobs.jobs) == 2


async def test_one_call_sends_only_so_many() -> None:
    jobs, actions = JobSubmission(), Actions()
    tool = send_sms(jobs)

    results = [
        await run(tool, {"text": f"{number}"}, actions=actions)
        for number in range(MAX_SMS_PER_CALL + 2)
    ]

    assert [result.ok for result in results] == [True] * MAX_SMS_PER_CALL + [False] * 2
    assert len(jobs.jobs) == MAX_SMS_PER_CALL
    assert results[-1].text == "No further text message can be sent in this call."
    refused_again = await run(tool, {"text": "4"}, actions=actions)
    assert not refused_again.ok


async def test_one_person_gets_only_so_many_a_day() -> None:
    jobs = JobSubmission(before=MAX_SMS_PER_DAY - 1)
    tool = send_sms(jobs)

    first = await run(tool, TEXT)
    second = await run(tool, {"text": "Another."})

    assert (first.ok, second.ok) == (True, False)
    assert "to them today" in second.text
    assert len(jobs.jobs) == 1
    assert (await run(tool, TEXT)).ok, "what was sent already is still told"


# ---- recipients ---------------------------------------------------------------------------------


async def test_a_number_that_was_confirmed_gets_the_message() -> None:
    jobs = JobSubmission()

    result = await run(send_sms(jobs), {**TEXT, "to": "+91 99999-00009", "confirmed": True})

    (job,) = jobs.jobs.values()
    assert result.ok
    assert (job.payload["to"], job.phone) == (OTHER, OTHER)


@pytest.mark.parametrize("confirmed", [{}, {"confirmed": False}])
async def test_a_number_that_was_not_confirmed_is_read_back_first(
    confirmed: dict[str, bool],
) -> None:
    jobs = JobSubmission()

    result = await run(send_sms(jobs), {**TEXT, "to": OTHER, **confirmed})

    assert not result.ok
    assert "read the number digit by digit back" in result.text
    assert jobs.jobs == {}


async def test_a_number_is_read_back_before_its_first_message_and_not_again() -> None:
    jobs, actions = JobSubmission(), Actions()
    tool = send_sms(jobs)
    args = {"to": OTHER, "confirmed": True}

    results = [await run(tool, {"text": text, **args}, actions=actions) for text in ("A", "A", "B")]

    assert [result.ok for result in results] == [False, True, True]
    assert "Read the number digit by digit back" in results[0].text
    assert [payload["text"] for payload in jobs.payloads] == ["A", "B"]


async def test_no_text_goes_to_a_country_out_of_reach() -> None:
    jobs, satellite = JobSubmission(), "+882160000001"
    tool = send_sms(jobs, RecipientRules(CountryAllowList(frozenset({"91"}))))

    own = await run(tool, TEXT, caller=satellite)
    dictated = await run(tool, {**TEXT, "to": satellite, "confirmed": True})

    assert not own.ok
    assert not dictated.ok
    assert "offer an e-mail or a WhatsApp message" in own.text
    assert jobs.jobs == {}
    assert (await run(tool, TEXT)).ok
    assert (await use(tool, {**TEXT, "to": satellite})).ok


# ---- one caller, many recipients ----------------------------------------------------------------


def stranger(number: int) -> dict[str, object]:
    return {**TEXT, "to": f"+9199999100{number:02}", "confirmed": True}


@pytest.mark.parametrize("caller", [PHONE, ""])
async def test_one_caller_has_only_so_many_strangers_texted_a_day(caller: str) -> None:
    jobs = JobSubmission()
    tool = send_sms(jobs)

    results = []
    for number in range(MAX_SMS_PER_DAY + 1):
        call = replace(CALL, id=CallId(f"20261122-{number:016}"))
        results.append(await run(tool, stranger(number), caller=caller, call=call))

    assert [result.ok for result in results] == [True] * MAX_SMS_PER_DAY + [False]
    assert "today" in results[-1].text
    assert (await run(tool, stranger(50), caller="+919999900088")).ok
    assert (await run(tool, TEXT)).ok, "their own number is not a stranger's"


@pytest.mark.parametrize("caller", [PHONE, ""])
async def test_what_a_caller_had_sent_before_a_restart_is_counted(caller: str) -> None:
    jobs = JobSubmission(wishes={caller: MAX_SMS_PER_DAY})

    result = await run(send_sms(jobs), stranger(1), caller=caller)

    assert not result.ok
    assert jobs.jobs == {}


async def test_many_calls_at_once_do_not_all_find_room() -> None:
    jobs = JobSubmission()
    tool = send_sms(jobs)

    async def ask(number: int) -> bool:
        call = replace(CALL, id=CallId(f"20261122-{number:016}"))
        return (await run(tool, stranger(number), call=call)).ok

    results = await asyncio.gather(*(ask(number) for number in range(50)))

    assert sum(results) == len(jobs.jobs) == MAX_SMS_PER_DAY


async def test_an_operator_is_not_counted_as_the_caller() -> None:
    jobs = JobSubmission(wishes={PHONE: MAX_SMS_PER_DAY, "": MAX_SMS_PER_DAY})

    assert (await use(send_sms(jobs), {**TEXT, "to": OTHER})).ok
    assert (await use(send_sms(jobs), {**TEXT, "to": OTHER}, to="", scope="2")).ok


async def test_the_callers_own_number_needs_no_confirmation() -> None:
    jobs = JobSubmission()

    result = await run(send_sms(jobs), {**TEXT, "to": PHONE})

    assert result.ok
    assert jobs.payloads[0]["to"] == PHONE


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("99999 00009", "country code"),  # would pass for a number in Iran
        ("+91", "too short"),
        ("+91 nine nine", "letters"),
        ("my brother", "no number in it"),
        ("+91 99999 0000", "9 digits"),
        ("+1 900 555 0123", "premium"),
    ],
)
async def test_what_is_no_whole_number_is_asked_for_again(to: str, words: str) -> None:
    jobs = JobSubmission()

    result = await run(send_sms(jobs), {**TEXT, "to": to, "confirmed": True})

    assert not result.ok
    assert words in result.text
    assert jobs.jobs == {}


async def test_a_withheld_number_gets_none() -> None:
    jobs, actions = JobSubmission(), Actions()

    result = await run(send_sms(jobs), TEXT, caller="", actions=actions)

    assert not result.ok
    assert "withheld" in result.text
    assert jobs.jobs == {}
    assert actions.uses == {}


@pytest.mark.parametrize("text", ["", "  \n ", "x" * 481])
async def test_a_message_has_words_and_is_short(text: str) -> None:
    jobs = JobSubmission()

    result = await run(send_sms(jobs), {"text": text})

    assert not result.ok
    assert "text: " in result.text
    assert jobs.jobs == {}


# ---- for an operator ----------------------------------------------------------------------------


async def test_an_operator_chooses_the_recipient() -> None:
    jobs = JobSubmission()
    tool = send_sms(jobs)

    await use(tool, TEXT)
    await use(tool, {**TEXT, "to": "919999900009"}, to="")

    assert [payload["to"] for payload in jobs.payloads] == [PHONE, OTHER]


async def test_the_same_request_again_sends_nothing_and_another_request_does() -> None:
    jobs = JobSubmission()
    tool = send_sms(jobs)

    for scope in ("request-1", "request-1", "request-2"):
        await use(tool, TEXT, scope=scope)

    assert len(jobs.jobs) == 2


async def test_a_day_has_its_limit_for_an_operator_too() -> None:
    result = await use(send_sms(JobSubmission(before=MAX_SMS_PER_DAY)), TEXT)

    assert not result.ok


async def test_a_wrong_number_names_the_argument() -> None:
    with pytest.raises(FieldError) as caught:
        await use(send_sms(JobSubmission()), {**TEXT, "to": "12"})

    assert caught.value.field == "to"


async def test_a_database_that_fails_is_told_as_not_known() -> None:
    result = await run(send_sms(JobSubmission(error=StoreError("disk full"))), TEXT)

    assert not result.ok
    assert "not known whether it was done" in result.text
    assert "disk" not in result.text


# ---- registered wordings ------------------------------------------------------------------------

DUBAI = "+971500000001"
ID = "1107160000000000001"
DETAILS = {
    "text": "Dear {#var#}, the {#var#} course: {#var#} - ACMEAC",
    "description": "details of a course in writing",
    "variables": ["name", "course", "link"],
    "template_id": ID,
    "sender": "ACMEAC",
}
TEMPLATES: Mapping[str, SmsTemplate] = parse_sms_templates(
    {
        "course_details": DETAILS,
        "open_hours": {"text": "We are open from 9 to 5. - ACMEAC"},
        "booking_confirmed": {"text": "Booked: {#var#}", "variables": ["when"]},
    },
    "here",
)[0]
FILLED = "Dear Asha, the AI course: acme.example/ai - ACMEAC"
VALUES = ["Asha", "AI", "acme.example/ai"]
DLT = {"template_id": ID, "sender": "ACMEAC"}


def templated(jobs: JobSubmission) -> Tool[Any]:
    return send_sms(jobs, templates=TEMPLATES)


@pytest.mark.parametrize(
    ("args", "text", "dlt"),
    [
        ({"template": "course_details", "variables": VALUES}, FILLED, DLT),
        (
            {
                "template": "course_details",
                "variables": {"link": VALUES[2], "course": "AI", "name": "Asha"},
            },
            FILLED,
            DLT,
        ),
        (
            {
                "template": "course_details",
                "variables": [
                    {"name": "course", "value": "AI"},
                    {"name": "name", "value": "Asha"},
                    {"name": "link", "value": VALUES[2]},
                ],
            },
            FILLED,
            DLT,
        ),
        (
            {"template": "course_details", "variables": ["Asha", 101, 2.0], "text": ""},
            "Dear Asha, the 101 course: 2 - ACMEAC",
            DLT,
        ),
        ({"template": "open_hours"}, "We are open from 9 to 5. - ACMEAC", None),
        ({"template": "open_hours", "variables": None}, "We are open from 9 to 5. - ACMEAC", None),
        ({"text": FILLED}, FILLED, DLT),
        ({"text": f"  {FILLED} "}, FILLED, DLT),
    ],
)
async def test_to_india_a_registered_wording_goes_with_its_registration(
    args: dict[str, Any], text: str, dlt: Mapping[str, str] | None
) -> None:
    jobs = JobSubmission()

    result = await run(templated(jobs), args)

    assert result.ok, result.text
    assert jobs.payloads == [{"to": PHONE, "text": text} | ({} if dlt is None else {"dlt": dlt})]


@pytest.mark.parametrize(
    ("args", "field", "told"),
    [
        (
            {"text": "Foundations of AI: eight weeks."},
            "text",
            "course_details (name, course, link)",
        ),
        ({"text": FILLED + "!"}, "text", "open_hours (no variables)"),
        ({"text": FILLED.replace("AI", "x" * 31)}, "text", "registered wordings only"),
        ({}, "template", "course_details"),
        ({"text": ""}, "template", "course_details"),
        ({"template": "course"}, "template", "course_details"),
        ({"template": "booking_confirmed", "variables": ["now"]}, "template", "course_details"),
        ({"template": "open_hours", "text": "Hello"}, "text", "not both"),
        ({"text": "Hello", "variables": ["x"]}, "variables", "a text has none"),
        ({"template": "course_details"}, "variables", "takes 3 variables (name, course, link)"),
        ({"template": "course_details", "variables": []}, "variables", "not 0"),
        ({"template": "course_details", "variables": ["a", "b"]}, "variables", "not 2"),
        (
            {"template": "course_details", "variables": ["Asha", "x" * 31, "y"]},
            "variables",
            "course of course_details has 31 characters; use at most 30",
        ),
        (
            {"template": "course_details", "variables": {"name": "a", "course": "b"}},
            "variables",
            "needs link",
        ),
        (
            {"template": "course_details", "variables": {"name": "a", "price": "b"}},
            "variables",
            "no variable price",
        ),
        ({"template": "open_hours", "variables": ["x"]}, "variables", "takes 0 variables"),
        ({"template": "course_details", "variables": "Asha"}, "variables", "not 1"),
        ({"template": "course_details", "variables": "a, b"}, "variables", "give a list of texts"),
        ({"template": "course_details", "variables": ["a", None, "c"]}, "variables", "a list of"),
        ({"template": "course_details", "variables": ["a", True, "c"]}, "variables", "a list of"),
        ({"template": "course_details", "variables": ["a", ["b"], "c"]}, "variables", "a list of"),
        ({"template": 7}, "template", ""),
    ],
)
async def test_what_is_no_registered_wording_is_refused_by_its_argument(
    args: dict[str, Any], field: str, told: str
) -> None:
    jobs = JobSubmission()

    by_model = await run(templated(jobs), args)
    with pytest.raises(FieldError) as by_operator:
        await use(templated(jobs), args)

    assert not by_model.ok
    assert told in by_model.text
    assert by_operator.value.field == field
    assert told in str(by_operator.value)
    assert jobs.jobs == {}


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ({"text": "Foundations of AI: eight weeks."}, "Foundations of AI: eight weeks."),
        ({"template": "course_details", "variables": VALUES}, FILLED),
        ({"text": FILLED}, FILLED),
    ],
)
async def test_outside_india_anything_goes_and_nothing_is_registered(
    args: dict[str, Any], text: str
) -> None:
    jobs = JobSubmission()

    result = await run(templated(jobs), args, caller=DUBAI)

    assert result.ok
    assert jobs.payloads == [{"to": DUBAI, "text": text}]


async def test_where_it_goes_decides_and_not_who_calls() -> None:
    jobs = JobSubmission()
    tool = templated(jobs)
    text = {"text": "Foundations of AI.", "to": OTHER, "confirmed": True}

    refused = await run(tool, text, caller=DUBAI)
    sent = await run(tool, text | {"to": DUBAI})

    assert (refused.ok, sent.ok) == (False, True)
    assert jobs.payloads == [{"to": DUBAI, "text": "Foundations of AI."}]


async def test_without_templates_free_words_go_as_before() -> None:
    for none in (None, {}, {"booking_confirmed": TEMPLATES["booking_confirmed"]}):
        jobs = JobSubmission()

        assert (await run(send_sms(jobs, templates=none), TEXT)).ok

        assert jobs.payloads == [{"to": PHONE, "text": TEXT["text"]}]


async def test_a_refused_template_is_not_counted_and_the_same_one_goes_once() -> None:
    jobs, actions = JobSubmission(), Actions(heard=True)
    tool = templated(jobs)
    good = {"template": "course_details", "variables": VALUES}

    for _ in range(MAX_SMS_PER_CALL + 1):
        await run(tool, {"text": "free"}, actions=actions)
    results = [await run(tool, good, actions=actions) for _ in range(3)]

    assert all(result.ok for result in results)
    assert len(jobs.jobs) == 1


def test_the_model_is_told_which_wordings_there_are() -> None:
    tool = templated(JobSubmission())
    assert isinstance(tool.args, type)
    schema = parameters(tool.args)

    assert schema["properties"]["template"]["enum"] == ["course_details", "open_hours"]
    assert schema["properties"]["variables"]["type"] == "array"
    assert schema["properties"]["variables"]["items"] == {"type": "string"}
    assert "30" in schema["properties"]["variables"]["description"]
    assert schema.get("required", []) == []
    assert "course_details (name, course, link): details of a course in writing" in tool.description
    assert "booking_confirmed" not in tool.description


async def test_agents_share_the_limit_of_a_day() -> None:
    jobs = JobSubmission()
    outbox = sms_outbox(jobs)
    plain, with_templates = (
        send_sms(jobs, templates=templates, outbox=outbox) for templates in (None, TEMPLATES)
    )
    for number in range(MAX_SMS_PER_DAY):
        assert (await run(plain, {"text": f"{number}"}, caller=DUBAI)).ok
    jobs.jobs.clear()  # as if none were stored yet

    assert not (await run(with_templates, {"text": "one more"}, caller=DUBAI)).ok


# ---- whose tool ---------------------------------------------------------------------------------


async def test_an_agent_s_own_send_sms_stands_in_for_the_shared_one_where_that_is_allowed() -> None:
    jobs = JobSubmission()
    registry = ToolRegistry(
        [send_sms(jobs)],
        {"FWAI_Core": [templated(jobs)], "Sales": [templated(jobs)], "": [templated(jobs)]},
        allowed={"FWAI_Core": ["send_sms"], "Desk": ["send_sms"], "Sales": []},
    )

    def enum(agent: str) -> Any:  # noqa: ANN401 - of a schema
        found = registry.specs({"Sales": []}.get(agent, ["send_sms"]), agent)
        return [spec.parameters["properties"].get("template", {}).get("enum") for spec in found]

    names = ["course_details", "open_hours"]
    assert (enum("FWAI_Core"), enum("Desk"), enum("Sales")) == ([names], [None], [])
    assert [spec.name for spec in registry.specs((), "FWAI_Core")] == []
    (shown,) = registry.describe()
    assert "template" in shown.parameters["properties"], "whoever asks in no call may use all"

    request = ToolCall("1", "send_sms", TEXT)
    core, desk, sales = [
        await registry.run(request, replace(CALL, agent=agent), Actions(heard=True))
        for agent in ("FWAI_Core", "Desk", "Sales")
    ]
    assert (core.ok, desk.ok, sales.ok) == (False, True, False)
    assert "no tool of that name" in sales.text


# ---- the server's limits ------------------------------------------------------------------------


async def test_the_server_s_limit_counts_numbers_that_callers_dictated() -> None:
    jobs, quotas = JobSubmission(), Quotas({"send_sms": 1})
    texting = send_sms(jobs, outbox=sms_outbox(jobs, quotas))
    other = {**TEXT, "to": OTHER, "confirmed": True}

    own = [await run(texting, TEXT, caller=f"+91999990020{number}") for number in range(3)]
    first = await run(texting, other)
    again = await run(texting, other)
    second = await run(texting, {**other, "to": "+919999900008"})

    assert all(result.ok for result in own), "the number that is shown has a limit of its own"
    assert (first.ok, again.ok, second.ok) == (True, True, False)
    assert second.text == (
        "No further things called send_sms are possible from here today. Say so and offer another "
        "way."
    )
    assert quotas.taken == [("send_sms", OTHER, PHONE)]
    assert (await use(texting, other)).ok, "what an operator sends is not counted"


async def test_what_was_refused_uses_up_no_other_limit() -> None:
    jobs, quotas = JobSubmission(), Quotas({"send_sms": 0})
    texting = send_sms(jobs, outbox=sms_outbox(jobs, quotas))
    other = {"to": OTHER, "confirmed": True}

    for number in range(MAX_SMS_PER_DAY):
        result = await run(texting, {"text": f"{number}", **other})
        assert "send_sms" in result.text
    quotas.left["send_sms"] = 1

    assert (await run(texting, {"text": "last", **other})).ok


async def test_the_owner_is_not_limited_and_the_words_go_with_dictated_numbers_alone() -> None:
    jobs, quotas = JobSubmission(before=MAX_SMS_PER_DAY), Quotas({"send_sms": 0})
    rules = RecipientRules(owner_phones=frozenset({OTHER}))
    texting = send_sms(jobs, rules, outbox=sms_outbox(jobs, quotas))

    result = await run(texting, {**TEXT, "to": OTHER}, actions=Actions())

    (job,) = jobs.jobs.values()
    assert result.ok
    assert job.confirmation is None


async def test_the_words_that_confirmed_a_number_are_kept_with_its_message() -> None:
    jobs = JobSubmission()

    await run(send_sms(jobs), {**TEXT, "to": OTHER, "confirmed": True})
    await run(send_sms(jobs), TEXT)

    dictated, own = jobs.jobs.values()
    assert dictated.confirmation == {"read_back": CONFIRMED.read_back, "answer": CONFIRMED.answer}
    assert own.confirmation is None
