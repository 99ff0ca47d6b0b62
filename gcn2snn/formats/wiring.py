"""A network and its inputs as neurons, synapses and clock steps: all that a simulator of spikes has to know.

Times are clock steps. A spike takes one step from a neuron to its readers, so a layer begins w + 1 steps after the one it
reads (docs/export.md, Brian2). A source far above its reader is delayed until all that the reader hears is aligned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, eye_array, kron

from gcn2snn import ir
from gcn2snn.engines import Value, constants, dense_value, input_timesteps, matrix_value, started
from gcn2snn.errors import InputError
from gcn2snn.formats.input_spikes import input_spikes
from gcn2snn.formats.linear_maps import (
    Floats,
    LinearMap,
    Rows,
    array,
    concrete,
    follow,
    of_constant,
    of_source,
    sparse,
    window_members,
)
from gcn2snn.formats.needed_rows import chosen_rows, needed_rows
from gcn2snn.formats.refusals import refuse_kept
from gcn2snn.kernels import PhaseCode

MOST_SYNAPSES = 60_000_000
"""Synapses of one network at most: a simulator needs about 40 bytes for each."""

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SourceCode:
    """What a spike of a source means: axon j of its ``group`` axons sends level_j base^-n at its step n.

    Args:
        base: Q^group, by which the value of a spike falls from step to step; 1 for a source of one step.
        levels: of each axon, first (largest) to last.
        signed: whether a neuron has axons for negative values too.
        steps: in which the source may send.
    """

    base: float
    levels: tuple[float, ...]
    signed: bool
    steps: int

    @classmethod
    def of(cls, coding: PhaseCode) -> SourceCode:
        """The code of a population: phase (n - 1) g + j carries Q^-((n - 1) g + j) = (Q^g)^-n Q^(g - j)."""
        levels = tuple(coding.base ** (coding.group - j) for j in range(1, coding.group + 1))
        return cls(coding.base**coding.group, levels, coding.signed, coding.steps)


@dataclass(frozen=True, eq=False)
class Train:
    """Input spikes: each neuron is one input value and its sign, for values that send anything at all."""

    name: str
    code: SourceCode
    neuron: Integers
    step: Integers
    size: int
    begins: int = 0


@dataclass(frozen=True, eq=False)
class Cells:
    """A population, or the output: membranes that grow, add, and compare.

    Args:
        potential: U before the first spike: biases and ``start``.
        threshold: scale times gain of each membrane; empty for the output.
        last: last phase of each membrane, or None.
        growth: what a membrane is multiplied by at each step while it hears.
        opens: clock step before its local step 1.
        hears: local steps in which spikes arrive.
        wait: w, local steps before phase step 1.
        rows, shape: which rows of the population's value these are, and the shape of those rows.
    """

    name: str
    coding: PhaseCode | None
    potential: Floats
    threshold: Floats
    last: Integers | None
    growth: float
    opens: int
    hears: int
    wait: int
    rows: Rows
    shape: tuple[int, ...]

    @property
    def begins(self) -> int:
        """Clock step before its phase step 1."""
        return self.opens + self.wait

    @property
    def size(self) -> int:
        return self.potential.size


@dataclass(frozen=True, eq=False)
class Relay:
    """A maximum: neurons that pass the first positive spike on, or the last negative one once all members have sent one."""

    name: str
    code: SourceCode
    members: Integers
    begins: int

    @property
    def size(self) -> int:
        return self.members.size


@dataclass(frozen=True, eq=False)
class Projection:
    """Synapses from a source to cells or a relay. A relay reads the sign of a weight only."""

    source: str
    target: str
    pre: Integers
    post: Integers
    weight: Floats
    delay: int


@dataclass(eq=False)
class Wiring:
    """Everything, in an order in which sources stand before their readers; ``output`` is the last of the cells."""

    trains: list[Train] = field(default_factory=list)
    cells: list[Cells] = field(default_factory=list)
    relays: list[Relay] = field(default_factory=list)
    projections: list[Projection] = field(default_factory=list)

    @property
    def synapses(self) -> int:
        return sum(each.weight.size for each in self.projections)

    @property
    def steps(self) -> int:
        """Clock steps until the output has heard everything."""
        return self.cells[-1].opens + self.cells[-1].hears + 1


def wire(
    network: ir.Network, inputs: Mapping[str, Value], wait: int | None, rows: Sequence[int] | None = None
) -> Wiring:
    """The neurons and synapses on which rows of the output depend.

    Args:
        network: calibrated, in double precision.
        inputs: by Input name.
        wait: w; None waits for all input.
        rows: of the output (nodes, documents, images); None for all.

    Raises:
        InputError: a row does not exist, there are more than :data:`MOST_SYNAPSES` synapses, or a potential is kept for a
            residual sum.
    """
    refuse_kept("brian2", network)
    return _Wirer(network, inputs, wait, rows).wiring()


class _Wirer:
    """Follows the network from the inputs to the output and keeps what each value depends on."""

    def __init__(self, network: ir.Network, inputs: Mapping[str, Value], wait: int | None, rows: Sequence[int] | None):
        self.network, self.wait = network, wait
        self.fixed = constants(network, inputs)
        count = rows_of(network, self.fixed)
        self.rows = needed_rows(network, self.fixed, chosen_rows(rows, count))
        self.maps: dict[str, LinearMap] = {}
        self.codes: dict[str, SourceCode] = {}
        self.begins: dict[str, int] = {}
        self.result = Wiring()

    def wiring(self) -> Wiring:
        for node in self.network:
            if node.name not in self.rows or isinstance(node, ir.Source | ir.Operator):
                continue
            if isinstance(node, ir.Coder):
                self.maps[node.name] = self._input(node)
            elif isinstance(node, ir.Rows):
                self.maps[node.name] = self._at(node.inputs[1], self.rows[node.name])
            elif isinstance(node, ir.PickRows):
                picked = matrix_value(self.fixed[node.inputs[0]]).col.long().cpu().numpy()
                self.maps[node.name] = self._at(node.inputs[1], picked[self.rows[node.name]])
            elif isinstance(node, ir.Lookup):
                self.maps[node.name] = self._lookup(node)
            elif isinstance(node, ir.MaxPool | ir.AggregateMax):
                self.maps[node.name] = self._maximum(node)
            elif isinstance(node, ir.Neuron | ir.Output):
                self._membrane(node)
            else:
                self.maps[node.name] = follow(node, *self._arguments(node))
        return self.result

    def _arguments(self, node: ir.Node) -> list[LinearMap | csr_array]:
        if isinstance(node, ir.Aggregate):
            operator, x = node.inputs
            matrix = sparse(matrix_value(self.fixed[operator]).rows(torch.from_numpy(self.rows[node.name])))
            columns = matrix[:, self.rows[x]]
            _refuse_too_many(columns.nnz * self.maps[x].shape[1], node)
            return [csr_array(columns), self.maps[x]]
        found = [self._at(name, self.rows[node.name]) for name in node.inputs]
        if isinstance(node, ir.Dense):
            _refuse_too_many(found[0].shape[0] * node.weight.numel(), node)
        return list(found)

    def _at(self, name: str, rows: Rows) -> LinearMap:
        """The map of some rows of a value that has at least these."""
        x, own = self.maps[name], self.rows[name]
        if np.array_equal(own, rows):
            return x
        places = np.arange(x.constant.size).reshape(x.shape)[np.searchsorted(own, rows)]
        return x.picked(places.ravel() + 1, places.shape)

    def _input(self, node: ir.Coder) -> LinearMap:
        x = dense_value(self.fixed[node.inputs[0]])[torch.from_numpy(self.rows[node.name])]
        if node.kind == "analog":
            return of_constant(x)
        spikes = input_spikes(node, x)
        used, first, neuron = np.unique(spikes.value, return_index=True, return_inverse=True)
        if not used.size:
            return of_constant(torch.zeros_like(x))
        meaning = SourceCode(spikes.base, (1.0,), False, node.timesteps)
        self._train(Train(node.name, meaning, neuron, spikes.step, used.size))
        everything = of_source(node.name, tuple(x.shape), node.scale)
        signs = spikes.sign[first].astype(np.float64)
        part = csr_array(everything.parts[node.name][:, used] * signs[None, :])
        return LinearMap(everything.shape, {node.name: part}, everything.constant)

    def _train(self, train: Train) -> None:
        self.result.trains.append(train)
        self.codes[train.name], self.begins[train.name] = train.code, train.begins

    def _lookup(self, node: ir.Lookup) -> LinearMap:
        one_hot = self.network[node.inputs[0]]
        assert isinstance(one_hot, ir.OneHot)
        rows = self.rows[node.name]
        steps = max(one_hot.binary, 1)
        if one_hot.name not in self.codes:
            every = np.arange(self.rows[one_hot.name].size)
            meaning = SourceCode(2.0 if one_hot.binary else 1.0, (1.0,), False, steps)
            neuron, step = np.repeat(every, steps), np.tile(np.arange(1, steps + 1), every.size)
            self._train(Train(one_hot.name, meaning, neuron, step, every.size))
        table = array(node.table)[rows]
        at = np.repeat(np.searchsorted(self.rows[one_hot.name], rows), table.shape[1])
        size = (table.size, self.rows[one_hot.name].size)
        part = csr_array((table.ravel(), (np.arange(table.size), at)), shape=size)
        return LinearMap(table.shape, {one_hot.name: part}, np.zeros(table.size)).plus(node.bias)

    def _maximum(self, node: ir.MaxPool | ir.AggregateMax) -> LinearMap:
        feed = node.inputs[-1]
        if isinstance(node, ir.MaxPool):
            x = self._at(feed, self.rows[node.name])
            shape = concrete(node, x.shape)
            window = window_members(node, x.shape, shape)
            members = csr_array(kron(eye_array(x.shape[0] * x.shape[1]), window, format="csr"))
        else:
            x = self.maps[feed]
            matrix = sparse(matrix_value(self.fixed[node.inputs[0]]).rows(torch.from_numpy(self.rows[node.name])))
            matrix = csr_array(matrix[:, self.rows[feed]])
            matrix.sum_duplicates()  # a neighbour over two edges is one member of the maximum
            matrix.data[:] = 1.0
            shape = (matrix.shape[0], x.shape[1])
            members = csr_array(kron(matrix, eye_array(x.shape[1]), format="csr"))
        # A window lies in one channel, whose values are all constants or all sent as spikes. A maximum of constants is known.
        constant = _largest(members, x.constant).numpy()
        if not x.parts:
            return of_constant(torch.from_numpy(constant).reshape(shape))
        parts: dict[str, csr_array] = {}
        for source, part in x.parts.items():
            constant[np.diff(csr_array(members @ abs(part)).indptr) > 0] = 0.0
            parts |= self._relay(node, source, part, members)
        return LinearMap(shape, parts, constant)

    def _relay(self, node: ir.Node, source: str, part: csr_array, members: csr_array) -> dict[str, csr_array]:
        """A neuron for each window that has a member of this source; what it sends carries the members' scale."""
        signs = csr_array(members @ part.sign())
        used = np.flatnonzero(np.diff(signs.indptr))
        if not used.size:
            return {}
        signs, counts = csr_array(signs[used]), np.diff(members.indptr)[used]
        sizes = csr_array(members[used] @ abs(part))
        level = sizes.max(axis=1).toarray().ravel()
        assert np.allclose(sizes.data, np.repeat(level, np.diff(sizes.indptr))), "members of a maximum differ in scale"
        name = f"{node.name}<{source}"
        code = self.codes[source]
        negative = bool((part.data < 0).any())
        meaning = SourceCode(code.base, code.levels, code.signed or negative, code.steps)
        begins = self.begins[source] + 1
        self.result.relays.append(Relay(name, meaning, counts.astype(np.int64), begins))
        self.codes[name], self.begins[name] = meaning, begins
        self._project(source, name, signs, 0)
        at = (level, (used, np.arange(used.size)))
        return {name: csr_array(at, shape=(members.shape[0], used.size))}

    def _project(self, source: str, target: str, matrix: csr_array, delay: int) -> None:
        matrix = csr_array(matrix)
        matrix.sum_duplicates()
        post = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        new = Projection(source, target, matrix.indices.astype(np.int64), post, matrix.data, delay)
        if self.result.synapses + new.weight.size > MOST_SYNAPSES:
            _refuse(self.result.synapses + new.weight.size, target)
        self.result.projections.append(new)

    def _membrane(self, node: ir.Neuron | ir.Output) -> None:
        rows = self.rows[node.name]
        x = self._at(node.inputs[0], rows)
        if node.start is not None and node.start.dim() == 2:  # after a refit, of each neuron
            node = replace(node, start=node.start[torch.from_numpy(rows)])
        potential = started(node, torch.from_numpy(x.constant.reshape(x.shape))).flatten().numpy()
        feeds = list(x.parts)
        hears = input_timesteps(self.network, node)
        opens = max((self.begins[name] + 1 for name in feeds), default=1)
        growth = max((self.codes[name].base for name in feeds), default=1.0)
        coding, threshold, last = None, np.zeros(0), None
        if isinstance(node, ir.Neuron):
            coding = node.coding
            view = array(node.threshold_scale).reshape(-1, *[1] * (len(x.shape) - 2))
            threshold = np.broadcast_to(view, x.shape).ravel()
            last = None if node.horizon is None else self._last(node.horizon, rows, x.shape)
        wait = 0 if coding is None else hears if self.wait is None else self.wait
        own = Cells(node.name, coding, potential, threshold, last, growth, opens, hears, wait, rows, x.shape)
        self.result.cells.append(own)
        for name in feeds:
            self._project(name, node.name, x.parts[name], opens - self.begins[name] - 1)
        if coding is not None and isinstance(node, ir.Neuron):
            self.codes[node.name], self.begins[node.name] = SourceCode.of(coding), own.begins
            self.maps[node.name] = of_source(node.name, x.shape, node.scale)

    def _last(self, horizon: torch.Tensor, rows: Rows, shape: tuple[int, ...]) -> Integers:
        whole = horizon.cpu()
        if whole.dim() and whole.shape[0] > 1:
            whole = whole[torch.from_numpy(rows)]
        return np.broadcast_to(whole.numpy(), shape).ravel().astype(np.int64)


def _largest(members: csr_array, value: Floats) -> torch.Tensor:
    """The largest value of the members of each window, 0 of an empty one."""
    result = torch.full((members.shape[0],), -torch.inf, dtype=torch.float64)
    row = torch.from_numpy(np.repeat(np.arange(members.shape[0]), np.diff(members.indptr)))
    result = result.scatter_reduce(0, row, torch.from_numpy(value[members.indices]), "amax")
    return torch.where(torch.isinf(result), 0.0, result)


def rows_of(network: ir.Network, fixed: Mapping[str, Value]) -> int:
    """Rows of the output: the batch, the nodes of the graph, or its graphs."""
    counts: dict[str, int] = {}
    for node in network:
        if isinstance(node, ir.OneHot):
            counts[node.name] = node.count
        elif isinstance(node, ir.Aggregate | ir.AggregateMax | ir.Rows | ir.PickRows):
            counts[node.name] = matrix_value(fixed[node.inputs[0]]).shape[0]
        elif isinstance(node, ir.Coder):
            counts[node.name] = dense_value(fixed[node.inputs[0]]).shape[0]
        elif node.inputs and node.inputs[-1] in counts:
            counts[node.name] = counts[node.inputs[-1]]
    return counts[network.output.name]


def _refuse_too_many(count: int, node: ir.Node) -> None:
    if count > MOST_SYNAPSES:
        _refuse(count, node.name)


def _refuse(count: int, name: str) -> None:
    raise InputError(
        f"{count:,} synapses up to {name}; at most {MOST_SYNAPSES:,} are written. Choose fewer rows of the output (--rows), "
        f"or a smaller graph"
    )
