"""Blocks, warps and pipelines of the Triton kernels: timed on the device, once for operands of about one size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import triton
from torch import Tensor

from gcn2snn.kernels.triton.epilogue import INTERPRETED

Grid = tuple[int, ...] | Callable[[dict[str, int]], tuple[int, ...]]
# Rows and columns of a tile, warps: all compile for sm_90 without spilled registers. The terms of a step are fixed: tiles of
# any size add in one order.
TILES = ((64, 16, 4), (128, 32, 4), (64, 64, 4), (128, 64, 8))
TERMS = 32
STAGES = (1, 3)  # a pipeline copies codes ahead, but also each look-up of a level into shared memory: both are timed


class Tuner:
    """Launches a kernel with the fastest of some configurations.

    What is chosen for a key holds for every variant of the kernel (with and without neurons, bias, moments): potentials, and
    the spikes of neurons that read them, are sums in one order. Sparse products have one order whatever is chosen, and the
    choice made for all entries serves those that are left without silence. Triton's own cache keeps the types of arguments apart.

    Args:
        kernel: the kernel.
        configs: to choose from.
        interpreted: blocks where there is no device to ask.
    """

    def __init__(self, kernel: Any, configs: list[triton.Config], interpreted: dict[str, int]):
        self.kernel, self.configs, self.interpreted = kernel, configs, interpreted
        self.chosen: dict[tuple[int, ...], dict[str, int]] = {}

    def launch(self, key: tuple[int, ...], size: int, grid: Grid, *args: Tensor | int, **flags: bool | int) -> None:
        """Run the kernel.

        Args:
            key: what the choice depends on, next to the size.
            size: programs or rows; within a factor of two the choice is the same.
            grid: as Triton takes it.
            args, flags: of the kernel, blocks left out.
        """
        if INTERPRETED:
            self.kernel[grid](*args, **flags, **self.interpreted)
            return
        key = (*key, size.bit_length())
        if key in self.chosen:
            self.kernel[grid](*args, **flags, **self.chosen[key])
            return
        tuner = triton.autotune(configs=self.configs, key=[])(self.kernel)
        tuner[grid](*args, **flags)
        self.chosen[key] = tuner.best_config.all_kwargs()


def tiled(kernel: object) -> Tuner:
    """The tuner of a dense kernel."""
    configs = [
        triton.Config({"BLOCK_M": m, "BLOCK_N": n, "BLOCK_K": TERMS}, num_warps=warps, num_stages=stages)
        for m, n, warps in TILES
        for stages in STAGES
    ]
    return Tuner(kernel, configs, {"BLOCK_M": 16, "BLOCK_N": 16, "BLOCK_K": 16})


def tile_grid(rows: int, outputs: int, groups: int = 1, moments: int = 1) -> Grid:
    """Programs of a dense kernel: tiles of rows, tiles of outputs in each group, moments."""
    return lambda meta: (
        triton.cdiv(rows, meta["BLOCK_M"]),
        groups * triton.cdiv(outputs, meta["BLOCK_N"]),
        moments,
    )
