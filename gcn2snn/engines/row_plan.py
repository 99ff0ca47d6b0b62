"""In which order a network is evaluated some rows at a time: stages that end where a node reads whole results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gcn2snn import ir
from gcn2snn.engines.plan import Fusion, fusions

GATHERS = (ir.Aggregate, ir.AggregateMax, ir.PickRows, ir.Rows, ir.Endpoints)
"""Row i of the result needs row i of the operator, and any rows of what it is applied to.

``Rows`` reads row i alone, of something that has more rows: its stage is another one, too.
"""

BY_ROWS = (
    *(ir.Dense, ir.Conv, ir.Lookup, ir.Population, ir.InputCode, ir.Relu, ir.BatchNorm, ir.Kept),
    *(ir.Add, ir.Concat, ir.Flatten, ir.View, ir.Permute, ir.Take, ir.Subsample, ir.Pad, ir.AvgPool, ir.MaxPool),
    *(ir.Output, ir.Sigmoid, ir.Scaled, ir.Hadamard, ir.InnerProduct, ir.Bilinear),
)
"""Row i of the result needs row i of each input and nothing else."""


@dataclass(frozen=True)
class RowStep:
    """Nodes that are evaluated one after the other on the same rows, or by one kernel where ``fusion`` says so."""

    nodes: tuple[ir.Node, ...]
    fusion: Fusion | None = None

    @property
    def name(self) -> str:
        """Of the result."""
        return self.nodes[-1].name


@dataclass(frozen=True)
class Stage:
    """Steps that go through the rows together.

    Args:
        steps: in order.
        whole: the only step needs whole inputs and gives a whole result.
        kept: results that later stages read, or that are wanted.
        dropped: results that nothing reads after this stage.
    """

    steps: tuple[RowStep, ...]
    whole: bool
    kept: frozenset[str]
    dropped: tuple[str, ...]


def goes_by_rows(node: ir.Node) -> bool:
    """Whether some rows of the node's result can be computed from these rows of its inputs, or from rows of an operator."""
    if isinstance(node, ir.Axes):
        return node.order[0] == 0 and not node.loose
    return isinstance(node, (*BY_ROWS, *GATHERS))


def read_whole(node: ir.Node) -> tuple[str, ...]:
    """The inputs of which a node reads all rows at once."""
    if not goes_by_rows(node):
        return node.inputs
    return node.inputs[1:] if isinstance(node, GATHERS) else ()


def row_stages(
    network: ir.Network, wanted: tuple[str, ...], fuse: bool, known: frozenset[str], rows: Mapping[str, int]
) -> tuple[Stage, ...]:
    """The stages that lead to the wanted results.

    Args:
        network: to evaluate.
        wanted: names of the results.
        fuse: whether a synapse and its population may be one step.
        known: names of the results that are there before: inputs, operators, and what the caller brings.
        rows: number of rows of the result of each other node.
    """
    steps = _steps(network, wanted, fuse, known)
    levels: dict[str, int] = dict.fromkeys(known, 0)
    placed: dict[tuple[int, int], list[RowStep]] = {}
    for number, step in enumerate(steps):
        level = 0
        inside = {node.name for node in step.nodes}
        for node in step.nodes:
            whole = read_whole(node)
            for name in node.inputs:
                if name not in inside and name not in known:
                    level = max(level, levels[name] + (name in whole))
        alone = not goes_by_rows(step.nodes[0])
        # What is computed whole is a stage of its own, and its readers come behind it.
        key = (level, -1 - number) if alone else (level, rows[step.name])
        placed.setdefault(key, []).append(step)
        levels |= dict.fromkeys(inside, level + alone)
    return _with_kept([placed[key] for key in sorted(placed)], wanted)


def needed_nodes(network: ir.Network, wanted: tuple[str, ...], known: frozenset[str]) -> list[ir.Node]:
    """Nodes on which the wanted results depend other than through known ones, in order."""
    needed = set(wanted) - known
    nodes: list[ir.Node] = []
    for node in reversed(network.nodes):
        if node.name in needed:
            nodes.append(node)
            needed.update(set(node.inputs) - known)
    return nodes[::-1]


def _steps(network: ir.Network, wanted: tuple[str, ...], fuse: bool, known: frozenset[str]) -> list[RowStep]:
    nodes = needed_nodes(network, wanted, known)
    needed = {node.name for node in nodes}
    found = {name: each for name, each in fusions(network).items() if name in needed} if fuse else {}
    fused = {name: each for name, each in found.items() if _may_fuse(each, needed, wanted)}
    inside = {name for each in fused.values() for name in (each.neuron.name, each.synapse.name)} - fused.keys()
    steps = []
    for node in nodes:
        fusion = fused.get(node.name)
        if fusion is not None:
            synapse = () if fusion.synapse is node else (fusion.synapse,)
            steps.append(RowStep((*synapse, node, fusion.neuron), fusion))
        elif node.name not in inside:
            steps.append(RowStep((node,)))
    return steps


def _may_fuse(fusion: Fusion, needed: set[str], wanted: tuple[str, ...]) -> bool:
    """Whether the spikes are needed and the potential before them is not."""
    return fusion.neuron.name in needed and not {fusion.synapse.name, fusion.neuron.inputs[0]} & set(wanted)


def _with_kept(stages: list[list[RowStep]], wanted: tuple[str, ...]) -> tuple[Stage, ...]:
    made = {node.name: place for place, steps in enumerate(stages) for step in steps for node in step.nodes}
    last = dict.fromkeys(wanted, len(stages))
    kept: dict[int, set[str]] = {place: set() for place in range(len(stages))}
    for name in wanted:
        if name in made:
            kept[made[name]].add(name)
    for place, steps in enumerate(stages):
        for name in (name for step in steps for node in step.nodes for name in node.inputs):
            last[name] = max(place, last.get(name, 0))
            if made.get(name, place) != place:
                kept[made[name]].add(name)
    dropped: dict[int, list[str]] = {place: [] for place in range(len(stages) + 1)}
    for name, place in last.items():
        dropped[place].append(name)
    return tuple(
        Stage(
            tuple(steps),
            not goes_by_rows(steps[0].nodes[0]),
            frozenset(kept[place]),
            tuple(dropped[place]),
        )
        for place, steps in enumerate(stages)
    )
