"""Flows around the calls: set-up, reminders, the daily report, errors."""

from typing import Final

from scripts.n8n.nodes import (
    AUTO_COLUMNS,
    OWNER_SETTINGS,
    Flow,
    schedule,
    steps,
    table_name,
)
from scripts.n8n.shared import DONE, KEY_STEP, WHY, request, tell_owner

OWNER_STEP: Final = "Who is told: `owner_phone` (a text message) or else `owner_email`."

TABLES: Final = {
    "fwai_calls": {
        **dict.fromkeys(
            ("call_id", "direction", "customer", "agent", "provider", "status"), "string"
        ),
        **dict.fromkeys(("end_reason", "started_at", "ended_at"), "string"),
        "duration_s": "number",
        **dict.fromkeys(("tools", "summary", "transcript"), "string"),
    },
    "fwai_contacts": dict.fromkeys(
        ("phone", "name", "note", "agent", "status", "call_id", "detail"), "string"
    ),
    "fwai_demos": dict.fromkeys(
        ("demo_id", "starts_at", "name", "phone", "email", "interest", "call_id"), "string"
    ),
    "fwai_errors": dict.fromkeys(("at", "flow", "node", "message", "execution"), "string"),
}


def setup() -> Flow:
    """Return the flow that is run once: tables, and a look whether the server answers."""
    flow = Flow("fwaiSetup", "FWAI 00 Set-up (run once)")
    flow.note(
        steps(
            "FWAI 00 Set-up",
            f"""
        - {KEY_STEP}
        - Write your server's address into **Settings**.
        - Press *Execute workflow* once. It makes the data tables that the other flows
          use (those that exist stay as they are) and asks the server for its agents.
        """,
        )
    )
    flow.add("Run once", "manualTrigger", (0, 0), {})
    flow.settings((1, 0))
    flow.chain("Run once", "Settings")
    before = "Settings"
    for column, (name, kinds) in enumerate(TABLES.items(), 2):
        wanted = [{"name": key, "type": kind} for key, kind in kinds.items()]
        made = flow.add(
            f"Table {name}",
            "dataTable",
            (column, 0),
            {
                "resource": "table",
                "operation": "create",
                "tableName": name,
                "columns": {"column": wanted},
                "options": {"createIfNotExists": True},
            },
        )
        flow.link(before, made)
        before = made
    request(flow, "Ask for the agents", (6, 0), "/api/agents")
    flow.condition("Server answers?", (7, 0), DONE)
    flow.no_more("Everything works", (8, 0))
    message = f"=The server answered {{{{ $json.statusCode ?? 'nothing' }}}}: {{{{ {WHY} }}}}"
    flow.add(
        "Not yet",
        "stopAndError",
        (7, 1),
        {"errorType": "errorMessage", "errorMessage": message},
    )
    flow.chain(before, "Ask for the agents", "Server answers?", "Everything works")
    flow.link("Server answers?", "Not yet", 1)
    return flow


def callback_reminder() -> Flow:
    """Return the flow that reminds customers of a callback soon to come."""
    flow = Flow("fwaiCallbackReminder", "FWAI 05 Callback reminder")
    flow.note(
        steps(
            "FWAI 05 Callback reminder",
            f"""
        - {KEY_STEP}
        - Fill in **Settings**: how many minutes ahead, and the words. `{{time}}`
          becomes the hour of the call.
        - With `whatsapp_template` set (such as `callback_scheduled`), that approved
          template is sent instead, with `name` and `when`.
        - Nobody is reminded twice of the same callback: the Idempotency-Key is its id
          and its time. A reminder that failed is tried again at the next run.
        """,
        ),
    )
    schedule(flow, "Every quarter of an hour", {"field": "minutes", "minutesInterval": 15})
    flow.settings(
        (1, 0),
        minutes_ahead=30,
        text="We call you back at {time}, as agreed.",
        whatsapp_template="",
    )
    request(flow, "Read callbacks", (2, 0), "/api/callbacks")
    flow.condition("Answered?", (3, 0), DONE)
    message = (
        f"=Callbacks: the server answered {{{{ $json.statusCode ?? 'nothing' }}}}, {{{{ {WHY} }}}}"
    )
    flow.add(
        "No list",
        "stopAndError",
        (3, 1),
        {"errorType": "errorMessage", "errorMessage": message},
    )
    flow.code(
        "Due soon",
        (4, 0),
        """
const { minutes_ahead, text, whatsapp_template } = $('Settings').first().json;
const { body } = $input.first().json;
const list = Array.isArray(body) ? body : body.items ?? body.callbacks ?? [];
const now = DateTime.now();
const due = [];
for (const one of list) {
  const at = DateTime.fromISO(one.due_at ?? one.when ?? '').setZone(now.zone);
  const ahead = at.diff(now, 'minutes').minutes;
  const open = (one.state ?? one.status ?? 'scheduled') === 'scheduled';
  if (!open || !(ahead > 0 && ahead <= minutes_ahead)) continue;
  const time = at.toFormat('HH:mm');
  due.push({ json: {
    key: `remind-${one.id}-${at.toMillis()}`,
    tool: whatsapp_template ? 'send_whatsapp' : 'send_sms',
    message: {
      to: one.phone ?? one.to,
      arguments: whatsapp_template
        ? { template: whatsapp_template, parameters: { name: one.name ?? 'there', when: time } }
        : { text: text.replace('{time}', time) },
    },
  } });
}
return due;
""",
    )
    request(
        flow,
        "Remind",
        (5, 0),
        "/api/tools/{{ $json.tool }}",
        body="$json.message",
        key="$json.key",
    )
    flow.code(
        "Count",
        (6, 0),
        """
// One failure must not keep the others from being reminded, so it is told at the end.
const bad = $input.all().filter(({ json }) => !(json.statusCode >= 200 && json.statusCode < 300));
if (bad.length > 0) {
  const { statusCode, body } = bad[0].json;
  const why = body?.detail ?? body?.title ?? '';
  throw new Error(`${bad.length} not reminded: ${statusCode ?? 'no answer'} ${why}`);
}
return [{ json: { reminded: $input.all().length } }];
""",
    )
    flow.chain(
        "Every quarter of an hour", "Settings", "Read callbacks", "Answered?", "Due soon", "Remind"
    )
    flow.link("Answered?", "No list", 1)
    flow.link("Remind", "Count")
    return flow


def daily_report() -> Flow:
    """Return the flow that tells the owner every evening how the day was."""
    flow = Flow("fwaiDailyReport", "FWAI 08 Daily report")
    flow.note(
        steps(
            "FWAI 08 Daily report",
            f"""
        - {KEY_STEP}
        - Fill in **Settings**. {OWNER_STEP} With both empty the report ends in
          *Nobody*.
        - The hour is in **Every evening**, in the workflow's time zone (*Settings* of
          the workflow, Asia/Kolkata).
        - What was not measured is given as n/a, never as 0.
        """,
        )
    )
    schedule(flow, "Every evening", {"field": "cronExpression", "expression": "30 20 * * *"})
    flow.settings((1, 0), **OWNER_SETTINGS)
    # The offset's plus sign would be read as a space.
    query = (
        "/api/calls?limit=100&from={{ encodeURIComponent($now.startOf('day').toISO()) }}"
        "&to={{ encodeURIComponent($now.endOf('day').toISO()) }}"
        "{{ $json.cursor ? '&cursor=' + encodeURIComponent($json.cursor) : '' }}"
    )
    request(flow, "Read a page", (2, 0), query)
    flow.condition("Answered?", (3, 0), DONE)
    flow.condition("More?", (4, 0), "!!$json.body.next_cursor && $runIndex < 99")
    flow.fields("Next page", (4, 1), {"cursor": "={{ $json.body.next_cursor }}"})
    message = (
        f"=Report: the server answered {{{{ $json.statusCode ?? 'nothing' }}}}, {{{{ {WHY} }}}}"
    )
    flow.add(
        "No report",
        "stopAndError",
        (3, 1),
        {"errorType": "errorMessage", "errorMessage": message},
    )
    flow.code(
        "Report",
        (5, 0),
        """
// Pages are asked for by number until one brings nothing new.
const byId = new Map();
for (let page = 0; page < 100; page++) {
  const before = byId.size;
  let items = [];
  try { items = $('Read a page').all(0, page); } catch { break; }
  for (const { json: { body } } of items) {
    const list = Array.isArray(body) ? body : body?.items ?? body?.calls ?? [];
    for (const call of list) byId.set(call.call_id ?? call.id, call);
  }
  if (byId.size === before) break;
}
const calls = [...byId.values()];
const sum = (pick) => {
  const known = calls.map(pick).filter((value) => typeof value === 'number');
  return known.length ? known.reduce((a, b) => a + b, 0) : null;
};
const say = (value, digits = 0) => (value === null ? 'n/a' : value.toFixed(digits));
const percent = (part, whole) => (whole ? say((100 * part) / whole) + ' %' : 'n/a');
const count = (test) => calls.filter(test).length;
const over = calls.filter((c) => c.ended_at);
const answered = count((c) => c.answered_at);
const out = count((c) => c.direction === 'outbound');
const seconds = sum((c) => c.duration_s);
const tokens = sum((c) => {
  const known = Object.values(c.usage?.tokens ?? {}).filter((n) => typeof n === 'number');
  return known.length ? known.reduce((a, b) => a + b, 0) : undefined;
});
const cost = sum((c) => c.cost?.total ?? c.cost);
const reasons = {};
for (const c of over) {
  const why = c.end_reason ?? c.status;
  reasons[why] = (reasons[why] ?? 0) + 1;
}
const top = Object.entries(reasons).sort((a, b) => b[1] - a[1]).slice(0, 5);
const booked = (c) => (c.tools ?? []).some((t) => t.name === 'book_demo' && t.status === 'ok');
const day = DateTime.now().toISODate();
const lines = [
  `Calls on ${day}: ${calls.length} (${calls.length - out} in, ${out} out)`,
  `Answered: ${answered} (${percent(answered, calls.length)})`,
  `Minutes: ${say(seconds === null ? null : seconds / 60, 1)}`,
  `Tokens: ${say(tokens)}  Cost: ${say(cost, 2)}`,
  `Demos: ${calls.some((c) => c.tools) ? count(booked) : 'n/a'}`,
  `Ended by: ${top.map(([why, n]) => `${why} ${n}`).join(', ') || 'n/a'}`,
];
return [{ json: { day, text: lines.join('\\n') } }];
""",
    )
    report = "$('Report').first().json"
    tell = tell_owner(
        flow,
        (6, 0),
        subject=f"'Calls on ' + {report}.day",
        text=f"{report}.text",
        key=f"'report-' + {report}.day",
    )
    flow.chain("Every evening", "Settings", "Read a page", "Answered?", "More?")
    flow.link("Answered?", "No report", 1)
    flow.link("More?", "Next page")
    flow.link("Next page", "Read a page")
    flow.link("More?", "Report", 1)
    flow.link("Report", tell)
    return flow


def errors() -> Flow:
    """Return the flow that all others report their failures to."""
    flow = Flow("fwaiErrors", "FWAI 10 Errors")
    flow.note(
        steps(
            "FWAI 10 Errors",
            f"""
        - {KEY_STEP}
        - Fill in **Settings**. {OWNER_STEP}
        - Publish it. The other flows name it as their error workflow already.
        - The same failure is told once an hour and kept in the table `fwai_errors`.
        - It tells through our server. For the case that the server itself is down, add
          a Slack, Telegram or e-mail node of your own after **Keep**.
        """,
        )
    )
    flow.add("A flow failed", "errorTrigger", (0, 0), {})
    flow.settings((1, 0), **OWNER_SETTINGS)
    flow.code(
        "What failed",
        (2, 0),
        """
const { workflow, execution = {}, trigger } = $('A flow failed').first().json;
const message = String(execution.error?.message ?? trigger?.error?.message ?? 'unknown');
return [{ json: {
  at: DateTime.now().toISO(),
  flow: workflow?.name ?? 'unknown',
  node: execution.lastNodeExecuted ?? '',
  message: message.slice(0, 300),
  execution: execution.url ?? '',
} }];
""",
    )
    same = "[$json.flow, $json.node, $json.message, $json.at.slice(0, 13)].join('|')"
    once = {
        "operation": "removeItemsSeenInPreviousExecutions",
        "logic": "removeItemsWithAlreadySeenKeyValues",
        "dedupeValue": f"={{{{ {same} }}}}",
        "options": {"scope": "node", "historySize": 1000},
    }
    flow.add("Once an hour", "removeDuplicates", (3, 0), once)
    flow.table("Keep", (4, 0), "insert", dataTableId=table_name("fwai_errors"), **AUTO_COLUMNS)
    flow.nodes[-1]["onError"] = "continueRegularOutput"
    what = "$('Once an hour').first().json"
    tell = tell_owner(
        flow,
        (5, 0),
        subject=f"'n8n: ' + {what}.flow + ' failed'",
        text=f"{what}.flow + ' failed at ' + {what}.node + ': ' + {what}.message",
        key="'error-' + $execution.id",
    )
    flow.chain("A flow failed", "Settings", "What failed", "Once an hour", "Keep", tell)
    return flow
