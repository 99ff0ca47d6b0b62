"""How many phases differ between single and double precision, and whether each of them lies where rounding can move it.

A neuron fires at the first phase whose threshold its potential reaches. The potential is a sum of n products; in single
precision it is off by at most about n eps times the sum of the products' magnitudes (eps = 2^-24). A phase may differ
where a threshold lies within that bound of the potential, and nowhere else.

    python tests/battery/precision.py --seed 7
"""

from __future__ import annotations

import argparse
import sys

import torch

from gcn2snn.kernels import CSR, PhaseCode, encode, phase_spmm

EPS = 2.0**-24
CODES = ((1.01, 255), (1.1, 48), (1.3, 16), (1.3, 48), (2.0, 24), (16.0, 4))


def layer(
    rows: int, inputs: int, outputs: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Potentials of a dense layer in single and in double precision, and the bound of their difference."""
    x = torch.rand(rows, inputs, generator=generator)
    weight = torch.randn(outputs, inputs, generator=generator) / inputs**0.5
    exact = x.double() @ weight.double().T
    bound = inputs * EPS * (x.double() @ weight.double().abs().T)
    return x @ weight.T, exact, bound


def compared(single: torch.Tensor, exact: torch.Tensor, bound: torch.Tensor, coding: PhaseCode) -> tuple[int, int]:
    """Phases that differ, and those among them that rounding does not explain."""
    scale = exact.abs().max()
    ours = encode(single, scale.float(), coding).code
    theirs = encode(exact, scale.float().double(), coding).code
    differ = ours != theirs
    z = (exact / scale.float().double()).abs()
    room = bound / scale.double() + 4 * EPS * z  # and the rounding of the division and of the thresholds themselves
    thresholds = coding.thresholds(torch.float64)
    nearest = (z.unsqueeze(-1) - thresholds).abs().amin(-1)
    return int(differ.sum()), int((differ & (nearest > room)).sum())


def hub(nodes: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The same for one node that aggregates all others, whose spikes are added in their order."""
    codes = encode(torch.rand(nodes, 8, generator=generator), torch.tensor(1.0), PhaseCode(1.3, 16))
    row, value = torch.zeros(nodes, dtype=torch.int64), torch.rand(nodes, generator=generator)
    matrix = CSR.from_coo(row, torch.arange(nodes), value, (1, nodes))
    levels = torch.cat([torch.zeros(1, dtype=torch.float64), codes.coding.levels()])
    exact = value.double() @ levels[codes.code.long()]
    return phase_spmm(matrix, codes), exact[None], (nodes * EPS * exact)[None]


def main() -> int:
    """Print the table; 1 if a phase differs without a reason."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, help="of the layers")
    seed = parser.parse_args().seed
    generator = torch.Generator().manual_seed(seed)
    print("| layer | Q | T | phases | differ | without a reason |\n|-|-|-|-|-|-|")
    unexplained = 0
    for name, made in (
        ("dense, 64 inputs", layer(4000, 64, 100, generator)),
        ("dense, 2048 inputs", layer(400, 2048, 100, generator)),
        ("hub of 1,000,000 nodes", hub(1_000_000, generator)),
    ):
        for base, timesteps in CODES:
            differ, odd = compared(*made, PhaseCode(base, timesteps, signed=True))
            unexplained += odd
            print(f"| {name} | {base} | {timesteps} | {made[0].numel():,} | {differ} | {odd} |")
    print(f"\nseed {seed}")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
