"""ir -> ir: ReLUs become neuron populations, and populations are put where spikes must pass and none stand yet."""

from __future__ import annotations

from dataclasses import replace

from gcn2snn import ir
from gcn2snn.config import ConvertConfig, LayerConfig
from gcn2snn.errors import ConfigError
from gcn2snn.kernels import PhaseCode

MAXIMA = (ir.MaxPool, ir.AggregateMax)
NEEDS_SPIKES = (ir.Synapse, *MAXIMA)


def insert_neurons(network: ir.Network, config: ConvertConfig) -> ir.Network:
    """Spiking layers: one synapse, then one neuron population.

    Every ReLU is an unsigned population. A synapse or max node that would read a membrane potential gets a population
    in front: signed, rectified, or for ``message="fused"`` none in front of a synapse. Every reader of that potential
    then reads the spikes. A max node that would read sums of spikes or binary words gets a population of its own: its
    first spike must say all. Input data pass through a coder.

    Raises:
        ConfigError: ``config.layers`` names a population that does not exist, or a code has more than 255 phases.
    """
    network = _code_inputs(network, config)
    network = _relus(network, config)
    network = _between_synapses(network, config)
    if config.avg_pool == "spike":
        network = _after_pools(network, config)
    names = [node.name for node in network.of(ir.Neuron)]
    unknown = sorted(set(config.layers) - set(names))
    if unknown:
        raise ConfigError(f"layers names {unknown}, but the populations are {names}. Use these names")
    return network


def coding_of(config: ConvertConfig, name: str, signed: bool) -> PhaseCode:
    """Phase code of a population: T steps of base Q, each cut into ``group`` phases of base Q^(1/group)."""
    own = config.layers.get(name, LayerConfig())
    base, timesteps, group = own.base or config.base, own.timesteps or config.timesteps, own.group or config.group
    if timesteps * group > 255:
        raise ConfigError(
            f"{timesteps} timesteps in groups of {group} neurons are {timesteps * group} phases for {name}; a code has at "
            "most 255. Use fewer timesteps or a smaller group"
        )
    return PhaseCode(base if group == 1 else base ** (1 / group), timesteps * group, signed, config.shift, group)


def _code_inputs(network: ir.Network, config: ConvertConfig) -> ir.Network:
    single = config.input == "single"
    base, timesteps = (config.base, config.timesteps) if single else (2.0, config.input_bits)
    for node in network.nodes:
        if isinstance(node, ir.OneHot) and config.one_hot == "binary":
            network = network.replace({node.name: [replace(node, binary=config.input_bits)]})
        elif isinstance(node, ir.Input | ir.Part) and node.role == "dense":
            name = f"{node.name}.code"
            coder = ir.Coder(name=name, inputs=(node.name,), kind=config.input, base=base, timesteps=timesteps)
            network = network.insert_after(node.name, coder)
    return network


def _relus(network: ir.Network, config: ConvertConfig) -> ir.Network:
    changes = {}
    for relu in network.of(ir.Relu):
        coding = coding_of(config, relu.name, signed=False)
        changes[relu.name] = [ir.Neuron(name=relu.name, inputs=relu.inputs, coding=coding, gain=relu.gain)]
    return network.replace(changes)


def _between_synapses(network: ir.Network, config: ConvertConfig) -> ir.Network:
    potentials: set[str] = set()  # values that have not passed a population yet
    sums: set[str] = set()  # values that take more than one spike: no race of first spikes can rank them
    for node in network.nodes:
        features = node.inputs[-1] if node.inputs else ""
        fused = config.message == "fused" and isinstance(node, ir.Synapse)
        if isinstance(node, NEEDS_SPIKES) and features in potentials and not fused:
            return _between_synapses(network.insert_after(features, _population(features, config)), config)
        if isinstance(node, MAXIMA) and features in sums:
            return _between_synapses(_insert_before(network, node, _population(features, config)), config)
        wire = isinstance(node, ir.Wire | ir.BatchNorm)
        if isinstance(node, ir.Synapse) or (wire and any(name in potentials for name in node.inputs)):
            potentials.add(node.name)
        if _adds_up(node) or (wire and any(name in sums for name in node.inputs)):
            sums.add(node.name)
    return network


def _adds_up(node: ir.Node) -> bool:
    """Whether a value is more than one spike of one neuron: a binary word, a sum, or a constant with it."""
    if isinstance(node, ir.Coder):
        return node.kind == "binary"
    if isinstance(node, ir.Add):
        return len(node.inputs) > 1 or node.bias is not None
    return isinstance(node, ir.AvgPool)


def _insert_before(network: ir.Network, reader: ir.Node, new: ir.Neuron) -> ir.Network:
    """``new`` in front of one reader only; other readers keep the sum, which is more precise."""
    inputs = (*reader.inputs[:-1], new.name)
    known = any(node.name == new.name for node in network)
    return network.replace({reader.name: [*([] if known else [new]), replace(reader, inputs=inputs)]})


def _population(source: str, config: ConvertConfig) -> ir.Neuron:
    name = f"{source}.neuron"
    coding = coding_of(config, name, signed=config.message != "rectified")
    return ir.Neuron(name=name, inputs=(source,), coding=coding, activation="none")


def _after_pools(network: ir.Network, config: ConvertConfig) -> ir.Network:
    for pool in network.of(ir.AvgPool):
        if not any(isinstance(reader, ir.Neuron) for reader in network.readers(pool.name)):
            network = network.insert_after(pool.name, _population(pool.name, config))
    return network
