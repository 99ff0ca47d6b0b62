"""One call into the compiled helper, with its arguments checked against the table of signatures."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from gcn2snn.errors import BackendError
from gcn2snn.kernels.native import loading
from gcn2snn.kernels.native.signatures import PREFIX


def call(name: str, *arguments: Tensor | int | ctypes.Structure | None) -> None:
    """Run the C function ``gcn2snn_<name>`` with torch's number of threads.

    Raises:
        BackendError: there is no helper, or it has no such function.
        InputError: it was refused memory; what it writes to is not to be used.
        TypeError: the number of arguments is wrong.
        ctypes.ArgumentError: an argument is of the wrong type.
    """
    helper = loading.load()
    if helper.library is None:
        raise BackendError(helper.reason)
    function = getattr(helper.library, PREFIX + name, None)
    if function is None or function.argtypes is None:
        raise BackendError(f"the compiled helper has no function {PREFIX}{name} on this machine")
    needed = len(function.argtypes) - 1  # the last is the number of threads
    if len(arguments) != needed:
        raise TypeError(f"{PREFIX}{name} takes {needed} arguments and got {len(arguments)}")
    function(*arguments, torch.get_num_threads())
