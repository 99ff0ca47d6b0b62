"""Connections over a real socket: slow heads, nonsense, pipelined requests, clients that do not read."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from gcn2snn.serve import Served, ServeOptions, connection, make_app
from gcn2snn.serve.connection import PatientConnection

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


@pytest.fixture
def talk(options: ServeOptions, served: Served, monkeypatch: pytest.MonkeyPatch) -> Callable[[Talk], None]:
    """Runs a conversation with a service that is patient for half a second only."""
    monkeypatch.setattr(connection, "SECONDS", 0.5)

    @asynccontextmanager
    async def listening() -> AsyncIterator[int]:
        app = make_app(options, served)
        config = uvicorn.Config(app, http=PatientConnection, ws="none", log_config=None, log_level="critical")
        config.load()
        state = ServerState()
        loop = asyncio.get_running_loop()
        async with app.router.lifespan_context(app):
            server = await loop.create_server(lambda: PatientConnection(config, state, {}), "127.0.0.1", 0)
            try:
                yield server.sockets[0].getsockname()[1]
            finally:
                server.close()
                for each in list(state.connections):
                    each.transport.abort()
                await asyncio.sleep(0)

    def talked(conversation: Talk) -> None:
        async def run() -> None:
            async with listening() as port:
                client = socket.socket()
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # little stays on the way unread
                client.connect(("127.0.0.1", port))
                reader, writer = await asyncio.open_connection(sock=client)
                try:
                    await conversation(reader, writer)
                finally:
                    writer.transport.abort()
                    await asyncio.sleep(0)

        asyncio.run(asyncio.wait_for(run(), 30))

    return talked


async def until_closed(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionResetError:
        return b"reset"


@pytest.mark.parametrize("start", [b"", b"GET / HTTP/1.1\r\n", b"POST /predict HTTP/1.1\r\nHost: x\r\nX-a: "])
def test_a_head_that_does_not_end_is_not_waited_for(talk: Callable[[Talk], None], start: bytes) -> None:
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        began = time.monotonic()
        writer.write(start)
        closed = asyncio.create_task(until_closed(reader))
        while not closed.done() and time.monotonic() < began + 10:
            writer.write(b"b" if start else b"")  # a byte now and then does not help
            await asyncio.sleep(0.05)
        assert await closed in (b"", b"reset")
        assert 0.4 < time.monotonic() - began < 8

    talk(conversation)


def test_a_second_slow_head_is_not_waited_for_either(talk: Callable[[Talk], None]) -> None:
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readuntil(b"}")).endswith(b'{"live": true}')
        writer.write(b"GET /v2")
        assert await until_closed(reader) in (b"", b"reset")

    talk(conversation)


def test_pipelined_requests_are_answered_in_order(talk: Callable[[Talk], None]) -> None:
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        bodies = [b'{"texts": ["apple"]}', b"{", b'{"texts": ["bus"]}']
        for body in bodies:
            writer.write(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        writer.write(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        found = (await reader.read()).split(b"HTTP/1.1 ")[1:]
        assert [part[:3] for part in found] == [b"200", b"400", b"200", b"200"]
        assert b'"label": "fruit"' in found[0]
        assert b'"label": "traffic"' in found[2]

    talk(conversation)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # the first bytes of encryption
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -3\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 300_000,
        b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\nx",
    ],
    ids=range(6),
)
def test_nonsense_is_refused_and_closed(
    talk: Callable[[Talk], None], sent: bytes, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        found = await until_closed(reader)
        assert found.startswith((b"HTTP/1.1 400", b"HTTP/1.1 413")) or found == b"reset"

    talk(conversation)
    assert caplog.text == ""
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"nonsense\r\n\r\n", "illegal request line"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", "illegal header line"),
        (b"GET / HTTP/1.1\r\n\r\n", "Missing mandatory Host: header"),
        (
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
            "conflicting Content-Length",
        ),
        (b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "illegal chunk header"),
    ],
    ids=["request line", "header", "host", "two lengths", "chunk"],
)
def test_what_is_no_http_is_answered_in_json(talk: Callable[[Talk], None], sent: bytes, why: str) -> None:
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        head, body = (await until_closed(reader)).split(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 Bad Request")
        assert b"application/json" in head
        assert b"connection: close" in head.lower()
        assert why in json.loads(body)["error"]

    talk(conversation)


def test_a_client_that_does_not_read_is_let_go(talk: Callable[[Talk], None]) -> None:
    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def send_for_ever() -> None:
            while True:
                writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
                await writer.drain()

        writer.transport.pause_reading()
        with pytest.raises(ConnectionError):  # the service stops reading too, and then ends the connection
            await send_for_ever()

    talk(conversation)
