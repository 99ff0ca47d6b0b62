"""What happens to potentials before they leave a product: neurons read them and fire."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd import forward_ad

from gcn2snn.errors import InputError, InputTypeError
from gcn2snn.kernels.phase import PhaseCode

FLOATS = (torch.float32, torch.float64)


@dataclass(frozen=True, eq=False)
class Fire:
    """A neuron population that reads the potentials of a product: the arguments of ``encode`` but for x.

    >>> Fire(torch.tensor(1.0), PhaseCode(base=2.0, timesteps=4)).coding.timesteps
    4

    Args:
        scale: [] or [C], > 0.
        coding: phase code of the population.
        horizon: last phase at which a neuron may fire, broadcastable to the potentials, or None.
    """

    scale: Tensor
    coding: PhaseCode
    horizon: Tensor | None = None

    def check_horizon(self, shape: tuple[int, ...]) -> None:
        """Refuse a horizon that does not broadcast to potentials of this shape.

        Raises:
            InputError: as said.
        """
        if self.horizon is None:
            return
        try:
            fits = tuple(torch.broadcast_shapes(self.horizon.shape, shape)) == tuple(shape)
        except RuntimeError:
            fits = False
        if not fits:
            raise InputError(f"horizon {[*self.horizon.shape]} does not broadcast to the potentials {[*shape]}")


def wants_gradient(*tensors: Tensor | None) -> bool:
    """Whether autograd follows one of them now, backward or forward; kernels of ours have no derivative, and these calls go
    past them."""
    there = [tensor for tensor in tensors if tensor is not None]
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in there):
        return True
    return forward_ad._current_level >= 0 and any(forward_ad.unpack_dual(x).tangent is not None for x in there)


def finish(potential: Tensor, bias: Tensor | None, add: Tensor | None) -> Tensor:
    """potential + bias + add, rounded in this order."""
    if bias is not None:
        potential = potential + bias
    return potential if add is None else potential + add


def check_epilogue(rows: int, channels: int, dtype: torch.dtype, bias: Tensor | None, add: Tensor | None) -> None:
    """Refuse a bias that is not [channels], a second input that is not [rows, channels], and other dtypes.

    Raises:
        InputError, InputTypeError: as said.
    """
    for name, tensor, shape in (("bias", bias, (channels,)), ("add", add, (rows, channels))):
        if tensor is None:
            continue
        if tuple(tensor.shape) != shape:
            raise InputError(
                f"{name} has shape {[*tensor.shape]}; the potentials are [{rows}, {channels}], so {[*shape]} is needed"
            )
        if tensor.dtype != dtype:
            raise InputTypeError(f"{name} is {tensor.dtype} and the potentials are {dtype}. Convert with .to({dtype})")


def check_float(name: str, dtype: torch.dtype) -> None:
    """Refuse any dtype but float32 and float64.

    Raises:
        InputTypeError: as said.
    """
    if dtype not in FLOATS:
        raise InputTypeError(f"{name} is {dtype}; allowed are torch.float32 and torch.float64. Convert with .float()")


def check_scale(scale: Tensor, channels: int) -> None:
    """Refuse a scale that is neither a scalar nor one value per channel, or that is no real number.

    Raises:
        InputError, InputTypeError: as said.
    """
    if scale.is_complex():
        raise InputTypeError(f"scale is {scale.dtype}; a real number is needed. Pass scale.real or scale.abs()")
    if scale.dim() > 1 or (scale.dim() == 1 and scale.numel() != channels):
        raise InputError(f"scale has shape {[*scale.shape]}; allowed are [] and one value per channel, [{channels}]")
