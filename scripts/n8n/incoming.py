"""Flows that begin with an event of ours: the router and those it hands events to."""

from collections.abc import Mapping
from typing import Final

from scripts.n8n.nodes import (
    AUTO_COLUMNS,
    OWNER_SETTINGS,
    Flow,
    columns,
    steps,
    table_name,
    where,
)
from scripts.n8n.shared import RECEIVE_STEPS, ask, receive, request, tell_owner

WORK: Final = 2.4  # the row of what is done, below the row of receiving
EVENT_DATA: Final = "$('Event').first().json.data"
EVENT_TYPE: Final = "$('Event').first().json.type"
ROUTES: Final[Mapping[str, tuple[str, ...]]] = {
    "call.ended": ("fwaiCallEnded", "fwaiMissedCall", "fwaiRetry"),
    "call.summarized": ("fwaiCallEnded",),
    "demo.booked": ("fwaiDemoBooked",),
    "tool.called": ("fwaiHandoff",),
}
NAMES: Final = {
    "fwaiCallEnded": "03 Call to table",
    "fwaiMissedCall": "04 Missed call",
    "fwaiRetry": "07 Retry",
    "fwaiDemoBooked": "06 Demo booked",
    "fwaiHandoff": "09 Handoff",
}


def _note(flow: Flow, title: str, path: str, text: str = "") -> None:
    """Add the note of a flow that the router calls and that can also stand alone."""
    alone = f"""
        - Publish it. The router calls it. To use it without the router, set
          `EVENTS_WEBHOOK_URL` to its own address, `/webhook/{path}`.
        """
    flow.note(steps(title, RECEIVE_STEPS + text + alone), columns=3.5)


def router() -> Flow:
    """Return the flow behind EVENTS_WEBHOOK_URL, which hands each event to those it concerns."""
    flow = Flow("fwaiRouter", "FWAI Router")
    flow.note(
        steps(
            "FWAI Router",
            """
        - Credential **FWAI signing**: the decoded signing secret (`python
          scripts/n8n/credentials.py` writes a file to import).
        - On the server:
          `EVENTS_WEBHOOK_URL=https://n8n.example.com/webhook/fwai-events` with your
          n8n's name.
        - Publish this flow and those it calls. A flow you do not want: disable its node
          here.
        - Events are delivered at least once; repeats are dropped by `webhook-id`. A
          flow that fails does not keep the others from running.
        """,
        ),
        columns=3.5,
    )
    event = receive(flow, "fwai-events", from_router=False)
    kinds = flow.switch("Kind?", (7, 0), {kind: f"$json.type === '{kind}'" for kind in ROUTES})
    flow.link(event, kinds)
    row = -1
    runs: dict[str, str] = {}
    for output, targets in enumerate(ROUTES.values()):
        for target in targets:
            if target not in runs:
                runs[target] = _run(flow, target, row)
                row += 1
            flow.link(kinds, runs[target], output)
    flow.no_more("Nothing to do", (8.5, row))
    flow.link(kinds, "Nothing to do", len(ROUTES))
    return flow


def _run(flow: Flow, target: str, row: int) -> str:
    """Add a call of another flow that is not waited for, so that its failure stays its own."""
    inputs = {"mappingMode": "defineBelow", "value": {}, "matchingColumns": [], "schema": []}
    parameters = {
        "source": "database",
        "workflowId": {"__rl": True, "mode": "id", "value": target},
        "workflowInputs": inputs,
        "mode": "once",
        "options": {"waitForSubWorkflow": False},
    }
    more = {"onError": "continueRegularOutput"}
    return flow.add(f"Run {NAMES[target]}", "executeWorkflow", (8.5, row), parameters, **more)


def call_ended() -> Flow:
    """Return the flow that keeps a row of every call and tells the owner about it."""
    flow = Flow("fwaiCallEnded", "FWAI 03 Call ended, to the table")
    _note(
        flow,
        "FWAI 03 Call ended",
        "fwai-call-ended",
        """
        - Run **FWAI 00 Set-up** once; it makes `fwai_calls` and `fwai_contacts`.
        - `tell_statuses`: after which endings the owner is told, by commas; empty for never.
          `keep_transcript` false leaves the words out of the table.
        """,
    )
    event = receive(flow, "fwai-call-ended")
    more = {"tell_statuses": "completed", "keep_transcript": True}
    flow.settings((0, WORK), **OWNER_SETTINGS, **more)
    flow.condition("A call ended?", (1, WORK), f"{EVENT_TYPE} === 'call.ended'")
    flow.condition("A summary?", (1, WORK + 1), f"{EVENT_TYPE} === 'call.summarized'")
    flow.no_more("Another kind", (1, WORK + 2))
    flow.table(
        "Add summary",
        (2, WORK + 1),
        "update",
        dataTableId=table_name("fwai_calls"),
        **where(call_id=f"={{{{ {EVENT_DATA}.call_id }}}}"),
        **columns({"summary": f"={{{{ {EVENT_DATA}.summary }}}}"}),
    )
    flow.code(
        "Row",
        (2, WORK),
        """
const { data } = $('Event').first().json;
const { keep_transcript } = $('Settings').first().json;
const words = (data.transcript ?? []).map((line) => `${line.role}: ${line.text}`).join('\\n');
// What was not measured stays empty.
return [{ json: {
  call_id: data.call_id,
  direction: data.direction,
  customer: data.direction === 'inbound' ? data.from : data.to,
  agent: data.agent,
  provider: data.provider,
  status: data.status,
  end_reason: data.end_reason ?? null,
  started_at: data.started_at ?? null,
  ended_at: data.ended_at ?? null,
  duration_s: data.duration_s ?? null,
  tools: (data.tools ?? []).map((tool) => `${tool.name} ${tool.status}`).join(', '),
  summary: data.summary ?? null,
  transcript: keep_transcript ? words : null,
} }];
""",
    )
    flow.table(
        "Keep call",
        (3, WORK),
        "upsert",
        dataTableId=table_name("fwai_calls"),
        **where(call_id="={{ $json.call_id }}"),
        **AUTO_COLUMNS,
    )
    flow.table(
        "Mark contact",
        (3, WORK + 1),
        "update",
        dataTableId=table_name("fwai_contacts"),
        **where(call_id="={{ $json.call_id }}"),
        **columns({"status": "={{ $json.status }}", "detail": "={{ $json.end_reason }}"}),
    )
    wanted = "$('Settings').first().json.tell_statuses.split(',').map((s) => s.trim())"
    row = "$('Row').first().json"
    flow.condition("Worth telling?", (4, WORK), f"{wanted}.includes({row}.status)")
    flow.no_more("Kept only", (4, WORK + 1))
    tell = tell_owner(
        flow,
        (5, WORK),
        subject=f"'Call ' + {row}.status",
        text=f"['Call ' + {row}.status, {row}.direction, {row}.customer, "
        f"{row}.duration_s === null ? 'n/a' : Math.round({row}.duration_s) + ' s', "
        f"{row}.tools, {row}.summary].filter(Boolean).join('; ')",
        key=f"'told-' + {row}.call_id",
    )
    flow.chain(event, "Settings", "A call ended?", "Row", "Keep call", "Worth telling?", tell)
    flow.link("Row", "Mark contact")
    flow.link("A call ended?", "A summary?", 1)
    flow.link("A summary?", "Add summary")
    flow.link("A summary?", "Another kind", 1)
    flow.link("Worth telling?", "Kept only", 1)
    return flow


def missed_call() -> Flow:
    """Return the flow that calls back whoever called and was not served."""
    flow = Flow("fwaiMissedCall", "FWAI 04 Missed call, call back")
    _note(
        flow,
        "FWAI 04 Missed call",
        "fwai-missed-call",
        """
        - `when`: words or a time in ISO form. The server keeps its calling hours.
        """,
    )
    event = receive(flow, "fwai-missed-call")
    more = {"when": "in 10 minutes", "statuses": "no_answer,rejected,failed"}
    flow.settings((0, WORK), **OWNER_SETTINGS, **more)
    missed = (
        f"{EVENT_TYPE} === 'call.ended' && {EVENT_DATA}.direction === 'inbound'"
        f" && $json.statuses.split(',').includes({EVENT_DATA}.status)"
        f" && /^\\+[1-9][0-9]{{7,14}}$/.test({EVENT_DATA}.from ?? '')"
    )
    flow.condition("Missed, with a number?", (1, WORK), missed)
    flow.no_more("Not missed", (1, WORK + 1))
    sort = ask(
        flow,
        "Promise a call",
        (2, WORK),
        "/api/tools/schedule_callback",
        body=f"{{ to: {EVENT_DATA}.from, arguments: {{ when: $('Settings').first().json.when, "
        "note: 'missed call' } }",
        key=f"'missed-' + {EVENT_DATA}.call_id",
    )
    result = (
        "($json.statusCode < 300 ? 'will be called back'"
        " : 'not called back: ' + ($json.body?.detail ?? $json.statusCode))"
    )
    tell = tell_owner(
        flow,
        (5, WORK),
        subject="'Missed call'",
        text=f"'Missed call of ' + {EVENT_DATA}.from + '; ' + {result}",
        key=f"'missed-told-' + {EVENT_DATA}.call_id",
    )
    flow.chain(event, "Settings", "Missed, with a number?", "Promise a call")
    flow.link("Missed, with a number?", "Not missed", 1)
    flow.link(sort, tell)
    flow.link(sort, tell, 1)
    return flow


def demo_booked() -> Flow:
    """Return the flow that keeps a booked demo, puts it into a calendar and tells the owner."""
    flow = Flow("fwaiDemoBooked", "FWAI 06 Demo booked")
    _note(
        flow,
        "FWAI 06 Demo booked",
        "fwai-demo-booked",
        """
        - Run **FWAI 00 Set-up** once; it makes `fwai_demos`.
        - For Google Calendar: enable **Into the calendar** and pick your account in it.
        """,
    )
    event = receive(flow, "fwai-demo-booked")
    flow.settings((0, WORK), **OWNER_SETTINGS, minutes=30)
    flow.condition("A demo?", (1, WORK), f"{EVENT_TYPE} === 'demo.booked'")
    flow.no_more("Another kind", (1, WORK + 1))
    flow.code(
        "Row",
        (2, WORK),
        """
const { id, data } = $('Event').first().json;
return [{ json: {
  demo_id: data.booking_id ?? data.id ?? data.call_id ?? id,
  starts_at: data.starts_at ?? data.when,
  name: data.name ?? null,
  phone: data.phone ?? data.from ?? null,
  email: data.email ?? null,
  interest: data.interest ?? null,
  call_id: data.call_id ?? null,
} }];
""",
    )
    flow.table(
        "Keep demo",
        (3, WORK),
        "upsert",
        dataTableId=table_name("fwai_demos"),
        **where(demo_id="={{ $json.demo_id }}"),
        **AUTO_COLUMNS,
    )
    row = "$('Row').first().json"
    start = f"DateTime.fromISO({row}.starts_at)"
    about = f"[{row}.interest, {row}.phone].filter(Boolean).join(', ')"
    flow.add(
        "Into the calendar",
        "googleCalendar",
        (4, WORK),
        {
            "resource": "event",
            "operation": "create",
            "calendar": {"__rl": True, "mode": "id", "value": "primary"},
            "start": f"={{{{ {start}.toISO() }}}}",
            "end": f"={{{{ {start}.plus({{ minutes: $('Settings').first().json.minutes }})"
            ".toISO() }}",
            "additionalFields": {
                "summary": f"={{{{ 'Demo: ' + ({row}.name ?? 'somebody') }}}}",
                "description": f"={{{{ {about} }}}}",
            },
        },
        disabled=True,
    )
    words = (
        f"['Demo ' + {start}.setZone($now.zone).toFormat('ccc d LLL HH:mm'), {row}.name, "
        f"{row}.phone, {row}.email, {row}.interest].filter(Boolean).join('; ')"
    )
    tell = tell_owner(
        flow, (5, WORK), subject="'Demo booked'", text=words, key=f"'demo-' + {row}.demo_id"
    )
    flow.chain(event, "Settings", "A demo?", "Row", "Keep demo", "Into the calendar", tell)
    flow.link("A demo?", "Another kind", 1)
    return flow


def retry() -> Flow:
    """Return the flow that has a call of ours tried again when nobody took it."""
    flow = Flow("fwaiRetry", "FWAI 07 Failed call, again")
    _note(
        flow,
        "FWAI 07 Failed call, again",
        "fwai-retry",
        """
        - `most_attempts`, `minutes` (times the number of the attempt) and `statuses` say how hard
          to try.
        - Callbacks are left alone: the server tries those again by itself.
        """,
    )
    event = receive(flow, "fwai-retry")
    flow.settings((0, WORK), most_attempts=3, minutes=30, statuses="busy,no_answer,failed")
    attempt = f"Number({EVENT_DATA}.context?.attempt ?? 1)"
    again = (
        f"{EVENT_TYPE} === 'call.ended' && {EVENT_DATA}.direction === 'outbound'"
        f" && !{EVENT_DATA}.callback_id"
        f" && $json.statuses.split(',').includes({EVENT_DATA}.status)"
        f" && {attempt} < $json.most_attempts"
    )
    flow.condition("Try again?", (1, WORK), again)
    flow.no_more("Leave it", (1, WORK + 1))
    flow.code(
        "Next attempt",
        (2, WORK),
        """
// Counted from the event, not from now: the same event always gives the same request.
const { timestamp, data } = $('Event').first().json;
const attempt = Number(data.context?.attempt ?? 1) + 1;
const minutes = $('Settings').first().json.minutes * (attempt - 1);
const ended = DateTime.fromISO(data.ended_at ?? timestamp, { setZone: true });
return [{ json: {
  key: `retry-${data.call_id}-${attempt}`,
  call: {
    to: data.to,
    provider: data.provider ?? undefined,
    agent: data.agent ?? undefined,
    not_before: ended.plus({ minutes }).toISO(),
    context: { ...data.context, attempt: String(attempt) },
  },
} }];
""",
    )
    plan = "$('Next attempt').first().json"
    path = "/api/calls"
    sort = ask(flow, "Plan call", (3, WORK), path, body=f"{plan}.call", key=f"{plan}.key")
    flow.no_more("Planned, or refused", (5, WORK))
    flow.chain(event, "Settings", "Try again?", "Next attempt", "Plan call")
    flow.link("Try again?", "Leave it", 1)
    flow.link(sort, "Planned, or refused")
    flow.link(sort, "Planned, or refused", 1)
    return flow


def handoff() -> Flow:
    """Return the flow that alerts the person who takes over a call."""
    flow = Flow("fwaiHandoff", "FWAI 09 Handoff to a person")
    _note(
        flow,
        "FWAI 09 Handoff",
        "fwai-handoff",
        """
        - `owner_phone` here is whoever takes calls over; with `owner_email` alone an e-mail goes.
        """,
    )
    event = receive(flow, "fwai-handoff")
    flow.settings((0, WORK), **OWNER_SETTINGS)
    transfer = f"{EVENT_TYPE} === 'tool.called' && {EVENT_DATA}.name === 'transfer_call'"
    flow.condition("Handed over?", (1, WORK), transfer)
    flow.no_more("Another tool", (1, WORK + 1))
    path = f"/api/calls/{{{{ {EVENT_DATA}.call_id }}}}/transcript"
    request(flow, "Read transcript", (2, WORK), path)
    flow.code(
        "Alert",
        (3, WORK),
        """
// Without a transcript the alert goes out all the same.
const { statusCode, body } = $input.first().json;
const { data } = $('Event').first().json;
const list = statusCode === 200 ? (Array.isArray(body) ? body : body.lines ?? body.transcript ?? [])
  : [];
const said = list.filter((line) => ['caller', 'agent'].includes(line.role)).slice(-4)
  .map((line) => `${line.role}: ${line.text}`.slice(0, 100));
const who = data.direction === 'outbound' ? data.to : data.from;
const head = `A caller wants a person${who ? ': ' + who : ''} (${data.status ?? 'asked'})`;
const link = `${$('Settings').first().json.base_url}/console`;
return [{ json: { text: [head, ...said, link].join('\\n') } }];
""",
    )
    tell = tell_owner(
        flow,
        (4, WORK),
        subject="'A caller wants a person'",
        text="$('Alert').first().json.text",
        key="'handoff-' + $('Event').first().json.id",
    )
    flow.chain(event, "Settings", "Handed over?", "Read transcript", "Alert", tell)
    flow.link("Handed over?", "Another tool", 1)
    return flow
