"""ir -> ir: a last phase for each neuron, so that spikes that move the output least per addition are not sent."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.config import ConvertConfig, LayerConfig
from gcn2snn.engines import Value, code_input, dense_value, fire, operators, run
from gcn2snn.errors import ConfigError
from gcn2snn.kernels import CSR, Spikes, encode, per_channel

BINS = 1 << 14
"""Resolution of the search for lambda: the upper bits of single precision, 64 bins to an octave, 1.6 % apart at most."""

BIN_SHIFT = 31 - 14
"""Bits of a positive single that are not part of its bin."""


@dataclass(frozen=True, eq=False)
class FanOut:
    """What a spike of each neuron does downstream, both broadcastable to the population [N, C].

    Args:
        additions: synapses it reaches.
        norm: Euclidean norm of their weights.
    """

    additions: Tensor
    norm: Tensor

    @property
    def worth(self) -> Tensor:
        """norm / sqrt(additions): output moved per square root of an addition; 0 where no synapse reads the neuron."""
        return torch.where(self.additions > 0, self.norm / self.additions.clamp(min=1).sqrt(), 0.0)


def fan_out(network: ir.Network, name: str, matrices: Mapping[str, CSR]) -> FanOut:
    """Fan-out of a population whose readers are all dense synapses or aggregations.

    Raises:
        ConfigError: something else reads it.
    """
    additions: Tensor | float = 0.0
    square: Tensor | float = 0.0
    for reader in network.readers(name):
        if isinstance(reader, ir.Aggregate):
            matrix = matrices[reader.inputs[0]]
            additions = additions + matrix.column_counts.to(matrix.dtype)[:, None]
            norm = torch.zeros(matrix.shape[1], dtype=matrix.dtype, device=matrix.device)
            square = square + norm.index_add_(0, matrix.col.long(), matrix.value**2)[:, None]
        elif isinstance(reader, ir.Dense):
            additions = additions + reader.weight.new_full((1, 1), float(reader.weight.shape[0]))
            square = square + reader.weight.square().sum(0, keepdim=True)
        else:
            raise ConfigError(
                f"a horizon for {name} needs readers that are aggregations or dense layers; {reader.name} is a "
                f"{type(reader).__name__}. Leave {name} out of the horizon"
            )
    assert isinstance(additions, Tensor)
    assert isinstance(square, Tensor)
    return FanOut(additions, square.sqrt())


def moved(node: ir.Neuron, worth: Tensor) -> Tensor:
    """Worth of each neuron in units of its code: scale * worth; a spike at phase t moves Q^-t of it."""
    return per_channel(node.scale.to(worth.dtype), 2) * worth  # [N or 1, C or 1]


def horizon_of(node: ir.Neuron, worth: Tensor, threshold: float) -> Tensor:
    """Last phase at which each neuron may fire: T_i = #{t : s Q^-t worth_i >= lambda}, int16, broadcastable.

    Dropping the spikes with |h_i| worth_i < lambda is the least expected output error for the additions that remain:
    it is the greedy order of a knapsack with value |h|^2 norm^2 and weight additions (docs/method.md).
    """
    value = moved(node, worth)
    levels = node.coding.levels(worth.dtype, worth.device)
    last = torch.zeros(value.shape, dtype=torch.int16, device=value.device)
    for level in levels:
        last += value * level >= threshold
    return last


def threshold_for(node: ir.Neuron, spikes: Spikes, fans: FanOut, share: float) -> float:
    """lambda that leaves at most ``share`` of a population's additions, to a resolution of :data:`BINS`.

    The bins are ranges of bit patterns of the very products that :func:`horizon_of` compares, so rounding cannot let
    through a spike that was counted as dropped.
    """
    value = sent(node, spikes, fans.worth)
    bins = value.float().view(torch.int32) >> BIN_SHIFT
    weight = fans.additions.to(torch.float64).expand(value.shape)
    total = torch.bincount(bins.flatten(), weights=weight.flatten(), minlength=BINS)
    total[0] = 0.0  # silent neurons, and spikes whose effect underflows in single precision: they are always cut
    kept = total.flip(0).cumsum(0) <= share * total.sum()
    lowest = BINS - int(kept.sum())
    return (
        float(torch.tensor(lowest << BIN_SHIFT, dtype=torch.int32).view(torch.float32)) if lowest < BINS else math.inf
    )


def sent(node: ir.Neuron, spikes: Spikes, worth: Tensor) -> Tensor:
    """What each spike moves per square root of an addition: the products that :func:`horizon_of` compares; 0 for silence."""
    silence_first = torch.nn.functional.pad(node.coding.levels(worth.dtype, worth.device), (1, 0))
    level = silence_first.index_select(0, spikes.code.flatten().int().abs_()).view(spikes.code.shape)
    return moved(node, worth) * level


def cut_spikes(node: ir.Neuron, spikes: Spikes, fans: FanOut, threshold: float | None, share: float | None) -> Spikes:
    """What a population sends under the horizon of :func:`cut`, from what it sends without: no horizon is made."""
    if threshold is None:
        assert share is not None
        threshold = threshold_for(node, spikes, fans, share)
    return spikes.with_code(spikes.code * (sent(node, spikes, fans.worth) >= threshold))


def rules_of(network: ir.Network, config: ConvertConfig) -> dict[str, tuple[float | None, float | None]]:
    """Population -> (lambda, share of events); populations without either are not in it."""
    rules = {}
    for node in network.of(ir.Neuron):
        own = config.layers.get(node.name, LayerConfig())
        if own.horizon is not None or own.events is not None:
            rules[node.name] = (own.horizon, own.events)
        elif config.horizon is not None or config.events is not None:
            rules[node.name] = (config.horizon, config.events)
    return {name: rule for name, rule in rules.items() if rule[0] is not None or rule[1] != 1.0}


def set_horizons(
    network: ir.Network, inputs: Mapping[str, Value], config: ConvertConfig, keep: Container[str] = ()
) -> ir.Network:
    """The network with the horizons a configuration asks for, from its own spikes on ``inputs``; no label is used.

    Populations are cut in the order of the network, so each sees what is left of the ones before it.

    Args:
        network: calibrated.
        inputs: by name of Input node.
        config: which populations get a horizon, and what it may leave.
        keep: populations whose horizon stays as it is, such as refitted ones.

    Raises:
        ConfigError: a population with a horizon feeds something else than aggregations and dense layers.
    """
    rules = {name: rule for name, rule in rules_of(network, config).items() if name not in keep}
    if not rules:
        return network
    matrices = operators(network, inputs)
    changes: dict[str, list[ir.Node]] = {}

    def population(node: ir.Neuron, potential: Value) -> Value:
        if node.name in rules:
            node = cut(node, dense_value(potential), fan_out(network, node.name, matrices), *rules[node.name])
            changes[node.name] = [node]
        return fire(node, potential)

    with torch.no_grad():
        run(network, inputs, population, code_input)
    return network.replace(changes)


def cut(node: ir.Neuron, potential: Tensor, fans: FanOut, threshold: float | None, share: float | None) -> ir.Neuron:
    """The population with a horizon by lambda, or by the share of its events that may remain."""
    if threshold is None:
        assert share is not None
        spikes = replace(encode(potential, node.threshold_scale, node.coding), scale=node.scale)
        threshold = threshold_for(node, spikes, fans, share)
    return replace(node, horizon=horizon_of(node, fans.worth, threshold))
