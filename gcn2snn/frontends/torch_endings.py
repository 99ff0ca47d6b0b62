"""What ends a model -> description: a softmax is left out, for it does not change which class is first."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from gcn2snn import ir
from gcn2snn.errors import Refusal
from gcn2snn.frontends.builder import Builder, Ref
from gcn2snn.frontends.registry import lowers, lowers_function


@lowers_function(functional.log_softmax, torch.log_softmax, "log_softmax")
def lower_log_softmax(builder: Builder, path: str, input: Ref, dim: int = -1, *args: object, **kwargs: object) -> Ref:
    """Left out at the very end, for the largest potential stays the largest; refused elsewhere."""
    return _read_out(builder, path, input, dim, "log_softmax")


@lowers_function(functional.softmax, torch.softmax, "softmax")
def lower_softmax(builder: Builder, path: str, input: Ref, dim: int = -1, *args: object, **kwargs: object) -> Ref:
    """Left out at the very end, for the largest potential stays the largest; refused elsewhere."""
    return _read_out(builder, path, input, dim, "softmax")


@lowers(nn.LogSoftmax, nn.Softmax)
def lower_softmax_module(builder: Builder, path: str, module: nn.LogSoftmax | nn.Softmax, input: Ref) -> Ref:
    """Left out at the very end, for the largest potential stays the largest; refused elsewhere."""
    kind = "log_softmax" if isinstance(module, nn.LogSoftmax) else "softmax"
    return _read_out(builder, path, input, -1 if module.dim is None else module.dim, kind)


def _read_out(builder: Builder, path: str, x: Ref, dim: int, kind: str) -> Ref:
    if dim % len(builder.shape(x)) != 1:
        return builder.refuse(path, f"{kind}(dim={dim})", "does not normalise each row's classes.", "Use dim=1.")
    why = "divides by a sum over the layer, which no single neuron knows."
    instead = "It is allowed as the model's last step only."
    refusal = Refusal(path, f"{kind} in the middle", why, instead, "impossible")
    return builder.read_out(ir.Output(name=path, inputs=(x,), readout=kind), refusal)
