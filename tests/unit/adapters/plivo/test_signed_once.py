"""A captured webhook is worth one call, however it is cut, repeated or dressed."""

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from fwai.adapters.plivo.webhook import verify_v3
from fwai.errors import SignatureError
from fwai.http.signed_once import SignedOnce
from unit.adapters.handler_kit import FakeCalls
from unit.adapters.plivo.kit import CALL, HOOKS, INBOUND, PUBLIC_URL, TOKEN, Line

OTHER_CALL = "b7c9d013-2e5a-4f6a-8c1d-0a9e8d7c6b5f"
URL = f"{PUBLIC_URL}/plivo/answer?v=1"
Cut = tuple[tuple[str, str], ...]


def cuts(form: dict[str, str], most_fields: int) -> Iterator[Cut]:
    """Every way to read what V3 joins as other fields: names ascend, as in what was signed."""
    joined = "".join(name + value for name, value in sorted(form.items()))

    def rest(at: int, last: str, left: int) -> Iterator[Cut]:
        if at == len(joined):
            yield ()
            return
        if not left:
            return
        ends = range(at + 1, len(joined) + 1) if left > 1 else (len(joined),)
        for end in ends:
            field = joined[at:end]
            for split in range(1, len(field) + 1):
                name = field[:split]
                if name < last:
                    continue
                for others in rest(end, name, left - 1):
                    yield ((name, field[split:]), *others)

    yield from rest(0, "", most_fields)


def captured_cuts() -> list[Cut]:
    """Cuts of one answer request that still name a call, and are signed by its one signature."""
    whole = sorted(INBOUND.items())
    found: list[Cut] = []
    # Between two neighbours the joint is anywhere, or another field is made of them.
    for index in range(len(whole) - 1):
        pair = dict(whole[index : index + 2])
        before, after = tuple(whole[:index]), tuple(whole[index + 2 :])
        found += [(*before, *cut, *after) for cut in cuts(pair, 2)]
    uuid, rest = dict(whole[1:2]), tuple(whole[2:])
    found += [(whole[0], *cut, *rest) for cut in cuts(uuid, 3)]
    return [one for one in dict.fromkeys(found) if any(name == "CallUUID" for name, _ in one)]


@pytest.mark.parametrize("genuine", ["first", "last"])
async def test_one_captured_answer_cut_at_every_other_boundary_is_one_call(genuine: str) -> None:
    calls, once = FakeCalls(), SignedOnce()
    line = Line(calls, once=once)
    headers = line.signer.voice("POST", URL, INBOUND)
    forged = [cut for cut in captured_cuts() if dict(cut) != INBOUND]
    signed = [cut for cut in forged if _is_signed(cut, headers)]
    assert len(signed) > 100, "the signature alone does not tell them apart"
    sample = signed[:: max(1, len(signed) // 60)]

    order = [tuple(INBOUND.items()), *sample]
    for cut in order if genuine == "first" else reversed(order):
        await line.send("answer", {}, headers=headers, content=urlencode(cut).encode())

    assert {offer.provider_call_id for offer in calls.offers} == {CALL}
    assert len(calls.offers) == 1


def _is_signed(form: Cut, headers: dict[str, str]) -> bool:
    try:
        verify_v3(
            "POST",
            URL,
            form,
            nonce=headers["X-Plivo-Signature-V3-Nonce"],
            signatures=[headers["X-Plivo-Signature-V3"]],
            tokens=[TOKEN],
        )
    except SignatureError:
        return False
    return True


async def test_the_same_bytes_again_get_the_same_answer() -> None:
    calls, once = FakeCalls(), SignedOnce()
    line = Line(calls, once=once)
    headers = line.signer.voice("POST", URL, INBOUND)

    answers = [await line.send("answer", INBOUND, headers=headers) for _ in range(3)]

    assert [one.status_code for one in answers] == [200] * 3
    assert len({one.text for one in answers}) == 1


async def test_a_message_report_with_another_body_is_refused() -> None:
    """V2 signs no body: whoever saw one report could have told anything of any message."""
    line = Line(FakeCalls(), once=SignedOnce())
    headers = line.signer.message("POST", f"{PUBLIC_URL}/plivo/message-status")
    form = {"MessageUUID": "m-1", "Status": "sent"}

    answers = [
        await line.send("message-status", one, headers=headers, query=query)
        for one, query in (
            (form, "job=j-1"),
            (form, "job=j-1"),
            ({**form, "MessageUUID": "m-2"}, "job=j-1"),
            (form, "job=j-2"),
        )
    ]

    assert [one.status_code for one in answers] == [200, 200, 403, 403]
    assert len({heard[1:4:2] for heard in line.reports.heard}) == 1


async def test_a_get_is_compared_as_it_was_sent() -> None:
    """Decoded and sorted, both queries are signed by the same signature."""
    calls, once = FakeCalls(), SignedOnce()
    line = Line(calls, once=once)
    query = urlencode(INBOUND)
    headers = line.signer.voice("GET", f"{PUBLIC_URL}/plivo/answer?{query}")
    turned = "&".join(reversed(query.split("&")))

    answers = [
        await line.send("answer", {}, method="GET", query=one, headers=headers)
        for one in (query, turned, query.replace("From", "%46rom"), query)
    ]

    assert [one.status_code for one in answers] == [200, 403, 403, 200]


@pytest.mark.parametrize(
    "form",
    [
        [*INBOUND.items(), ("CallUUID", OTHER_CALL)],
        [*INBOUND.items(), ("call_uuid", OTHER_CALL)],
        [*INBOUND.items(), ("From", "919999900002")],
        [*INBOUND.items(), ("Direction", "outbound")],
        [*INBOUND.items(), ("CallStatus", "completed")],
        list({**INBOUND, "CallUUID": "c-1"}.items()),
        list({**INBOUND, "CallUUID": CALL[:-1]}.items()),
        list({**INBOUND, "CallUUID": f"{CALL}0"}.items()),
        list({**INBOUND, "CallUUID": f"{CALL}\n{CALL}"}.items()),
        list({**INBOUND, "CallUUID": "\u0967" + CALL[1:]}.items()),
    ],
    ids=lambda form: ascii(form[0][1]) + str(len(form)) + form[-1][0] + ascii(form[-1][1])[:12],
)
async def test_a_field_that_says_two_things_or_no_call_is_refused(
    form: list[tuple[str, str]],
) -> None:
    calls = FakeCalls()
    line = Line(calls)
    signed: dict[str, list[str]] = {}
    for name, value in form:
        signed.setdefault(name, []).append(value)
    headers = line.signer.voice("POST", URL, signed)

    response = await line.send("answer", {}, headers=headers, content=urlencode(form).encode())

    assert response.status_code == 403
    assert calls.untouched


async def test_query_and_form_may_not_differ_and_only_our_url_names_our_call() -> None:
    calls = FakeCalls()
    line = Line(calls)

    refused = await line.send("answer", INBOUND, query=f"CallUUID={OTHER_CALL}")
    twice = await line.send("answer", INBOUND, query="call=a-1&call=a-2")
    taken = await line.send("answer", {**INBOUND, "call": "theirs"}, query="call=ours")

    assert [refused.status_code, twice.status_code, taken.status_code] == [403, 403, 200]
    assert [offer.call_id for offer in calls.offers] == ["ours"]


@pytest.mark.parametrize(
    "caller",
    [
        *("anonymous", "restricted", "Unavailable", "", "sip:user@host.example", "140", "56161"),
        *("sip:919999900001@10.0.0.1:5060;user=phone", '"Asha" <sip:asha@example.com>'),
        *("\ud800", "919999900001To918888800000", "\u202e919999900001", "x" * 10_000, "+"),
    ],
    ids=lambda caller: ascii(caller)[:40],
)
async def test_whoever_calls_stays_a_caller(caller: str) -> None:
    calls = FakeCalls()
    form = {**INBOUND, "From": caller.encode(errors="replace").decode()}

    response = await Line(calls, hooks=HOOKS).send("answer", form)

    assert response.status_code == 200
    assert [offer.caller for offer in calls.offers] == [""]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("Direction", "sideways"), ("CallStatus", "levitating"), ("Event", "Hang\u2028up")),
        *(("Event", "x" * 5_000), ("NobodyKnows", "\x00\x1b[2J"), ("HangupCauseCode", "3020x")),
    ],
    ids=ascii,
)
async def test_a_word_that_is_not_known_changes_nothing(field: str, value: str) -> None:
    calls, usual = FakeCalls(), FakeCalls()

    await Line(usual).send("answer", INBOUND)
    await Line(calls).send("answer", {**INBOUND, field: value})

    assert calls.offers == usual.offers
    assert calls.endings == []
