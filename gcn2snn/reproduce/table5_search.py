"""The tuned row of Table V: one configuration for all training seeds of a dataset, by their validation documents."""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from gcn2snn.config import ConvertConfig, TrainConfig, to_dict
from gcn2snn.errors import ArtefactError, ConfigError, DataError, Gcn2SnnError
from gcn2snn.reproduce.kept import keep, kept, key_of, run_key, say
from gcn2snn.reproduce.options import ReproduceOptions, flags
from gcn2snn.reproduce.seeded_runs import Loader
from gcn2snn.run_folder import read_run
from gcn2snn.textgcn import load_model, train_run, validation_of

TRIALS = 150
"""Configurations that a search tries unless told otherwise."""

JOURNAL = "tune.journal"

PROGRESS = 25
"""Trials between two lines of progress."""


def check_search(modes: Sequence[str], options: ReproduceOptions) -> None:
    """Refuse options of a search where none is made.

    Raises:
        ConfigError: ``trials`` or ``max_loss`` is given and ``tuned`` is not among the modes.
    """
    asked = [name for name in ("trials", "max_loss") if name in options.given()]
    if asked and "tuned" not in modes:
        raise ConfigError(
            f"the modes {', '.join(modes)} make no search, so {flags(asked)} has no meaning. "
            f"Add tuned to --modes, or leave {flags(asked)} out"
        )


def label(mode: str, options: ReproduceOptions) -> str:
    """The mode, and what was asked of its search."""
    if mode not in ("", "tuned"):
        return mode
    trials = "" if options.trials is None else f", --trials {options.trials}"
    return mode + trials + ("" if options.max_loss is None else f", --max-loss {options.max_loss:g}")


def suffix(options: ReproduceOptions) -> str:
    """Of the names of files: tables that differ in what was asked of the search do not overwrite each other."""
    return label("", options).replace(", --", "-").replace(" ", "-")


class PooledSearch:
    """The search over all runs of a dataset, made when its result is first needed and kept as ``tuned-SEEDS-TRIALS.json``.

    Args:
        folder: the dataset's folder, with a run folder for each seed.
        load: gives the graph.
        seeds: how many runs are tuned together.
        options: ``trials``: configurations; more of them go on where a search with fewer ended. ``max_loss``: what may
            be lost at the point taken from the front; None: what the search itself chose. ``keep_going``: leave runs out
            that are broken.
    """

    def __init__(self, folder: Path, load: Loader, seeds: int, options: ReproduceOptions):
        self.folder, self.load, self.seeds, self.keep_going = folder, load, seeds, options.keep_going
        self.trials, self.max_loss = options.trials or TRIALS, options.max_loss
        self.file = folder / f"tuned-{seeds}-{self.trials}.json"

    @property
    def name(self) -> str:
        """Of the results that belong to the point taken."""
        return self.file.stem + ("" if self.max_loss is None else f"-loss-{self.max_loss:g}")

    @cached_property
    def result(self) -> dict[str, Any]:
        """The search's front and choice, and how many trials and seconds it took (JSON values).

        Raises:
            ArtefactError: a run folder is broken, and ``keep_going`` is not set.
            DataError: what is kept is broken.
        """
        if (old := self._kept()) is not None:
            return old
        from gcn2snn.tune import Pool, Problem, TuneConfig, search

        graph = self.load()
        problems = []
        for seed in range(self.seeds):
            run = self.folder / f"seed{seed}"
            try:
                train_run(graph, TrainConfig(seed=seed), run)
                problems.append(Problem(load_model(run, graph), [validation_of(read_run(run, "graph"), graph)]))
            except ArtefactError:
                if not self.keep_going:
                    raise
        config = TuneConfig(trials=self.trials)
        start = time.process_time()
        say(f"{self.folder}: {config.trials} configurations on {len(problems)} runs")

        def told(done: int, _: object) -> None:
            if done % PROGRESS == 0:
                say(f"{self.folder}: {done} of {config.trials} configurations")

        found = search(Pool(problems), config, self.folder / JOURNAL, told)
        result = found.to_dict() | {"runs": len(problems), "processor_seconds": time.process_time() - start}
        keep(self.file, self.key() or "", result)
        problems.clear()
        gc.collect()  # gigabytes of kept states must not wait beside those of the next dataset
        return result

    def key(self) -> str | None:
        """Hash of the runs that are tuned together and of the budget; None while one of them is not trained.

        The rule is not in it: the front is the same for all, and results of another rule have a name of their own.
        """
        keys = []
        for seed in range(self.seeds):
            try:
                keys.append(run_key(self.folder / f"seed{seed}"))
            except ArtefactError as error:
                if not self.keep_going:
                    raise
                keys.append(f"left out: {error}")
        return None if None in keys else key_of(keys, self.trials)

    def _kept(self) -> dict[str, object] | None:
        from gcn2snn.tune import point_of

        try:
            found = kept(self.file, self.key())
            if found is None:
                return None
            for values in (found["chosen"], *found["front"]):
                point_of(values)
            return found | {"met": bool(found["met"])}
        except (Gcn2SnnError, KeyError, TypeError) as error:
            raise DataError(
                f"{self.file} does not hold what a search found ({error}). Delete it: it is made again from "
                f"{self.folder / JOURNAL} without measuring anything twice"
            ) from error

    @property
    def summary(self) -> dict[str, object]:
        """What the search chose, what the rule takes, the front without configurations, and what it cost (JSON values)."""
        numbers = [{key: value for key, value in point.items() if key != "config"} for point in self.result["front"]]
        return self.result | {"front": numbers, "taken": to_dict(self.chosen[0])}

    @cached_property
    def chosen(self) -> tuple[ConvertConfig, bool]:
        """The configuration the rule picks, or the nearest to it, and whether it is within the rule."""
        if self.max_loss is None:
            return ConvertConfig(**self.result["chosen"]["config"]), self.result["met"]
        from gcn2snn.tune import TuneConfig, excess, nearest, point_of

        rule = TuneConfig(max_loss=self.max_loss)
        point = nearest([point_of(values) for values in self.result["front"]], rule)
        return point.config, excess(point, rule) == 0.0
