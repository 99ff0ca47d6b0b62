"""ir -> ir: ReLUs become neuron populations, and populations are put where spikes must pass and none stand yet."""

from __future__ import annotations

from dataclasses import replace

from gcn2snn import ir
from gcn2snn.config import ConvertConfig, LayerConfig
from gcn2snn.errors import ConfigError
from gcn2snn.kernels import PhaseCode
from gcn2snn.passes.residuals import keep_residuals

MAXIMA = (ir.MaxPool, ir.AggregateMax)
NEEDS_SPIKES = (ir.Synapse, *MAXIMA)
NO_EXCEPTION = LayerConfig()
"""What holds for a population that a configuration does not name; made once, since configurations check what they hold."""

PASSED_ON = (ir.Wire, ir.BatchNorm)
"""Nodes behind which a potential is still a potential, and a sum a sum."""


def insert_neurons(network: ir.Network, config: ConvertConfig) -> ir.Network:
    """Spiking layers: one synapse, then one neuron population.

    Every ReLU is an unsigned population. A synapse or max node that would read a membrane potential gets a population
    in front: signed, rectified, or for ``message="fused"`` none in front of a synapse. Every reader of that potential
    then reads the spikes. A max node that would read sums of spikes or binary words gets a population of its own: its
    first spike must carry the whole value. Input data pass through a coder. With ``residual="kept"``, populations keep
    their potential for the residual sums that they are a term of (:func:`keep_residuals`).

    Raises:
        ConfigError: ``config.layers`` names a population that does not exist, or a code has more than 255 phases.
    """
    draft = ir.Draft(network)
    _code_inputs(draft, config)
    _relus(draft, config)
    _between_synapses(draft, config)
    if config.avg_pool == "spike":
        _after_pools(draft, config)
    network = draft.network()
    names = [node.name for node in network.of(ir.Population)]
    unknown = sorted(set(config.layers) - set(names))
    if unknown:
        raise ConfigError(f"layers names {unknown}, but the populations are {names}. Use these names")
    return keep_residuals(network) if config.residual == "kept" else network


def coding_of(config: ConvertConfig, name: str, signed: bool) -> PhaseCode:
    """Phase code of a population: T steps of base Q, each cut into ``group`` phases of base Q^(1/group)."""
    own = config.layers.get(name, NO_EXCEPTION)
    base, timesteps, group = (
        own.base or config.common_base,
        own.timesteps or config.timesteps,
        own.group or config.group,
    )
    if timesteps * group > 255:
        raise ConfigError(
            f"{timesteps} timesteps in groups of {group} neurons are {timesteps * group} phases for {name}; a code has at "
            "most 255. Use fewer timesteps or a smaller group"
        )
    phase_base, last = base if group == 1 else base ** (1 / group), own.last or config.last
    return PhaseCode(phase_base, timesteps * group, signed, config.shift, group, last)


def _code_inputs(draft: ir.Draft, config: ConvertConfig) -> None:
    single = config.input == "single"
    base, timesteps = (config.common_base, config.timesteps) if single else (2.0, config.input_bits)
    for node in draft.of(ir.Node):
        if isinstance(node, ir.OneHot) and config.one_hot == "binary":
            draft.put(replace(node, binary=config.input_bits))
        elif isinstance(node, ir.Input | ir.Part) and node.role == "dense":
            coder = ir.UncalibratedCoder(
                name=f"{node.name}.code", inputs=(node.name,), kind=config.input, base=base, timesteps=timesteps
            )
            draft.insert_after(node.name, coder)


def _relus(draft: ir.Draft, config: ConvertConfig) -> None:
    for relu in draft.of(ir.Relu):
        coding = coding_of(config, relu.name, signed=False)
        draft.put(
            ir.UncalibratedNeuron(
                name=relu.name, inputs=relu.inputs, coding=coding, activation=relu.activation, gain=relu.gain
            )
        )


def _between_synapses(draft: ir.Draft, config: ConvertConfig) -> None:
    """Populations where a synapse or max node would read a potential, and where a max node would read a sum of spikes.

    One pass from the inputs to the output. A population behind ``features`` turns what reads it into spikes, also what
    was visited before: only those values are looked at again, so the time is linear in the depth.
    """
    potentials: set[str] = set()  # values that have not passed a population yet
    sums: set[str] = set()  # values that take more than one spike: the order of first spikes does not rank them
    for node in draft.of(ir.Node):
        features = node.inputs[-1] if node.inputs else ""
        fused = config.message == "fused" and isinstance(node, ir.Synapse)
        if isinstance(node, NEEDS_SPIKES) and features in potentials and not fused:
            new = _population(features, config)
            draft.insert_after(features, new)
            _settle(draft, new.name, potentials, sums)
        elif isinstance(node, MAXIMA) and features in sums:
            _put_before(draft, node, _population(features, config))
        node = draft[node.name]
        if _is_potential(node, potentials):
            potentials.add(node.name)
        if _is_sum(node, sums):
            sums.add(node.name)


def _settle(draft: ir.Draft, name: str, potentials: set[str], sums: set[str]) -> None:
    """Take out of both sets what is no longer in them, now that ``name`` is the spikes of a population."""
    waiting = [name]
    while waiting:
        for reader in draft.readers(waiting.pop()):
            before = reader.name in potentials, reader.name in sums
            if before[0] and not _is_potential(reader, potentials):
                potentials.remove(reader.name)
            if before[1] and not _is_sum(reader, sums):
                sums.remove(reader.name)
            if before != (reader.name in potentials, reader.name in sums):
                waiting.append(reader.name)


def _is_potential(node: ir.Node, potentials: set[str]) -> bool:
    return isinstance(node, ir.Synapse) or (isinstance(node, PASSED_ON) and not potentials.isdisjoint(node.inputs))


def _is_sum(node: ir.Node, sums: set[str]) -> bool:
    return _adds_up(node) or (isinstance(node, PASSED_ON) and not sums.isdisjoint(node.inputs))


def _adds_up(node: ir.Node) -> bool:
    """Whether a value is more than one spike of one neuron: a binary word, a sum, or a constant with it.

    Axes that are arranged anew count as well: a window may then hold neurons of several scales, and the earlier of two
    spikes need not be the larger value.
    """
    if isinstance(node, ir.InputCode):
        return node.kind == "binary"
    if isinstance(node, ir.Add):
        return len(node.inputs) > 1 or node.bias is not None
    return isinstance(node, ir.AvgPool | ir.View | ir.Permute)


def _put_before(draft: ir.Draft, reader: ir.Node, new: ir.UncalibratedNeuron) -> None:
    """``new`` in front of one reader only; other readers keep the sum, which is more precise."""
    if new.name not in draft:
        draft.insert_before(reader.name, new)
    draft.put(replace(reader, inputs=(*reader.inputs[:-1], new.name)))


def _population(source: str, config: ConvertConfig) -> ir.UncalibratedNeuron:
    name = f"{source}.neuron"
    coding = coding_of(config, name, signed=config.message != "rectified")
    return ir.UncalibratedNeuron(name=name, inputs=(source,), coding=coding, activation=ir.IDENTITY)


def _after_pools(draft: ir.Draft, config: ConvertConfig) -> None:
    for pool in draft.of(ir.AvgPool):
        if not any(isinstance(reader, ir.Population) for reader in draft.readers(pool.name)):
            draft.insert_after(pool.name, _population(pool.name, config))
