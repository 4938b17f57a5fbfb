"""Renders an OpenAPI document as one page of HTML that needs neither scripts nor other hosts.

Everything from the document is escaped; text between backticks is shown as code.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final

STYLE: Final = "api.css"
_METHODS: Final = ("get", "post", "put", "patch", "delete")
_REF: Final = "#/components/schemas/"
_CODE: Final = re.compile(r"`([^`\n]+)`")
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="stylesheet" href="docs/{style}">
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""
_SIGN_IN: Final = """<h1>The API of this server</h1>
{problem}
<form method="post" action="docs">
<label for="key">API key</label>
<input id="key" name="key" type="password" autocomplete="current-password" required autofocus>
<button>Show the API</button>
</form>
<p>A key is one of <code>API_KEYS</code> in the server's <code>.env</code>, of the role
<code>admin</code> or <code>operator</code>. Programs send it with each request as
<code>Authorization: Bearer KEY</code>, also to <code>/openapi.json</code>.</p>"""
_ACCESS: Final = """<p>Each request under <code>/api</code> has a key of <code>API_KEYS</code>, as
<code>Authorization: Bearer KEY</code> or <code>X-API-Key: KEY</code>. Errors are
<code>application/problem+json</code>: see <a href="#schema-Problem">Problem</a>. The same as
<a href="openapi.json">openapi.json</a>, for programs.</p>"""


def api_page(document: Mapping[str, Any]) -> str:
    """Render a whole document."""
    groups = _groups(document)
    parts = [
        f"<h1>{escape(document['info']['title'])} {escape(document['info']['version'])}</h1>",
        _paragraphs(document["info"].get("summary", "")),
        _ACCESS,
        '<nav aria-label="Parts"><ul>',
        *(f'<li><a href="#{_slug(tag)}">{escape(tag)}</a></li>' for tag in groups),
        '<li><a href="#schemas">schemas</a></li></ul></nav>',
    ]
    about = {tag["name"]: tag.get("description", "") for tag in document.get("tags", ())}
    for tag, operations in groups.items():
        parts.append(f'<section><h2 id="{_slug(tag)}">{escape(tag)}</h2>')
        parts.append(_paragraphs(about.get(tag, "")))
        parts += [_operation(*one) for one in operations]
        parts.append("</section>")
    schemas = document.get("components", {}).get("schemas", {})
    parts.append('<section><h2 id="schemas">schemas</h2>')
    parts += [_schema(name, schema) for name, schema in sorted(schemas.items())]
    parts.append("</section>")
    return _page(document["info"]["title"], parts)


def sign_in_page(problem: str) -> str:
    """Render the form that asks for a key.

    Args:
        problem: What is wrong with the key that was typed; empty before one was.
    """
    alert = f'<p class="problem" role="alert">{escape(problem)}</p>' if problem else ""
    return _page("Sign in", [_SIGN_IN.format(problem=alert)])


def _page(title: str, parts: Sequence[str]) -> str:
    return _PAGE.format(title=escape(title), style=STYLE, body="\n".join(filter(None, parts)))


def _groups(document: Mapping[str, Any]) -> dict[str, list[tuple[str, str, Mapping[str, Any]]]]:
    """Return method, path and operation by tag; tags that the document describes come first."""
    found: dict[str, list[tuple[str, str, Mapping[str, Any]]]] = {
        tag["name"]: [] for tag in document.get("tags", ())
    }
    for path, operations in document.get("paths", {}).items():
        for method in _METHODS:
            if method in operations:
                tag = next(iter(operations[method].get("tags", ())), "other")
                found.setdefault(tag, []).append((method, path, operations[method]))
    return {tag: operations for tag, operations in found.items() if operations}


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    summary = (
        f'<span class="method {method}">{method.upper()}</span> <code>{escape(path)}</code> '
        f"<span>{_text(operation.get('summary', ''))}</span>"
    )
    parts = [
        _paragraphs(operation.get("description", "")),
        _parameters(operation.get("parameters", ())),
    ]
    body = operation.get("requestBody", {})
    for kind, content in body.get("content", {}).items():
        needed = "" if body.get("required") else ", may be left out"
        parts.append(f"<h3>Body: {escape(kind)}{needed}</h3>")
        parts.append(f"<p>{_kind(content.get('schema', {}))}</p>")
        parts += _examples(content.get("schema", {}), content)
    answers = sorted(operation.get("responses", {}).items())
    parts.append(f"<h3>Answers</h3><dl>{''.join(_answer(*one) for one in answers)}</dl>")
    return _details(_slug(f"{method}-{path}"), summary, parts)


def _answer(status: str, response: Mapping[str, Any]) -> str:
    contents = response.get("content", {}).values()
    kinds = ", ".join(_kind(one["schema"]) for one in contents if "schema" in one)
    about = _text(response.get("description", ""))
    return f"<dt>{escape(status)}</dt><dd>{about} {kinds}</dd>"


def _details(slug: str, summary: str, parts: Sequence[str]) -> str:
    inner = "\n".join(filter(None, parts))
    return f'<details id="{escape(slug)}"><summary>{summary}</summary>\n{inner}\n</details>'


def _parameters(parameters: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        _row(
            one["name"],
            one.get("schema", {}),
            one.get("description", ""),
            one.get("required", False),
            one["in"],
        )
        for one in parameters
    ]
    return _table("Parameters", rows)


def _schema(name: str, schema: Mapping[str, Any]) -> str:
    needed = schema.get("required", ())
    rows = [
        _row(field, one, one.get("description", ""), field in needed)
        for field, one in schema.get("properties", {}).items()
    ]
    parts = [
        _paragraphs(schema.get("description", "")),
        "" if rows else f"<p>{_kind(schema)}</p>",
        _table("", rows),
        *_examples(schema, {}),
    ]
    heading = f"<h3><code>{escape(name)}</code></h3>"
    # Not folded away: a link leads here, and an anchor does not unfold in every browser.
    inner = "\n".join(filter(None, [heading, *parts]))
    return f'<article id="schema-{escape(name)}">\n{inner}\n</article>'


def _table(title: str, rows: Sequence[str]) -> str:
    if not rows:
        return ""
    heading = f"<h3>{title}</h3>" if title else ""
    return f"{heading}<table><tbody>{''.join(rows)}</tbody></table>"


def _row(name: str, schema: Mapping[str, Any], about: str, required: bool, place: str = "") -> str:
    notes = [_kind(schema), *_limits(schema)]
    if place:
        notes.append(f"in the {escape(place)}")
    if required:
        notes.append("<strong>needed</strong>")
    return (
        f'<tr><th scope="row"><code>{escape(name)}</code></th>'
        f"<td>{', '.join(notes)}{'<br>' + _text(about) if about else ''}</td></tr>"
    )


def _limits(schema: Mapping[str, Any]) -> Iterator[str]:
    words = {
        "minimum": "from",
        "maximum": "to",
        "minLength": "characters at least",
        "maxLength": "characters at most",
        "maxItems": "items at most",
        "default": "by default",
    }
    for key, word in words.items():
        value = schema.get(key)
        if value not in (None, "", [], {}):
            yield f"{word} <code>{escape(json.dumps(value, ensure_ascii=False))}</code>"


def _kind(schema: Mapping[str, Any]) -> str:
    """Return what kind of value a schema takes, as HTML."""
    if "$ref" in schema:
        name = escape(str(schema["$ref"]).removeprefix(_REF))
        return f'<a href="#schema-{name}">{name}</a>'
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(_kind(one) for one in schema[key]))
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return " or ".join(f"<code>{escape(json.dumps(one))}</code>" for one in values)
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    form = f" ({escape(str(schema['format']))})" if "format" in schema else ""
    return f"{escape(str(schema.get('type', 'anything')))}{form}"


def _examples(schema: Mapping[str, Any], content: Mapping[str, Any]) -> Iterator[str]:
    found = [content["example"]] if "example" in content else list(schema.get("examples", ()))
    for one in found:
        yield f"<pre>{escape(json.dumps(one, indent=2, ensure_ascii=False))}</pre>"


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{_text(part)}</p>" for part in text.split("\n\n") if part.strip())


def _text(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", escape(text))


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
