"""What one spike means: the phase code of a neuron population, and the spikes of one layer."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, fields, replace
from functools import cached_property
from numbers import Integral, Real

import torch
from torch import Tensor

from gcn2snn.errors import ConfigError, kind_of
from gcn2snn.kernels.derived import Derived

LAST_THRESHOLDS = ("midpoint", "half")
"""What the threshold of the last phase may be, see :class:`PhaseCode`."""


@dataclass(frozen=True)
class PhaseCode:
    """Single-spike phase code: a spike at phase t carries scale * base^-t, t = 1..timesteps; silence carries 0.

    >>> PhaseCode(base=2.0, timesteps=4).levels().tolist()
    [0.5, 0.25, 0.125, 0.0625]

    Args:
        base: Q > 1, the ratio of two neighbouring phases.
        timesteps: T, 1..255 phases.
        signed: a spike may carry a sign (a +/- pair of neurons of which at most one fires).
        shift: thresholds at the midpoint of two phases (Eq. 4); without it they floor (Eq. 3).
        group: neurons that share a membrane, of which at most one fires. The phases of a time step are shared out among
            them, so that T phases take ceil(T / group) steps; 1 is the paper's neuron, one phase a step.
        last: threshold of the last phase. "midpoint": between it and the phase behind it, as in Eq. 4. "half": half of its
            value, because what lies below it is silence, which carries 0. Needs ``shift``.

    Raises:
        ConfigError: base or timesteps out of range, an unknown ``last``, or "half" without ``shift``.

    Source: One-Spike SNN, Section III, Eq. 3 and 4; signed populations, groups and "half" are ours (docs/method.md).
    """

    base: float
    timesteps: int
    signed: bool = False
    shift: bool = True
    group: int = 1
    last: str = "midpoint"

    def __post_init__(self) -> None:
        for name, value, kind in (
            ("base", self.base, Real),
            ("timesteps", self.timesteps, Integral),
            ("group", self.group, Integral),
        ):
            if not isinstance(value, kind) or isinstance(value, bool):
                raise ConfigError(
                    f"{name} is {kind_of(value)}; a {'whole ' if kind is Integral else ''}number is needed"
                )
        self._plain_numbers()
        for name, flag in (("signed", self.signed), ("shift", self.shift)):
            if not isinstance(flag, bool):
                raise ConfigError(f"{name} is {kind_of(flag)}; True or False is needed")
        if not (1.0 < self.base < float("inf")):
            raise ConfigError(f"base is {self.base}; a phase code needs a finite base Q > 1, for example 1.3")
        if not 1 <= self.timesteps <= 255:
            raise ConfigError(f"timesteps is {self.timesteps}; allowed are 1 to 255")
        if not 1 <= self.group <= 255:
            raise ConfigError(f"group is {kind_of(self.group)}; allowed are 1 to 255 neurons that share a membrane")
        if not isinstance(self.last, str) or self.last not in LAST_THRESHOLDS:
            raise ConfigError(f"last is {kind_of(self.last)}; allowed are {', '.join(LAST_THRESHOLDS)}")
        if self.last == "half" and not self.shift:
            raise ConfigError(
                "last='half' needs shifted thresholds; those of Eq. 3 round down, also at the last phase. Use shift=True"
            )
        if self.base**-self.timesteps < 1e-30:
            raise ConfigError(
                f"base {self.base} with {self.timesteps} timesteps ends at a phase of {self.base**-self.timesteps:.1e}; "
                "single precision needs at least 1e-30. Use a smaller base or fewer timesteps"
            )

    def _plain_numbers(self) -> None:
        """Numbers of NumPy and others as Python's own, which they are equal to: their powers follow other rules."""
        for name, kind in (("base", float), ("timesteps", int), ("group", int)):
            value = getattr(self, name)
            if type(value) is not kind:
                try:
                    object.__setattr__(self, name, kind(value))
                except OverflowError:
                    raise ConfigError(
                        f"{name} is {kind_of(value)}; a phase code needs a finite base Q > 1, for example 1.3"
                    ) from None

    @property
    def steps(self) -> int:
        """Time steps in which the population may fire, ceil(T / group)."""
        return -(-self.timesteps // self.group)

    def step_of(self, phase: Tensor) -> Tensor:
        """Time step of a phase, ceil(phase / group); 0 stays 0, silence."""
        if self.group == 1:
            return phase
        return ((phase.int() + (self.group - 1)) // self.group).to(phase.dtype)  # the sum may not fit into a byte

    def phases_of(self, step: int) -> range:
        """The phases of a time step 1..steps, first to last."""
        return range((step - 1) * self.group + 1, min(step * self.group, self.timesteps) + 1)

    @property
    def code_dtype(self) -> torch.dtype:
        """Storage of ``sign * phase``: one byte up to 127 phases, two beyond."""
        return torch.int8 if self.timesteps <= 127 else torch.int16

    def levels(self, dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu") -> Tensor:
        """Q^-t for t = 1..T, [T], computed in float64 and rounded once."""
        phase = torch.arange(1, self.timesteps + 1, dtype=torch.float64)
        return torch.pow(torch.tensor(self.base, dtype=torch.float64), -phase).to(device=device, dtype=dtype)

    def thresholds(self, dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu") -> Tensor:
        """Least z = x / scale that fires at phase t = 1..T, [T], descending: Q^-t (Q+1)/(2Q), or Q^-t without shift.

        With ``last="half"`` the last one is Q^-T / 2.

        >>> PhaseCode(2.0, 3).thresholds().tolist(), PhaseCode(2.0, 3, last="half").thresholds().tolist()
        ([0.375, 0.1875, 0.09375], [0.375, 0.1875, 0.0625])
        """
        factor = (self.base + 1) / (2 * self.base) if self.shift else 1.0
        found = self.levels() * factor
        if self.last == "half":
            found[-1] = self.levels()[-1] / 2
        return found.to(device=device, dtype=dtype)


@dataclass(frozen=True, eq=False)
class Spikes:
    """At most one spike per neuron: ``code = sign * phase``, 0 for silence.

    >>> Spikes(torch.tensor([[1, 2, 0]], dtype=torch.int8), torch.tensor(1.0), PhaseCode(2.0, 4))
    Spikes([1, 3] int8, PhaseCode(base=2.0, timesteps=4, signed=False, shift=True, group=1, last='midpoint'), one scale)

    Args:
        code: [N, C, ...], int8 (int16 beyond 127 phases); from -T to T, from 0 without sign. On a CPU products and
            ``decode`` refuse others; on a device they are not looked for, and the result is not defined.
        scale: value of phase 0, scalar [] or one per channel [C] (axis 1 of ``code``).
        coding: what a phase means.
    """

    code: Tensor
    scale: Tensor
    coding: PhaseCode

    @property
    def phase(self) -> Tensor:
        """Phase of each neuron's spike, uint8, 0 = silent."""
        return self.code.abs().to(torch.uint8)

    @property
    def sign(self) -> Tensor:
        """Sign of each neuron's spike, int8, 0 = silent."""
        return self.code.sign().to(torch.int8)

    @property
    def fired(self) -> Tensor:
        """Which neurons fired, bool."""
        return self.code != 0

    @property
    def shape(self) -> torch.Size:
        return self.code.shape

    @cached_property
    def derived(self) -> Derived:
        """What kernels make of these spikes and keep with them."""
        return Derived()

    @cached_property
    def met(self) -> dict[int, weakref.ref[object]]:
        """Matrices that these spikes have been multiplied by, by ``id``."""
        return {}

    def __getstate__(self) -> dict[str, object]:
        """The fields alone: copies and pickles derive their own values."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __repr__(self) -> str:
        """Shape and storage of the codes, the population, how many scales; where the codes lie if not on the CPU."""
        words = [f"{[*self.code.shape]} {str(self.code.dtype).removeprefix('torch.')}", str(self.coding)]
        words.append("one scale" if self.scale.dim() == 0 else f"{self.scale.numel()} scales")
        words += [] if self.code.device.type == "cpu" else [str(self.code.device)]
        return f"Spikes({', '.join(words)})"

    def to_dense(self) -> Tensor:
        """The spike train: the sign of the spike at each phase, 0 elsewhere, [T, N, C, ...], int8.

        >>> Spikes(torch.tensor([[1, -2, 0]]), torch.tensor(1.0), PhaseCode(2.0, 3, signed=True)).to_dense().tolist()
        [[[1, 0, 0]], [[0, -1, 0]], [[0, 0, 0]]]
        """
        phases = torch.arange(1, self.coding.timesteps + 1, device=self.code.device)
        at = phases.view(-1, *[1] * self.code.dim()) == self.code.abs().unsqueeze(0)
        return at * self.code.sign().to(torch.int8).unsqueeze(0)

    def with_code(self, code: Tensor) -> Spikes:
        """The same population with other spikes (rows taken, shape flattened, pooled)."""
        return replace(self, code=code)
