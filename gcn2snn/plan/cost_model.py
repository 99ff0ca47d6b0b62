"""Memory, traffic and time of a graph network whose rows are shared out over ranks; docs/scaling.md derives the formulas.

The network has layers l = 1..L of message passing and aggregation, as a GCN: X_l = A (X_(l-1) W_l). n nodes, e entries of
A, K ranks with n / K rows and e / K entries each, f_l channels into a layer and w_l out of it. An aggregation reads the
rows of its own rank and h rows of others, the halo; b is the bytes of a number that travels, 4 for floats and 1 for phases.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Literal, get_args

from gcn2snn.errors import ConfigError, kind_of, misfits, refuses_misfits
from gcn2snn.plan.rates import Rates

HALOS = ("worst", "random", "measured")
"""Where the size of a halo comes from: every column travels, columns are drawn at random, or it was counted."""

FLOAT, PHASE, INDEX = 4, 1, 4
"""Bytes of a number, of a phase up to 127 time steps, and of a column or row index."""

PROCESS = 0.3e9
"""Bytes that Python, torch and this package take before any data."""

MOST = 2**63 - 1
"""Largest number of rows or entries that torch can count."""

Kind = Literal["floats", "phases"]


@dataclass(frozen=True)
class Problem:
    """What is to run where.

    Args:
        nodes, edges: n, and the entries of the adjacency, self-loops included.
        features: f_1; 0: one-hot, so that layer 1 looks up a table of n rows.
        hidden: w_1 to w_(L-1).
        classes: w_L.
        ranks: K.
        network: bits that a rank can receive a second.
        halo: rows of other ranks that a rank reads, counted; None where they were not.

    Raises:
        ConfigError: a number is not positive and finite, or larger than an array can be; there are more entries than pairs of
            nodes, more ranks than nodes, or a halo is larger than what others have.
    """

    nodes: int
    edges: int
    features: int
    hidden: tuple[int, ...]
    classes: int
    ranks: int = 1
    network: float = 1e9
    halo: float | None = None

    def __post_init__(self) -> None:
        with misfits("a plan", vars(self)):
            self._check()

    def _check(self) -> None:
        least = [("nodes", self.nodes), ("classes", self.classes), ("ranks", self.ranks)]
        least += [("hidden", width) for width in self.hidden]
        wrong = [f"{name} is {value:,}" for name, value in least if value <= 0]
        sizes = [("edges", self.edges), ("features", self.features)]
        wrong += [f"{name} is {value:,}" for name, value in sizes if value < 0]
        if wrong:
            raise ConfigError(f"{', '.join(wrong)}; sizes are positive (features may be 0: one-hot)")
        if large := [name for name, value in [*least, *sizes] if value > MOST]:
            raise ConfigError(f"{' and '.join(large)}: more than {MOST:.2g}, which is more than an array can have")
        if not 0 < self.network < math.inf:
            raise ConfigError(f"network is {self.network / 1e9:g} Gbit/s; a positive number is needed, such as 10")
        if self.edges > self.nodes**2:
            raise ConfigError(
                f"edges is {self.edges:,}; the adjacency of {self.nodes:,} nodes has at most {self.nodes**2:,} entries"
            )
        if self.ranks > self.nodes:
            raise ConfigError(f"{self.ranks:,} ranks for {self.nodes:,} nodes; a rank has one row or more")
        if self.halo is not None and not 0 <= self.halo <= self.nodes - self.rows:
            raise ConfigError(
                f"the halo is {self.halo:,.0f} rows; of {self.nodes:,} nodes a rank reads at most those that "
                f"{self.ranks - 1:,} others have, {self.nodes - self.rows:,.0f}"
            )

    @property
    def rows(self) -> float:
        """n / K."""
        return self.nodes / self.ranks

    @property
    def entries(self) -> float:
        """e / K."""
        return self.edges / self.ranks

    @property
    def widths(self) -> tuple[tuple[int, int], ...]:
        """(f_l, w_l) of each layer."""
        out = (*self.hidden, self.classes)
        return tuple(zip((self.features, *out[:-1]), out, strict=True))

    def halo_rows(self, kind: str) -> float:
        """h: n - n/K in the worst case; n (1 - 1/K) (1 - (1 - 1/n)^(e/K)) where each entry draws its column at random.

        Raises:
            ConfigError: "measured" without a count.
        """
        others = self.nodes - self.rows
        if kind == "measured":
            if self.halo is None:
                raise ConfigError("the halo was not measured; give the rows of other ranks that a rank reads (--halo)")
            return self.halo
        if kind == "worst" or self.nodes == 1:
            return others
        return others * -math.expm1(self.entries * math.log1p(-1 / self.nodes))


@dataclass(frozen=True)
class Layer:
    """One layer on one rank.

    Args:
        number: from 1.
        channels: w_l.
        received: bytes that a rank gets from others, h w_l b.
        gathered: of all ranks together.
        dense, aggregate, travel: seconds of X W, of A X, and of what a rank receives.
    """

    number: int
    channels: int
    received: float
    gathered: float
    dense: float
    aggregate: float
    travel: float

    @property
    def seconds(self) -> float:
        """Nothing overlaps, so they add up."""
        return self.dense + self.aggregate + self.travel


@dataclass(frozen=True)
class Plan:
    """What a run takes, of floats (the source) or phases (the spiking network).

    Args:
        kind: "floats" or "phases".
        halo: one of :data:`HALOS`.
        halo_rows: h.
        memory: bytes of a rank by what they hold.
        layers: in order.
    """

    kind: Kind
    halo: str
    halo_rows: float
    memory: dict[str, float]
    layers: tuple[Layer, ...]

    @property
    def memory_of_a_rank(self) -> float:
        """Bytes."""
        return sum(self.memory.values())

    @property
    def gathered(self) -> float:
        """Bytes that travel between all ranks in a run."""
        return sum(layer.gathered for layer in self.layers)

    @property
    def seconds(self) -> float:
        """Of a run."""
        return sum(layer.seconds for layer in self.layers)

    def to_dict(self) -> dict[str, object]:
        """JSON values."""
        totals = {"memory_of_a_rank": self.memory_of_a_rank, "gathered": self.gathered, "seconds": self.seconds}
        return asdict(self) | totals | {"layers": [asdict(x) | {"seconds": x.seconds} for x in self.layers]}


@refuses_misfits
def make_plan(problem: Problem, kind: Kind, halo: str, rates: Rates) -> Plan:
    """What the problem takes.

    M = 8 e/K + 4 (n/K + 1)                     the rows of A: column and value of an entry, row pointers
      + 4 f_1 n/K + 4 sum_l f_l w_l             features and weights
      + max_l (b (3 n/K + 2 h) w_l + b' w_l n/K)  own rows, rows that are sent, rows that are read; and the result
    t = sum_l 2 f_l w_l n/K / r_dense + w_l e/K / r_aggregate + 8 h w_l b / bits

    b' is b, but 4 in the last layer, whose potentials are numbers. Measured rates: multiply-adds a second in a dense
    product, entries times channels a second in an aggregation of floats or phases.

    Raises:
        ConfigError: an unknown kind or halo, or one that was not measured.
    """
    for name, value, allowed in (("kind", kind, get_args(Kind)), ("halo", halo, HALOS)):
        if not isinstance(value, str) or value not in allowed:
            raise ConfigError(f"{name} is {kind_of(value)}; allowed are {', '.join(allowed)}")
    rows, entries, away = problem.rows, problem.entries, problem.halo_rows(halo)
    size = FLOAT if kind == "floats" else PHASE
    layers, working = [], 0.0
    for number, (width_in, width) in enumerate(problem.widths, start=1):
        received = away * width * size
        dense = 2 * width_in * width * rows / rates.dense
        aggregate = width * entries / (rates.floats if kind == "floats" else rates.phases)
        layers.append(
            Layer(number, width, received, received * problem.ranks, dense, aggregate, 8 * received / problem.network)
        )
        result = FLOAT if number == len(problem.widths) else size
        working = max(working, size * (3 * rows + 2 * away) * width + result * width * rows)
    first = problem.features or problem.widths[0][1]  # a one-hot layer holds its rows of the table instead of features
    memory = {
        "adjacency": (INDEX + FLOAT) * entries + INDEX * (rows + 1),
        "features": FLOAT * first * rows,
        "weights": FLOAT * float(sum(width_in * width for width_in, width in problem.widths)),
        "layers": working,
        "process": PROCESS,
    }
    return Plan(kind, halo, away, memory, tuple(layers))


def least_ranks(problem: Problem, kind: Kind, halo: str, rates: Rates, memory: float) -> int | None:
    """The smallest number of ranks of which each needs at most so much memory; None where no number is enough.

    A measured halo is of one number of ranks, so with it every number is judged by the random one.
    """
    how = "random" if halo == "measured" else halo

    def fits(ranks: int) -> bool:
        return make_plan(replace(problem, ranks=ranks, halo=None), kind, how, rates).memory_of_a_rank <= memory

    return _first(fits, problem.nodes)


def _first(fits: Callable[[int], bool], most: int) -> int | None:
    """The least number that fits, where all above one that fits do too."""
    high = 1
    while not fits(high):
        if high == most:
            return None
        high = min(2 * high, most)
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high
