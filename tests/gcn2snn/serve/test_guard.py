"""Limits of bodies and of requests in flight, and one outcome for each request whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from gcn2snn.serve import ServeOptions
from gcn2snn.serve.guard import Guard
from gcn2snn.serve.meters import Meters

Answer = tuple[int, dict[str, str], bytes]


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse((await receive())["body"])(scope, receive, send)


class Asked:
    """A guard with small limits around an application."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]] = echo, **given: float):
        limits: dict[str, Any] = {"max_bytes": 1024, "body_seconds": 0.2, "requests": 2, **given}
        self.meters = Meters()
        self.guard = Guard(app, ServeOptions(network=Path("x"), **limits), self.meters)

    async def post(self, parts: AsyncIterator[bytes] | bytes, headers: dict[str, str] | None = None) -> Answer:
        """Status, headers and body of the answer; status 0 if there was none."""
        sent: list[Message] = []
        chunks = parts if not isinstance(parts, bytes) else of(parts)

        async def receive() -> Message:
            try:
                return {"type": "http.request", "body": await anext(chunks), "more_body": True}
            except StopAsyncIteration:
                return {"type": "http.request", "body": b"", "more_body": False}
            except ConnectionError:
                return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        pairs = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
        await self.guard({"type": "http", "method": "POST", "path": "/predict", "headers": pairs}, receive, send)
        if not sent:
            return 0, {}, b""
        found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], found, b"".join(message.get("body", b"") for message in sent[1:])

    def outcomes(self) -> dict[str, int]:
        return {name: count for name, count in self.meters.totals().items() if count}


async def of(*parts: bytes, pause: float = 0.0) -> AsyncIterator[bytes]:
    for part in parts:
        await asyncio.sleep(pause)
        yield part


def test_a_body_is_put_together() -> None:
    asked = Asked()
    assert asyncio.run(asked.post(of(b"a", b"b" * 1000, b"c")))[::2] == (200, b"a" + b"b" * 1000 + b"c")
    assert asyncio.run(asked.post(b"x" * 1024))[0] == 200
    assert asked.outcomes() == {"answered": 2}


def test_a_slow_body_is_refused() -> None:
    asked = Asked()
    status, headers, body = asyncio.run(asked.post(of(*[b"x"] * 100, pause=0.02)))
    assert (status, headers["connection"]) == (408, "close")
    assert b"the body did not arrive within 0.2 s" in body
    assert asked.outcomes() == {"too slow": 1}


@pytest.mark.parametrize(("bytes_each", "headers"), [(1, {"Content-Length": "2000"}), (200, {})])
def test_a_slow_body_that_is_too_large_is_called_too_large(bytes_each: int, headers: dict[str, str]) -> None:
    asked = Asked()
    status, found, body = asyncio.run(asked.post(of(*[b"x" * bytes_each] * 100, pause=0.02), headers))
    assert (status, found["connection"]) == (413, "close")
    assert b"1,024 are allowed. Send fewer texts at once" in body
    assert asked.outcomes() == {"too large": 1}


@pytest.mark.parametrize(
    ("chunks", "headers", "read"),
    [
        (3, {}, 3),  # read to its end, since many clients read the answer only afterwards
        (100, {}, 9),  # but not for ever
        (3, {"Content-Length": "3072", "Expect": "100-continue"}, 0),  # this client waits before it sends
        (100, {"Content-Length": "102400"}, 0),
    ],
)
def test_a_large_body_is_refused(chunks: int, headers: dict[str, str], read: int) -> None:
    taken = 0

    async def parts() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(chunks):
            taken += 1
            yield b"x" * 1024

    asked = Asked()
    status, found, body = asyncio.run(asked.post(parts(), headers))
    assert (status, found["connection"]) == (413, "close")
    assert b"1,024 are allowed. Send fewer texts at once" in body
    assert taken == read
    assert asked.outcomes() == {"too large": 1}


def test_a_client_that_leaves_is_no_mistake() -> None:
    async def leaves() -> AsyncIterator[bytes]:
        yield b"x"
        raise ConnectionError

    asked = Asked()
    assert asyncio.run(asked.post(leaves())) == (0, {}, b"")
    assert asked.outcomes() == {"gone": 1}


def test_more_requests_than_allowed_are_told_to_come_back() -> None:
    asked = Asked(body_seconds=5.0)

    async def run() -> list[Answer]:
        return await asyncio.gather(*(asked.post(of(b"x", pause=0.05)) for _ in range(4)))

    found = asyncio.run(run())
    assert sorted(status for status, _, _ in found) == [200, 200, 503, 503]
    assert all("retry-after" in headers for status, headers, _ in found if status == 503)
    assert asked.outcomes() == {"answered": 2, "overloaded": 2}
    assert asyncio.run(asked.post(b"x"))[0] == 200


def test_our_own_mistake_is_one_line_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise KeyError("nothing")

    asked = Asked(broken)
    status, _, body = asyncio.run(asked.post(b"x"))
    assert (status, b"the service made a mistake" in body) == (500, True)
    assert capsys.readouterr().err == "gcn2snn: error: a request failed: KeyError: 'nothing'\n"
    assert asked.outcomes() == {"failed": 1}


def test_a_request_that_is_cut_off_is_told_so() -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(30)

    asked = Asked(slow)

    async def run() -> Answer:
        task = asyncio.create_task(asked.post(b"x"))
        await asyncio.sleep(0.05)
        task.cancel()
        return await task

    status, _, body = asyncio.run(run())
    assert (status, b"the service stopped before this request was answered" in body) == (503, True)
    assert asked.outcomes() == {"cut off": 1}
