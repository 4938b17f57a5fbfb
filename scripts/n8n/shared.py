"""Groups of nodes that several flows share: receiving an event, calling our API, telling the owner.

Theory of operation. A receiving flow is Webhook (raw body) -> Code (reads the bytes) -> Crypto
(HMAC, key from a credential) -> IF. What the sender wrote is parsed only behind the IF, so
whoever does not have the secret reaches nothing but a 401. The 200 goes out before the work,
because the sender repeats what is not answered quickly; repeats are dropped by ``webhook-id``.

A request to our API never fails the flow by itself. Its answer is sorted: done; refused (409, 422
and the like: asking again would not help); later (no answer, 429, 5xx: the same request again,
safe by its Idempotency-Key); anything else, such as a wrong key, stops with a plain sentence.
"""

from typing import Final

from scripts.n8n.nodes import BEARER, SIGNING, Flow, Json

READ_RAW: Final = """
// The exact bytes that were signed; the text is parsed only after the signature was checked.
const item = $input.first();
const raw = item.binary?.data
  ? (await this.helpers.getBinaryDataBuffer(0, 'data')).toString('utf8')
  : '';
const headers = item.json.headers;
const id = headers['webhook-id'] ?? '';
const ts = headers['webhook-timestamp'] ?? '';
const sig = headers['webhook-signature'] ?? '';
return [{ json: { id, ts, sig, signed: `${id}.${ts}.${raw}`, raw } }];
"""
SIGNED: Final = (
    "$json.sig.split(' ').includes('v1,' + $json.expected)"
    " && Math.abs(Date.now() / 1000 - Number($json.ts)) < 300"
)
EVENT: Final = """
// From the webhook the text is still to be parsed; from the router it is an event already.
const item = $input.first().json;
const event = item.raw === undefined ? item : { ...JSON.parse(item.raw), id: item.id };
return [{ json: event }];
"""
HMAC: Final = {
    "action": "hmac",
    "type": "SHA256",
    "binaryData": False,
    "value": "={{ $json.signed }}",
    "dataPropertyName": "expected",
    "encoding": "base64",
}
UNSEEN: Final = {
    "operation": "removeItemsSeenInPreviousExecutions",
    "logic": "removeItemsWithAlreadySeenKeyValues",
    "dedupeValue": "={{ $json.id }}",
    "options": {"scope": "node", "historySize": 10000},
}
RECEIVE_STEPS: Final = """
        - Credentials: **FWAI signing** (the decoded signing secret) and **FWAI API key**.
          `python scripts/n8n/credentials.py` writes a file to import.
        - Fill in the node **Settings**.
"""
KEY_STEP: Final = (
    "Credential **FWAI API key** (one of the server's `API_KEYS`). "
    "`python scripts/n8n/credentials.py` writes a file to import."
)
OWNER: Final = "$('Settings').first().json"


def receive(flow: Flow, path: str, *, from_router: bool = True) -> str:
    """Add webhook, signature check, answer, dropping of repeats; return the verified event."""
    options: Json = {
        "httpMethod": "POST",
        "path": path,
        "authentication": "none",
        "responseMode": "responseNode",
        "options": {"rawBody": True},
    }
    flow.add("Event arrives", "webhook", (0, 0), options)
    flow.code("Read raw body", (1, 0), READ_RAW)
    flow.add("Sign it", "crypto", (2, 0), dict(HMAC), credentials=SIGNING)
    flow.condition("Signature good?", (3, 0), SIGNED)
    flow.answer("Answer 200", (4, 0), 200, '{"received": true}')
    flow.answer("Answer 401", (4, 1), 401, '{"error": "signature missing, wrong or too old"}')
    flow.add("Drop repeats", "removeDuplicates", (5, 0), dict(UNSEEN))
    flow.code("Event", (6, 0), EVENT)
    flow.chain("Event arrives", "Read raw body", "Sign it", "Signature good?", "Answer 200")
    flow.link("Signature good?", "Answer 401", 1)
    flow.chain("Answer 200", "Drop repeats", "Event")
    if from_router:
        flow.add(
            "From the router", "executeWorkflowTrigger", (5, 1), {"inputSource": "passthrough"}
        )
        flow.link("From the router", "Event")
    return "Event"


def request(
    flow: Flow,
    name: str,
    at: tuple[float, float],
    path: str,
    *,
    body: str = "",
    key: str = "",
) -> str:
    """Add one request to our API, tried three times; GET without a body, else POST.

    ``path`` may hold expressions; ``body`` and ``key`` are JavaScript. The item that comes out
    has ``statusCode`` and ``body``, or only ``error`` when there was no answer.
    """
    parameters: Json = {
        "method": "POST" if body else "GET",
        "url": f"={{{{ $('Settings').first().json.base_url }}}}{path}",
        "authentication": "genericCredentialType",
        "genericAuthType": "httpBearerAuth",
    }
    if body:
        header = {"name": "Idempotency-Key", "value": f"={{{{ {key} }}}}"}
        parameters |= {
            "sendHeaders": True,
            "headerParameters": {"parameters": [header]},
            "sendBody": True,
            "specifyBody": "json",
            "jsonBody": f"={{{{ JSON.stringify({body}) }}}}",
        }
    response = {"neverError": True, "fullResponse": True, "responseFormat": "json"}
    parameters["options"] = {"timeout": 15000, "response": {"response": response}}
    return flow.add(
        name,
        "httpRequest",
        at,
        parameters,
        credentials=BEARER,
        retryOnFail=True,
        maxTries=3,
        waitBetweenTries=2000,
        onError="continueRegularOutput",
    )


DONE: Final = "$json.statusCode >= 200 && $json.statusCode < 300"
REFUSED: Final = "[400, 404, 409, 410, 422].includes($json.statusCode)"
LATER: Final = "!$json.statusCode || $json.statusCode === 429 || $json.statusCode >= 500"
WHY: Final = "$json.body?.detail ?? $json.body?.title ?? $json.error?.message ?? 'no answer'"


def ask(
    flow: Flow,
    name: str,
    at: tuple[float, float],
    path: str,
    *,
    body: str = "",
    key: str = "",
) -> str:
    """Add a request whose answer is sorted; return the Switch: 0 done, 1 refused.

    Later means half a minute, at most three times; then the flow fails and the errors flow tells.
    ``body`` and ``key`` must name their nodes, because ``$json`` is another item the second time.
    """
    column, row = at
    request(flow, name, at, path, body=body, key=key)
    sort = flow.switch(
        f"{name}: answer",
        (column + 1, row),
        {"done": DONE, "refused": REFUSED, "later": f"({LATER}) && $runIndex < 3"},
    )
    wait = flow.add(
        f"{name}: wait",
        "wait",
        (column + 1, row + 1),
        {"resume": "timeInterval", "amount": 30, "unit": "seconds"},
    )
    message = (
        f"={name}: the server answered {{{{ $json.statusCode ?? 'nothing' }}}}, {{{{ {WHY} }}}}"
    )
    stop = flow.add(
        f"{name}: give up",
        "stopAndError",
        (column + 2, row + 1),
        {"errorType": "errorMessage", "errorMessage": message},
    )
    flow.chain(name, sort)
    flow.link(sort, wait, 2)
    flow.link(wait, name)
    flow.link(sort, stop, 3)
    return sort


def tell_owner(flow: Flow, at: tuple[float, float], *, subject: str, text: str, key: str) -> str:
    """Add a message to the owner by our own tools; return the first node.

    A phone number gets a text message, else an address an e-mail, else it ends visibly. The three
    arguments are JavaScript and name their nodes. When the message is not accepted the flow fails.
    """
    column, row = at
    first = flow.condition(
        "Somebody to tell?", at, f"!!({OWNER}.owner_phone || {OWNER}.owner_email)"
    )
    flow.no_more("Nobody: fill in Settings", (column, row + 1))
    path = f"/api/tools/{{{{ {OWNER}.owner_phone ? 'send_sms' : 'send_email' }}}}"
    body = (
        f"{OWNER}.owner_phone"
        f" ? {{ to: {OWNER}.owner_phone, arguments: {{ text: ({text}).slice(0, 600) }} }}"
        f" : {{ arguments: {{ to: {OWNER}.owner_email, subject: {subject}, body: {text} }} }}"
    )
    tell = request(flow, "Tell the owner", (column + 1, row), path, body=body, key=key)
    told = flow.condition("Told?", (column + 2, row), DONE)
    message = (
        "=The owner was not told: the server answered "
        f"{{{{ $json.statusCode ?? 'nothing' }}}}, {{{{ {WHY} }}}}"
    )
    flow.add(
        "Owner not told",
        "stopAndError",
        (column + 2, row + 1),
        {"errorType": "errorMessage", "errorMessage": message},
    )
    flow.chain(first, tell, told)
    flow.link(first, "Nobody: fill in Settings", 1)
    flow.link(told, "Owner not told", 1)
    return first
