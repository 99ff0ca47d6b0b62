"""The sparse operand of every product: compressed sparse rows with 32-bit indices."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TypeVar

import torch
from torch import Tensor

from gcn2snn.errors import InputError, InputTypeError, kind_of, refuses_misfits, within_memory
from gcn2snn.kernels.derived import Derived, contents, either, versions
from gcn2snn.kernels.finite import all_finite
from gcn2snn.kernels.sort_entries import compress, sort_entries
from gcn2snn.kernels.symmetry import check_symmetric, is_mirrored

T = TypeVar("T")
MAX_ENTRIES = 2**31 - 64
"""Entries that a matrix may have: a kernel may count a few past the last one in 32 bits."""

MOST_INDICES = 2**31 - 1
"""Rows or columns that a matrix may have."""


@dataclass(frozen=True, eq=False)
class CSR:
    """A sparse matrix A [rows, columns] in compressed sparse rows.

    Row i holds the entries ``rowptr[i] : rowptr[i+1]`` of ``col`` and ``value``. A stored zero is an entry: it costs
    an addition in the energy count.

    >>> A = CSR.from_coo(torch.tensor([0, 1, 1]), torch.tensor([1, 0, 1]), torch.tensor([2.0, 3.0, 4.0]), (2, 2))
    >>> A.to_dense()
    tensor([[0., 2.],
            [3., 4.]])
    >>> A
    CSR(2 x 2, 3 entries, float32)

    Products read the three tensors as they are now. What is derived from them (the transpose, values of another dtype,
    counts) is kept, and is made again when their contents differ. Indices are checked at the first use, and again after
    each in-place operation on them. Two kinds of writes are not seen, and not allowed: indices out of range through
    ``.data`` or a shared NumPy array, and indices on a CUDA device through ``.data``.

    Args:
        rowptr: [rows + 1], int32, ascending, from 0 to nnz.
        col: [nnz], int32, ascending within a row, each in [0, columns).
        value: [nnz], float32 or float64.
        num_cols: columns.
        symmetric: A equals its transpose, so none is stored for the backward pass; checked.
    """

    rowptr: Tensor
    col: Tensor
    value: Tensor
    num_cols: int
    symmetric: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.rowptr.numel() - 1, self.num_cols

    @property
    def nnz(self) -> int:
        """Number of stored entries."""
        return self.col.numel()

    @property
    def device(self) -> torch.device:
        return self.value.device

    @property
    def dtype(self) -> torch.dtype:
        return self.value.dtype

    @classmethod
    @refuses_misfits
    def from_coo(
        cls, row: Tensor, col: Tensor, value: Tensor, shape: tuple[int, int], *, symmetric: bool = False
    ) -> CSR:
        """Sort (row, col, value) triples into rows; equal positions stay separate entries, in the order given.

        Raises:
            InputTypeError: indices or sizes are no integers.
            InputError: lengths differ, an index is out of range, a size is negative or beyond 32 bits, or there are more than
                2^31 - 64 entries.
        """
        if not (row.shape == col.shape == value.shape and row.dim() == 1):
            shapes = f"{[*row.shape]}, {[*col.shape]} and {[*value.shape]}"
            raise InputError(f"row, col and value must be vectors of one length, got {shapes}")
        if any(index.is_floating_point() or index.is_complex() for index in (row, col)):
            raise InputTypeError(
                f"row is {row.dtype} and col is {col.dtype}; indices are integers. Convert with .long()"
            )
        rows, columns = (operator.index(size) for size in shape)
        if not (0 <= rows <= MOST_INDICES and 0 <= columns <= MOST_INDICES):
            raise InputError(
                f"shape is ({kind_of(rows)}, {kind_of(columns)}); allowed are 0 to {MOST_INDICES} rows and columns, for indices "
                f"have 32 bits"
            )
        _check_entries(value.numel())
        if (found := compress(row, col, value, (rows, columns))) is not None:
            matrix = cls(*found, columns, symmetric)
            matrix._derived.get("valid indices", versions(matrix.rowptr, matrix.col), lambda: None)  # checked there
            return matrix
        _check_range("row", row, rows)
        _check_range("column", col, columns)
        counts = torch.bincount(row.long(), minlength=rows)
        rowptr = torch.zeros(rows + 1, dtype=torch.int64, device=row.device)
        torch.cumsum(counts, 0, out=rowptr[1:])
        return cls(rowptr.int(), *sort_entries(row, col, value, rowptr, columns), columns, symmetric)

    @classmethod
    @refuses_misfits
    def from_dense(cls, dense: Tensor, *, symmetric: bool = False) -> CSR:
        """The entries of a dense matrix that are not zero (small matrices and tests)."""
        row, col = dense.nonzero(as_tuple=True)
        return cls.from_coo(row, col, dense[row, col], (dense.shape[0], dense.shape[1]), symmetric=symmetric)

    @refuses_misfits
    def validate(self) -> CSR:
        """Check every invariant and return self.

        Raises:
            InputTypeError: an index tensor is not int32, or the values are not float32 or float64.
            InputError: sizes, ranges or order are broken, a value is not finite, or ``symmetric`` is not true.
        """
        self.check_indices()
        self._validate_values()
        return self

    def check_kinds(self) -> None:
        """Refuse parts that are no dense tensors with values, and a size that is no whole number.

        Raises:
            InputTypeError: as said.
        """
        for name in ("rowptr", "col", "value"):
            part = getattr(self, name)
            dense = isinstance(part, Tensor) and part.layout is torch.strided and not part.is_nested
            if not dense or part.device.type == "meta":
                raise InputTypeError(f"{name} is {kind_of(part)}; a dense tensor with values is needed")
        if not isinstance(self.num_cols, int) or isinstance(self.num_cols, bool) or self.num_cols < 0:
            raise InputTypeError(f"num_cols is {kind_of(self.num_cols)}; a whole number of columns is needed")

    def check_indices(self) -> None:
        """Refuse indices that point outside of the matrix, whoever wrote them; costs one look at each.

        Raises:
            InputError, InputTypeError: as :meth:`validate`.
        """
        self.check_kinds()
        if self.rowptr.dtype != torch.int32 or self.col.dtype != torch.int32:
            got = f"{self.rowptr.dtype} and {self.col.dtype}"
            raise InputTypeError(f"rowptr and col must be int32, got {got}. Convert with .int()")
        if self.rowptr.dim() != 1 or self.col.dim() != 1 or self.rowptr.numel() < 1:
            self._refuse_shapes()
        _check_entries(self.nnz)
        first, last = int(self.rowptr[0]), int(self.rowptr[-1])
        if first != 0 or last != self.nnz or bool((self.rowptr.diff() < 0).any()):
            raise InputError(f"rowptr must ascend from 0 to {self.nnz}, got first {first}, last {last}")
        _check_range("column", self.col, self.num_cols)

    def _validate_values(self) -> None:
        if self.value.dtype not in (torch.float32, torch.float64):
            raise InputTypeError(f"values must be float32 or float64, got {self.value.dtype}")
        if self.col.shape != self.value.shape:
            self._refuse_shapes()
        if not all_finite(self.value):
            raise InputError("the matrix holds a value that is NaN or infinite")
        if self.symmetric:
            self._validate_symmetry()

    def _validate_what_changed(self) -> None:
        self._derived.get("valid indices", versions(self.rowptr, self.col), self.check_indices)
        self._validate_values()

    def _refuse_shapes(self) -> None:
        shapes = f"rowptr {[*self.rowptr.shape]}, col {[*self.col.shape]}, value {[*self.value.shape]}"
        raise InputError(f"{shapes} do not describe one matrix; vectors of rows + 1, nnz and nnz are needed")

    def _validate_symmetry(self) -> None:
        key = either(self.rowptr, self.col, self.value)
        self._derived.get("symmetry", key, self._check_symmetric)

    def _check_symmetric(self) -> None:
        self.check_indices()
        if not is_mirrored(self.rowptr, self.col, self.value, self.shape):
            check_symmetric(self._rows_of_entries(), self.col, self.value, self.shape)

    @refuses_misfits
    def validate_contents(self) -> CSR:
        """Check every invariant again where the contents differ from those that were checked last, and return self.

        For matrices that a caller holds and may have written to through NumPy or ``.data``, which ``checked`` does not see:
        costs one hash of the three tensors. Raises as :meth:`validate`.
        """
        self._derived.get("valid contents", either(self.rowptr, self.col, self.value), self._validate_all)
        return self

    def _validate_all(self) -> None:
        self.validate()

    @property
    def checked(self) -> CSR:
        """The matrix as it is now, validated and contiguous: fast kernels read it without further checks.

        It is validated at the first use and after in-place operations on its tensors. Strided tensors are copied each time.
        """
        self._derived.get("valid", versions(self.rowptr, self.col, self.value), self._validate_what_changed)
        if self.is_contiguous:
            return self
        rowptr, col, value = (tensor.contiguous() for tensor in (self.rowptr, self.col, self.value))
        return replace(self, rowptr=rowptr, col=col, value=value)

    @property
    def is_contiguous(self) -> bool:
        """Whether all three tensors are."""
        return all(tensor.is_contiguous() for tensor in (self.rowptr, self.col, self.value))

    @refuses_misfits
    def values(self, dtype: torch.dtype) -> Tensor:
        """Contiguous values in ``dtype``: those that are stored, or a converted copy."""
        if dtype == self.value.dtype:
            return self.value.contiguous()
        if not self.value.is_cpu:
            return self.value.to(dtype).contiguous()
        return self._derived.get("values", contents(self.value), lambda: self.value.to(dtype).contiguous())

    @refuses_misfits
    def torch_csr(self, dtype: torch.dtype) -> Tensor:
        """``torch.sparse_csr`` tensor with values of ``dtype`` over the storage of this matrix where that is possible."""
        entries = self.checked
        return replace(entries, value=entries.values(dtype)).to_torch()

    @property
    def row(self) -> Tensor:
        """Row index of each entry, [nnz], int64."""
        return self._derived.get("row", either(self.rowptr), lambda: self._rows_of_entries().long())

    def _rows_of_entries(self) -> Tensor:
        rows = torch.arange(self.shape[0], dtype=torch.int32, device=self.device)
        return torch.repeat_interleave(rows, self.rowptr.diff())

    @property
    def transpose(self) -> CSR:
        """A^T; the matrix itself when it is symmetric, else built and kept.

        Raises:
            InputError: the matrix is said to be symmetric and is not, or not any more.
        """
        if self.symmetric:
            self._validate_symmetry()
            return self
        return self._derived.get("transpose", contents(self.rowptr, self.col, self.value), self._transposed)

    def _transposed(self) -> CSR:
        return CSR.from_coo(self.col.long(), self._rows_of_entries(), self.value, (self.num_cols, self.shape[0]))

    @property
    def column_counts(self) -> Tensor:
        """Entries in each column, [columns], int64: the fan-out of a neuron that feeds this product."""
        return self._derived.get("column counts", either(self.col), self._count_columns)

    def _count_columns(self) -> Tensor:
        with within_memory("a count for each column"):
            return torch.bincount(self.col, minlength=self.num_cols)

    def derive(self, name: str, make: Callable[[Tensor], T]) -> T:
        """What a kernel makes of ``rowptr``, kept with the matrix as long as ``rowptr`` stays as it is."""
        return self._derived.get(name, either(self.rowptr), lambda: make(self.rowptr))

    @cached_property
    def _derived(self) -> Derived:
        return Derived()

    def __getstate__(self) -> dict[str, object]:
        """The fields alone: copies and pickles derive their own values."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __repr__(self) -> str:
        """Sizes, entries, dtype; where it lies if not on the CPU."""
        words = [f"{self.shape[0]} x {self.shape[1]}", f"{self.nnz} entries", str(self.dtype).removeprefix("torch.")]
        words += ["symmetric"] if self.symmetric else []
        words += [] if self.device.type == "cpu" else [str(self.device)]
        return f"CSR({', '.join(words)})"

    @refuses_misfits
    def rows(self, index: Tensor) -> CSR:
        """The sub-matrix of the rows in ``index`` ([k], int64), in that order."""
        counts = self.rowptr.diff().long()[index]
        rowptr = torch.zeros(index.numel() + 1, dtype=torch.int64, device=self.device)
        torch.cumsum(counts, 0, out=rowptr[1:])
        start = torch.repeat_interleave(self.rowptr[:-1].long()[index] - rowptr[:-1], counts)
        entry = start + torch.arange(int(rowptr[-1]), device=self.device)
        return CSR(rowptr.int(), self.col[entry], self.value[entry], self.num_cols)

    @refuses_misfits
    def to(self, target: torch.device | str | torch.dtype) -> CSR:
        """The same matrix on another device, or with values of another dtype."""
        if isinstance(target, torch.dtype):
            return replace(self, value=self.value.to(target))
        return replace(self, rowptr=self.rowptr.to(target), col=self.col.to(target), value=self.value.to(target))

    @refuses_misfits
    def to_dense(self) -> Tensor:
        """Dense copy, [rows, columns]; for tests and small matrices only."""
        dense = torch.zeros(self.shape, dtype=self.dtype, device=self.device)
        return dense.index_put_((self.row, self.col.long()), self.value, accumulate=True)

    @refuses_misfits
    def to_torch(self) -> Tensor:
        """``torch.sparse_csr`` view of the same storage."""
        return torch.sparse_csr_tensor(self.rowptr, self.col, self.value, self.shape, check_invariants=False)


def _check_entries(entries: int) -> None:
    if entries > MAX_ENTRIES:
        raise InputError(
            f"{entries} entries do not fit 32-bit row pointers; at most {MAX_ENTRIES} are allowed. Split the matrix by rows"
        )


def _check_range(name: str, index: Tensor, size: int) -> None:
    if index.numel() and (int(index.min()) < 0 or int(index.max()) >= size):
        run = f"{int(index.min())} to {int(index.max())}"
        raise InputError(f"{name} indices run from {run}; allowed are 0 to {size - 1}")
