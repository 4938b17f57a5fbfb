"""Judges exported n8n flows without n8n: what would not import, not run, or let a stranger in.

n8n imports unknown types, dangling names and flows without a check of the signature without a
word; this says them. ``python scripts/n8n/check.py`` prints every finding and exits 1 on any.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
FLOWS: Final = ROOT / "n8n_flows" / "FWAI_Internal"
Json = Mapping[str, Any]

# What n8n 2.41 has; the newest is left out where an older n8n of the 2.x line lacks it.
VERSIONS: Final[Mapping[str, frozenset[float]]] = {
    "webhook": frozenset({1, 1.1, 2, 2.1}),
    "respondToWebhook": frozenset({1, 1.1, 1.2, 1.3, 1.4}),
    "httpRequest": frozenset({4.2, 4.3, 4.4}),
    "if": frozenset({2, 2.1, 2.2}),
    "switch": frozenset({3, 3.1, 3.2}),
    "filter": frozenset({2, 2.1, 2.2}),
    "set": frozenset({3.3, 3.4}),
    "code": frozenset({2}),
    "crypto": frozenset({2}),
    "scheduleTrigger": frozenset({1.1, 1.2}),
    "wait": frozenset({1.1}),
    "executeWorkflow": frozenset({1.2}),
    "executeWorkflowTrigger": frozenset({1.1}),
    "errorTrigger": frozenset({1}),
    "manualTrigger": frozenset({1}),
    "splitInBatches": frozenset({3}),
    "splitOut": frozenset({1}),
    "removeDuplicates": frozenset({2}),
    "limit": frozenset({1}),
    "noOp": frozenset({1}),
    "stopAndError": frozenset({1}),
    "dataTable": frozenset({1.1}),
    "googleCalendar": frozenset({1.2, 1.3}),
    "stickyNote": frozenset({1}),
}
CREDENTIALS: Final = {
    "httpBearerAuth": "fwaiBearer000001",
    "crypto": "fwaiCrypto000001",
    "httpHeaderAuth": "fwaiHeader000001",
}
OUTSIDE: Final = re.compile(r"https?://([^/\s\"'`)]+)", re.IGNORECASE)
EXAMPLE: Final = re.compile(r"(?:[a-z0-9-]+\.)*example\.com(?::\d+)?", re.IGNORECASE)
MAIL: Final = re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+")
PHONE: Final = re.compile(r"(?<![\w.-])\+?\d[\d ().-]{7,}\d(?![\w-])")
FORBIDDEN_JS: Final = ("require(", "$env", "process.", "import(", "$vars")
NAMED: Final = re.compile(r"\$\('((?:[^'\\]|\\.)*)'\)")
EXPRESSION: Final = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


def kind_of(node: Json) -> str:
    """Return a node's type without the package."""
    return str(node.get("type", "")).removeprefix("n8n-nodes-base.")


def texts_of(value: object) -> Iterator[str]:
    """Return every text inside a value, keys left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from texts_of(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts_of(one)


def edges_of(flow: Json) -> Iterator[tuple[str, int, str]]:
    """Return every connection: from, output, to."""
    for source, kinds in flow["connections"].items():
        for output, targets in enumerate(kinds.get("main", [])):
            for target in targets or []:
                yield source, output, target["node"]


# ---- one flow ------------------------------------------------------------------------------


def frame(flow: Json) -> Iterator[str]:
    """Judge what is not inside a node."""
    flow_id = flow.get("id")
    if not isinstance(flow_id, str) or not 0 < len(flow_id) <= 36:
        yield "id: must be text of 1 to 36 characters"
    settings = flow.get("settings", {})
    if settings.get("executionOrder") != "v1":
        yield "settings: executionOrder must be v1"
    if settings.get("saveDataSuccessExecution") != "none":
        yield "settings: saveDataSuccessExecution must be none, or n8n keeps numbers and words"
    if flow_id != "fwaiErrors" and settings.get("errorWorkflow") != "fwaiErrors":
        yield "settings: errorWorkflow must be fwaiErrors"
    if flow.get("active") is not False:
        yield "active: must be false"
    if flow.get("pinData"):
        yield "pinData: must be empty"
    if "instanceId" in json.dumps(flow):
        yield "instanceId: belongs to somebody's n8n"
    if not any(kind_of(node) == "stickyNote" for node in flow["nodes"]):
        yield "note: the set-up steps are missing"


def nodes(flow: Json) -> Iterator[str]:
    """Judge every node by itself."""
    for field in ("id", "name"):
        counted = Counter(node.get(field) for node in flow["nodes"])
        yield from (
            f"{field}: {value!r} is there {n} times" for value, n in counted.items() if n > 1
        )
    for node in flow["nodes"]:
        name, kind = node["name"], kind_of(node)
        if not str(node["type"]).startswith("n8n-nodes-base.") or kind not in VERSIONS:
            yield f"type: {name} is a {node['type']}"
        elif node["typeVersion"] not in VERSIONS[kind]:
            yield f"version: {name} has {node['typeVersion']}"
        if kind in ("webhook", "wait") and not node.get("webhookId"):
            yield f"webhookId: {name} has none"
        for credential, reference in node.get("credentials", {}).items():
            if CREDENTIALS.get(credential) != reference.get("id"):
                yield f"credential: {name} uses a {credential} that is not ours"


def words(flow: Json) -> Iterator[str]:
    """Judge the texts: nothing personal, no foreign address, no forbidden JavaScript."""
    for node in flow["nodes"]:
        name = node["name"]
        for text in texts_of(node["parameters"]):
            for host in OUTSIDE.findall(text):
                if not EXAMPLE.fullmatch(host):
                    yield f"address: {name} names {host}"
            if any(not mail.endswith("example.com") for mail in MAIL.findall(text)):
                yield f"e-mail: {name} holds an address"
            if PHONE.search(text):
                yield f"phone: {name} holds a number"
            for word in FORBIDDEN_JS:
                if word in text:
                    yield f"javascript: {name} uses {word}"


def expressions(flow: Json) -> Iterator[str]:
    """Judge expressions: the nodes they name exist, brackets are balanced."""
    names = {node["name"] for node in flow["nodes"]}
    for node in flow["nodes"]:
        code = node["parameters"].get("jsCode", "")
        for text in texts_of(node["parameters"]):
            inner = [text] if text == code else EXPRESSION.findall(text) if text[:1] == "=" else []
            for one in inner:
                for named in NAMED.findall(one):
                    if named not in names:
                        yield f"expression: {node['name']} names {named!r}, which is not there"
                if any(one.count(a) != one.count(b) for a, b in ("()", "[]", "{}")) and one != code:
                    yield f"expression: {node['name']} is not balanced: {one.strip()[:60]}"


def connections(flow: Json) -> Iterator[str]:
    """Judge connections: both ends exist, and every node is reached."""
    names = {node["name"] for node in flow["nodes"]}
    reached = set()
    for source, _, target in edges_of(flow):
        yield from (
            f"connection: {end!r} is not there" for end in (source, target) if end not in names
        )
        reached.add(target)
    for node in flow["nodes"]:
        kind = kind_of(node)
        begins = kind in ("webhook", "stickyNote") or kind.endswith("Trigger")
        if not begins and node["name"] not in reached:
            yield f"connection: nothing leads to {node['name']}"


def requests(flow: Json) -> Iterator[str]:
    """Judge requests: to our server, with our key, and acting ones with an idempotency key."""
    by_name = {node["name"]: node for node in flow["nodes"]}
    for node in flow["nodes"]:
        if kind_of(node) != "httpRequest":
            continue
        parameters = node["parameters"]
        if not parameters["url"].startswith("={{ $('Settings').first().json.base_url }}/"):
            yield f"request: {node['name']} does not go to the server of Settings"
        if "httpBearerAuth" not in node.get("credentials", {}):
            yield f"request: {node['name']} has no key"
        if "Settings" not in by_name:
            yield f"request: {node['name']} needs a node Settings"
        headers = parameters.get("headerParameters", {}).get("parameters", [])
        if parameters["method"] != "GET" and "Idempotency-Key" not in {h["name"] for h in headers}:
            yield f"request: {node['name']} acts without an Idempotency-Key"


# ---- the signature -------------------------------------------------------------------------


def is_signature_test(node: Json) -> bool:
    """Whether an IF compares the signature and the age of the message, and nothing weakens it."""
    if kind_of(node) != "if":
        return False
    block = node["parameters"].get("conditions", {})
    tests = block.get("conditions", [])
    left = re.sub(r"\s", "", tests[0].get("leftValue", "")) if len(tests) == 1 else ""
    return (
        left
        == (
            "={{$json.sig.split('').includes('v1,'+$json.expected)"
            "&&Math.abs(Date.now()/1000-Number($json.ts))<300}}"
        )
        and tests[0].get("operator", {}).get("operation") == "true"
    )


def is_hmac(node: Json) -> bool:
    """Whether a node signs what arrived with our secret."""
    parameters = node["parameters"]
    wanted = {"action": "hmac", "type": "SHA256", "encoding": "base64"}
    return (
        kind_of(node) == "crypto"
        and all(parameters.get(key) == value for key, value in wanted.items())
        and parameters.get("value") == "={{ $json.signed }}"
        and parameters.get("dataPropertyName") == "expected"
        and "crypto" in node.get("credentials", {})
    )


def unsigned(flow: Json) -> Iterator[str]:
    """Judge webhooks: no way leads from one to a node that acts without the signature's test.

    From each webhook everything is walked that can be reached without leaving a signature test by
    its true output. What is met there may read, sign, test, and answer with an error.
    """
    by_name = {node["name"]: node for node in flow["nodes"]}
    for node in flow["nodes"]:
        if kind_of(node) != "webhook":
            continue
        parameters, name = node["parameters"], node["name"]
        if parameters.get("authentication") == "headerAuth":
            if "httpHeaderAuth" not in node.get("credentials", {}):
                yield f"signature: {name} has no header key"
            continue
        if parameters.get("options", {}).get("rawBody") is not True:
            yield f"signature: {name} does not keep the raw body"
        yield from _walk(flow, by_name, name)


def _walk(flow: Json, by_name: Mapping[str, Json], webhook: str) -> Iterator[str]:
    # A place is a node and whether the message was signed by us on the way to it.
    edges = [edge for edge in edges_of(flow) if edge[2] in by_name]
    open_ends, seen, tested = [(webhook, False)], set(), False
    while open_ends:
        place = open_ends.pop()
        if place in seen:
            continue
        seen.add(place)
        name, signed = place
        node = by_name[name]
        test = is_signature_test(node)
        if test and not signed:
            yield f"signature: {name} is reached without signing what arrived"
        tested = tested or test
        if name != webhook and not test and not _harmless(node):
            yield f"signature: {name} is reached from {webhook} without the test"
            continue
        after = signed or is_hmac(node)
        open_ends += [
            (target, after)
            for source, output, target in edges
            if source == name and not (test and output == 0)
        ]
    if not tested:
        yield f"signature: nothing behind {webhook} tests it"


def _harmless(node: Json) -> bool:
    parameters = node["parameters"]
    kind = kind_of(node)
    if kind == "code":
        return "getBinaryDataBuffer" in parameters["jsCode"] and "JSON" not in parameters["jsCode"]
    if kind == "respondToWebhook":
        return int(parameters.get("options", {}).get("responseCode", 200)) >= 400
    return kind in ("crypto", "noOp", "stopAndError")


# ---- all of them ---------------------------------------------------------------------------

CHECKS: Final = (frame, nodes, words, expressions, connections, requests, unsigned)


def findings(flow: Json) -> list[str]:
    """Return everything that is wrong with one flow, each beginning with its kind."""
    return [finding for check in CHECKS for finding in check(flow)]


def findings_together(flows: Mapping[str, Json]) -> list[str]:
    """Return what is wrong with the flows as a set: ids, addresses, flows they call."""
    ids = Counter(flow.get("id") for flow in flows.values())
    found = [f"id: {flow_id} is there {n} times" for flow_id, n in ids.items() if n > 1]
    paths = Counter(
        node["parameters"].get("path")
        for flow in flows.values()
        for node in flow["nodes"]
        if kind_of(node) == "webhook"
    )
    found += [f"path: {path} is there {n} times" for path, n in paths.items() if n > 1]
    for name, flow in flows.items():
        wanted = [flow.get("settings", {}).get("errorWorkflow")]
        wanted += [
            node["parameters"]["workflowId"]["value"]
            for node in flow["nodes"]
            if kind_of(node) == "executeWorkflow"
        ]
        found += [f"flow: {name} needs {one}" for one in wanted if one and one not in ids]
    return found


def load() -> dict[str, Json]:
    """Return the shipped flows by file name."""
    return {path.name: json.loads(path.read_text("utf-8")) for path in sorted(FLOWS.glob("*.json"))}


def main() -> int:
    """Print every finding."""
    flows = load()
    found = [f"{name}: {one}" for name, flow in flows.items() for one in findings(flow)]
    found += findings_together(flows)
    sys.stdout.writelines(f"{one}\n" for one in found)
    return 1 if found or not flows else 0


if __name__ == "__main__":
    sys.exit(main())
