"""The OpenAPI document as one HTML page that loads nothing from anywhere."""

from __future__ import annotations

import json
from html import escape
from typing import Any

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}"
    "pre{background:#f4f4f4;padding:1rem;overflow:auto}h2{margin-top:2.5rem}"
)


def docs_page(document: dict[str, Any]) -> str:
    """Every endpoint with what it takes and an example."""
    info = document["info"]
    sections = [
        _section(path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(info["title"])}'
        f"</title><style>{_STYLE}</style><h1>{escape(info['title'])} {escape(info['version'])}</h1>"
        f"<p>{escape(info['description'])}</p><p><a href=openapi.json>openapi.json</a></p>"
        + "".join(sections)
        + "</html>"
    )


def _section(path: str, method: str, operation: dict[str, Any]) -> str:
    parts = [f"<h2>{method.upper()} {escape(path)}</h2>"]
    parts.append(f"<p>{escape(operation.get('description', ''))}</p>")
    given = [
        f"<li><code>{escape(one['name'])}</code> ({one['in']}) {escape(one.get('description', ''))}"
        for one in operation.get("parameters", ())
    ]
    parts += ["<ul>", *given, "</ul>"] if given else []
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    for example in body.get("examples", {}).values():
        text = json.dumps(example["value"], indent=2, ensure_ascii=False)
        parts.append(f"<pre>{escape(text)}</pre>")
    answers = ", ".join(operation.get("responses", ()))
    return "".join([*parts, f"<p>Answers: {escape(answers)}</p>"])
