"""``gcn2snn reproduce opponents``: the trained Text GCNs as spiking networks, on uniform grids of a few bits, and pruned."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from gcn2snn import ir
from gcn2snn.config import ConvertConfig
from gcn2snn.conversion import call_of, convert
from gcn2snn.energy import EnergyReport
from gcn2snn.engines import Value, bind, run_float
from gcn2snn.evaluation import evaluate
from gcn2snn.files import save_json, save_text
from gcn2snn.graph import Graph
from gcn2snn.passes import round_weights
from gcn2snn.reproduce.integer_costs import Cost, grid_cost, source_cost, spiking_cost
from gcn2snn.reproduce.options import ReproduceOptions, chosen_names
from gcn2snn.reproduce.over_seeds import spread
from gcn2snn.reproduce.seeded_runs import Runs, available, left_out
from gcn2snn.reproduce.table5 import PAPER, seeds_of
from gcn2snn.reproduce.table5_search import PooledSearch, check_search, label, suffix
from gcn2snn.reproduce.uniform_code import fit_clips, pruned, run_uniform, ternary
from gcn2snn.textgcn import load_model

SPIKING = ("paper", "measured", "tuned")
MODES = (*SPIKING, "grids", "pruned")
BITS = (6, 5, 4)
HALVINGS = 7
"""Of the interval in which the share of pruned weights is found."""

NOTES = """\
* Accuracy on the published test split, and the loss against the source of the same seed; mean and sample standard deviation over seeds.
* Every network but the source has weights of 8 bits (or -a, 0, a) and sums of 32 bits. A row of W_0 is selected, not multiplied.
* `operations`: additions of the spiking network; multiply-accumulates of a grid, all of them, and with those left out in which the
  activation or the weight is zero. A network that leaves them out needs their positions, whose cost is not counted on either side.
* Arithmetic: 0.2 pJ for 8 x 8 bits, in proportion to the product of the widths, and 0.1 pJ for the sum of 32 bits; a spike is the sum
  alone. With memory: 2.5 pJ for each byte of weights and activations read, of potentials written, and of membranes read and written
  for every spike; and what each neuron or each new activation costs (a multiplication of 32 bits, 3.1 pJ, and a comparison).
* `updates where something happens`: a chip that touches a neuron when a spike arrives or it may fire; else each one at every step.
* A grid's largest levels are those of least squared error of each channel on the source's activations; nothing is trained again.
* `pruned`: 8-bit activations; of each tensor of weights and of the graph's matrix the smallest entries are zero, so that no more
  operations are left than the tuned spiking network has additions; where no tuned one is asked for, than the one with measured
  settings has."""


def opponents(out: Path, options: ReproduceOptions) -> dict[str, object]:
    """Spiking networks beside what else can be made of the same weights, measured by the same table of energies.

    Args:
        out: ``out/DATASET/seedN`` are run folders, those of ``table5``, with one JSON result for each mode.
        options: datasets, seeds, modes (``tuned`` is a search, and is made only when asked for), and its number of
            configurations and rule, so that the tuned row is the one that ``table5`` measured with the same options.
    """
    datasets = chosen_names(PAPER, options.datasets, "dataset")
    modes = chosen_names(MODES, options.modes, "mode") if options.modes else tuple(m for m in MODES if m != "tuned")
    check_search(modes, options)
    graphs, missing = available(datasets, options.data_dir)
    runs, results = Runs(out, options), {}
    for name, load in graphs.items():
        seeds = options.seeds or seeds_of(name)
        search = PooledSearch(out / name, load, seeds, options)
        tuned = "tuned" in modes  # then the others are pruned to what it adds
        names = {mode: f"opponents-{search.name if mode == 'tuned' else mode}" for mode in modes}
        if tuned and "pruned" in modes:
            names["pruned"] = f"opponents-pruned-{search.name}"
        measures = {
            names[mode]: functools.partial(_measure, mode=mode, search=search, named=label(mode, options), tuned=tuned)
            for mode in modes
        }
        depend = {names[mode]: search.key for mode in ("tuned", "pruned") if tuned and mode in modes}
        results[name] = runs.results(name, load, seeds, measures, depend)
    text = "\n\n".join([table(results), *left_out(missing, runs.broken), NOTES])
    content = {"results": results, "missing": missing, "broken": runs.broken}
    stem = "opponents" + suffix(options)
    files = [save_json(out / f"{stem}.json", content), save_text(out / f"{stem}.md", text + "\n")]
    return {"text": text, "results": results, "files": [str(file) for file in files]}


def _measure(
    folder: Path, graph: Graph, *, mode: str, search: PooledSearch, named: str, tuned: bool
) -> dict[str, object]:
    """Rows of one mode for one run: name -> accuracy, loss and costs (JSON values).

    Args:
        folder, graph: the run.
        mode: what is measured.
        search: whose configuration is the tuned one.
        named: the mode, and the options that it depends on.
        tuned: the spiking network to whose operations the others are pruned is the tuned one.
    """
    model = load_model(folder, graph)
    contest = Contest(model, graph)
    if mode in SPIKING:
        config = search.chosen[0] if mode == "tuned" else ConvertConfig.paper() if mode == "paper" else ConvertConfig()
        rows = contest.spiking(f"one spike, {named}", replace(config, weights="int8"))
    else:
        rows = contest.grids() if mode == "grids" else contest.pruned(search.chosen[0] if tuned else ConvertConfig())
    return {"rows": rows}


class Contest:
    """One trained network on one graph, and what is made of it.

    Args:
        model: the source.
        graph: with test nodes.
    """

    def __init__(self, model: torch.nn.Module, graph: Graph):
        self.model, self.graph = model, graph
        plain = convert(model, graph, ConvertConfig.paper())
        self.network = plain.network
        args, _ = call_of(graph)
        self.inputs: dict[str, Value] = bind(self.network, args, {})
        self.test = graph.test_mask.nonzero().flatten()
        self.source = self.accuracy(run_float(self.network, self.inputs))
        self.energy = plain.energy(*args)

    def accuracy(self, output: torch.Tensor) -> float:
        """Percent of the test nodes."""
        return 100 * float((output[self.test].argmax(1) == self.graph.labels[self.test]).double().mean())

    def spiking(self, name: str, config: ConvertConfig) -> dict[str, object]:
        """The converted network with weights of 8 bits; the source before it."""
        found = evaluate(convert(self.model, self.graph, config), self.graph, event_driven=True)
        rows = self._row("source, 32-bit floats", self.source, source_cost(self.energy))
        energy, accuracy = found.energy, found.snn.accuracy
        assert energy.event_driven is not None  # it was asked for
        for kind, updates in (
            (name, energy.updates),
            (f"{name}, updates where something happens", energy.event_driven),
        ):
            rows |= self._row(kind, accuracy, spiking_cost(energy, updates))
        return rows

    def grids(self) -> dict[str, object]:
        """Uniform activations of each width, with weights of 8 bits and with ternary ones."""
        rows: dict[str, object] = {}
        for bits in BITS:
            clips = fit_clips(self.network, [self.inputs], bits)
            for kind, network, width in (
                ("8-bit", round_weights(self.network), 8),
                ("ternary", ternary(self.network), 2),
            ):
                made = run_uniform(network, self.inputs, bits, clips)
                name = f"{bits}-bit activations, {kind} weights"
                rows |= self._grid(name, made.output, network, made.energy, bits, width)
        return rows

    def pruned(self, config: ConvertConfig) -> dict[str, object]:
        """As few operations as the spiking network of a configuration has additions, by leaving weights out."""
        spiking = evaluate(convert(self.model, self.graph, replace(config, weights="int8")), self.graph)
        allowed = sum(layer.events for layer in spiking.energy.layers)
        clips = fit_clips(self.network, [self.inputs], 8)
        low, high = 0.0, 1.0
        for _ in range(HALVINGS):
            share = (low + high) / 2
            made = run_uniform(pruned(self.network, share), self.inputs, 8, clips, share)
            low, high = (share, high) if left_of(made.energy) > allowed else (low, share)
        network = pruned(self.network, high)
        made = run_uniform(network, self.inputs, 8, clips, high)
        return self._grid("8-bit activations, pruned 8-bit weights", made.output, network, made.energy, 8, 8) | {
            "pruned share": high
        }

    def _grid(
        self, name: str, output: torch.Tensor, network: ir.Network, energy: EnergyReport, bits: int, width: int
    ) -> dict[str, object]:
        accuracy = self.accuracy(output)
        rows: dict[str, object] = {}
        for kind, skipped in ((name, False), (f"{name}, zeros left out", True)):
            rows |= self._row(kind, accuracy, grid_cost(network, energy, bits, width, skipped=skipped))
        return rows

    def _row(self, name: str, accuracy: float, cost: Cost) -> dict[str, object]:
        return {name: {"accuracy": accuracy, "loss": self.source - accuracy, **cost.to_dict()}}


def left_of(energy: EnergyReport) -> int:
    """Operations in which neither the activation nor the weight is zero."""
    return sum(layer.effective for layer in energy.layers)


def table(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """A Markdown table for each dataset, and a sentence that says which networks beat the best spiking one."""
    parts = []
    for name, seeds in results.items():
        rows: dict[str, list[dict[str, float]]] = {}
        for seed in seeds:
            merged: dict[str, Any] = {}
            for measure in seed.values():
                merged |= {key: row for key, row in measure["rows"].items() if isinstance(row, dict)}
            for key, row in merged.items():
                rows.setdefault(key, []).append(row)
        lines = [
            f"### {name}, {len(seeds)} seed(s)",
            "",
            "| network | accuracy % | loss | operations, millions | arithmetic, uJ | with memory, uJ |",
            "|-|-|-|-|-|-|",
        ]
        for key, of in rows.items():
            cells = [spread([row["accuracy"] for row in of]), spread([row["loss"] for row in of])]
            cells += [f"{fmean(row['operations'] for row in of) / 1e6:,.1f}"]
            cells += [f"{1e6 * fmean(row[part] for row in of):,.1f}" for part in ("arithmetic", "with_memory")]
            lines.append(f"| {key} | {' | '.join(cells)} |")
        parts.append("\n".join([*lines, "", *verdicts(rows)]))
    return "\n\n".join(parts)


def verdicts(rows: Mapping[str, Sequence[Mapping[str, float]]]) -> list[str]:
    """For each spiking network: the opponents that are at least as accurate and cheaper, by arithmetic and with memory."""
    found = []
    mean = {name: {part: fmean(row[part] for row in of) for part in of[0]} for name, of in rows.items()}
    others = {name: row for name, row in mean.items() if not name.startswith(("one spike", "source"))}
    for name in (name for name in mean if name.startswith("one spike")):
        own = mean[name]
        for part, said in (("arithmetic", "by arithmetic"), ("with_memory", "with memory")):
            better = [other for other, row in others.items() if row["loss"] <= own["loss"] and row[part] < own[part]]
            ends = f"is beaten {said} by {'; '.join(better)}" if better else f"is beaten {said} by none of them"
            found.append(f"* `{name}` {ends}.")
    return found
