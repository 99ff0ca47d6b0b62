"""Choosing the base Q: the encoding error of Eq. 5 by quadrature, or over the activations a layer really has."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.engines import Value, bind, dense_value, run_float
from gcn2snn.errors import ConfigError, InputError, refuses_misfits
from gcn2snn.kernels import PhaseCode, decode, encode, per_channel
from gcn2snn.passes.activation_counts import magnitudes
from gcn2snn.passes.calibration import Batches

BASES = (1.01, 3.0)
"""Where the search looks."""

NODES, WEIGHTS = np.polynomial.legendre.leggauss(24)

LOG_BINS = 8192
"""Geometric bins between 2^-20 and 1; the activations in a bin count as its centre, which moves z by 0.1 % at most."""

LOG_SPAN = 20.0


@refuses_misfits
def expected_error(
    base: float, timesteps: int, mu: float = 0.0, sigma: float = 1.0, shift: bool = True, last: str = "midpoint"
) -> float:
    """Mean absolute percentage error of the code over Gaussian activations, as a share (not percent).

    integral from 0 to 1 of |x - xbar(x)| / x * f(x) dx,   f the density of N(mu, sigma^2)                       (Eq. 5)

    The integrand is smooth between the thresholds and the phase values, so each piece is integrated by itself with 24
    Gauss-Legendre points: the error of the sum is near 1e-15.

    Args:
        base: Q > 1.
        timesteps: T.
        mu, sigma: of the activations after the division by their scale.
        shift: xbar of Eq. 4, or of Eq. 3.
        last: threshold of the last phase, as in :class:`gcn2snn.kernels.PhaseCode`.

    Raises:
        ConfigError: sigma is not positive, or base and timesteps are out of range.

    Source: Section III-B, Eq. 5. f is not divided by its mass in [0, 1], as printed; the minimum is the same.
    """
    if not sigma > 0:
        raise ConfigError(f"sigma is {sigma}; a standard deviation is positive")
    coding = PhaseCode(base, timesteps, shift=shift, last=last)
    levels, thresholds = coding.levels().numpy(), coding.thresholds().numpy()
    edges = np.unique(np.clip(np.concatenate([[0.0, 1.0], levels, thresholds]), 0.0, 1.0))
    # Pieces no wider than sigma / 2, so that a narrow density far from a threshold is seen, too.
    pieces = [np.linspace(a, b, 2 + int((b - a) / (0.5 * sigma)))[:-1] for a, b in itertools.pairwise(edges)]
    edges = np.concatenate([*pieces, [1.0]])
    low, high = edges[:-1, None], edges[1:, None]
    x = (low + high) / 2 + (high - low) / 2 * NODES
    density = np.exp(-0.5 * ((x - mu) / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi))
    value = np.append(levels, 0.0)[np.searchsorted(-thresholds, -x, side="left")]
    return float((np.abs(x - value) / x * density * WEIGHTS * (high - low) / 2).sum())


@refuses_misfits
def optimal_base(
    timesteps: int, mu: float = 0.0, sigma: float = 1.0, shift: bool = True, last: str = "midpoint"
) -> float:
    """The base Q of least expected error (Eq. 5) for T phases.

    >>> [round(optimal_base(timesteps), 2) for timesteps in (8, 12, 16, 20, 24, 32)]
    [1.48, 1.35, 1.28, 1.23, 1.2, 1.16]

    Args:
        timesteps: T, 1 to 255.
        mu, sigma: of the activations after the division by their scale.
        shift: thresholds of Eq. 4, or of Eq. 3.
        last: threshold of the last phase, as in :class:`gcn2snn.kernels.PhaseCode`.

    Raises:
        ConfigError: timesteps or sigma out of range.

    Source: Section III-B and IV-B2; the paper reads 1.3 (T = 16) and 1.2 (T = 24) off Fig. 6.
    """
    return _minimum(lambda base: expected_error(base, timesteps, mu, sigma, shift, last), timesteps)


@dataclass(frozen=True)
class Activations:
    """Distribution of the active neurons of one population: counts of z = |a| / scale in geometric bins.

    Args:
        counts: [LOG_BINS], int64; bin i is centred on 2^(-20 (i + 1/2) / LOG_BINS). The first bin also holds z > 1,
            the last one all smaller z.
    """

    counts: Tensor

    @classmethod
    def of(cls, z: Tensor) -> Activations:
        """From a sample of z; values that are not positive are not active."""
        z = z[z > 0].double()
        bins = (-torch.log2(z) * (LOG_BINS / LOG_SPAN)).floor().clamp(0, LOG_BINS - 1).long()
        return cls(torch.bincount(bins.flatten(), minlength=LOG_BINS))

    def __add__(self, other: Activations) -> Activations:
        return Activations(self.counts + other.counts)

    def error(self, base: float, timesteps: int, shift: bool = True, last: str = "midpoint") -> float:
        """Mean absolute percentage error over the active neurons, as a share: Eq. 5 with the measured f."""
        centre = torch.exp2(-(torch.arange(LOG_BINS, dtype=torch.float64) + 0.5) * (LOG_SPAN / LOG_BINS))
        value = decode(
            encode(centre, torch.tensor(1.0), PhaseCode(base, timesteps, shift=shift, last=last)), torch.float64
        )
        share = (centre - value).abs() / centre
        return float((self.counts * share).sum() / self.counts.sum().clamp(min=1))

    def optimal_base(self, timesteps: int, shift: bool = True, last: str = "midpoint") -> float:
        """The base of least error for these activations.

        Raises:
            InputError: no neuron was active.
        """
        if not int(self.counts.sum()):
            raise InputError("no activation is positive, so no base is better than another. Pass other data")
        return _minimum(lambda base: self.error(base, timesteps, shift, last), timesteps)


def measure_activations(network: ir.Network, batches: Batches) -> dict[str, Activations]:
    """Activations of every population of a calibrated network, divided by its scale, in the source model.

    Args:
        network: calibrated.
        batches: gives the inputs by Input name, each as a call of the network takes it.

    Raises:
        InputError, InputTypeError: a batch does not fit the network.

    Source: Section III-B2 uses one Gaussian for all layers and calls it a starting point; this is the measured f.
    """
    found: dict[str, Activations] = {}

    def observe(node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
        if isinstance(node, ir.Neuron):
            x = dense_value(value)
            new = Activations.of(magnitudes(node, x / per_channel(node.scale, x.dim())))
            found[node.name] = found[node.name] + new if node.name in found else new

    parts = {part.name for part in network.of(ir.Part)}  # of an input, so made from it again
    with torch.no_grad():
        for batch in batches():
            given = {name: value for name, value in batch.items() if name not in parts}
            run_float(network, bind(network, (), given), observe)
    return found


@refuses_misfits
def layer_bases(network: ir.Network, batches: Batches, timesteps: int | None = None) -> dict[str, float]:
    """The base of least encoding error for each population, from what its activations are.

    >>> import torch, gcn2snn
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 9), torch.nn.ReLU(), torch.nn.Linear(9, 2)).eval()
    >>> x = torch.rand(50, 4)
    >>> snn = gcn2snn.convert(model, x)
    >>> bases = layer_bases(snn.network, lambda: [{"input": x}])
    >>> [1 < base < 2 for base in bases.values()]
    [True]

    Args:
        network: calibrated; each population keeps its own number of time steps unless ``timesteps`` is given.
        batches: as for :func:`measure_activations`.
        timesteps: time steps for all.

    Returns:
        Q per time step by population, as ``ConvertConfig`` and ``LayerConfig`` have it: where a group of g neurons
        shares a membrane, a time step holds g phases, so Q is the base of a phase to the power of g. Silent populations
        are left out. Ready for ``ConvertConfig(layers={name: {"base": base}})``.
    """
    bases = {}
    for name, activations in measure_activations(network, batches).items():
        coding = _neuron(network, name).coding
        if int(activations.counts.sum()):
            phases = coding.timesteps if timesteps is None else timesteps * coding.group
            bases[name] = activations.optimal_base(phases, coding.shift, coding.last) ** coding.group
    return bases


def with_bases(network: ir.Network, bases: Mapping[str, float]) -> ir.Network:
    """The network with other bases, per time step as :func:`layer_bases` gives them.

    Scales stay, since they are maxima; only one whose largest level would now be above a cap gets smaller.
    """
    changes: dict[str, list[ir.Node]] = {}
    for name, base in bases.items():
        node = _neuron(network, name)
        coding = replace(node.coding, base=base ** (1 / node.coding.group))
        largest = node.activation.largest_scale(coding, node.scale.dtype)
        scale = node.scale if largest is None else torch.minimum(node.scale, largest.to(node.scale.device))
        changes[name] = [replace(node, coding=coding, scale=scale)]
    return network.replace(changes)


def _neuron(network: ir.Network, name: str) -> ir.Neuron:
    node = network[name]
    if not isinstance(node, ir.Neuron):
        raise ConfigError(f"{name} is a {type(node).__name__}; only a calibrated population has a base")
    return node


def _minimum(error: Callable[[float], float], timesteps: int) -> float:
    """Best of a grid, then a bracketed search beside it: the error has one kink per phase, so no single descent."""
    from scipy.optimize import minimize_scalar  # takes as long to import as all the rest of the package

    highest = min(BASES[1], 1e30 ** (1 / timesteps) * 0.999)
    grid = np.geomspace(BASES[0], highest, 120)
    best = int(np.argmin([error(float(base)) for base in grid]))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    found = minimize_scalar(error, bounds=(float(low), float(high)), method="bounded", options={"xatol": 1e-6})
    return float(found.x)
