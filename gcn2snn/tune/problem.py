"""A source model with validation data: what a configuration costs there in accuracy and in additions."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from gcn2snn import ir
from gcn2snn.config import ConvertConfig, LayerConfig, to_dict
from gcn2snn.conversion import call_of, prepare
from gcn2snn.energy import EnergyReport, EventCounter
from gcn2snn.engines import Value, bind, fire
from gcn2snn.errors import ConfigError, DataError
from gcn2snn.frontends import Handler
from gcn2snn.kernels import Spikes
from gcn2snn.passes import (
    FanOut,
    Statistics,
    coding_of,
    cut_spikes,
    fan_out,
    refit_asked,
    refittable,
    rules_of,
)
from gcn2snn.prediction import temperature
from gcn2snn.tune.contents import contents_hash
from gcn2snn.tune.loss import divergence_of, expected_loss
from gcn2snn.tune.point import Point
from gcn2snn.tune.prefix import PrefixRuns
from gcn2snn.tune.readout import Example, in_rows, read
from gcn2snn.tune.refits import Refits

Labelled = tuple[object, Tensor]
"""An input as for ``convert``, and a class for each output row, -1 for rows that are not looked at."""


@dataclass(frozen=True, eq=False)
class _Form:
    """The network of one configuration but for its layers, whole and for the scored rows, and what is known of it so far."""

    whole: ir.Network
    network: ir.Network
    statistics: Statistics
    runs: PrefixRuns
    scales: dict[Hashable, Tensor] = field(default_factory=dict)
    fans: dict[Hashable, FanOut] = field(default_factory=dict)
    refits: Refits = field(default_factory=Refits)

    def configured(self, node: ir.UncalibratedNeuron | ir.UncalibratedCoder, config: ConvertConfig) -> ir.Node:
        """The population with the code and scale of a configuration."""
        if isinstance(node, ir.UncalibratedCoder):
            return node.calibrated(self.statistics.largest(node))
        own = config.layers.get(node.name, LayerConfig())
        coding = coding_of(config, node.name, node.coding.signed)
        node = replace(node, coding=coding)
        kind, per = own.scale or config.scale, own.per or config.per
        key = (node.name, kind, per, coding)
        if key not in self.scales:
            self.scales[key] = self.statistics.scale(node, kind, per)
        return node.calibrated(self.scales[key])


class Problem:
    """A source model with its validation data; measures configurations in closed form.

    Float activations, their maxima and histograms are taken once. A trial starts at the first population that no kept
    run configured like it, and makes the last aggregation for the rows with labels only.

    Its ``fingerprint`` is a hash over the description of the model with its weights, the inputs, the labels, and the
    source's scores.

    Args:
        model: the source.
        validation: inputs with labels.
        handlers: as for ``convert``.

    Raises:
        DataError: there are no labels.
    """

    def __init__(
        self,
        model: nn.Module,
        validation: Iterable[Labelled],
        handlers: Mapping[type[nn.Module], Handler] | None = None,
    ):
        pairs = list(validation)
        self.labels = torch.cat([labels[labels >= 0] for _, labels in pairs])
        if not self.labels.numel():
            raise DataError("no validation row has a label; tuning needs some that are not in the test split")
        self.model, self.handlers = model, handlers
        self._calls = [call_of(example) for example, _ in pairs]
        self._first = pairs[0][0]
        self._forms: dict[str, _Form] = {}
        network = self._prepared(ConvertConfig())
        network.check_scores("tune")
        self.populations = [node.name for node in network.of(ir.Population)]
        self.cuttable, self.refittable = _cuttable(network), refittable(network)
        rows = [(labels >= 0).nonzero().flatten() for _, labels in pairs]
        found = [read(network, bind(network, *call), row) for call, row in zip(self._calls, rows, strict=True)]
        self.examples: list[Example] = [example for example, _ in found]
        scores = torch.cat([scores for _, scores in found]).double()
        self.source = scores.argmax(1)
        self.divisor = temperature(scores, self.labels)
        self.probability = (scores / self.divisor).softmax(1)
        self.source_accuracy, self.rows = _percent(self.source == self.labels), len(self.labels)
        self.fingerprint = contents_hash([[repr(n), n.tensors()] for n in network], self.examples, self.labels, scores)

    def measure(self, config: ConvertConfig) -> Point:
        """Accuracy and energy of a configuration on the validation rows."""
        return measured(config, [self])

    def run(self, config: ConvertConfig) -> tuple[Tensor, EnergyReport]:
        """Scores of the rows with labels [N, classes], and the energy of all runs; its footprint is without horizons."""
        config = replace(config, correct="none").settled()  # without bias correction
        form = self._form(config.without_exceptions())
        nodes: list[ir.UncalibratedNeuron | ir.UncalibratedCoder]
        nodes = [*form.network.of(ir.UncalibratedNeuron), *form.network.of(ir.UncalibratedCoder)]
        coded: dict[str, list[ir.Node]] = {node.name: [form.configured(node, config)] for node in nodes}
        network = form.network.replace(coded)
        rules = rules_of(network, config)
        keys = {node.name: _key(node, config, rules.get(node.name)) for node in network.of(ir.Neuron)}
        fitted = self._fitted(form, coded, keys, config)
        counter, found = EventCounter(network), []
        for index, example in enumerate(self.examples):

            def population(node: ir.Neuron, potential: Value, index: int = index) -> Value:
                if node.name in fitted:
                    return fitted[node.name]
                spikes = fire(node, potential)
                if node.name not in rules:
                    return spikes
                return cut_spikes(node, spikes, self._fans(form, index, node.name), *rules[node.name])

            result, counted = form.runs.run(network, example.inputs, keys, index, population, example.count)
            found.append(example.scored(result))
            counter.add(counted)
        return torch.cat(found), counter.report()

    def _fitted(
        self, form: _Form, coded: Mapping[str, list[ir.Node]], keys: Mapping[str, Hashable], config: ConvertConfig
    ) -> Mapping[str, Spikes]:
        """Spikes of the populations whose values are refitted, to the matrices of the first input as ``convert`` does."""
        if not any(refit_asked(name, config) for name in keys):
            return {}
        key = tuple((name, keys[name]) for name in keys if name in self.refittable)
        args, kwargs = self._calls[0]
        return form.refits.spikes(key, form.whole.replace(coded), bind(form.whole, args, kwargs), config)

    def _fans(self, form: _Form, index: int, name: str) -> FanOut:
        if (index, name) not in form.fans:
            form.fans[index, name] = fan_out(form.whole, name, self.examples[index].operators)
        return form.fans[index, name]

    def _form(self, config: ConvertConfig) -> _Form:
        key = json.dumps(to_dict(config))
        if key not in self._forms:
            whole, calls = self._prepared(config), self._calls
            # Without ``self``: in a cycle, hundreds of megabytes would wait for the collector when a search is over.
            statistics = Statistics(whole, lambda: (bind(whole, *call) for call in calls))
            network = in_rows(whole)
            self._forms[key] = _Form(whole, network, statistics, PrefixRuns(network))
        return self._forms[key]

    def _prepared(self, config: ConvertConfig) -> ir.Network:
        return prepare(self.model, self._first, config, self.handlers)


class Pool:
    """Several trained networks of one kind, tuned together: one configuration for all, judged by all their validation rows.

    A loss of 0.3 points is within chance on the validation documents of one seed, but not on those of five seeds.

    Args:
        problems: one for each network; their populations have the same names.

    Raises:
        ConfigError: there are none, or their populations differ.
    """

    def __init__(self, problems: Sequence[Problem]):
        kinds = {tuple(problem.populations) for problem in problems}
        if len(kinds) != 1:
            raise ConfigError(f"networks tuned together need the same populations; got {sorted(kinds)}")
        self.problems = list(problems)
        self.populations, self.cuttable = problems[0].populations, problems[0].cuttable
        self.refittable = problems[0].refittable
        right = torch.cat([problem.source == problem.labels for problem in problems])
        self.source_accuracy, self.rows = _percent(right), len(right)
        self.fingerprint = contents_hash([problem.fingerprint for problem in problems])

    def measure(self, config: ConvertConfig) -> Point:
        """Accuracy on all validation rows; alphas of the mean energies."""
        return measured(config, self.problems)


def measured(config: ConvertConfig, problems: Sequence[Problem]) -> Point:
    """A configuration on the validation rows of one or more networks."""
    runs = [problem.run(config) for problem in problems]
    found = torch.cat([scores.argmax(1) for scores, _ in runs])
    probability, source, labels = (
        torch.cat([getattr(problem, name) for problem in problems]) for name in ("probability", "source", "labels")
    )
    loss = expected_loss(probability, source, found)
    alpha, alpha_eq6, alpha_total = (
        len(runs) / sum(1 / getattr(energy, name) for _, energy in runs)
        for name in ("alpha_events", "alpha_eq6", "alpha_total")
    )
    divergences = [
        (divergence_of(problem.probability, scores, problem.divisor), len(scores))
        for problem, (scores, _) in zip(problems, runs, strict=True)
    ]
    divergence = sum(own * count for own, count in divergences) / len(found)
    accuracy, agreement = _percent(found == labels), _percent(found == source)
    return Point(config, accuracy, agreement, loss, alpha, alpha_eq6, alpha_total, divergence)


def _key(node: ir.Neuron, config: ConvertConfig, rule: tuple[float | None, float | None] | None) -> Hashable:
    """What a configuration says about a population."""
    own = config.layers.get(node.name, LayerConfig())
    refit = config.refit_ridge if refit_asked(node.name, config) else None
    return node.coding, own.scale or config.scale, own.per or config.per, rule, refit


def _percent(right: Tensor) -> float:
    return 100 * float(right.double().mean())


def _cuttable(network: ir.Network) -> set[str]:
    """Populations whose readers a horizon can weigh."""
    fits = (ir.Aggregate, ir.Dense)
    names = [node.name for node in network.of(ir.Population)]
    return {name for name in names if all(isinstance(reader, fits) for reader in network.readers(name))}
