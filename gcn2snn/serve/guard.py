"""What stands before every route: limits of size, time and number, one outcome for each request, never a traceback."""

from __future__ import annotations

import asyncio
import sys
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gcn2snn.serve.meters import Meters
from gcn2snn.serve.options import ServeOptions
from gcn2snn.serve.request_errors import RequestError

DISCARDED = 8
"""A body that is too large is read up to so many times the limit, since many clients read the answer only afterwards."""

CLOSE = {"Connection": "close"}
OUTCOME_OF = {408: "too slow", 413: "too large", 503: "overloaded"}


class _GoneError(Exception):
    """The client closed its connection before its request was whole."""


class Guard:
    """Reads bodies within the limits, hands requests on, and counts how each ends.

    Args:
        app: what answers.
        options: the limits.
        meters: what counts.
    """

    def __init__(self, app: ASGIApp, options: ServeOptions, meters: Meters):
        self._app = app
        self._options = options
        self._meters = meters
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        self._in_flight += 1
        self._meters.in_flight.set(self._in_flight)
        outcome = "failed"
        try:
            outcome = await self._answer(scope, receive, send)
        finally:
            self._in_flight -= 1
            self._meters.in_flight.set(self._in_flight)
            route = _route(scope["path"])
            self._meters.requests.labels(route, outcome).inc()
            self._meters.seconds.labels(route).observe(time.perf_counter() - started)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> str:
        """Hand a request on, and say how it ended."""
        status = 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            handed = await self._with_body(scope, receive) if scope["method"] == "POST" else receive
            await self._app(scope, handed, noted)
        except RequestError as error:
            await error.response()(scope, receive, noted)
        except _GoneError:
            return "gone"
        except asyncio.CancelledError:
            if not status:
                await _stopped().response()(scope, receive, noted)
            return "cut off"
        except Exception as error:
            print(f"gcn2snn: error: a request failed: {type(error).__name__}: {error}", file=sys.stderr)
            if not status:
                await _failed().response()(scope, receive, noted)
            return "failed"
        if status < 400:
            return "answered"
        return OUTCOME_OF.get(status, "refused" if status < 500 else "failed")

    async def _with_body(self, scope: Scope, receive: Receive) -> Receive:
        """A ``receive`` that gives the body, which has been read whole."""
        headers = dict(scope["headers"])
        self._refuse_unread(headers)
        size, parts = 0, []
        try:
            async with asyncio.timeout(self._options.body_seconds):
                more = True
                while more and size <= DISCARDED * self._options.max_bytes:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _GoneError
                    part = message.get("body", b"")
                    size += len(part)
                    parts.append(part)
                    if size > self._options.max_bytes:
                        parts.clear()
                    more = message.get("more_body", False)
        except TimeoutError:
            if (declared := _declared(headers)) > self._options.max_bytes:  # in time it would be too large as well
                raise self._too_large(f"{declared:,}") from None
            if size > self._options.max_bytes:
                raise self._too_large(f"more than {self._options.max_bytes:,}") from None
            raise RequestError(
                408,
                f"the body did not arrive within {self._options.body_seconds:g} s ({size:,} bytes did). Send it without "
                f"pauses, or less at once",
                CLOSE,
            ) from None
        if size > self._options.max_bytes:
            raise self._too_large(f"more than {self._options.max_bytes:,}")
        body: Message = {"type": "http.request", "body": b"".join(parts), "more_body": False}
        given = False

        async def replay() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return body

        return replay

    def _refuse_unread(self, headers: dict[bytes, bytes]) -> None:
        """Refuse by what the headers say, before the body is read."""
        if self._in_flight > self._options.requests:
            raise RequestError(
                503,
                f"{self._options.requests} requests are being read or answered, and more are not taken. Send the request "
                f"again in 1 s, or start the service with more workers",
                {"Retry-After": "1", **CLOSE},
            )
        if headers.get(b"content-encoding", b"identity") != b"identity":
            shown = headers[b"content-encoding"].decode("latin-1")[:40]
            raise RequestError(
                415, f"the body is compressed ({shown!r}). Send it as it is, without Content-Encoding", CLOSE
            )
        declared = _declared(headers)
        waits = headers.get(b"expect", b"").lower() == b"100-continue"
        if declared > self._options.max_bytes * (1 if waits else DISCARDED):
            raise self._too_large(f"{declared:,}")

    def _too_large(self, bytes_sent: str) -> RequestError:
        return RequestError(
            413,
            f"the body has {bytes_sent} bytes; {self._options.max_bytes:,} are allowed. Send fewer texts at once, or start the "
            f"service with a larger --max-bytes",
            CLOSE,
        )


def _declared(headers: dict[bytes, bytes]) -> int:
    """Bytes that the headers announce; the HTTP parser has checked that it is a number."""
    return int(headers.get(b"content-length", b"0"))


def _stopped() -> RequestError:
    return RequestError(503, "the service stopped before this request was answered. Send it again", CLOSE)


def _failed() -> RequestError:
    return RequestError(
        500, "the service made a mistake, which its log names; the request may be right. Please report it", CLOSE
    )


def _route(path: str) -> str:
    """The label of a path: few of them, whatever clients ask for."""
    if path == "/predict":
        return "predict"
    if path.startswith("/v2/models/") and path.endswith("/infer"):
        return "infer"
    return "other"
