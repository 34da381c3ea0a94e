"""The OpenAPI document, with the bodies that the endpoints read themselves, and its page."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from segpipe.api.request_models import BatchIn, CustomerIn, RfmCustomerIn, RfmIn

_REF = "#/components/schemas/{model}"
_BODIES: tuple[type[BaseModel], ...] = (CustomerIn, BatchIn, RfmIn, RfmCustomerIn)
_KEY = {
    "type": "apiKey",
    "in": "header",
    "name": "X-API-Key",
    "description": "Create one with `segpipe keys create NAME`.",
}
_WITHOUT_KEY = ("/health",)


def request_body(model: type[BaseModel], **examples: dict[str, Any]) -> dict[str, Any]:
    """The entry of an endpoint that reads its body itself; a test sends the examples."""
    content = {
        "schema": {"$ref": _REF.format(model=model.__name__)},
        "examples": {name: {"value": value} for name, value in examples.items()},
    }
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def document_of(app: FastAPI) -> dict[str, Any]:
    """The document, built once."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        parts = document.setdefault("components", {})
        _, bodies = models_json_schema(
            [(model, "validation") for model in _BODIES], ref_template=_REF
        )
        schemas = parts.setdefault("schemas", {})
        schemas.update(bodies["$defs"])
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        parts["securitySchemes"] = {"ApiKey": _KEY}
        document["security"] = [{"ApiKey": []}]
        for path in _WITHOUT_KEY:
            document["paths"][path]["get"]["security"] = []
        app.openapi_schema = document
    return app.openapi_schema


_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}"
    "pre{background:#f4f4f4;padding:1rem;overflow:auto}h2{margin-top:2.5rem}"
)


def docs_page(document: dict[str, Any]) -> str:
    """A page that shows every endpoint with its parameters and examples."""
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
