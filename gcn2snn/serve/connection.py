"""A connection that nobody can keep open by being slow: uvicorn bounds the pause between requests, and this the rest."""

from __future__ import annotations

import asyncio
import sys

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from gcn2snn.serve.request_errors import RequestError

SECONDS = 10.0
"""Seconds in which the head of a request must have arrived, and in which a client must read on."""


class PatientConnection(H11Protocol):
    """HTTP/1.1 with a bound on the time that the head of a request takes, and on the time that a client does not read.

    The body is bounded by :class:`gcn2snn.serve.guard.Guard`. Bytes that come after the answer, such as the rest of a body that
    was refused, count as the next head.
    """

    _head: asyncio.TimerHandle | None = None
    _reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start waiting for the first head."""
        super().connection_made(transport)
        self._head = self.loop.call_later(SECONDS, self._abort)

    def data_received(self, data: bytes) -> None:
        """Take bytes, and wait for the end of a head if they began one."""
        try:
            super().data_received(data)
        except h11.LocalProtocolError:  # nonsense after the answer, to which no second answer can be sent
            self._abort()
        between = self.cycle is None or self.cycle.response_complete
        if not between:
            self._head = _cancelled(self._head)
        elif self._head is None:
            self._head = self.loop.call_later(SECONDS, self._abort)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP as every other mistake, in JSON, with what h11 found; uvicorn's own answer is plain text.

        Args:
            msg: uvicorn's sentence, for an answer that no error of h11 is the reason of.
        """
        found = sys.exception()  # uvicorn calls this while it handles the error, and does not hand it on
        what = f"the request is no HTTP/1.1: {found}" if isinstance(found, h11.RemoteProtocolError) else msg.rstrip(".")
        answer = RequestError(400, f"{what}. Send it with a client for HTTP", {"connection": "close"}).response()
        self.transport.write(
            self.conn.send(h11.Response(status_code=400, headers=answer.raw_headers, reason=b"Bad Request"))
        )
        self.transport.write(self.conn.send(h11.Data(data=bytes(answer.body))))
        self.transport.write(self.conn.send(h11.EndOfMessage()))
        self.transport.close()

    def on_response_complete(self) -> None:
        """The answer is out; if the next request has come with the last one, it has begun by now."""
        self._head = _cancelled(self._head)
        super().on_response_complete()

    def pause_writing(self) -> None:
        """The client does not read its answer."""
        super().pause_writing()
        self._reading = self.loop.call_later(SECONDS, self._abort)

    def resume_writing(self) -> None:
        """The client reads on."""
        super().resume_writing()
        self._reading = _cancelled(self._reading)

    def connection_lost(self, exc: Exception | None) -> None:
        """The end: nothing is waited for any more."""
        self._head, self._reading = _cancelled(self._head), _cancelled(self._reading)
        super().connection_lost(exc)

    def _abort(self) -> None:
        self.transport.abort()


def _cancelled(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    if timer is not None:
        timer.cancel()
    return None
