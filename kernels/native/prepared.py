"""Operations with all that does not depend on the spikes worked out beforehand, for networks whose calls are short.

Each gives the bits of the public operation of its kind, without its checks: codes come from a population of ours, and sizes
that do not meet raise :class:`Mismatch`, upon which the caller takes the public operation, whose error says what is wrong. An
object serves one thread at a time, for its C structures point to the operands of the call. What it was made from is not
written to meanwhile.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import torch
from torch import Tensor

from gcn2snn.kernels.csr import CSR
from gcn2snn.kernels.encode import as_images, as_pixels, pixels_last
from gcn2snn.kernels.epilogue import Fire
from gcn2snn.kernels.event_blocks import event_blocks
from gcn2snn.kernels.geometry import Geometry
from gcn2snn.kernels.mismatch import Mismatch
from gcn2snn.kernels.native import loading
from gcn2snn.kernels.native.coding import level_table, rows_and_channels
from gcn2snn.kernels.native.conv import conv_structure, fill_in_neurons
from gcn2snn.kernels.native.products import product_by_blocks, register_levels
from gcn2snn.kernels.native.signatures import PREFIX, SUFFIX
from gcn2snn.kernels.native.structures import Epilogue, Keep
from gcn2snn.kernels.phase import PhaseCode, Spikes
from gcn2snn.kernels.phase_gemm import BLOCK_VALUES

Call = Callable[..., None]


def _function(name: str) -> Call:
    library = loading.load().library
    assert library is not None, "only networks of the backend native are prepared"
    function: Call = getattr(library, PREFIX + name)
    return function


class Decode:
    """Codes -> the values they carry, any shape: ``decode``."""

    def __init__(self, scale: Tensor, coding: PhaseCode, dtype: torch.dtype):
        scale = scale.detach().to(dtype)
        self.dtype, self.timesteps = dtype, coding.timesteps
        self.own, self.of = scale.contiguous() if scale.dim() else None, scale
        self.table = level_table(coding, dtype) if scale.dim() else level_table(coding, dtype) * scale
        self.function = _function(f"decode_{SUFFIX[dtype]}_{SUFFIX[coding.code_dtype]}")

    def __call__(self, code: Tensor) -> Tensor:
        if not code.is_contiguous():
            if pixels_last(code):
                return as_images(self(as_pixels(code)), code.shape)
            code = code.contiguous()
        out = torch.empty(code.shape, dtype=self.dtype)
        if out.numel():
            rows, channels, repeat = rows_and_channels(code, self.of)
            self.function(
                code, rows, channels, self.table, self.timesteps, self.own, repeat, out, torch.get_num_threads()
            )
        return out


class Encode:
    """Potentials -> codes of a population, any shape: ``encode``."""

    def __init__(self, fire: Fire, dtype: torch.dtype):
        self.fire, self.dtype, self.stored = fire, dtype, fire.coding.code_dtype
        self.shape: torch.Size | None = None
        self.function = _function(f"encode_{SUFFIX[dtype]}_{SUFFIX[self.stored]}")

    def __call__(self, x: Tensor, add: Tensor | None = None, start: Tensor | None = None) -> Tensor:
        """Codes of x + add + start, where ``add`` has the shape of x, [N, C], and ``start`` is [C]."""
        if not x.is_contiguous():
            if self.fire.horizon is None and pixels_last(x) and add is None:
                return as_images(self(as_pixels(x), None, start), x.shape)
            x = x.contiguous()
        if start is not None and (x.dim() != 2 or start.shape != x.shape[1:]):
            raise Mismatch
        if add is not None:
            if add.shape != x.shape:
                raise Mismatch
            add = add.contiguous()
        if x.shape != self.shape:
            self._prepare(x)
        code = torch.empty(x.shape, dtype=self.stored)
        if code.numel():
            self.structure.code = code.data_ptr()
            self.function(x, *self.numbers, add, start, self.structure, torch.get_num_threads())
        return code

    def _prepare(self, x: Tensor) -> None:
        if x.dtype != self.dtype:
            raise Mismatch
        self.fire.check_horizon(tuple(x.shape))
        self.keep = Keep()
        self.numbers = rows_and_channels(x, self.fire.scale) if x.numel() else (0, 0, 0)
        place = torch.empty(1, dtype=self.stored)
        self.structure = self.keep.fire(self.fire, self.dtype, place, (self.numbers[0], self.numbers[1]), x.shape)
        self.shape = x.shape


class Gemm:
    """decode(codes) W^T + bias + add + start, fired if there is a population: ``phase_gemm`` and ``phase_gemm_fire``.

    Block by block where they go so, with the same blocks; what follows the product of a block finds it in the cache.
    """

    def __init__(
        self,
        scale: Tensor,
        coding: PhaseCode,
        weight: Tensor,
        bias: Tensor | None,
        fire: Fire | None,
        start: Tensor | None = None,
    ):
        self.transposed, self.bias = weight.t(), bias
        self.start = None if start is None else start.detach().expand(weight.shape[0]).contiguous()
        self.decode = Decode(scale, coding, weight.dtype)
        self.fire = fire
        self.whole, self.rest = (None if fire is None else Encode(fire, weight.dtype) for _ in range(2))
        self.stored = weight.dtype if fire is None else fire.coding.code_dtype

    def __call__(self, code: Tensor, add: Tensor | None = None) -> Tensor:
        rows, outputs = code.shape[0], self.transposed.shape[1]
        block = max(1, BLOCK_VALUES // max(code.shape[1], 1))
        if add is not None and add.shape != (rows, outputs):
            raise Mismatch
        if rows <= block:
            if self.whole is not None:
                return self.whole(self._product(code, None), add, self.start)
            return self._potential(code, add, None)
        if self.fire is not None and self.fire.horizon is not None:
            raise Mismatch  # whose rows go with the blocks
        out = torch.empty(rows, outputs, dtype=self.stored)
        room = out if self.whole is None else torch.empty(block, outputs, dtype=self.transposed.dtype)
        for first in range(0, rows, block):
            part = slice(first, first + block)
            target = out[part] if self.whole is None else room[: min(block, rows - first)]
            beside = None if add is None else add[part]
            encode = self.whole if first + block <= rows else self.rest
            if encode is None:
                self._potential(code[part], beside, target)
            else:
                out[part] = encode(self._product(code[part], target), beside, self.start)
        return out

    def _product(self, code: Tensor, out: Tensor | None) -> Tensor:
        x = self.decode(code)
        if self.bias is None:
            return torch.mm(x, self.transposed, out=out)
        return torch.addmm(self.bias, x, self.transposed, out=out)

    def _potential(self, code: Tensor, add: Tensor | None, out: Tensor | None) -> Tensor:
        found = self._product(code, out)
        if add is not None:
            found += add
        if self.start is not None:
            found += self.start
        return found


class Conv2d:
    """Codes of a population that reads a convolution, event by event: ``phase_conv2d_fire`` where it goes by events."""

    def __init__(
        self, scale: Tensor, coding: PhaseCode, weight: Tensor, bias: Tensor | None, geometry: Geometry, fire: Fire
    ):
        self.of, self.weight, self.bias, self.geometry, self.fire = (
            Spikes(weight, scale, coding),
            weight,
            bias,
            geometry,
            fire,
        )
        self.stored = fire.coding.code_dtype
        self.shape: torch.Size | None = None
        self.beside: tuple[Tensor, PhaseCode, Tensor, Tensor | None] | None = None
        self.function = _function(f"conv_{SUFFIX[weight.dtype]}_{SUFFIX[coding.code_dtype]}")

    def __call__(self, code: Tensor, add: Tensor | Spikes | None = None) -> Tensor:
        """Codes [N, out, H', W']; ``add`` of that shape are values, or spikes that are decoded where they are added."""
        if code.shape != self.shape:
            self._prepare(code)
        pixels = code.permute(0, 2, 3, 1).contiguous()
        out = torch.empty(self.size, dtype=self.stored)
        result = out.permute(0, 3, 1, 2)
        structure = self.structure
        structure.code, self.population.code, structure.add = pixels.data_ptr(), out.data_ptr(), None
        if add is not None:
            if isinstance(add, Spikes):
                add = self._beside(add)
            else:
                structure.add_levels = None
                if add.dtype != self.weight.dtype:
                    raise Mismatch
            if add.shape != result.shape:
                raise Mismatch
            structure.add = add.data_ptr()
            structure.add_image, structure.add_channel, structure.add_row, structure.add_col = add.stride()
        if self.full:
            self.function(structure, torch.get_num_threads())
        return result

    def adds(self, spikes: Spikes) -> bool:
        """Whether a call takes these as a second input."""
        return spikes.code.dtype == torch.int8 and spikes.scale.dtype == self.weight.dtype

    def _beside(self, spikes: Spikes) -> Tensor:
        """The codes of a second input; their levels enter the structure."""
        scale, coding = spikes.scale, spikes.coding
        if self.beside is None or self.beside[0] is not scale or self.beside[1] is not coding:
            levels, own = level_table(coding, scale.dtype), scale.detach().contiguous()
            self.beside = (scale, coding, levels, own) if own.dim() else (scale, coding, levels * own, None)
        _, _, levels, own_scale = self.beside
        structure = self.structure
        structure.add_levels, structure.add_timesteps = levels.data_ptr(), coding.timesteps
        structure.add_scale = None if own_scale is None else own_scale.data_ptr()
        # Channels of a pixel are added together, so they shall lie together.
        return as_images(as_pixels(spikes.code).contiguous(), spikes.code.shape)

    def _prepare(self, code: Tensor) -> None:
        self.keep = Keep()
        structure = conv_structure(self.keep, self.of.with_code(code), self.weight, self.bias, self.geometry)
        self.size = (structure.images, structure.rows, structure.cols, self.weight.shape[0])
        self.full = all(self.size)
        shape = torch.Size((self.size[0], self.size[3], *self.size[1:3]))
        self.fire.check_horizon(tuple(shape))
        fill_in_neurons(structure, self.keep, self.fire, torch.empty(1, dtype=self.stored), self.weight.dtype, shape)
        self.structure, self.population, self.shape = structure, structure.fire, code.shape


class Spmm:
    """A decode(codes) + bias + add, fired if there is a population: ``phase_spmm`` and ``phase_spmm_fire`` in float32."""

    def __init__(self, scale: Tensor, coding: PhaseCode, bias: Tensor | None, fire: Fire | None, channels: int):
        scale = scale.detach().float().contiguous()
        self.fire, self.channels, self.bias = fire, channels, bias
        self.timesteps, self.is_signed = coding.timesteps, int(coding.signed)
        self.table = register_levels(coding) if scale.dim() else register_levels(coding) * scale
        self.stored = torch.float32 if fire is None else fire.coding.code_dtype
        self.keep, real = Keep(), torch.float32
        own = self.keep.pointer(scale if scale.dim() else None, real)
        self.structure = Epilogue(scale=own, bias=self.keep.pointer(bias, real))
        self.rows = -1
        self.function = _function("phase_spmm")

    def __call__(self, matrix: CSR, spikes: Spikes, add: Tensor | None = None) -> Tensor:
        code, entries = spikes.code, matrix.checked
        rows = entries.shape[0]
        if code.shape[0] != entries.shape[1] or not entries.value.is_cpu:
            raise Mismatch
        if (blocks := event_blocks(matrix, spikes)) is not None:
            return product_by_blocks(matrix, spikes, blocks, self.bias, add, self.fire)
        if self.fire is not None and rows != self.rows:
            self._prepare(rows)
        out, structure = torch.empty(rows, self.channels, dtype=self.stored), self.structure
        structure.add = None
        if add is not None:
            if add.shape != out.shape or add.dtype != torch.float32:
                raise Mismatch
            add = add.contiguous()
            structure.add = add.data_ptr()
        if self.fire is None:
            structure.out = out.data_ptr()
        else:
            self.population.code = out.data_ptr()
        if out.numel():
            operands = (
                entries.rowptr,
                entries.col,
                rows,
                entries.values(torch.float32),
                code.contiguous(),
                *code.shape,
            )
            self.function(*operands, self.table, self.timesteps, self.is_signed, structure, torch.get_num_threads())
        return out

    def _prepare(self, rows: int) -> None:
        assert self.fire is not None, "a product without a population needs no more than its rows"
        shape = (rows, self.channels)
        self.fire.check_horizon(shape)
        self.of_rows = Keep()
        place = torch.empty(1, dtype=self.stored)
        self.population = self.of_rows.fire(self.fire, torch.float32, place, shape, torch.Size(shape))
        self.structure.fire, self.rows = ctypes.addressof(self.population), rows


class Words:
    """Input data -> the values of their binary words, any shape; None where a number is not finite: ``binary_values``."""

    def __init__(self, scale: Tensor, timesteps: int, dtype: torch.dtype):
        self.scale, self.timesteps, self.dtype = scale.detach().to(dtype).contiguous(), timesteps, dtype
        self.function = _function(f"code_words_{SUFFIX[dtype]}")

    def __call__(self, x: Tensor) -> Tensor | None:
        if x.dtype != self.dtype or not x.is_cpu or (self.scale.dim() and x.shape[1] != self.scale.numel()):
            raise Mismatch
        x = x.contiguous()
        out, bad = torch.empty_like(x), torch.zeros(1, dtype=torch.int64)
        if x.numel():
            rows, columns, repeat = rows_and_channels(x, self.scale)
            numbers = (self.scale.dim(), repeat, self.timesteps)
            self.function(x, rows, columns, self.scale, *numbers, out, bad, torch.get_num_threads())
        return None if bad.item() else out
