"""The tuned row of Table V: one configuration for all training seeds of a dataset, by their validation documents."""

from __future__ import annotations

import gc
import time
from functools import cached_property
from pathlib import Path
from typing import Any

from gcn2snn.checkpoint import load_json, save_json
from gcn2snn.config import ConvertConfig, TrainConfig
from gcn2snn.errors import ArtefactError
from gcn2snn.runs import load_model, read_run, train_run, validation_of
from gcn2snn.seeds import Loader, say

TRIALS = 150
"""Configurations that a search tries unless told otherwise."""

PROGRESS = 25
"""Trials between two lines of progress."""


class PooledSearch:
    """The search over all runs of a dataset, made when its result is first needed and kept as ``tuned-SEEDS-TRIALS.json``.

    Args:
        folder: the dataset's folder, with a run folder for each seed.
        load: gives the graph.
        seeds: how many runs are tuned together.
        keep_going: leave runs out that are broken.
        trials: configurations; more of them go on where a search with fewer ended. None: the tuner's own number.
    """

    def __init__(self, folder: Path, load: Loader, seeds: int, keep_going: bool, trials: int | None = None):
        self.folder, self.load, self.seeds, self.keep_going = folder, load, seeds, keep_going
        self.trials = trials
        self.file = folder / f"tuned-{seeds}-{trials or TRIALS}.json"

    @cached_property
    def result(self) -> dict[str, Any]:
        """The search's front and choice, and how many trials and seconds it took (JSON values).

        Raises:
            ArtefactError: a run folder is broken, and ``keep_going`` is not set.
        """
        if self.file.exists():
            return load_json(self.file)
        from gcn2snn.tune import Pool, Problem, TuneConfig, search

        graph = self.load()
        problems = []
        for seed in range(self.seeds):
            run = self.folder / f"seed{seed}"
            try:
                train_run(graph, TrainConfig(seed=seed), run)
                problems.append(Problem(load_model(run, graph), [validation_of(read_run(run), graph)]))
            except ArtefactError:
                if not self.keep_going:
                    raise
        config = TuneConfig(trials=self.trials or TRIALS)
        start = time.process_time()
        say(f"{self.folder}: {config.trials} configurations on {len(problems)} runs")

        def told(done: int, _: object) -> None:
            if done % PROGRESS == 0:
                say(f"{self.folder}: {done} of {config.trials} configurations")

        found = search(Pool(problems), config, self.folder / "tune.journal", told)
        result = found.to_dict() | {"runs": len(problems), "processor_seconds": time.process_time() - start}
        save_json(self.file, result)
        problems.clear()
        gc.collect()  # gigabytes of kept states must not wait beside those of the next dataset
        return result

    @property
    def config(self) -> ConvertConfig:
        """The configuration the rule picked, or the nearest to it."""
        return ConvertConfig(**self.result["chosen"]["config"])
