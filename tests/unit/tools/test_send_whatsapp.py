"""WhatsApp: a text with a template that stands in for it, or a template that is checked first."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from fakes import CALL
from fwai.errors import FieldError
from fwai.templates.whatsapp_templates import WHATSAPP_TEMPLATES, Template
from fwai.tools.recipient import RecipientRules
from fwai.tools.send_whatsapp import MAX_WHATSAPP_PER_CALL, MAX_WHATSAPP_PER_DAY, send_whatsapp
from unit.tools.kit import PHONE, Actions, JobSubmission, Quotas, run, use

REMINDER = {"template": "callback_scheduled", "parameters": {"name": "Asha", "when": "5 pm"}}


def values(template: dict[str, Any]) -> list[str]:
    return [one["text"] for one in template["components"][0]["parameters"]]


async def test_a_text_goes_with_a_template_that_may_stand_in_for_it() -> None:
    jobs = JobSubmission()

    result = await run(send_whatsapp(jobs), {"text": "Eight weeks.\nEvenings."})

    (job,) = jobs.jobs.values()
    assert (job.kind, job.phone, job.call_id) == ("send_whatsapp", PHONE, CALL.id)
    assert (job.payload["to"], job.payload["text"]) == (PHONE, "Eight weeks.\nEvenings.")
    assert job.payload["template"]["name"] == "call_summary"
    assert values(job.payload["template"]) == ["there", "Eight weeks. Evenings."]
    assert result.ok
    assert "handed to WhatsApp" in result.text


async def test_the_stand_in_calls_the_person_by_name_where_it_is_known() -> None:
    jobs = JobSubmission()
    call = replace(CALL, context={"customer_name": "Asha"})

    await run(send_whatsapp(jobs), {"text": "Eight weeks."}, call=call)

    assert values(jobs.payloads[0]["template"])[0] == "Asha"


@pytest.mark.parametrize("templates", [{}, WHATSAPP_TEMPLATES])
async def test_a_text_that_fits_no_template_goes_alone(templates: Mapping[str, Template]) -> None:
    jobs = JobSubmission()
    text = "word " * 200 if templates else "Short."

    await run(send_whatsapp(jobs, templates), {"text": text})

    assert jobs.payloads[0]["template"] is None


@pytest.mark.parametrize(
    "parameters",
    [
        {"name": "Asha", "when": "5 pm"},
        [{"name": "name", "value": "Asha"}, {"name": "when", "value": "5 pm"}],
    ],
)
async def test_a_template_is_rendered(parameters: object) -> None:
    jobs = JobSubmission()

    result = await run(send_whatsapp(jobs), {**REMINDER, "parameters": parameters})

    assert result.ok
    assert jobs.payloads[0]["text"] == ""
    assert jobs.payloads[0]["template"]["name"] == "callback_scheduled"
    assert values(jobs.payloads[0]["template"]) == ["Asha", "5 pm"]


@pytest.mark.parametrize(
    ("args", "field", "words"),
    [
        ({}, "text", "Give a text, or a template"),
        ({"text": "  "}, "text", "Give a text, or a template"),
        ({"template": "nonsense"}, "template", "no template of that name; there are: demo_booked"),
        ({"template": "call_permission"}, "template", "no template of that name"),
        ({**REMINDER, "parameters": {"name": "Asha"}}, "parameters", "needs when"),
        ({**REMINDER, "parameters": None}, "parameters", "needs name"),
        ({**REMINDER, "parameters": {"who": "Asha"}}, "parameters", "no parameter who"),
    ],
)
async def test_what_meta_would_refuse_is_refused_before(
    args: dict[str, Any], field: str, words: str
) -> None:
    jobs = JobSubmission()

    result = await run(send_whatsapp(jobs), args)

    assert not result.ok
    assert words in result.text
    assert jobs.jobs == {}
    with pytest.raises(FieldError, match=words) as caught:
        await use(send_whatsapp(jobs), args)
    assert caught.value.field == field


async def test_a_withheld_number_gets_none() -> None:
    jobs = JobSubmission()

    result = await run(send_whatsapp(jobs), {"text": "Hello"}, caller="")

    assert not result.ok
    assert "withheld" in result.text
    assert jobs.jobs == {}


async def test_the_same_again_sends_nothing_and_there_are_limits() -> None:
    jobs, actions = JobSubmission(), Actions()
    tool = send_whatsapp(jobs)

    same = [await run(tool, REMINDER, actions=actions) for _ in range(5)]
    others = [await run(tool, {"text": f"{number}"}, actions=actions) for number in range(3)]

    assert all(result.ok for result in same)
    assert [result.ok for result in others] == [True] * (MAX_WHATSAPP_PER_CALL - 1) + [False]
    assert not (await run(send_whatsapp(JobSubmission(before=MAX_WHATSAPP_PER_DAY)), REMINDER)).ok


def test_the_model_is_told_which_templates_there_are() -> None:
    described = send_whatsapp(JobSubmission()).description

    assert "callback_scheduled (name, when): confirm that we will call back" in described
    assert "call_permission" not in described
    assert "There are no templates" in send_whatsapp(JobSubmission(), {}).description


async def test_the_server_s_limit_counts_whatever_numbers_are_shown() -> None:
    jobs, quotas = JobSubmission(), Quotas({"send_whatsapp": 1})
    rules = RecipientRules(owner_phones=frozenset({"+919999900200"}))
    writing = send_whatsapp(jobs, rules=rules, quotas=quotas)

    results = [
        await run(writing, {"text": "The fees."}, caller=f"+91999990010{number}")
        for number in range(2)
    ]

    assert [result.ok for result in results] == [True, False]
    assert "things called send_whatsapp" in results[1].text
    assert quotas.taken == [("send_whatsapp", "", "")], "who is on the line is nobody new"
    assert (await run(writing, {"text": "The fees."}, caller="+919999900200")).ok
    assert (await use(writing, {"text": "The fees."})).ok
