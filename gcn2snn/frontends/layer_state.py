"""What a layer really computes with: wrappers taken off, weights as its hooks and parametrizations make them."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize, prune
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

WEIGHT_HOOKS = (WeightNorm, SpectralNorm, prune.BasePruningMethod)
"""Hooks that make a layer's weight out of other tensors before each call; it is out of date where those were loaded since."""

FORWARD_HOOKS = ("_forward_hooks", "_forward_pre_hooks")


def unwrapped(module: nn.Module) -> nn.Module:
    """The module that computes, without what only spreads it over devices or compiles it."""
    while True:
        if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
            module = module.module
        elif "_orig_mod" in module._modules:  # of a model that went through torch.compile
            module = module._modules["_orig_mod"] or module
        else:
            return module


def class_of(module: nn.Module) -> type[nn.Module]:
    """The class of a layer; of a parametrized one, the class that it had before."""
    cls = type(module)
    return cls.__bases__[0] if parametrize.is_parametrized(module) else cls


def renew_weights(module: nn.Module) -> None:
    """Let every hook that makes a weight do so now, as the next call of the model would."""
    with torch.no_grad():
        for layer in module.modules():
            for hook in layer._forward_pre_hooks.values():
                if isinstance(hook, WEIGHT_HOOKS):
                    hook(layer, ())


def hooked(module: nn.Module) -> list[str]:
    """Paths of the parts of a layer, itself included, that have hooks which change more than its weight."""
    return [
        path
        for path, part in module.named_modules()
        if any(not isinstance(hook, WEIGHT_HOOKS) for name in FORWARD_HOOKS for hook in vars(part)[name].values())
    ]


def as_called(module: nn.Module, twin: nn.Module | None = None) -> nn.Module:
    """The layer as a handler may read it: its own class, no hooks, and the tensors that parametrizations and hooks give it.

    Args:
        module: a layer of the model.
        twin: its copy, which hooks were called with and may have given other tensors.
    """
    tensors: dict[str, Tensor] = {}
    if parametrize.is_parametrized(module):
        with torch.no_grad():
            tensors = {name: getattr(module, name).detach() for name in module.parametrizations}  # type: ignore[union-attr]
    if twin is not None and any(vars(module)[name] for name in FORWARD_HOOKS):
        tensors |= {name: value for name, value in vars(twin).items() if isinstance(value, Tensor)}
    elif not tensors:
        return module
    layer: nn.Module = object.__new__(class_of(module))
    vars(layer).update(vars(module), **{name: OrderedDict() for name in FORWARD_HOOKS})
    vars(layer).update(tensors)
    layer._modules = {name: part for name, part in module._modules.items() if name != "parametrizations"}
    return layer


def is_random(module: nn.Module) -> bool:
    """Whether calling a layer twice may give two results."""
    return any(
        part.training and "Dropout" in type(part).__name__ and getattr(part, "p", 1) for part in module.modules()
    )
