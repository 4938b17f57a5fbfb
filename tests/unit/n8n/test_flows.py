"""The shipped n8n flows: what n8n would not tell, and that the checker itself can find it."""

import base64
import copy
import hashlib
import hmac
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest
from scripts.n8n import build, draw
from scripts.n8n.check import FLOWS, findings, findings_together, kind_of, load, texts_of
from scripts.n8n.shared import EVENT, READ_RAW, SIGNED

from tables import each_row

Flow = dict[str, Any]
SHIPPED: dict[str, Flow] = {name: dict(flow) for name, flow in load().items()}
RECEIVING = "04-missed-call-callback.json"
NODE = shutil.which("node")


def node_of(flow: Flow, name: str) -> dict[str, Any]:
    return next(one for one in flow["nodes"] if one["name"] == name)


# ---- what is shipped ----------------------------------------------------------------------


@pytest.mark.parametrize("name", SHIPPED)
def test_every_flow_imports_runs_and_lets_no_stranger_in(name: str) -> None:
    assert findings(SHIPPED[name]) == []


def test_the_flows_fit_together() -> None:
    assert findings_together(SHIPPED) == []
    assert len(SHIPPED) == 12


def test_the_files_are_what_the_builder_writes() -> None:
    written = {path.name: path.read_text("utf-8") for path in FLOWS.glob("*.json")}

    assert build.texts() == written


def test_every_flow_has_its_picture_and_the_readme_shows_it() -> None:
    readme = (FLOWS / "README.md").read_text("utf-8")

    for name, flow in SHIPPED.items():
        picture = draw.PICTURES / name.replace(".json", ".svg")
        assert picture.read_text("utf-8") == draw.draw(flow)
        assert f"pictures/{picture.name}" in readme


@pytest.mark.parametrize("name", SHIPPED)
def test_no_box_of_a_picture_covers_another(name: str) -> None:
    boxes = []
    for node in SHIPPED[name]["nodes"]:
        x, y = node["position"]
        width, height = node["parameters"].get("width"), node["parameters"].get("height")
        boxes.append((x, y, x + (width or draw.WIDTH), y + (height or draw.HEIGHT)))

    for n, one in enumerate(boxes):
        for other in boxes[n + 1 :]:
            assert (
                one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
            )


# ---- the checker finds what is broken -----------------------------------------------------


def reconnect(flow: Flow, source: str, target: str) -> None:
    flow["connections"].setdefault(source, {"main": [[]]})["main"][0].append(
        {"node": target, "type": "main", "index": 0}
    )


def bypass(flow: Flow) -> None:
    reconnect(flow, "Event arrives", "Settings")


def bypass_by_the_false_output(flow: Flow) -> None:
    outputs = flow["connections"]["Signature good?"]["main"]
    outputs[1] = outputs[0]


def bypass_the_signing(flow: Flow) -> None:
    reconnect(flow, "Read raw body", "Signature good?")


def weaken_the_test(flow: Flow) -> None:
    test = node_of(flow, "Signature good?")["parameters"]["conditions"]["conditions"][0]
    test["leftValue"] = test["leftValue"].replace("&&", "||")


def add_an_or(flow: Flow) -> None:
    block = node_of(flow, "Signature good?")["parameters"]["conditions"]
    block["conditions"].append(block["conditions"][0] | {"leftValue": "={{ true }}"})
    block["combinator"] = "or"


def change(name: str, **values: object) -> Callable[[Flow], None]:
    return lambda flow: node_of(flow, name).update(values)


def parameter(name: str, key: str, value: object) -> Callable[[Flow], None]:
    return lambda flow: node_of(flow, name)["parameters"].__setitem__(key, value)


def setting(key: str, value: object) -> Callable[[Flow], None]:
    return lambda flow: flow["settings"].__setitem__(key, value)


BREAKS: list[tuple[str, Callable[[Flow], Any]]] = [
    ("id:", lambda flow: flow.pop("id")),
    ("id:", lambda flow: flow.update(id="x" * 37)),
    ("settings: executionOrder", setting("executionOrder", "v0")),
    ("settings: saveDataSuccessExecution", setting("saveDataSuccessExecution", "all")),
    ("settings: errorWorkflow", lambda flow: flow["settings"].pop("errorWorkflow")),
    ("active:", lambda flow: flow.update(active=True)),
    ("pinData:", lambda flow: flow.update(pinData={"Event": [{"json": {}}]})),
    ("instanceId:", lambda flow: flow["meta"].update(instanceId="abc")),
    ("note:", lambda flow: flow["nodes"].pop(0)),
    ("id:", lambda flow: flow["nodes"][1].update(id=flow["nodes"][2]["id"])),
    ("name:", lambda flow: flow["nodes"][1].update(name=flow["nodes"][2]["name"])),
    ("type: Sign it", change("Sign it", type="n8n-nodes-base.cryptto")),
    ("type: Sign it", change("Sign it", type="n8n-nodes-else.crypto")),
    ("version: Sign it", change("Sign it", typeVersion=9.9)),
    ("webhookId: Event arrives", change("Event arrives", webhookId="")),
    ("credential: Sign it", change("Sign it", credentials={"crypto": {"id": "other"}})),
    ("credential: Sign it", change("Sign it", credentials={"slackApi": {"id": "s"}})),
    ("address: Settings", parameter("Settings", "a", "https://example.org/x")),
    ("e-mail: Settings", parameter("Settings", "a", "someone@somewhere.org")),
    ("phone: Settings", parameter("Settings", "a", "call +91 99999 00000")),
    ("javascript: Event", parameter("Event", "jsCode", "require('crypto')")),
    ("javascript: Settings", parameter("Settings", "a", "={{ $env.KEY }}")),
    ("expression: Settings names", parameter("Settings", "a", "={{ $('Nobody').first() }}")),
    ("expression: Event names", parameter("Event", "jsCode", "return $('Nobody').all();")),
    ("expression: Settings is not balanced", parameter("Settings", "a", "={{ f({a: {b: 1}}) }}")),
    ("connection: 'Nowhere'", lambda flow: reconnect(flow, "Event", "Nowhere")),
    ("connection: 'Nowhere'", lambda flow: reconnect(flow, "Nowhere", "Event")),
    ("connection: nothing leads to Sign it", lambda flow: flow["connections"].pop("Read raw body")),
    ("request: Promise a call does not go", parameter("Promise a call", "url", "={{ $json.u }}/a")),
    ("request: Promise a call has no key", change("Promise a call", credentials={})),
    ("request: Promise a call acts", parameter("Promise a call", "headerParameters", {})),
    ("signature: Settings is reached", bypass),
    ("signature: Answer 200 is reached", bypass_by_the_false_output),
    ("signature: Signature good? is reached without signing", bypass_the_signing),
    ("signature:", weaken_the_test),
    ("signature:", add_an_or),
    ("signature:", parameter("Sign it", "value", "={{ $json.raw }}")),
    ("signature:", parameter("Sign it", "type", "MD5")),
    ("signature: Event arrives does not keep", parameter("Event arrives", "options", {})),
    ("signature: nothing behind", lambda flow: flow["connections"].pop("Sign it")),
    ("signature: Answer 401", parameter("Answer 401", "options", {})),
]  # fmt: skip


@each_row(("named", "break_it"), BREAKS)
def test_the_checker_names_what_is_broken(named: str, break_it: Callable[[Flow], Any]) -> None:
    flow = copy.deepcopy(SHIPPED[RECEIVING])

    break_it(flow)

    assert any(finding.startswith(named) for finding in findings(flow)), findings(flow)


def test_a_form_webhook_without_its_key_is_named() -> None:
    flow = copy.deepcopy(SHIPPED["01-outbound-from-webhook.json"])

    node_of(flow, "Somebody asks").pop("credentials")

    assert findings(flow) == ["signature: Somebody asks has no header key"]


def test_flows_that_do_not_fit_together_are_named() -> None:
    flows = copy.deepcopy(SHIPPED)
    flows["router.json"]["id"] = "fwaiRetry"
    node_of(flows["router.json"], "Event arrives")["parameters"]["path"] = "fwai-retry"
    del flows["10-errors.json"]

    found = findings_together(flows)

    assert "id: fwaiRetry is there 2 times" in found
    assert "path: fwai-retry is there 2 times" in found
    assert "flow: 00-setup.json needs fwaiErrors" in found


# ---- the JavaScript -----------------------------------------------------------------------


def javascript(program: str, stdin: object = None) -> Any:  # noqa: ANN401 - what it prints
    assert NODE is not None
    done = subprocess.run(
        [NODE, "-e", program],
        input=json.dumps(stdin), capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed")
PARSE = """
const pieces = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const Async = (async () => {}).constructor;
const bad = [];
for (const { where, code, expression } of pieces) {
  try { new Async(expression ? `return (${code})` : code); }
  catch (e) { bad.push(`${where}: ${e}`); }
}
console.log(JSON.stringify(bad));
"""
VERIFY = """
const { headers, body, key } = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const Async = (async () => {}).constructor;
const item = { json: { headers }, binary: body === null ? undefined : { data: {} } };
const self = { helpers: { getBinaryDataBuffer: async () => Buffer.from(body) } };
const input = (one) => ({ first: () => one });
(async () => {
  const [{ json }] = await new Async('$input', READ).call(self, input(item));
  json.expected = require('crypto').createHmac('sha256', key).update(json.signed).digest('base64');
  const good = new Function('$json', `return (${SIGNED})`)(json);
  let event = null;
  if (good) [{ json: event }] = await new Async('$input', EVENT).call(self, input({ json }));
  console.log(JSON.stringify({ good, event }));
})();
"""


@needs_node
def test_every_piece_of_javascript_parses() -> None:
    pieces = []
    for name, flow in SHIPPED.items():
        for node in flow["nodes"]:
            if kind_of(node) == "code":
                pieces.append({"where": name + node["name"], "code": node["parameters"]["jsCode"]})
                continue
            for text in texts_of(node["parameters"]):
                if text.startswith("="):
                    pieces += [
                        {"where": name + node["name"], "code": one, "expression": True}
                        for one in re.findall(r"\{\{(.*?)\}\}", text, re.DOTALL)
                    ]

    assert javascript(PARSE, pieces) == []
    assert len(pieces) > 100
    assert javascript(PARSE, [{"where": "x", "code": "f({a: 1)", "expression": True}]) != []


def signed(body: str, key: str, at: float) -> dict[str, str]:
    content = f"msg_1.{at:.0f}.{body}".encode()
    made = base64.b64encode(hmac.new(key.encode(), content, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": f"{at:.0f}",
        "webhook-signature": f"v1,AAAA v1,{made}",
    }


@needs_node
@pytest.mark.parametrize(
    ("age_s", "signed_body", "sent_body", "key", "good"),
    [
        (0, '{"type": "call.ended"}', '{"type": "call.ended"}', "secret", True),
        (0, '{"type": "call.ended"}', '{"type": "call.ended" }', "secret", False),
        (0, '{"type": "call.ended"}', '{"type": "call.ended"}', "another", False),
        (301, '{"type": "call.ended"}', '{"type": "call.ended"}', "secret", False),
        (-301, '{"type": "call.ended"}', '{"type": "call.ended"}', "secret", False),
        (0, '{"type": "नमस्ते"}', '{"type": "नमस्ते"}', "secret", True),
        (0, "", None, "another", False),
        (0, "not json", "not json", "another", False),
    ],
)
def test_the_nodes_accept_what_is_signed_fresh_and_unaltered(
    age_s: int, signed_body: str, sent_body: str | None, key: str, *, good: bool
) -> None:
    program = VERIFY.replace("READ", json.dumps(READ_RAW)).replace("EVENT", json.dumps(EVENT))
    program = program.replace("${SIGNED}", SIGNED)
    headers = signed(signed_body, key, time.time() - age_s)

    said = javascript(program, {"headers": headers, "body": sent_body, "key": "secret"})

    assert said["good"] is good
    if good:
        assert said["event"] == {**json.loads(signed_body), "id": "msg_1"}


RUN = """
const { code, nodes, input } = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const Async = (async () => {}).constructor;
const of = (pages) => ({ first: () => ({ json: pages[0] }), all: (_, run = 0) => {
  if (!pages[run]) throw new Error('no such run');
  return [{ json: pages[run] }];
} });
const $ = (name) => of(nodes[name]);
const DateTime = { now: () => ({ toISODate: () => '2026-11-22' }) };
new Async('$', '$input', 'DateTime', code)($, of([input]), DateTime)
  .then((items) => console.log(JSON.stringify(items.map((item) => item.json))));
"""


def run_code(file: str, name: str, nodes: dict[str, list[object]], given: object = None) -> Any:  # noqa: ANN401 - items
    code = node_of(SHIPPED[file], name)["parameters"]["jsCode"]
    return javascript(RUN, {"code": code, "nodes": nodes, "input": given})


@needs_node
@pytest.mark.parametrize(
    ("written", "to", "valid"),
    [
        ("+91 99999 00000", "+919999900000", True),
        ("099999-00000", "+919999900000", True),
        ("99999 00000", "+919999900000", True),
        ("0091 99999 00000", "+919999900000", True),
        ("919999900000", "+919999900000", True),
        ("+1 (555) 010-0000", "+15550100000", True),
        ("call me", "+91", False),
        (None, "+91", False),
    ],
)
def test_an_order_gets_an_international_number(
    written: str | None, to: str, *, valid: bool
) -> None:
    asked = {"headers": {}, "body": {"phone": written, "name": "Asha", "request_id": 7}}
    settings = {"country_code": "91", "national_digits": 10, "agent": "", "provider": ""}

    [order] = run_code(
        "01-outbound-from-webhook.json",
        "Order",
        {"Somebody asks": [asked], "Settings": [settings]},
    )

    assert order["valid"] is valid
    assert order["key"] == "form-7"
    assert order["call"] == {"to": to, "context": {"customer_name": "Asha"}}


@needs_node
@pytest.mark.parametrize(
    ("answer", "settled", "status"),
    [
        ({"statusCode": 202, "body": {"call_id": "c1", "status": "queued"}}, True, "queued"),
        ({"statusCode": 422, "body": {"detail": "to: not a number"}}, True, "refused"),
        ({"statusCode": 429, "body": {}}, False, "refused"),
        ({"statusCode": 503, "body": {}}, False, "refused"),
        ({"error": {"message": "ECONNREFUSED"}}, False, "refused"),
    ],
)
def test_a_row_is_settled_only_by_an_answer_that_will_not_change(
    answer: dict[str, object], status: str, *, settled: bool
) -> None:
    nodes: dict[str, list[object]] = {"Order": [{"row": 3}]}

    [outcome] = run_code("02-outbound-from-table.json", "Outcome", nodes, answer)

    assert (outcome["row"], outcome["settled"], outcome["status"]) == (3, settled, status)


@needs_node
def test_the_report_counts_all_pages_once_and_never_invents_a_value() -> None:
    call = {"direction": "inbound", "ended_at": "x", "end_reason": "caller_hung_up"}
    first = {"body": {"items": [{"call_id": "1", **call, "answered_at": "x", "duration_s": 90}]}}
    second = {"body": {"items": [{"call_id": "2", **call}, {"call_id": "1", **call}]}}

    [report] = run_code("08-daily-report.json", "Report", {"Read a page": [first, second, second]})

    assert "2 (2 in, 0 out)" in report["text"]
    assert "Tokens: n/a  Cost: n/a" in report["text"]
    assert "caller_hung_up 2" in report["text"]
