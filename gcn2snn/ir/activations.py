"""What an activation of the source model is, once for all: passes, engines, checks and reports read it from here."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gcn2snn.errors import InputError
from gcn2snn.kernels import PhaseCode


@dataclass(frozen=True, repr=False)
class Activation:
    """f(x) = x, max(x, 0), or min(max(x, 0), cap): what the source model has where a population will fire.

    >>> Activation(cap=6.0), Activation()(torch.tensor([-1.0, 8.0])), Activation(cap=6.0)(torch.tensor([-1.0, 8.0]))
    (ReLU6, tensor([0., 8.]), tensor([0., 6.]))

    Args:
        rectifies: whether negative values become 0; False only without a cap, for a place where the source has nothing.
        cap: the largest value, in the units of the source's activation; None where there is no bound.

    Raises:
        InputError: the cap is not a positive number, or there is one without rectification: a population's code is
            bounded on both sides, so it could send the cap and drop nothing below.

    Source: docs/method.md, section 3.
    """

    rectifies: bool = True
    cap: float | None = None

    def __post_init__(self) -> None:
        if self.cap is not None and not (self.rectifies and 0 < self.cap < math.inf):
            raise InputError(
                f"an activation has rectifies={self.rectifies} and cap={self.cap}; a cap is a positive number, and only "
                "what is 0 below 0 has one. Leave the cap out, or use ReLU in front of it"
            )

    def __call__(self, x: Tensor) -> Tensor:
        """f(x), any shape, in the dtype of x."""
        if not self.rectifies:
            return x
        return torch.relu(x) if self.cap is None else x.clamp(0.0, self.cap)

    def follows(self, x: Tensor) -> Tensor:
        """Where f changes with x, bool: between 0 and the cap."""
        inside = x > 0 if self.rectifies else torch.ones_like(x, dtype=torch.bool)
        return inside if self.cap is None else inside & (x < self.cap)

    def largest_scale(self, coding: PhaseCode, dtype: torch.dtype) -> Tensor | None:
        """The scale whose largest level Q^-1 s is the cap, []; None without a cap. object smaller scale stays below the cap.

        s = Q cap, rounded so that, in ``dtype`` and in double precision, the largest level is at most the cap, and a value
        that equals the cap still fires at phase 1. So the code of x is the code of f(x): a saturation is all it takes.
        """
        if self.cap is None:
            return None
        scale = torch.tensor(self.cap * coding.base, dtype=dtype)
        caps = [torch.tensor(self.cap, dtype=kind) for kind in (dtype, torch.float64)]
        while not all(_meets(cap, scale.to(cap.dtype), coding) for cap in caps):
            scale = torch.nextafter(scale, torch.zeros_like(scale))
        return scale

    @property
    def name(self) -> str:
        """As reports and tables print it: "ReLU", "ReLU6", "ReLU capped at 2.5", or "none"."""
        if not self.rectifies:
            return "none"
        return "ReLU" if self.cap is None else "ReLU6" if self.cap == 6 else f"ReLU capped at {self.cap:g}"

    def __repr__(self) -> str:
        return self.name


def _meets(cap: Tensor, scale: Tensor, coding: PhaseCode) -> bool:
    """Whether phase 1 carries at most the cap, and the cap is sent at phase 1."""
    level, threshold = coding.levels(scale.dtype)[0], coding.thresholds(scale.dtype)[0]
    return bool(level * scale <= cap) and bool(cap / scale >= threshold)


RELU = Activation()
IDENTITY = Activation(rectifies=False)
"""No activation: a population that stands between two synapses."""
