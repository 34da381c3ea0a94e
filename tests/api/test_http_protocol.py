"""A client that sends slowly, or without end, gets an answer and is disconnected."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import uvicorn
from fastapi import HTTPException, Request
from starlette.types import Message, Receive, Scope, Send
from uvicorn.server import ServerState

from segpipe.api import body, http_protocol
from segpipe.api.http_protocol import TimeoutHttpProtocol

Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bytes]]


async def app(_scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the body, and answers with its size."""
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    headers = [(b"content-length", b"%d" % len(str(size)))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": str(size).encode()})


def talk(
    conversation: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bytes]],
) -> bytes:
    """What the conversation with a server of that protocol gives."""

    async def run() -> bytes:
        config = uvicorn.Config(app, ws="none", log_config=None, lifespan="off")
        config.load()
        loop, state = asyncio.get_running_loop(), ServerState()
        server = await loop.create_server(
            lambda: TimeoutHttpProtocol(config, state, {}, loop), "127.0.0.1", 0
        )
        async with server:
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            found = await asyncio.wait_for(conversation(reader, writer), 30)
            writer.close()
            await writer.wait_closed()
        return found

    return asyncio.run(run())


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost", b"\r\n\r\n"])
def test_a_request_head_that_does_not_arrive_gets_an_answer(
    sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.05)

    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(sent)
        return await reader.read()

    assert talk(conversation).startswith(b"HTTP/1.1 408 ")


def test_the_second_head_of_a_connection_is_not_waited_for_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.05)

    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n0")
        writer.write(b"GET / HTTP/1.1\r\n")
        return await reader.read()

    assert talk(conversation).startswith(b"HTTP/1.1 408 ")


def test_a_long_body_does_not_count_as_a_long_head() -> None:
    size = 3 * http_protocol.LONGEST_HEAD

    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        writer.write(head % size + b"x" * size)
        return await reader.read()

    assert talk(conversation).endswith(b"\r\n\r\n%d" % size)


def test_a_body_that_does_not_arrive_ends_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "SECONDS", 0.05)

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    request = Request({"type": "http", "headers": []}, receive)
    with pytest.raises(HTTPException) as caught:
        asyncio.run(body.read_body(request, 100))
    assert caught.value.status_code == 408
