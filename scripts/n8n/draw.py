"""Draws each n8n flow as an SVG picture, from its JSON alone.

python scripts/n8n/draw.py [--check]
"""

import argparse
import json
import re
import sys
import textwrap
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
FLOWS: Final = ROOT / "n8n_flows" / "FWAI_Internal"
PICTURES: Final = FLOWS / "pictures"
WIDTH, HEIGHT, MARGIN = 174, 84, 40
FONT: Final = "font-family='Helvetica, Arial, sans-serif'"
COLOURS: Final = {
    "webhook": "#d9f2e3", "scheduleTrigger": "#d9f2e3", "executeWorkflowTrigger": "#d9f2e3",
    "errorTrigger": "#d9f2e3", "manualTrigger": "#d9f2e3",
    "crypto": "#fde2e1", "if": "#e3ecfb", "switch": "#e3ecfb",
    "httpRequest": "#efe4fa", "dataTable": "#fdf1d6", "set": "#fdf1d6",
}  # fmt: skip
PLAIN: Final = "#f4f4f4"

Json = dict[str, Any]


def kind_of(node: Json) -> str:
    """Return a node's type without the package."""
    return str(node["type"]).removeprefix("n8n-nodes-base.")


def outputs_of(node: Json) -> list[str]:
    """Return what the outputs are called; empty when there is only one."""
    kind, parameters = kind_of(node), node["parameters"]
    if kind == "if":
        return ["true", "false"]
    if kind == "splitInBatches":
        return ["done", "next"]
    if kind == "switch":
        return [rule["outputKey"] for rule in parameters["rules"]["values"]] + ["else"]
    return []


def label_of(node: Json) -> str:
    """Return the small line below a node's name: its type and what it is about."""
    kind, parameters = kind_of(node), node["parameters"]
    if kind == "webhook":
        return f"POST /webhook/{parameters['path']}"
    if kind == "httpRequest":
        path = re.sub(r"\{\{.*?\}\}", "*", parameters["url"].split("}}", 1)[1]).split("?")[0]
        return f"{parameters['method']} {path}"
    if kind == "dataTable":
        return f"dataTable {parameters['operation']}"
    if kind == "executeWorkflow":
        return str(parameters["workflowId"]["value"])
    return kind + (" (disabled)" if node.get("disabled") else "")


def text_block(x: float, y: float, lines: list[str], size: int, **style: str) -> str:
    """Return lines of text, the first baseline at ``y``."""
    more = "".join(f" {key.replace('_', '-')}='{value}'" for key, value in style.items())
    spans = "".join(
        f"<tspan x='{x:g}' dy='{0 if n == 0 else size * 1.35:g}'>{escape(line)}</tspan>"
        for n, line in enumerate(lines)
    )
    return f"<text x='{x:g}' y='{y:g}' {FONT} font-size='{size}'{more}>{spans}</text>"


def draw_node(node: Json) -> Iterator[str]:
    """Draw a box with name and label."""
    x, y = node["position"]
    fill = COLOURS.get(kind_of(node), PLAIN)
    dash = " stroke-dasharray='6 4'" if node.get("disabled") else ""
    yield (
        f"<rect x='{x}' y='{y}' width='{WIDTH}' height='{HEIGHT}' rx='10' fill='{fill}' "
        f"stroke='#555'{dash}/>"
    )
    several = bool(outputs_of(node))
    name = textwrap.wrap(node["name"], 12 if several else 19)
    label = textwrap.wrap(label_of(node), 28)
    middle = x + (58 if several else WIDTH / 2)
    top = y + 46 - 9 * len(name) - 6 * (len(label) - 1)
    yield text_block(middle, top, name, 15, text_anchor="middle", font_weight="bold", fill="#111")
    below = top + len(name) * 20
    yield text_block(middle, below, label, 11, text_anchor="middle", fill="#444")


def draw_note(node: Json) -> Iterator[str]:
    """Draw the set-up note with its wrapped text."""
    x, y = node["position"]
    width, height = node["parameters"]["width"], node["parameters"]["height"]
    yield (
        f"<rect x='{x}' y='{y}' width='{width}' height='{height}' rx='6' fill='#fff7cc' "
        "stroke='#d8c667'/>"
    )
    heading, *steps = node["parameters"]["content"].splitlines()
    yield text_block(
        x + 16, y + 30, [heading.removeprefix("## ")], 18, font_weight="bold", fill="#111"
    )
    lines: list[str] = []
    for step in steps:
        plain = step.replace("**", "").replace("`", "").replace("*", "")
        lines += textwrap.wrap(plain, int((width - 32) / 6.9), subsequent_indent="    ")
    yield text_block(x + 16, y + 56, lines, 13, fill="#333", style="white-space:pre")


def corner_path(points: list[tuple[float, float]]) -> str:
    """Return an SVG path through the points."""
    return "M" + " L".join(f"{x:g},{y:g}" for x, y in points)


def draw_link(source: Json, target: Json, output: int, lane: float) -> Iterator[str]:
    """Draw an arrow; backwards it goes round below, at a height of its own."""
    (sx, sy), (tx, ty) = source["position"], target["position"]
    count = max(1, len(outputs_of(source)))
    start = (sx + WIDTH, sy + HEIGHT * (output + 1) / (count + 1))
    end = (tx, ty + HEIGHT / 2)
    if tx > sx:
        bend = start[0] + 12 + 7 * output
        points = [start, (bend, start[1]), (bend, end[1]), end]
        if ty == sy:
            points = [start, (end[0], start[1])]
    elif tx == sx:
        down = sy < ty
        points = [
            (sx + WIDTH * 0.7, sy + (HEIGHT if down else 0)),
            (tx + WIDTH * 0.7, ty + (0 if down else HEIGHT)),
        ]
    elif ty > sy + 2 * HEIGHT:
        middle, above = tx + WIDTH / 2, ty - 40
        down = sx + WIDTH / 2
        points = [(down, sy + HEIGHT), (down, above), (middle, above), (middle, ty)]
    else:
        below = max(sy, ty) + HEIGHT + lane
        middle = tx + WIDTH * 0.3
        points = [
            (sx + WIDTH * 0.3, sy + HEIGHT),
            (sx + WIDTH * 0.3, below),
            (middle, below),
            (middle, ty + HEIGHT),
        ]
    yield (
        f"<path d='{corner_path(points)}' fill='none' stroke='#777' stroke-width='1.6' "
        "stroke-linejoin='round' marker-end='url(#arrow)'/>"
    )


def draw_output_names(node: Json) -> Iterator[str]:
    """Write the names of several outputs inside the box's right edge."""
    names = outputs_of(node)
    x, y = node["position"]
    for n, name in enumerate(names, 1):
        at = y + HEIGHT * n / (len(names) + 1)
        yield f"<circle cx='{x + WIDTH}' cy='{at:g}' r='3.5' fill='#555'/>"
        yield text_block(x + WIDTH - 7, at + 3.5, [name], 9, text_anchor="end", fill="#1f4e9c")


def links_of(flow: Json) -> Iterator[tuple[Json, Json, int]]:
    """Return every connection: from, to, output."""
    by_name = {node["name"]: node for node in flow["nodes"]}
    for name, kinds in flow["connections"].items():
        for output, targets in enumerate(kinds["main"]):
            for target in targets:
                yield by_name[name], by_name[target["node"]], output


def draw(flow: Json) -> str:
    """Return a flow's picture."""
    parts: list[str] = []
    right, bottom, left, top = 0.0, 0.0, 0.0, 0.0
    backwards = 0
    for source, target, output in links_of(flow):
        if target["position"][0] < source["position"][0]:
            backwards += 1
        parts += draw_link(source, target, output, 14 + 12 * (backwards % 3))
    for node in flow["nodes"]:
        note = kind_of(node) == "stickyNote"
        parts += draw_note(node) if note else (*draw_node(node), *draw_output_names(node))
        x, y = node["position"]
        size = node["parameters"] if note else {"width": WIDTH, "height": HEIGHT}
        right, bottom = max(right, x + size["width"]), max(bottom, y + size["height"])
        left, top = min(left, x), min(top, y)
    width, height = right - left + 2 * MARGIN, bottom - top + 2 * MARGIN + 20
    view = f"{left - MARGIN:g} {top - MARGIN:g} {width:g} {height:g}"
    head = (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='{view}' width='{width:g}' "
        f"height='{height:g}' role='img'><title>{escape(flow['name'])}</title>"
        "<defs><marker id='arrow' viewBox='0 0 10 10' refX='9' refY='5' markerWidth='8' "
        "markerHeight='8' orient='auto'><path d='M0,0 L10,5 L0,10 z' fill='#777'/></marker></defs>"
        f"<rect x='{left - MARGIN:g}' y='{top - MARGIN:g}' width='{width:g}' height='{height:g}' "
        "fill='#fff'/>"
    )
    return "\n".join([head, *parts, "</svg>"]) + "\n"


def main() -> int:
    """Write the pictures; with --check only say which differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if one differs")
    check = parser.parse_args().check
    PICTURES.mkdir(exist_ok=True)
    differ = 0
    for path in sorted(FLOWS.glob("*.json")):
        picture, text = PICTURES / f"{path.stem}.svg", draw(json.loads(path.read_text("utf-8")))
        if not picture.exists() or picture.read_text("utf-8") != text:
            differ += 1
            if not check:
                picture.write_text(text, "utf-8")
    return 1 if check and differ else 0


if __name__ == "__main__":
    sys.exit(main())
