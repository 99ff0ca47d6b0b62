"""Batches and the queue: who shares an evaluation, who is turned away, and what happens to those that were cut off."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcn2snn.prediction import Prediction
from gcn2snn.serve import Served, ServeOptions
from gcn2snn.serve.batcher import Batcher
from gcn2snn.serve.meters import Meters
from gcn2snn.serve.request_errors import RequestError


def answer_of(text: str) -> Prediction:
    return Prediction(text, {text: 1.0}, len(text), 0, 0, 0.0, 1, {})


class Evaluation:
    """Takes down what it is given; waits for ``go`` if it was told to."""

    def __init__(self, held: bool = False):
        self.batches: list[list[str]] = []
        self.go = threading.Event()
        if not held:
            self.go.set()

    def __call__(self, texts: Sequence[str]) -> list[Prediction]:
        self.batches.append(list(texts))
        assert self.go.wait(30)
        if "fault" in texts:
            raise RuntimeError("a fault")
        return [answer_of(text) for text in texts]


def limits(**given: int) -> ServeOptions:
    return ServeOptions(network=Path("x"), **{"queue": 8, "batch": 4, "max_texts": 6, "max_bytes": 1024, **given})


def with_batcher(
    evaluation: Callable[[Sequence[str]], list[Prediction]],
    options: ServeOptions,
    body: Callable[[Batcher], Awaitable[None]],
) -> None:
    async def run() -> None:
        async with Batcher(evaluation, options, Meters()) as batcher:
            await body(batcher)

    asyncio.run(asyncio.wait_for(run(), 60))


async def settled() -> None:
    """Let every task go as far as it can without the evaluation's thread."""
    for _ in range(20):
        await asyncio.sleep(0)
    await asyncio.sleep(0.02)


def test_requests_that_wait_share_an_evaluation_and_none_is_split() -> None:
    evaluation = Evaluation(held=True)

    async def body(batcher: Batcher) -> None:
        asked = [["first"], ["a", "b"], ["c"], ["d", "e"], ["f"]]
        tasks = []
        for texts in asked:
            tasks.append(asyncio.create_task(batcher.predictions(texts)))
            await settled()
        evaluation.go.set()
        for texts, task in zip(asked, tasks, strict=True):
            assert await task == [answer_of(text) for text in texts]

    with_batcher(evaluation, limits(), body)
    assert evaluation.batches == [["first"], ["a", "b", "c"], ["d", "e", "f"]]


def test_a_large_request_is_evaluated_alone_and_long_texts_share_less() -> None:
    evaluation = Evaluation(held=True)

    async def body(batcher: Batcher) -> None:
        tasks = []
        for texts in (["first"], list("abcdef"), ["x" * 600], ["y" * 600]):
            tasks.append(asyncio.create_task(batcher.predictions(texts)))
            await settled()
        evaluation.go.set()
        await asyncio.gather(*tasks)

    with_batcher(evaluation, limits(), body)
    assert [len(batch) for batch in evaluation.batches] == [1, 6, 1, 1]


def test_more_than_the_queue_holds_is_told_to_come_back() -> None:
    evaluation = Evaluation(held=True)

    async def body(batcher: Batcher) -> None:
        first = asyncio.create_task(batcher.predictions(["first"]))
        await settled()  # it is being evaluated and does not wait any more
        waiting = [asyncio.create_task(batcher.predictions(["a", "b", "c", "d"])) for _ in range(2)]
        await settled()
        with pytest.raises(RequestError, match="8 texts wait already, and 8 may wait") as refused:
            await batcher.predictions(["e"])
        assert refused.value.status == 503
        assert int(refused.value.headers["Retry-After"]) >= 1
        evaluation.go.set()
        await asyncio.gather(first, *waiting)
        assert await batcher.predictions(["e"]) == [answer_of("e")]

    with_batcher(evaluation, limits(), body)


def test_few_but_huge_texts_are_bounded_too() -> None:
    evaluation = Evaluation(held=True)

    async def body(batcher: Batcher) -> None:
        first = asyncio.create_task(batcher.predictions(["first"]))
        await settled()
        waiting = [asyncio.create_task(batcher.predictions(["x" * 1024])) for _ in range(16)]
        await settled()
        with pytest.raises(RequestError, match="together 16,384 characters"):
            await batcher.predictions(["x"])
        evaluation.go.set()
        await asyncio.gather(first, *waiting)

    with_batcher(evaluation, limits(queue=100), body)


def test_a_request_that_was_cut_off_is_not_evaluated() -> None:
    evaluation = Evaluation(held=True)

    async def body(batcher: Batcher) -> None:
        first = asyncio.create_task(batcher.predictions(["first"]))
        await settled()
        gone = asyncio.create_task(batcher.predictions(["gone"]))
        stays = asyncio.create_task(batcher.predictions(["stays"]))
        await settled()
        gone.cancel()
        await settled()
        evaluation.go.set()
        await asyncio.gather(first, stays)

    with_batcher(evaluation, limits(), body)
    assert evaluation.batches == [["first"], ["stays"]]


def test_a_fault_ends_the_requests_of_its_batch_and_no_other() -> None:
    evaluation = Evaluation()

    async def body(batcher: Batcher) -> None:
        with pytest.raises(RuntimeError, match="a fault"):
            await batcher.predictions(["fault"])
        assert await batcher.predictions(["a"]) == [answer_of("a")]

    with_batcher(evaluation, limits(), body)


WORDS = st.lists(st.sampled_from(["apple", "pear", "tree", "car", "road", "bus", "engine", "unheard"]), max_size=6).map(
    " ".join
)


@settings(max_examples=25, deadline=None)
@given(asked=st.lists(st.lists(WORDS, min_size=1, max_size=5), min_size=1, max_size=8))
def test_company_does_not_change_an_answer(served: Served, asked: list[list[str]]) -> None:
    async def body(batcher: Batcher) -> None:
        found = await asyncio.gather(*(batcher.predictions(texts) for texts in asked))
        for texts, answers in zip(asked, found, strict=True):
            assert answers == [served.answer([text])[0] for text in texts]

    with_batcher(served.answer, limits(queue=100), body)
