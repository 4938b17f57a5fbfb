"""Puts a workflow together: nodes with stable ids, connections, the nodes that many flows share.

Source: n8n 2.41's node descriptors and docs.n8n.io's export format (read 2026-11-22).
"""

import json
import re
import textwrap
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

Json = dict[str, Any]

BEARER: Final = {"httpBearerAuth": {"id": "fwaiBearer000001", "name": "FWAI API key"}}
SIGNING: Final = {"crypto": {"id": "fwaiCrypto000001", "name": "FWAI signing"}}
FORM_KEY: Final = {"httpHeaderAuth": {"id": "fwaiHeader000001", "name": "FWAI form key"}}
ERRORS: Final = "fwaiErrors"
COLUMN: Final = 220
ROW: Final = 180
VERSIONS: Final = {
    "webhook": 2.1,
    "respondToWebhook": 1.4,
    "httpRequest": 4.2,
    "if": 2.2,
    "switch": 3.2,
    "filter": 2.2,
    "set": 3.4,
    "code": 2,
    "crypto": 2,
    "scheduleTrigger": 1.2,
    "wait": 1.1,
    "executeWorkflow": 1.2,
    "executeWorkflowTrigger": 1.1,
    "errorTrigger": 1,
    "manualTrigger": 1,
    "splitInBatches": 3,
    "removeDuplicates": 2,
    "noOp": 1,
    "stopAndError": 1,
    "dataTable": 1.1,
    "googleCalendar": 1.3,
    "stickyNote": 1,
}
COMMON_SETTINGS: Final = {"base_url": "https://voice.example.com"}
OWNER_SETTINGS: Final = {"owner_phone": "", "owner_email": ""}


class Flow:
    """One workflow while it is put together.

    Attributes:
        id: Stable, readable, at most 36 characters.
        nodes: As exported.
    """

    def __init__(self, flow_id: str, name: str) -> None:
        self.id = flow_id
        self.name = name
        self.nodes: list[Json] = []
        self._connections: dict[str, list[list[Json]]] = {}

    def add(
        self, name: str, kind: str, at: tuple[float, float], parameters: Json, **more: object
    ) -> str:
        """Add a node at (column, row) and return its name."""
        node: Json = {
            "id": self._stable(name),
            "name": name,
            "type": f"n8n-nodes-base.{kind}",
            "typeVersion": VERSIONS[kind],
            "position": [round(at[0] * COLUMN), round(at[1] * ROW)],
            "parameters": parameters,
            **more,
        }
        if kind in ("webhook", "wait"):
            node["webhookId"] = self._stable(f"{name}/webhook")
        self.nodes.append(node)
        return name

    def link(self, source: str, target: str, output: int = 0) -> None:
        """Connect an output of one node to another node."""
        outputs = self._connections.setdefault(source, [])
        while len(outputs) <= output:
            outputs.append([])
        outputs[output].append({"node": target, "type": "main", "index": 0})

    def chain(self, *names: str) -> None:
        """Connect the first outputs, one to the next."""
        for source, target in pairwise(names):
            self.link(source, target)

    def export(self) -> Json:
        """Return the workflow as n8n imports it."""
        settings: Json = {
            "executionOrder": "v1",
            "timezone": "Asia/Kolkata",
            "saveDataErrorExecution": "all",
            "saveDataSuccessExecution": "none",
            "saveManualExecutions": False,
            "executionTimeout": 600,
            "callerPolicy": "workflowsFromSameOwner",
        }
        if self.id != ERRORS:
            settings["errorWorkflow"] = ERRORS
        return {
            "id": self.id,
            "name": self.name,
            "nodes": self.nodes,
            "connections": {name: {"main": out} for name, out in self._connections.items()},
            "settings": settings,
            "active": False,
            "pinData": {},
            "tags": [],
            "meta": {"templateCredsSetupCompleted": False},
        }

    def text(self) -> str:
        """Return the file's text."""
        return json.dumps(self.export(), indent=2, ensure_ascii=False) + "\n"

    def _stable(self, name: str) -> str:
        return str(uuid5(NAMESPACE_URL, f"https://example.com/fwai/n8n/{self.id}/{name}"))

    # ---- nodes with one obvious shape ------------------------------------------------------

    def note(self, text: str, columns: float = 3.0) -> None:
        """Add the note with the set-up steps above the flow, as high as its text needs."""
        width = int(columns * COLUMN)
        lines = sum(len(textwrap.wrap(line, width // 8)) for line in text.splitlines())
        height = 60 + 22 * lines
        size = {"height": height, "width": width}
        at = (0.0, -(height + 40) / ROW)
        self.add("Set-up", "stickyNote", at, {"content": text, **size, "color": 5})

    def code(self, name: str, at: tuple[float, float], js: str) -> str:
        """Add a Code node that runs once for all items."""
        parameters = {
            "mode": "runOnceForAllItems",
            "language": "javaScript",
            "jsCode": js.strip() + "\n",
        }
        return self.add(name, "code", at, parameters)

    def fields(self, name: str, at: tuple[float, float], values: Mapping[str, object]) -> str:
        """Add an Edit Fields node; text stays text, numbers numbers."""
        kinds = {bool: "boolean", int: "number", float: "number", str: "string"}
        assignments = [
            {
                "id": self._stable(f"{name}/{key}"),
                "name": key,
                "value": value,
                "type": kinds[type(value)],
            }
            for key, value in values.items()
        ]
        parameters = {"mode": "manual", "assignments": {"assignments": assignments}, "options": {}}
        return self.add(name, "set", at, parameters)

    def settings(self, at: tuple[float, float], **values: object) -> str:
        """Add the node in which the user fills in what is his."""
        self.fields("Settings", at, {**COMMON_SETTINGS, **values})
        self.nodes[-1]["executeOnce"] = True
        return "Settings"

    def condition(self, name: str, at: tuple[float, float], test: str) -> str:
        """Add an IF node on a JavaScript expression; output 0 is true, 1 false."""
        return self.add(name, "if", at, {"conditions": self._test(name, test), "options": {}})

    def switch(self, name: str, at: tuple[float, float], rules: Mapping[str, str]) -> str:
        """Add a Switch: one output per rule in order, and a last one for everything else."""
        values = [
            {
                "conditions": self._test(f"{name}/{key}", test),
                "renameOutput": True,
                "outputKey": key,
            }
            for key, test in rules.items()
        ]
        options = {"fallbackOutput": "extra", "renameFallbackOutput": "anything else"}
        parameters = {"mode": "rules", "rules": {"values": values}, "options": options}
        return self.add(name, "switch", at, parameters)

    def _test(self, key: str, test: str) -> Json:
        operator = {"type": "boolean", "operation": "true", "singleValue": True}
        left = f"={{{{ {test} }}}}"
        return {
            "options": {
                "caseSensitive": True,
                "leftValue": "",
                "typeValidation": "strict",
                "version": 2,
            },
            "combinator": "and",
            "conditions": [
                {
                    "id": self._stable(f"{key}/test"),
                    "leftValue": left,
                    "rightValue": "",
                    "operator": operator,
                }
            ],
        }

    def answer(self, name: str, at: tuple[float, float], status: int, body: str) -> str:
        """Add an answer to the webhook; ``body`` is JSON or an expression of it."""
        options = {"responseCode": status}
        parameters = {"respondWith": "json", "responseBody": body, "options": options}
        return self.add(name, "respondToWebhook", at, parameters)

    def no_more(self, name: str, at: tuple[float, float]) -> str:
        """Add a node that does nothing, so that an ending can be seen."""
        return self.add(name, "noOp", at, {})

    def table(self, name: str, at: tuple[float, float], operation: str, **more: object) -> str:
        """Add a row operation of a built-in data table."""
        parameters = {"resource": "row", "operation": operation, **more}
        return self.add(name, "dataTable", at, parameters)


def table_name(name: str) -> Json:
    """Return a reference to a data table by its name, so that no id has to be known."""
    return {"__rl": True, "mode": "name", "value": name}


def where(**columns: str) -> Json:
    """Return the row filter: every column equal to its expression; empty text means empty."""
    conditions = [
        {"keyName": name, "condition": "eq", "keyValue": value}
        if value
        else {"keyName": name, "condition": "isEmpty"}
        for name, value in columns.items()
    ]
    return {"matchType": "allConditions", "filters": {"conditions": conditions}}


AUTO_COLUMNS: Final[Json] = {
    "columns": {
        "mappingMode": "autoMapInputData",
        "value": None,
        "matchingColumns": [],
        "schema": [],
    },
    "options": {},
}


def columns(values: Mapping[str, str]) -> Json:
    """Return the columns to write, each with its expression."""
    schema = [
        {
            "id": name,
            "displayName": name,
            "type": "string",
            "required": False,
            "display": True,
            "defaultMatch": False,
            "canBeUsedToMatch": True,
            "removed": False,
        }
        for name in values
    ]
    mapping = {
        "mappingMode": "defineBelow",
        "value": dict(values),
        "matchingColumns": [],
        "schema": schema,
    }
    return {"columns": mapping, "options": {}}


def schedule(flow: Flow, name: str, rule: Json) -> str:
    """Add a schedule as the flow's first node."""
    return flow.add(name, "scheduleTrigger", (0, 0), {"rule": {"interval": [rule]}})


def steps(title: str, text: str) -> str:
    """Return a note's text: a heading, and each item of the list ``text`` as a numbered step."""
    items = [" ".join(item.split()) for item in re.split(r"(?m)^\s*- ", text)[1:]]
    return "\n".join([f"## {title}", *(f"{n}. {item}" for n, item in enumerate(items, 1))])
