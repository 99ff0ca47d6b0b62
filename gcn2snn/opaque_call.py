"""A network's call as one operation that torch.compile does not look into: its kernels are compiled already."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch


@torch.compiler.disable
def call(network: Callable[..., object], args: Sequence[object], kwargs: Mapping[str, object]) -> object:
    """What ``network(*args, **kwargs)`` gives, computed outside of the compiled graph."""
    return network(*args, **kwargs)
