"""Training runs of the published corpora, one folder for each dataset and seed: found, continued, or named when broken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from gcn2snn.config import TrainConfig
from gcn2snn.datasets import load, load_graph
from gcn2snn.errors import ArtefactError, DataError
from gcn2snn.graph import Graph
from gcn2snn.reproduce.kept import keep, kept, key_of, run_key, say
from gcn2snn.reproduce.options import ReproduceOptions
from gcn2snn.textgcn import train_run

Loader = Callable[[], Graph]
"""Gives a graph when it is first needed."""


def available(datasets: Iterable[str], data_dir: Path | None) -> tuple[dict[str, Loader], dict[str, str]]:
    """Loaders of the datasets that are there, and why the others are not; printed before any long work.

    Raises:
        DataError: none is there.
    """
    found: dict[str, Loader] = {}
    missing: dict[str, str] = {}
    for name in datasets:
        try:
            load(name, data_dir)
            found[name] = _Once(name, data_dir)
        except DataError as error:
            missing[name] = str(error)
            say(f"{name} is left out: {error}")
    if not found:
        raise DataError("; ".join(missing.values()))
    return found, missing


class _Once:
    """A graph that is loaded when first needed, and the one before it forgotten."""

    _kept: dict[str, Graph] = {}  # noqa: RUF012 - one graph for the whole process, on purpose

    def __init__(self, name: str, data_dir: Path | None):
        self.name, self.data_dir = name, data_dir

    def __call__(self) -> Graph:
        if self.name not in self._kept:
            self._kept.clear()
            self._kept[self.name] = load_graph(self.name, self.data_dir)
        return self._kept[self.name]


class Runs:
    """Results of the run folders ``out/DATASET/seedN``, each measured once and read back afterwards.

    Args:
        out: folder of the datasets' folders.
        options: ``keep_going`` leaves broken folders out.
    """

    def __init__(self, out: Path, options: ReproduceOptions):
        self.out, self.options = out, options
        self.broken: dict[str, str] = {}

    def results(
        self,
        name: str,
        load: Loader,
        seeds: int,
        measures: Mapping[str, Callable[[Path, Graph], dict[str, object]]],
        depend: Mapping[str, Callable[[], object]] | None = None,
    ) -> list[dict[str, Any]]:
        """For each seed {measure: its JSON values}, kept as ``MEASURE.json`` in the run folder with a key of the run.

        Args:
            name, load, seeds: the dataset and its folder, its graph, and how many runs.
            measures: what is measured of a run.
            depend: by measure, JSON values of what else its result depends on; None: of something not there yet.

        Raises:
            ArtefactError: a run folder is broken, and ``keep_going`` was not asked for.
        """
        found = []
        for seed in range(self.options.seeds or seeds):
            folder = self.out / name / f"seed{seed}"
            try:
                found.append(_one_run(folder, load, seed, measures, depend or {}))
            except ArtefactError as error:
                if not self.options.keep_going:
                    raise ArtefactError(f"{error}. --keep-going leaves {folder} out") from error
                self.broken[str(folder)] = str(error)
                say(f"{folder} is left out: {error}")
        return found


def _one_run(
    folder: Path,
    load: Loader,
    seed: int,
    measures: Mapping[str, Callable[[Path, Graph], dict[str, object]]],
    depend: Mapping[str, Callable[[], object]],
) -> dict[str, object]:
    results: dict[str, object] = {}
    for name, measure in measures.items():
        path = folder / f"{name}.json"

        def key(name: str = name) -> str | None:
            of_run, other = run_key(folder), depend[name]() if name in depend else ""
            return None if of_run is None or other is None else key_of(of_run, name, other)

        found = kept(path, key()) if path.exists() else None
        if found is None:
            graph = load()
            say(f"{folder}: {name}")
            train_run(graph, TrainConfig(seed=seed), folder)
            found = measure(folder, graph)
            keep(path, key() or "", found)
        results[name] = found
    return results


def left_out(missing: Mapping[str, str], broken: Mapping[str, str]) -> list[str]:
    """A line for each dataset or run folder that a table lacks."""
    return [f"Not in the table: {name}: {why}" for name, why in (*missing.items(), *broken.items())]
