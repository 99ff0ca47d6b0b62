"""The Pareto front of validation accuracy against energy: a base, timesteps, scale and horizon for every population."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as checked_dataclass
from torch import Tensor, nn

from gcn2snn import ir
from gcn2snn.calibrate import Statistics
from gcn2snn.config import ConvertConfig, LayerConfig, own_errors, to_dict
from gcn2snn.conversion import call_of, prepare
from gcn2snn.errors import ConfigError, DataError, MissingPackageError
from gcn2snn.events import EventCounter
from gcn2snn.horizon import cut
from gcn2snn.kernels import CSR
from gcn2snn.lowering import Handler
from gcn2snn.network import bind
from gcn2snn.spiking import code_input, fire, run, run_float
from gcn2snn.synapse import Value, dense_value

if TYPE_CHECKING:
    import optuna

USELESS_LOSS = 3.0
"""Points of accuracy from which the search no longer cares how cheap a configuration is."""

Labelled = tuple[Any, Tensor]
"""An input as for ``convert``, and a class for each output row, -1 for rows that are not looked at."""


@own_errors
@checked_dataclass(frozen=True, config=ConfigDict(extra="forbid"), kw_only=True)
class TuneConfig:
    """How the search goes and which point of the front is taken."""

    trials: Annotated[int, Field(ge=1, description="configurations to try")] = 80
    seed: Annotated[int, Field(ge=0, description="of the sampler")] = 0
    max_timesteps: Annotated[int, Field(ge=1, le=255, description="largest T of any population")] = 16
    max_loss: Annotated[float | None, Field(ge=0.0, description="points of validation accuracy that may be lost")] = 0.3
    min_alpha: Annotated[float | None, Field(gt=0.0, description="take the most accurate with this alpha instead")] = (
        None
    )


@dataclass(frozen=True)
class Point:
    """One configuration, measured on validation data.

    Args:
        config: what was tried.
        accuracy: percent of the validation rows.
        agreement: percent of them on which source and spiking network predict the same.
        alpha: by exact events.
        alpha_eq6: by Eq. 6.
    """

    config: ConvertConfig
    accuracy: float
    agreement: float
    alpha: float
    alpha_eq6: float


@dataclass(frozen=True)
class TuneResult:
    """The front from cheap to accurate, the source's validation accuracy, and the point the rule picked."""

    source_accuracy: float
    points: tuple[Point, ...]
    front: tuple[Point, ...]
    chosen: Point

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "source_accuracy": self.source_accuracy,
            "chosen": point_dict(self.chosen),
            "front": [point_dict(point) for point in self.front],
            "trials": len(self.points),
        }


def point_dict(point: Point) -> dict[str, Any]:
    """JSON values of a point."""
    values = {key: getattr(point, key) for key in ("accuracy", "agreement", "alpha", "alpha_eq6")}
    return values | {"config": to_dict(point.config)}


class Problem:
    """A source model with its validation data; measures a configuration in one closed-form run per input.

    Float activations, their maxima and histograms are taken once; a trial repeats only what spikes change.
    """

    def __init__(
        self,
        model: nn.Module,
        validation: Iterable[Labelled],
        handlers: Mapping[type[nn.Module], Handler] | None = None,
    ):
        self.validation = list(validation)
        if not any(bool((labels >= 0).any()) for _, labels in self.validation):
            raise DataError("no validation row has a label; tuning needs some that are not in the test split")
        self.model, self.handlers = model, handlers
        self._prepared: dict[str, tuple[ir.Network, Statistics]] = {}
        network, _ = self.network("signed")
        self.populations = [node.name for node in network.of(ir.Neuron)]
        self.source = [self._source(network, example) for example, _ in self.validation]
        self.source_accuracy = self._percent([scores.argmax(1) for scores in self.source])
        self.cuttable = self._cuttable(network)

    def network(self, message: str) -> tuple[ir.Network, Statistics]:
        """Description with neurons for a message mode, and the statistics of its populations."""
        if message not in self._prepared:
            config = ConvertConfig(message=message)  # type: ignore[arg-type]
            network = prepare(self.model, self.validation[0][0], config, self.handlers)
            calls = [call_of(example) for example, _ in self.validation]
            statistics = Statistics(network, lambda: (bind(network, *call) for call in calls))
            self._prepared[message] = (network, statistics)
        return self._prepared[message]

    def measure(self, config: ConvertConfig) -> Point:
        """Accuracy and energy of a configuration on the validation rows."""
        network, statistics = self.network(config.message)
        config = replace(config, correct="none").settled(network.has_graph)  # no means are given back here
        changes: dict[str, list[ir.Node]] = {}
        for node in [*network.of(ir.Neuron), *network.of(ir.Coder)]:
            changes[node.name] = [_configured(node, config, statistics)]
        network = network.replace(changes)
        counter = EventCounter(network)
        predicted = [self._predict(network, example, config, counter) for example, _ in self.validation]
        energy = counter.report()
        same = [p == s.argmax(1) for p, s in zip(predicted, self.source, strict=True)]
        agreement = self._percent(
            [torch.where(s, labels, -2) for s, (_, labels) in zip(same, self.validation, strict=True)]
        )
        return Point(config, self._percent(predicted), agreement, energy.alpha_events, energy.alpha_eq6)

    def _predict(self, network: ir.Network, example: Any, config: ConvertConfig, counter: EventCounter) -> Tensor:
        operators: dict[str, Value] = {}

        def observe(node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
            if isinstance(value, CSR):
                operators[node.name] = value
            counter(node, args, value)

        def population(node: ir.Neuron, potential: Value) -> Value:
            share = config.layers[node.name].events if node.name in config.layers else None
            if share is not None and share < 1.0:
                node = cut(network, node, dense_value(potential), operators, None, share)
            return fire(node, potential)

        args, kwargs = call_of(example)
        with torch.no_grad():
            return run(network, bind(network, args, kwargs), population, code_input, observe).argmax(1)

    def _source(self, network: ir.Network, example: Any) -> Tensor:
        args, kwargs = call_of(example)
        with torch.no_grad():
            return run_float(network, bind(network, args, kwargs))

    def _percent(self, predicted: list[Tensor]) -> float:
        right = rows = 0
        for found, (_, labels) in zip(predicted, self.validation, strict=True):
            right += int((found == labels)[labels >= 0].sum())
            rows += int((labels >= 0).sum())
        return 100 * right / rows

    def _cuttable(self, network: ir.Network) -> set[str]:
        """Populations whose readers a horizon can weigh."""
        fits = (ir.Aggregate, ir.Dense)
        return {p for p in self.populations if all(isinstance(r, fits) for r in network.readers(p))}


def _configured(node: ir.Neuron | ir.Coder, config: ConvertConfig, statistics: Statistics) -> ir.Node:
    if isinstance(node, ir.Coder):
        return replace(node, scale=statistics.scale(node, "max", "layer"))
    own = config.layers.get(node.name, LayerConfig())
    coding = replace(node.coding, base=own.base or config.base, timesteps=own.timesteps or config.timesteps)
    node = replace(node, coding=coding)
    return replace(node, scale=statistics.scale(node, own.scale or config.scale, own.per or config.per))


def tune(
    problem: Problem,
    config: TuneConfig | None = None,
    journal: Path | None = None,
    on_trial: Callable[[int, Point], None] | None = None,
) -> TuneResult:
    """Search the front and pick a point; validation data only, test data are never seen.

    Args:
        problem: model and validation data.
        config: budget and rule.
        journal: file that keeps the trials; a search with the same settings continues there.
        on_trial: told the number of finished trials and the newest point.

    Raises:
        ConfigError: no point meets the rule; the message names the nearest ones.
        MissingPackageError: Optuna is not installed.
    """
    config = config or TuneConfig()
    study = _study(problem, config, journal)
    points = [_point(trial) for trial in study.trials if trial.state.is_finished() and trial.values]
    while len(points) < config.trials:
        study.sampler = _sampler(config, len(points))
        trial = study.ask()
        point = problem.measure(suggest(trial, problem, config))
        trial.set_user_attr("point", point_dict(point))
        trial.set_constraint("excess loss", problem.source_accuracy - point.accuracy - USELESS_LOSS)
        study.tell(trial, [point.accuracy, point.alpha])
        points.append(point)
        if on_trial is not None:
            on_trial(len(points), point)
    best = front(points)
    return TuneResult(problem.source_accuracy, tuple(points), best, choose(points, problem.source_accuracy, config))


def _study(problem: Problem, config: TuneConfig, journal: Path | None) -> optuna.Study:
    try:
        import optuna
    except ImportError as error:
        raise MissingPackageError("tuning needs Optuna: pip install 'gcn2snn[tune]'") from error
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    key = json.dumps([problem.populations, problem.source_accuracy, config.seed, config.max_timesteps])
    name = hashlib.sha256(key.encode()).hexdigest()[:16]
    storage = JournalStorage(JournalFileBackend(str(journal))) if journal is not None else None
    study = optuna.create_study(
        study_name=name, storage=storage, directions=["maximize", "maximize"], load_if_exists=True
    )
    if not study.trials:
        for start in starting_points(problem, config):
            study.enqueue_trial(start)
    for trial in study.get_trials(states=[optuna.trial.TrialState.RUNNING]):  # a search was stopped in the middle of it
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        if "fixed_params" in trial.system_attrs:
            study.enqueue_trial(trial.system_attrs["fixed_params"])
    return study


def _sampler(config: TuneConfig, done: int) -> optuna.samplers.BaseSampler:
    """A sampler for one trial: seeded by its number, so that a continued search goes where an unbroken one would."""
    import optuna

    return optuna.samplers.TPESampler(seed=config.seed * 100_003 + done, n_startup_trials=24, multivariate=True)


def suggest(trial: optuna.Trial, problem: Problem, config: TuneConfig) -> ConvertConfig:
    """A configuration drawn by the sampler."""
    layers = {}
    message: Any = trial.suggest_categorical("message", ["signed", "rectified"])  # words that the configuration checks
    for name in problem.populations:
        share = 1.0
        if name in problem.cuttable:
            share = trial.suggest_float(f"{name}.events", 0.03, 1.0, log=True)
        base = trial.suggest_float(f"{name}.base", 1.2, 2.0, step=0.05)
        timesteps = trial.suggest_int(f"{name}.timesteps", 1, config.max_timesteps)
        scale: Any = trial.suggest_categorical(f"{name}.scale", ["max", "mse"])
        per: Any = trial.suggest_categorical(f"{name}.per", ["layer", "channel"])
        events = share if share < 0.97 else None
        layers[name] = LayerConfig(base=base, timesteps=timesteps, scale=scale, per=per, events=events)
    return ConvertConfig(message=message, scale="max", layers=layers, timesteps=config.max_timesteps)


def starting_points(problem: Problem, config: TuneConfig) -> list[dict[str, Any]]:
    """A coarse grid of cuts with the plain codes, from no cut at all: no search ends below it."""
    top = config.max_timesteps
    starts = []
    for first_share in (1.0, 0.5, 0.35, 0.25, 0.2, 0.15, 0.1, 0.07):
        for other_share in (1.0, 0.6, 0.4):
            start: dict[str, Any] = {"message": "signed"}
            for index, name in enumerate(problem.populations):
                share = first_share if index == 0 else other_share
                cut_hard = index == 0 and share < 1.0  # a wider range of fewer levels serves what is left
                start[f"{name}.base"] = 1.5 if cut_hard else 1.3
                start[f"{name}.timesteps"] = min(12, top) if cut_hard else top
                start[f"{name}.scale"], start[f"{name}.per"] = "max", "channel"
                if name in problem.cuttable:
                    start[f"{name}.events"] = share
            starts.append(start)
    return starts


def _point(trial: optuna.trial.FrozenTrial) -> Point:
    values = dict(trial.user_attrs["point"])
    return Point(ConvertConfig(**values.pop("config")), **values)


def front(points: Iterable[Point]) -> tuple[Point, ...]:
    """Points that no other one beats in both accuracy and alpha, from the most accurate to the cheapest."""
    kept: list[Point] = []
    for point in sorted(points, key=lambda p: (-p.accuracy, -p.alpha)):
        if not kept or point.alpha > kept[-1].alpha:
            kept.append(point)
    return tuple(kept)


def choose(points: Iterable[Point], source_accuracy: float, config: TuneConfig) -> Point:
    """The point a rule picks: the most accurate with alpha >= min_alpha, or the cheapest within max_loss.

    A lost point of accuracy is a difference of few validation rows; so that luck in them is not taken for quality,
    the disagreement with the source counts too: loss = max(source - accuracy, disagreement / 4).

    Raises:
        ConfigError: none fits; the message names the nearest.
    """
    points = list(points)

    def loss(point: Point) -> float:
        return max(source_accuracy - point.accuracy, (100 - point.agreement) / 4)

    if config.min_alpha is not None:
        fits = [p for p in points if p.alpha >= config.min_alpha]
        if fits:
            return min(fits, key=lambda p: (loss(p), -p.alpha))
        best = max(points, key=lambda p: p.alpha)
        asked = f"alpha >= {config.min_alpha:g}"
    else:
        allowed = config.max_loss if config.max_loss is not None else 0.0
        fits = [p for p in points if loss(p) <= allowed]
        if fits:
            return max(fits, key=lambda p: p.alpha)
        best = min(points, key=loss)
        asked = f"a loss of at most {allowed:g} points"
    raise ConfigError(
        f"none of {len(points)} configurations has {asked}; nearest: loss {loss(best):.2f} points at alpha "
        f"{best.alpha:.1f}. Ask for less, or try more with --trials"
    )
