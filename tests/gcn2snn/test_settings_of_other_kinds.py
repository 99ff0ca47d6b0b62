"""Settings that are no numbers or texts at all are refused in a sentence, wherever they are kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from gcn2snn import Gcn2SnnError, memory_limit
from gcn2snn.bench import BenchConfig
from gcn2snn.datasets import Corpus, SyntheticCorpus
from gcn2snn.energy import joules
from gcn2snn.kernels import all_finite
from gcn2snn.plan import Problem, Rates
from gcn2snn.reproduce import ReproduceOptions

ODD: Any = torch.zeros(0)
CALLS: dict[str, Callable[[], object]] = {
    "rounds of bench": lambda: BenchConfig(rounds=ODD),
    "graphs of bench": lambda: BenchConfig(graphs=(3,)),  # type: ignore[arg-type]
    "trials of reproduce": lambda: ReproduceOptions(trials=ODD),
    "largest loss of reproduce": lambda: ReproduceOptions(max_loss=[1.0]),  # type: ignore[arg-type]
    "nodes of a plan": lambda: Problem(ODD, 9, 4, (3,), 2),
    "rates": lambda: Rates("fast", 1.0, 1.0, "a guess"),  # type: ignore[arg-type]
    "words of a synthetic corpus": lambda: SyntheticCorpus(words=range(3)),  # type: ignore[arg-type]
    "labels of a corpus": lambda: Corpus("two", ("a", "b"), ("x", 1), ("train", "train"), ("1", "2")),  # type: ignore[arg-type]
    "joules": lambda: joules(ODD),
    "finite values": lambda: all_finite(["a"]),  # type: ignore[arg-type]
    "folder of a memory limit": lambda: memory_limit("1GB", folder=3).__enter__(),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("what", CALLS)
def test_refused(what: str) -> None:
    with pytest.raises(Gcn2SnnError, match=r"cannot work with|allowed are|needed"):
        CALLS[what]()
