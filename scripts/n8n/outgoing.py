"""Flows that place calls: on request, and from a table."""

from typing import Final

from scripts.n8n.nodes import (
    FORM_KEY,
    Flow,
    columns,
    schedule,
    steps,
    table_name,
    where,
)
from scripts.n8n.shared import DONE, KEY_STEP, REFUSED, WHY, request

PHONE_SETTINGS: Final = {"country_code": "91", "national_digits": 10}

E164: Final = """
// National with or without 0, international with +, with 00 or with neither: all become +...
const e164 = (written) => {
  let digits = String(written ?? '').replace(/[^0-9+]/g, '');
  if (digits.startsWith('+')) return digits;
  if (digits.startsWith('00')) return '+' + digits.slice(2);
  digits = digits.replace(/^0+/, '');
  const { country_code: code, national_digits: most } = $('Settings').first().json;
  return digits.length > most ? '+' + digits : '+' + code + digits;
};
"""


def outbound_from_webhook() -> Flow:
    """Return the flow by which a form, a CRM or a button starts a call."""
    flow = Flow("fwaiOutboundHook", "FWAI 01 Call on request")
    flow.note(
        steps(
            "FWAI 01 Call on request",
            f"""
        - {KEY_STEP} The same file holds **FWAI form key**: callers of this webhook send
          it as the header `X-FWAI-Key`. Keep it on a server, never in a web page.
        - Fill in **Settings**: address, country code, and an agent if not the default.
        - POST `{{"phone", "name", "note", "request_id"}}` to `/webhook/fwai-call`. 202
          gives the call's id; 422 says what is wrong; 503 means try again.
        - The same `request_id` (or `Idempotency-Key`) rings once. Without either, the
          same number rings once in ten minutes.
        """,
        )
    )
    flow.add(
        "Somebody asks",
        "webhook",
        (0, 0),
        {
            "httpMethod": "POST",
            "path": "fwai-call",
            "authentication": "headerAuth",
            "responseMode": "responseNode",
            "options": {},
        },
        credentials=FORM_KEY,
    )
    flow.settings((1, 0), **PHONE_SETTINGS, agent="", provider="")
    flow.code(
        "Order",
        (2, 0),
        E164
        + """
const { headers, body = {} } = $('Somebody asks').first().json;
const { agent, provider } = $('Settings').first().json;
const to = e164(body.phone ?? body.to);
const window = Math.floor(Date.now() / 600000);
const key = headers['idempotency-key']
  ?? (body.request_id ? `form-${body.request_id}` : `form-${to}-${window}`);
// Values of the prompt's placeholders are text.
const context = {};
for (const [name, value] of Object.entries(body.context ?? {})) context[name] = String(value);
if (body.name) context.customer_name = String(body.name);
if (body.note) context.note = String(body.note);
const call = {
  to, context,
  agent: body.agent || agent || undefined,
  provider: provider || undefined,
  not_before: body.not_before || undefined,
};
return [{ json: { valid: /^\\+[1-9][0-9]{7,14}$/.test(to), key, call } }];
""",
    )
    flow.condition("A number?", (3, 0), "$json.valid")
    flow.answer(
        "Answer 422: no number", (3, 1), 422, '{"error": "phone is not a telephone number"}'
    )
    order = "$('Order').first().json"
    request(flow, "Place call", (4, 0), "/api/calls", body=f"{order}.call", key=f"{order}.key")
    flow.switch("Accepted?", (5, 0), {"done": DONE, "refused": REFUSED})
    flow.answer("Answer 202", (6, 0), 202, "={{ JSON.stringify($json.body) }}")
    flow.answer(
        "Answer 422: refused", (6, 1), 422, f"={{{{ JSON.stringify({{ error: {WHY} }}) }}}}"
    )
    flow.answer(
        "Answer 503",
        (6, 2),
        503,
        '{"error": "no call was placed; repeat with the same request_id"}',
    )
    flow.add(
        "Server trouble",
        "stopAndError",
        (7, 2),
        {
            "errorType": "errorMessage",
            "errorMessage": "=No call placed: the server answered "
            "{{ $('Place call').first().json.statusCode ?? 'nothing' }}",
        },
    )
    flow.chain("Somebody asks", "Settings", "Order", "A number?", "Place call", "Accepted?")
    flow.link("A number?", "Answer 422: no number", 1)
    for output, answer in enumerate(("Answer 202", "Answer 422: refused", "Answer 503")):
        flow.link("Accepted?", answer, output)
    flow.link("Answer 503", "Server trouble")
    return flow


def outbound_from_table() -> Flow:
    """Return the campaign: rows of a data table without a status are called."""
    flow = Flow("fwaiOutboundSheet", "FWAI 02 Calls from a table")
    flow.note(
        steps(
            "FWAI 02 Calls from a table",
            f"""
        - {KEY_STEP}
        - Run **FWAI 00 Set-up** once; it makes the table `fwai_contacts`.
        - Fill the table (*Data tables*, *Import CSV*): `phone`, `name`, `note`. Leave
          `status` empty. Call only people who agreed to be called.
        - Every ten minutes the next rows are handed over. Calling hours and the number
          of calls at a time are the server's business.
        - To call a row again, empty its `status`. A run that broke off calls nobody
          twice.
        """,
        ),
    )
    schedule(flow, "Every ten minutes", {"field": "minutes", "minutesInterval": 10})
    flow.settings((1, 0), **PHONE_SETTINGS, rows_per_run=5, agent="")
    flow.table(
        "Rows to call",
        (2, 0),
        "get",
        dataTableId=table_name("fwai_contacts"),
        **where(status=""),
        returnAll=False,
        limit="={{ $('Settings').first().json.rows_per_run }}",
    )
    flow.add("One by one", "splitInBatches", (3, 0), {"batchSize": 1, "options": {}})
    flow.no_more("All handed over", (4, -1))
    flow.code(
        "Order",
        (4, 0),
        E164
        + """
const row = $input.first().json;
const agent = row.agent || $('Settings').first().json.agent || undefined;
const context = {};
if (row.name) context.customer_name = String(row.name);
if (row.note) context.note = String(row.note);
// A row keeps its key until somebody changes it, however often this runs.
const key = `contact-${row.id}-${new Date(row.updatedAt).getTime()}`;
return [{ json: { row: row.id, key, call: { to: e164(row.phone), agent, context } } }];
""",
    )
    request(flow, "Place call", (5, 0), "/api/calls", body="$json.call", key="$json.key")
    flow.code(
        "Outcome",
        (6, 0),
        """
// Without an answer, or when the server is busy, the row stays as it is for the next run.
const { statusCode: code, body, error } = $input.first().json;
const row = $('Order').first().json.row;
if (code === 401 || code === 403) throw new Error('The server refused the API key');
const settled = code >= 200 && code < 500 && code !== 429;
const accepted = settled && code < 300;
return [{ json: {
  row, settled,
  status: accepted ? body.status : 'refused',
  call_id: accepted ? body.call_id : '',
  detail: accepted ? (body.not_before ?? body.scheduled_for ?? '') : (body?.detail ?? body?.title
    ?? error?.message ?? ''),
} }];
""",
    )
    flow.condition("Settled?", (7, 0), "$json.settled")
    write = {name: f"={{{{ $json.{name} }}}}" for name in ("status", "call_id", "detail")}
    flow.table(
        "Write status",
        (8, 0),
        "update",
        dataTableId=table_name("fwai_contacts"),
        **where(id="={{ $json.row }}"),
        **columns(write),
    )
    flow.add(
        "Let it ring",
        "wait",
        (8, 1),
        {"resume": "timeInterval", "amount": 20, "unit": "seconds"},
    )
    flow.chain("Every ten minutes", "Settings", "Rows to call", "One by one", "All handed over")
    flow.link("One by one", "Order", 1)
    flow.chain("Order", "Place call", "Outcome", "Settled?", "Write status", "Let it ring")
    flow.link("Settled?", "Let it ring", 1)
    flow.link("Let it ring", "One by one")
    return flow
