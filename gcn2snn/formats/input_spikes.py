"""The spikes of input data: which values send, at which steps, with which sign."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from gcn2snn import ir
from gcn2snn.encoding import encode_binary
from gcn2snn.kernels import PhaseCode, encode


@dataclass(frozen=True, eq=False)
class InputSpikes:
    """Spikes of a coder, by value and then by step.

    Args:
        value: number of the input value in x.flatten().
        step: 1 to T; a spike of step n carries sign * scale * base^-n.
        sign: of the value.
        base: 2 for binary words, Q for single spikes.
    """

    value: NDArray[np.int64]
    step: NDArray[np.int64]
    sign: NDArray[np.int64]
    base: float


def input_spikes(node: ir.Coder, x: Tensor) -> InputSpikes:
    """What a coder of kind "binary" or "single" sends for the data x, [N, ...]."""
    if node.kind == "single":
        spikes = encode(x, node.scale, PhaseCode(node.base, node.timesteps, signed=True))
        code = spikes.code.flatten().cpu().numpy().astype(np.int64)
        value = np.flatnonzero(code)
        return InputSpikes(value, np.abs(code[value]), np.sign(code[value]), node.base)
    word = encode_binary(x, node.scale, node.timesteps).flatten().cpu().numpy().astype(np.int64)
    bits = (np.abs(word)[:, None] >> np.arange(node.timesteps - 1, -1, -1)) & 1
    value, place = np.nonzero(bits)
    return InputSpikes(value, place + 1, np.sign(word[value]), 2.0)
