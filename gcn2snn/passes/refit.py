"""ir -> ir: spikes that survive a horizon get new values, so that the aggregation behind them stays what it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.config import ConvertConfig, LayerConfig
from gcn2snn.engines import Value, activate, constant_values, dense_value, operators
from gcn2snn.errors import ConfigError, InputError
from gcn2snn.kernels import CSR, Spikes, decode, encode
from gcn2snn.passes.masked_least_squares import Objective, descend

FIRST_STEPS = 8
"""Steps of conjugate gradients before anything is coded."""

SECOND_STEPS = 3
"""Steps for the half of the entries that is still free once the other half is coded."""

PANEL = 64
"""Channels that are solved together: channels are independent, and a panel bounds the memory."""

SCALE_CANDIDATES = 64
"""Scales that are tried for each channel, from a fiftieth of its largest value to a little above it."""

SCALE_SAMPLE = 1 << 14
"""Rows that the search for the scales looks at."""

RefitProgress = Callable[[str, int, int], None]
"""Called with a population, the number of its channels that are done, and of all."""


@dataclass(frozen=True)
class RefitReport:
    """What a refit did to one population.

    Args:
        name: population.
        spikes, kept: spikes without a horizon, and those that are sent now.
        events, events_kept: additions that they cause.
        error_before, error_after: |A M - A a| / |A a| in the norm of D, as it is sent: for the values of the horizon
            alone, and for the new ones.
    """

    name: str
    spikes: int
    kept: int
    events: int
    events_kept: int
    error_before: float
    error_after: float


def refit_values(
    network: ir.Network,
    inputs: Mapping[str, Value],
    config: ConvertConfig,
    row_weights: Tensor | None = None,
    source: ir.Network | None = None,
    on_channels: RefitProgress | None = None,
) -> tuple[ir.Network, list[RefitReport]]:
    """The network with new values for the spikes of populations that do not depend on the input.

    A horizon decides which entries of a message table may fire. Their values are chosen so that what is aggregated is
    what it was:

        min over M with the support of the horizon of   sum_i D_i |(A M - A a)_i|^2 + r sum_ij P_j (M - a)_ij^2

    where a [N, C] is what the source sends, A the matrix of the aggregation, D a weight for each row (1), P_j =
    sum_i D_i A_ij^2, and r the ridge. Eight steps of conjugate gradients, preconditioned by P; a scale for each channel
    from its entries; half of them, drawn at random, are coded; three more steps for the other half, which is coded then.
    Values that would serve worse than those of the horizon alone are not taken. No label is used, and nothing is added at
    run time. New values stand in the potential that the membrane starts from (``Neuron.start``), so that the description
    still gives the source's own result.

    Args:
        network: calibrated, with its horizons.
        inputs: by Input name; the values are fitted to the matrices in them.
        config: ``refit`` and ``refit_ridge``; exceptions by population.
        row_weights: D, [N], at least 0 and finite, not all 0.
        source: the network whose activations are the goal, node by node the same; default: ``network``.
        on_channels: called after each panel of channels.

    Returns:
        The network, and a report on each population that has new values.

    Raises:
        ConfigError: refit is asked for, and no population can have it, or one that is named cannot: it depends on the
            input, has no horizon, drops negative values, or something else than an aggregation reads it.
        InputError: weights of rows that do not fit.

    Source: docs/method.md, "Refit after the horizon"; ours.
    """
    wanted = [node for node in network.of(ir.Neuron) if refit_asked(node.name, config)]
    if not wanted:
        return network, []
    sent, goals = constant_values(network), constant_values(source or network, activate)
    obstacles = {node.name: why for node in wanted if (why := _obstacle(network, node, sent))}
    named = {name: why for name, why in obstacles.items() if config.layers.get(name, LayerConfig()).refit}
    if named or len(obstacles) == len(wanted):
        told = "; ".join(f"{name} {why}" for name, why in (named or obstacles).items())
        raise ConfigError(f"refit is asked for, but {told}. Leave refit out, or set it for other populations only")
    matrices = operators(network, inputs)
    changes: dict[str, list[ir.Node]] = {}
    reports = []
    for node in wanted:
        if node.name in obstacles:
            continue
        readers = [matrices[reader.inputs[0]] for reader in network.readers(node.name)]
        objective = Objective.of(readers, _checked(row_weights, readers[0]), config.refit_ridge)
        potential = dense_value(sent[node.inputs[0]])
        goal = dense_value(goals[node.name]).double()
        changed, report = _refitted(node, potential, goal, objective, on_channels)
        changes[node.name] = [changed]
        reports.append(report)
    return network.replace(changes), reports


def refittable(network: ir.Network) -> set[str]:
    """Populations, calibrated or not, that can have a refit once they have a horizon.

    They carry a sign, do not depend on any input, and nothing but aggregations reads them.
    """
    fixed: set[str] = set()
    for node in network:
        if isinstance(node, ir.OneHot) or (node.inputs and fixed.issuperset(node.inputs)):
            fixed.add(node.name)
    return {
        node.name
        for node in (*network.of(ir.Neuron), *network.of(ir.UncalibratedNeuron))
        if node.name in fixed
        and node.coding.signed
        and all(isinstance(reader, ir.Aggregate) for reader in network.readers(node.name))
    }


def refit_asked(name: str, config: ConvertConfig) -> bool:
    """Whether a configuration asks for a refit of this population."""
    own = config.layers.get(name, LayerConfig()).refit
    return config.refit if own is None else own


def _obstacle(network: ir.Network, node: ir.Neuron, sent: Mapping[str, Value]) -> str:
    """Why a population cannot be refitted, or nothing."""
    others = [reader.name for reader in network.readers(node.name) if not isinstance(reader, ir.Aggregate)]
    if node.name not in sent:
        return "depends on the input; only look-ups of a one-hot input are the same for every input"
    if node.horizon is None:
        return "has no horizon; set a share of events for it, such as events=0.1"
    if not node.coding.signed:
        return 'drops negative values; use message="signed"'
    if others:
        return f"is read by {', '.join(others)}, which is no aggregation"
    return ""


def _checked(weights: Tensor | None, matrix: CSR) -> Tensor | None:
    if weights is None:
        return None
    if weights.shape != (matrix.shape[0],):
        raise InputError(f"row weights have shape {list(weights.shape)}; the aggregation has {matrix.shape[0]} rows")
    if not bool(torch.isfinite(weights).all()) or bool((weights < 0).any()) or not bool((weights > 0).any()):
        raise InputError("row weights have to be finite, at least 0, and not all 0")
    return weights


def _refitted(
    node: ir.Neuron, potential: Tensor, goal: Tensor, objective: Objective, on_channels: RefitProgress | None
) -> tuple[ir.Neuron, RefitReport]:
    """The population with new values, and what became of it."""
    channels = goal.shape[1]
    scale = node.scale.double().expand(channels).clone()
    gain = 1.0 if node.gain is None else node.gain
    asked = potential / gain
    old = encode(asked, scale.to(asked), node.coding, node.horizon)
    whole = encode(asked, scale.to(asked), node.coding)
    code, squares = old.code.clone(), torch.zeros(3, dtype=torch.float64)
    for begin in range(0, channels, PANEL):
        part = slice(begin, min(begin + PANEL, channels))
        panel = Spikes(old.code[:, part].contiguous(), scale[part], node.coding)
        sent, own = _solved(panel, goal[:, part], objective)
        code[:, part], scale[part] = sent.code, sent.scale
        squares += own
        if on_channels is not None:
            on_channels(node.name, part.stop, channels)
    sent = Spikes(code, scale.to(node.scale.dtype), node.coding)
    changed = replace(
        node,
        scale=sent.scale,
        start=_firing_potential(sent) * gain - potential,
        horizon=torch.where(sent.fired, node.coding.timesteps, 0).to(torch.int16),
    )
    fan = torch.stack([matrix.column_counts for matrix in objective.matrices]).sum(0)[:, None]
    before, after = (squares[:2] / squares[2].clamp(min=torch.finfo(torch.float64).tiny)).sqrt().tolist()
    counts = [int(spikes.fired.sum()) for spikes in (whole, sent)]
    events = [int((spikes.fired * fan).sum()) for spikes in (whole, sent)]
    return changed, RefitReport(node.name, counts[0], counts[1], events[0], events[1], before, after)


def _firing_potential(sent: Spikes) -> Tensor:
    """Potentials that make a population send exactly these spikes, whatever rounding does to them.

    With thresholds at midpoints (Eq. 4) the value of a spike is the nearest one to itself. Without (Eq. 3) it is its own
    threshold, so the potential is the geometric middle between this threshold and the next.
    """
    value = decode(sent, sent.scale.dtype)
    return value if sent.coding.shift else value * sent.coding.base**0.5


def _solved(old: Spikes, goal: Tensor, objective: Objective) -> tuple[Spikes, Tensor]:
    """New spikes of a panel of channels, and E with the old ones, with these, and of sending nothing.

    Args:
        old: what is sent under the horizon alone, scales in float64.
        goal: a, [N, C] float64.
        objective: E.
    """
    free = old.fired
    before = objective.value(decode(old, torch.float64) - goal)
    values = descend(objective, goal, torch.where(free, goal, 0.0), free, FIRST_STEPS)
    scale = _scales(values, free, objective.diagonal, old)
    coded = decode(encode(values, scale, old.coding), torch.float64)
    half = torch.rand(free.shape, generator=torch.Generator().manual_seed(0)) < 0.5
    fixed = torch.where(half, coded, values)
    fixed = descend(objective, goal, fixed, free & ~half, SECOND_STEPS)
    new = encode(torch.where(free, fixed, 0.0), scale, old.coding)
    after = objective.value(decode(new, torch.float64) - goal)
    better = after < before
    kept = Spikes(torch.where(better, new.code, old.code), torch.where(better, scale, old.scale), old.coding)
    nothing = objective.value(-goal)
    return kept, torch.stack([before.sum(), torch.where(better, after, before).sum(), nothing.sum()])


def _scales(values: Tensor, free: Tensor, weight: Tensor, old: Spikes) -> Tensor:
    """For each channel, the scale whose code is nearest to the values that are sent, in the norm of the objective.

    A few values grow large; the largest one as the scale would silence the small ones, so scales far below it are tried.
    """
    chosen = torch.randperm(values.shape[0], generator=torch.Generator().manual_seed(0))[:SCALE_SAMPLE]
    shown, own = torch.where(free, values, 0.0)[chosen], weight[chosen, None]
    largest = values.abs().amax(0)
    best, least = old.scale.clone(), torch.full_like(old.scale, torch.inf)
    for factor in torch.logspace(-1.7, 0.15, SCALE_CANDIDATES, dtype=torch.float64):
        scale = torch.where(largest > 0, factor * largest, 1.0)
        error = (own * (decode(encode(shown, scale, old.coding), torch.float64) - shown).square()).sum(0)
        best, least = torch.where(error < least, scale, best), torch.minimum(error, least)
    return best
