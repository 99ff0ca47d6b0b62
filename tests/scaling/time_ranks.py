"""Times one evaluation of a converted Text GCN and of its source, in one process or on the ranks of torchrun.

    python tests/scaling/time_ranks.py RUN --threads 2
    torchrun --nproc-per-node 2 tests/scaling/time_ranks.py RUN

Prints one JSON object on rank 0. For one evaluation of each: the time from when all ranks are ready to when all are done, the
processor time of all ranks together, the time that the slowest rank spends in exchanges, waiting for others included (medians
over so many rounds), and the bytes of rows that all ranks together sent.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import unittest.mock
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gcn2snn.artefact import load_with_origin
from gcn2snn.cli.origins import graph_of, network_file
from gcn2snn.datasets import file_of_graph
from gcn2snn.distributed import Communicator, Job, launched, read_share
from gcn2snn.distributed.evaluation import network_on


def timed(call: Callable[[], object], rounds: int, ranks: Communicator) -> dict[str, float]:
    """Milliseconds of one call on all ranks, medians: elapsed, of the processors, and in exchanges."""
    exchange, exchanged = ranks.exchange, [0.0]

    def measured(*args: Any, **kwargs: Any) -> Tensor:
        start = time.perf_counter()
        rows = exchange(*args, **kwargs)
        exchanged[-1] += time.perf_counter() - start
        return rows

    elapsed, processor = [], []
    with unittest.mock.patch.object(ranks, "exchange", measured):
        for _ in range(rounds + 1):  # the first one warms up
            exchanged.append(0.0)
            ranks.wait()
            start, start_of_processor = time.perf_counter(), time.process_time()
            call()
            processor.append(time.process_time() - start_of_processor)
            ranks.wait()
            elapsed.append(time.perf_counter() - start)
    own = [statistics.median(processor[1:]), statistics.median(exchanged[2:])]
    every = ranks.everywhere(own)
    found = {"ms": statistics.median(elapsed[1:]), "processor_ms": sum(each[0] for each in every)}
    found["exchange_ms"] = max(each[1] for each in every)
    return {name: round(1000 * seconds, 1) for name, seconds in found.items()}


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("run", type=Path)
    words.add_argument("--rounds", type=int, default=5)
    words.add_argument("--threads", type=int, default=1, help="of each process")
    given = words.parse_args()
    torch.set_num_threads(given.threads)
    launch = launched()
    job = None if launch is None else Job.join(launch)
    ranks = Communicator.alone() if job is None else job.ranks
    snn, origin = load_with_origin(network_file(given.run))

    def place() -> str:
        return str(file_of_graph(graph_of(origin, None)))

    share = read_share(Path(place() if job is None else job.once_on_each_machine("graph", place)), ranks)
    local, inputs = network_on(snn.network, share)
    with torch.no_grad():
        calls = {"spiking": lambda: local.run_closed(inputs), "source": lambda: local.run_float(inputs)}
        result: dict[str, object] = {"ranks": ranks.size, "threads": torch.get_num_threads()}
        for name, call in calls.items():
            result |= {f"{name}_{kind}": number for kind, number in timed(call, given.rounds, ranks).items()}
            before = sum(ranks.sent.values())
            call()
            result[f"{name}_bytes"] = int(ranks.ordered_sum([sum(ranks.sent.values()) - before])[0])
    if ranks.first:
        print(json.dumps(result))
    if job is not None:
        job.end()


if __name__ == "__main__":
    main()
