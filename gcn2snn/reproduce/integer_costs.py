"""What networks with integer weights cost, spiking and not, by one table of joules."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from gcn2snn import ir
from gcn2snn.energy import EnergyReport
from gcn2snn.reproduce.uniform_code import INPUT_BITS

MULTIPLY_8 = 0.2e-12
"""8 bits by 8 bits; other widths in proportion to their product, which is how many single-bit products there are."""
ADD_32 = 0.1e-12
MULTIPLY_32 = 3.1e-12
BYTE = 2.5e-12
"""To or from a memory of 32 KB. Source of these four: Horowitz, ISSCC 2014, 45 nm."""
SUM_BYTES = 4
"""Of a potential."""


@dataclass(frozen=True)
class Cost:
    """Operations (multiply-accumulates, or additions of spikes), and joules without and with memory and neurons."""

    operations: int
    arithmetic: float
    with_memory: float

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


def source_cost(energy: EnergyReport) -> Cost:
    """The source in 32-bit floats, as the energy report has it."""
    operations = sum(layer.operations for layer in energy.layers if layer.kind != "sum")
    return Cost(operations, energy.ann_joules, energy.ann_total_joules)


def spiking_cost(energy: EnergyReport, updates: int) -> Cost:
    """One-spike neurons with weights of 8 bits: an addition and three accesses for each spike's arrival, and the updates.

    arithmetic = E_add n,    with memory: + (1 + 2 * 4) E_byte n + (E_mul32 + E_add + 2 * 4 E_byte) updates

    Args:
        energy: the counts of additions.
        updates: of neurons, ``energy.updates`` at every step, ``energy.event_driven`` where something happens.
    """
    events = sum(layer.events for layer in energy.layers)
    arithmetic = events * ADD_32
    moved = events * (1 + 2 * SUM_BYTES) * BYTE
    updating = updates * (MULTIPLY_32 + ADD_32 + 2 * SUM_BYTES * BYTE)
    return Cost(events, arithmetic, arithmetic + moved + updating)


def grid_cost(network: ir.Network, energy: EnergyReport, bits: int, width: int, *, skipped: bool) -> Cost:
    """A network on uniform grids, by the widths of what it multiplies.

    arithmetic = sum_l n_l (E_mul a_l w_l / 64 + E_add),    with memory: + sum_l n_l (a_l + w_l) / 8 E_byte
                 + outputs (E_mul32 + E_add + 4 E_byte)

    A ternary weight is added or subtracted, so its product costs nothing. A look-up adds a row of W_0.

    Args:
        network: what ran.
        energy: its counts.
        bits: of activations.
        width: of weights; 2 stands for ternary ones. Entries of a graph's matrix, and the layers that
            :func:`ternary` leaves alone, have 8 bits.
        skipped: leave out operations with a zero.
    """
    operations, arithmetic, memory = 0, 0.0, 0.0
    for layer in energy.layers:
        node = network[layer.name]
        count = layer.effective if skipped and layer.kind != "sum" else layer.operations
        own = width if _has_narrow_weights(node, width) else 8
        seen = INPUT_BITS if any(isinstance(network[name], ir.Coder) for name in node.inputs) else bits
        multiplied = layer.kind != "sum" and not isinstance(node, ir.Lookup) and own > 2
        arithmetic += count * (ADD_32 + (MULTIPLY_8 * seen * own / 64 if multiplied else 0.0))
        read = 0 if isinstance(node, ir.Lookup) else seen
        memory += count * (read + (0 if layer.kind == "sum" else own)) / 8 * BYTE
        memory += layer.outputs * (MULTIPLY_32 + ADD_32 + SUM_BYTES * BYTE)
        operations += count if layer.kind != "sum" else 0
    return Cost(operations, arithmetic, arithmetic + memory)


def _has_narrow_weights(node: ir.Node, width: int) -> bool:
    """Whether a node's weights have the given width: three values a row where they are ternary."""
    if isinstance(node, ir.Lookup):
        weight = node.table.t()
    elif isinstance(node, ir.Dense | ir.Conv):
        weight = node.weight.flatten(1)
    else:
        return False
    return width != 2 or all(row.abs().unique().numel() <= 2 for row in weight[:4])
