"""Times one evaluation of a converted Text GCN and of its source, in one process or on the ranks of torchrun.

    python tests/scaling/time_ranks.py RUN --threads 2
    torchrun --nproc-per-node 2 tests/scaling/time_ranks.py RUN

Prints one JSON object on rank 0: the median, over so many rounds, of the time from when all ranks are ready to when all are
done, and the bytes of rows that all ranks together sent in one evaluation.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from gcn2snn.artefact import load_with_origin
from gcn2snn.cli.origins import graph_of, network_file
from gcn2snn.datasets import file_of_graph
from gcn2snn.distributed import Communicator, Job, launched, read_share
from gcn2snn.distributed.evaluation import network_on


def timed(call: Callable[[], object], rounds: int, ranks: Communicator) -> float:
    """Milliseconds of one call on all ranks, the median."""
    found = []
    for _ in range(rounds + 1):  # the first one warms up
        ranks.wait()
        start = time.perf_counter()
        call()
        ranks.wait()
        found.append(1000 * (time.perf_counter() - start))
    return statistics.median(found[1:])


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
            result[f"{name}_ms"] = round(timed(call, given.rounds, ranks), 1)
            before = sum(ranks.sent.values())
            call()
            result[f"{name}_bytes"] = int(ranks.ordered_sum([sum(ranks.sent.values()) - before])[0])
    if ranks.first:
        print(json.dumps(result))
    if job is not None:
        job.end()


if __name__ == "__main__":
    main()
