"""The OpenAPI document: FastAPI's, with the bodies that the endpoints read themselves."""

from __future__ import annotations

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
    "description": "Made by `segpipe keys create NAME`.",
}
_UNGUARDED = ("/health",)


def request_body(model: type[BaseModel], **examples: dict[str, Any]) -> dict[str, Any]:
    """The entry of an endpoint that reads its body itself; the examples are sent by a test."""
    content = {
        "schema": {"$ref": _REF.format(model=model.__name__)},
        "examples": {name: {"value": value} for name, value in examples.items()},
    }
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def document_of(app: FastAPI) -> dict[str, Any]:
    """The document, made once."""
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
        for path in _UNGUARDED:
            document["paths"][path]["get"]["security"] = []
        app.openapi_schema = document
    return app.openapi_schema
