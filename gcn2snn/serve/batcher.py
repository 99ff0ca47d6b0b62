"""Texts of several requests in one evaluation: a bounded queue, and one thread that evaluates."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from gcn2snn.prediction import Prediction
from gcn2snn.serve.meters import Meters
from gcn2snn.serve.options import WAITING_BODIES, ServeOptions
from gcn2snn.serve.request_errors import RequestError

LONGEST_RETRY = 60
"""Seconds after which a refused client is told to come back, at most."""


@dataclass(eq=False)
class _Waiting:
    texts: Sequence[str]
    characters: int
    result: asyncio.Future[list[Prediction]]


class Batcher:
    """Evaluates all texts that wait, up to a bound, as soon as the evaluation before has ended.

    Nothing waits for company: on an idle service a text is evaluated at once, and under load the texts that arrive during
    one evaluation share the next. Use it as an asynchronous context.

    Args:
        answer: the answers to some texts, in their order.
        options: how many texts may wait, and how many are evaluated at once.
        meters: what counts queue, batches and texts.
    """

    def __init__(self, answer: Callable[[Sequence[str]], list[Prediction]], options: ServeOptions, meters: Meters):
        self._answer = answer
        self._options = options
        self._meters = meters
        self._waiting: deque[_Waiting] = deque()
        self._texts = 0
        self._characters = 0
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="evaluation")
        self._task: asyncio.Task[None] | None = None
        self._seconds_per_text = 0.001

    async def __aenter__(self) -> Batcher:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *exception: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._thread.shutdown(wait=True, cancel_futures=True)

    async def predictions(self, texts: Sequence[str]) -> list[Prediction]:
        """The answers to the texts of one request, in their order.

        Raises:
            RequestError: 503, too many texts wait already.
        """
        characters = sum(map(len, texts))
        self._refuse_overflow(len(texts), characters)
        waiting = _Waiting(texts, characters, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._count(len(texts), characters)
        self._arrived.set()
        return await waiting.result

    def _refuse_overflow(self, texts: int, characters: int) -> None:
        bound = WAITING_BODIES * self._options.max_bytes
        if self._texts + texts <= self._options.queue and self._characters + characters <= bound:
            return
        seconds = min(LONGEST_RETRY, max(1, math.ceil(self._texts * self._seconds_per_text)))
        raise RequestError(
            503,
            f"{self._texts} texts wait already, and {self._options.queue} may wait (together {bound:,} characters). "
            f"Send the request again in {seconds} s, or start the service with more workers",
            {"Retry-After": str(seconds)},
        )

    def _count(self, texts: int, characters: int) -> None:
        self._texts += texts
        self._characters += characters
        self._meters.queue.set(self._texts)

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while batch := self._next_batch():
                await self._evaluate(batch)

    def _next_batch(self) -> list[_Waiting]:
        """The requests that waited longest, at least one, and more as long as they fit."""
        batch: list[_Waiting] = []
        texts = characters = 0
        while self._waiting:
            first = self._waiting[0]
            fits = texts + len(first.texts) <= self._options.batch
            if batch and not (fits and characters + first.characters <= self._options.max_bytes):
                break
            self._waiting.popleft()
            self._count(-len(first.texts), -first.characters)
            if first.result.done():  # its request was cut off
                continue
            batch.append(first)
            texts += len(first.texts)
            characters += first.characters
        return batch

    async def _evaluate(self, batch: Sequence[_Waiting]) -> None:
        texts = [text for waiting in batch for text in waiting.texts]
        started = time.perf_counter()
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._thread, self._answer, texts)
        except Exception as error:  # whatever it is, each request must end; the guard answers 500
            for waiting in batch:
                if not waiting.result.done():
                    waiting.result.set_exception(error)
            return
        seconds = time.perf_counter() - started
        self._seconds_per_text += 0.2 * (seconds / len(texts) - self._seconds_per_text)
        self._meters.batches.observe(len(texts))
        self._meters.batch_seconds.observe(seconds)
        self._meters.texts.inc(len(texts))
        self._meters.unknown.inc(sum(not answer.known_words for answer in found))
        place = 0
        for waiting in batch:
            if not waiting.result.done():
                waiting.result.set_result(found[place : place + len(waiting.texts)])
            place += len(waiting.texts)
