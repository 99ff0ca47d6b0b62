"""Where the kernel of a convolution looks: stride, padding, dilation, groups."""

from __future__ import annotations

from dataclasses import dataclass

from gcn2snn.errors import InputError, kind_of

Pair = tuple[int, int]
Sides = tuple[int, int, int, int]

MOST = 2**31 - 1
"""The largest stride, padding, dilation or number of groups; products of two of them fit the kernels' 64 bits."""


@dataclass(frozen=True)
class Geometry:
    """Arguments of a convolution that are not tensors.

    Output pixel (y, x) reads, at kernel tap (i, j), input pixel (y stride_0 + i dilation_0 - top, x stride_1 + j dilation_1 - left).

    >>> Geometry(stride=(2, 2), padding=(1, 1, 1, 1)).groups
    1

    Args:
        stride, dilation: rows, columns.
        padding: zeros (left, right, top, bottom), as ``torch.nn.functional.pad`` and ``ir.Conv`` order them.
        groups: output channels of group g read input channels of group g only.

    Raises:
        InputError: a number is out of range, or there are too few.
    """

    stride: Pair = (1, 1)
    padding: Sides = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    def __post_init__(self) -> None:
        for name, value, count, least in (
            ("stride", self.stride, 2, 1),
            ("padding", self.padding, 4, 0),
            ("dilation", self.dilation, 2, 1),
            ("groups", (self.groups,), 1, 1),
        ):
            whole = isinstance(value, tuple | list) and all(isinstance(number, int) for number in value)
            if not whole or len(value) != count or any(not least <= number <= MOST for number in value):
                order = "(left, right, top, bottom)" if name == "padding" else f"{count} number(s)"
                told = f"({', '.join(map(kind_of, value))})" if whole else kind_of(value)
                raise InputError(f"{name} is {told}; {order} from {least} to {MOST} are needed")

    @property
    def is_symmetric(self) -> bool:
        """Whether ``conv2d`` can pad by itself."""
        left, right, top, bottom = self.padding
        return left == right and top == bottom

    def is_diagonal(self, weight: tuple[int, ...]) -> bool:
        """Whether a weight [out, in / groups, kH, kW] multiplies each channel by a number of its own and does nothing else."""
        plain = (self.stride, self.padding, weight[1:]) == ((1, 1), (0, 0, 0, 0), (1, 1, 1))
        return plain and self.groups == weight[0]

    def output_size(self, image: Pair, kernel: Pair) -> Pair:
        """Rows and columns of the result for ``image`` rows and columns.

        Raises:
            InputError: the kernel is larger than the padded image.
        """
        left, right, top, bottom = self.padding
        spans = [(k - 1) * d + 1 for k, d in zip(kernel, self.dilation, strict=True)]
        padded = (image[0] + top + bottom, image[1] + left + right)
        if spans[0] > padded[0] or spans[1] > padded[1]:
            raise InputError(f"a kernel that spans {spans} pixels does not fit the padded image {[*padded]}")
        rows, columns = ((p - s) // step + 1 for p, s, step in zip(padded, spans, self.stride, strict=True))
        return rows, columns
