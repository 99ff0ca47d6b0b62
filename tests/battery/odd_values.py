"""What nobody would pass on purpose: values of wrong kinds, and tensors and matrices that are odd in one respect."""

from __future__ import annotations

import dataclasses
import random
import warnings
from collections.abc import Callable

import numpy as np
import scipy.sparse
import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from gcn2snn.kernels import CSR, Fire, PhaseCode, Spikes


class OwnTensor(Tensor):
    """A subclass without anything of its own."""


def plain_values() -> list[object]:
    """Values that are no tensors."""
    return [
        *(None, True, -1, 0, 3, 2**31, 2**63, 10**400, 1.5, -0.5, float("nan"), float("inf"), 1j),
        *("", "text", "\0", "\ud800", "0", b"bytes", [], [[1.0], [1.0, 2.0]], [None], ["a"], [[]], (), {}, {"x": 1}),
        *(object(), len, int, range(3), slice(None), ..., iter(()), set(), NotImplemented),
        *(
            torch.float32,
            torch.int8,
            torch.device("cpu"),
            nn.ReLU(),
            nn.Linear(2, 2),
            PhaseCode(1.3, 16),
            UninitializedParameter(),
        ),
        *(
            np.array(["a"]),
            np.array([object()]),
            np.array(["2020-01-01"], dtype="datetime64[D]"),
            np.zeros((2, 2), dtype=">c16"),
        ),
        *(np.zeros(0), np.float16(1.0), np.int64(3), np.ma.masked_array([1.0, 2.0], [True, False])),
        *(
            scipy.sparse.eye(3).tocsr(),
            scipy.sparse.coo_matrix((2, 2)),
            torch.zeros(()),
            torch.zeros(0),
            torch.ones(2, 2),
        ),
    ]


REALS = (torch.float64, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.complex64, torch.complex128)
WHOLES = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.uint16, torch.uint64)

TENSORS: dict[str, Callable[[Tensor], object]] = {
    **{f"as {dtype}": (lambda t, d=dtype: t.to(d)) for dtype in REALS + WHOLES},
    "quantised": lambda t: torch.quantize_per_tensor(t.float(), 0.1, 0, torch.qint8),
    "COO": lambda t: t.to_sparse(),
    "CSR": lambda t: t.to_sparse_csr(),
    "CSC": lambda t: t.to_sparse_csc(),
    "BSR": lambda t: t.to_sparse_bsr((1, 1)),
    "nested": lambda t: torch.nested.nested_tensor([t, t[:1]] if t.dim() else [t]),
    "jagged": lambda t: torch.nested.nested_tensor([t, t[:1]], layout=torch.jagged),
    "meta": lambda t: t.to("meta"),
    "meta, sparse": lambda t: t.to_sparse().to("meta"),
    "empty": lambda t: t.new_zeros(0),
    "no rows": lambda t: t[:0],
    "no columns": lambda t: t[..., :0],
    "no dimensions": lambda t: t.flatten()[0],
    "flat": lambda t: t.flatten(),
    "a dimension more": lambda t: t[None],
    "five dimensions": lambda t: t.reshape(1, 1, 1, 1, -1),
    "transposed": lambda t: t.transpose(0, -1),
    "one row more": lambda t: torch.cat([t, t[:1]]),
    "strided": lambda t: torch.stack([t, t], -1)[..., 0],
    "reversed strides": lambda t: t.transpose(0, -1).contiguous().transpose(0, -1),
    "repeated by stride 0": lambda t: t[:1].expand_as(t),
    "endless rows": lambda t: t[:1].expand(10**10, *t.shape[1:]),
    "endless columns": lambda t: t[..., :1].expand(*t.shape[:-1], 10**10),
    "with gradient": lambda t: t.clone().float().requires_grad_(),
    "of a computation": lambda t: t.clone().float().requires_grad_() * 1,
    "parameter": lambda t: nn.Parameter(t, requires_grad=t.is_floating_point()),
    "subclass": lambda t: t.as_subclass(OwnTensor),
    "negated view": lambda t: torch._neg_view(t.float()),
    "conjugated view": lambda t: torch.conj(t.to(torch.complex64)).real,
    "inference": lambda t: _of_inference(t),
    "NaN": lambda t: _with(t, float("nan")),
    "infinite": lambda t: _with(t, float("inf")),
    "-infinite": lambda t: _with(t, -float("inf")),
    "1e38": lambda t: _with(t, 1e38),
    "denormal": lambda t: _with(t, 1e-42),
    "-1": lambda t: _with(t, -1),
    "too large": lambda t: _with(t, 10**6),
    "largest of 32 bits": lambda t: _with(t, 2**31 - 1),
    "smallest of 64 bits": lambda t: _with(t.long(), -(2**63)),
    "NumPy": lambda t: t.numpy(),
    "NumPy, bytes swapped": lambda t: t.numpy().astype(t.numpy().dtype.newbyteorder(">")),
    "NumPy, objects": lambda t: t.numpy().astype(object),
    "NumPy, negative strides": lambda t: t.numpy()[::-1],
    "NumPy, read only": lambda t: np.frombuffer(t.numpy().tobytes(), dtype=t.numpy().dtype).reshape(t.shape),
    "list": lambda t: t.tolist(),
    "ragged list": lambda t: [*t.tolist(), [1.0]],
    "list of strings": lambda t: [str(value) for value in t.flatten().tolist()],
    "list of None": lambda t: [None] * len(t),
    "list of tensors": lambda t: list(t),
}  # fmt: skip


def _with(tensor: Tensor, value: float) -> Tensor:
    """The tensor with one other value."""
    new = tensor.clone()
    if new.numel():
        new.view(-1)[new.numel() // 2] = value
    return new


def _of_inference(tensor: Tensor) -> Tensor:
    with torch.inference_mode():
        return tensor.clone()


def odd(value: object, chance: random.Random) -> tuple[str, object]:
    """Something odd in the place of a good value, and what it is; of a matrix or of spikes, mostly one odd part."""
    if isinstance(value, CSR | Spikes | Fire) and chance.random() < 0.8:
        field = chance.choice(dataclasses.fields(value)).name
        what, part = odd(getattr(value, field), chance)
        return f"{field} {what}", dataclasses.replace(value, **{field: part})
    if isinstance(value, Tensor) and chance.random() < 0.8:
        name = chance.choice(list(TENSORS))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return name, TENSORS[name](value)
        except Exception:  # this tensor cannot be odd in that way
            return "None", None
    if isinstance(value, tuple | list) and value and chance.random() < 0.7:
        place = chance.randrange(len(value))
        what, part = odd(value[place], chance)
        return f"[{place}] {what}", type(value)([*value[:place], part, *value[place + 1 :]])
    plain = chance.choice(plain_values())
    return f"{type(plain).__name__} {str(plain)[:40]!r}", plain
