"""docs/service.md is true: every request of it is answered, and every endpoint is in it."""

from __future__ import annotations

import re
import shlex
from urllib.parse import urlsplit

import pytest

from tests.support.commands import ROOT
from tests.support.services import Served, module_url, served

__all__ = ["module_url", "served"]
DOCUMENT = (ROOT / "docs" / "service.md").read_text(encoding="utf-8")
_URL = "http://service"


def requests() -> list[list[str]]:
    """The arguments of every curl in the document."""
    blocks = re.findall(r"^```sh\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
    commands = re.findall(r"^curl (?:'[^']*'|[^'\n])*", "\n".join(blocks), re.MULTILINE)
    return [shlex.split(command)[1:] for command in commands]


def parsed(arguments: list[str]) -> tuple[str | None, str, bytes | None]:
    """Name of the key, path and body of a request."""
    key, path, body = None, "", None
    words = iter(arguments)
    for word in words:
        if word == "-H":
            name, _, value = next(words).partition(": ")
            if name == "X-API-Key":
                key = {"$KEY": "read", "$WRITE_KEY": "write"}[value]
        elif word == "-d":
            body = next(words).encode()
        elif word != "-s":
            url = urlsplit(word.replace("$URL", _URL))
            path = url.path + (f"?{url.query}" if url.query else "")
    return key, path, body


@pytest.mark.parametrize("arguments", requests(), ids=lambda arguments: parsed(arguments)[1])
def test_a_request_of_the_document_is_answered(arguments: list[str], served: Served) -> None:
    key, path, body = parsed(arguments)
    sizes = served.get("/segments/stats").document["segment_distribution"]["purchase_value"]
    path = path.replace("0000120", "c0001").replace("/whale/", f"/{max(sizes)}/")
    body = body and body.replace(b"0000120", b"c0001")
    answer = served.ask("POST" if body else "GET", path, body, key=key)
    assert answer.status == 200, answer.body
    assert answer.body


def test_every_endpoint_is_in_the_document(served: Served) -> None:
    documented = {parsed(arguments)[1].partition("?")[0] for arguments in requests()}
    for path in served.get("/openapi.json").document["paths"]:
        pattern = re.sub(r"\{[^}]+\}", "[^/]+", path)
        is_documented = (
            any(re.fullmatch(pattern, path) for path in documented) or f"`{path}`" in DOCUMENT
        )
        assert is_documented, path
