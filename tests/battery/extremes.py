"""Numbers and graphs at the ends of what is possible: engines agree, threads and batches change nothing, or an error of ours.

python tests/battery/extremes.py --seed 7 --tries 120
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1] / "gcn2snn"))
sys.path.insert(0, str(Path(__file__).parent))
from extreme_kinds import CODES, GRAPHS, NUMBERS, matrix_of, numbers
from tally import Tally, run_as_command

import gcn2snn
from gcn2snn.config import ConvertConfig
from gcn2snn.kernels import CSR, PhaseCode, decode, encode, phase_spmm, reference

SIZES = (1, 2, 3, 17, 64)
HARD_CODES = (*CODES, (1.0001, 8))


def code_fits(kind: str, base: float, timesteps: int, seed: int) -> str:
    """A code of numbers: phases in range, the same as the reference, whatever the threads; decoded within one step."""
    generator = torch.Generator().manual_seed(seed)
    x = numbers(kind, 13, 9, generator)
    coding = PhaseCode(base, timesteps, signed=kind == "negative")
    scale = x.abs().max().clamp(min=torch.finfo(torch.float32).tiny)
    spikes = encode(x, scale, coding)
    if int(spikes.code.abs().max()) > timesteps:
        return "a phase beyond the last"
    if not torch.equal(spikes.code, reference.encode(x, scale, coding).code):
        return "another code than the reference"
    values = decode(spikes)
    if not bool(torch.isfinite(values).all()):
        return "a decoded value that is not finite"
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        many = encode(x, scale, coding)
    finally:
        torch.set_num_threads(threads)
    return "" if torch.equal(many.code, spikes.code) else "other phases with three threads"


def product_fits(kind: str, shape: str, nodes: int, seed: int) -> str:
    """Spikes times a matrix: as the reference, also with the rows in another order and with more threads."""
    generator = torch.Generator().manual_seed(seed)
    matrix = matrix_of(shape, nodes, generator)
    nodes = matrix.shape[0]
    x = numbers(kind, nodes, 5, generator)
    spikes = encode(x, x.abs().max().clamp(min=1e-30), PhaseCode(1.3, 16, signed=True))
    result = phase_spmm(matrix, spikes)
    if not torch.equal(result, reference.phase_spmm(matrix, spikes)):
        return "another product than the reference"
    order = torch.randperm(nodes, generator=generator)
    if not torch.equal(phase_spmm(matrix.rows(order), spikes), result[order]):
        return "other rows after they were permuted"
    return ""


def network_fits(kind: str, timesteps: int, base: float, seed: int) -> str:
    """A converted network: closed form and steps in time agree, and a split batch gives the same."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2)).eval()
    x = numbers(kind, 12, 6, generator)
    snn = gcn2snn.convert(model, x, ConvertConfig(base=base, timesteps=timesteps, input="analog"))
    whole = snn(x)
    if not bool(torch.isfinite(whole).all()):
        return "potentials that are not finite"
    if not torch.equal(whole, snn.simulate(x, engine="temporal")):
        far = (whole - snn.simulate(x, engine="temporal")).abs().max() / whole.abs().max().clamp(min=1e-30)
        if float(far) > 1e-4:  # sums of many steps round otherwise
            return f"closed form and time differ by {float(far):.1e}"
    parts = torch.cat([snn(part) for part in x.split(5)])
    far = (parts - whole).abs().max() / whole.abs().max().clamp(min=1e-30)
    return "" if float(far) <= 1e-4 else f"a split batch differs by {float(far):.1e}"


def graph_network_fits(shape: str, nodes: int, seed: int) -> str:
    """A Text GCN's layers on a graph of an odd shape, and the same with the nodes permuted."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    matrix = matrix_of(shape, nodes, generator)
    nodes = matrix.shape[0]
    model = gcn2snn.TextGCN(7, [4], 3, 0.5, identity=False).eval()
    x = torch.rand(nodes, 7, generator=generator)
    snn = gcn2snn.convert(model, (matrix, x))
    result = snn(matrix, x)
    order = torch.randperm(nodes, generator=generator)
    inverse = torch.empty_like(order)
    inverse[order] = torch.arange(nodes)
    moved = CSR.from_coo(inverse[matrix.row], inverse[matrix.col.long()], matrix.value, matrix.shape)
    far = (snn(moved, x[order]) - result[order]).abs().max() / result.abs().max().clamp(min=1e-30)
    return (
        "" if float(far) < 0.05 else f"permuted nodes differ by {float(far):.1e}"
    )  # a sum at a threshold may move a phase


def run(tally: Tally, seed: int, tries: int, folder: Path) -> None:
    """``tries`` of each kind."""
    chance = random.Random(seed)
    for number in range(tries):
        if tally.time_is_up():
            break
        kind, (base, timesteps), nodes = chance.choice(NUMBERS), chance.choice(HARD_CODES), chance.choice(SIZES)
        shape = chance.choice(GRAPHS)
        what = f"{kind}, Q {base}, T {timesteps}, {nodes} nodes, {shape}, seed {seed + number}"
        own = seed + number
        tally.attempt("codes", what, lambda k=kind, b=base, t=timesteps, s=own: code_fits(k, b, t, s))
        tally.attempt("products", what, lambda k=kind, h=shape, n=nodes, s=own: product_fits(k, h, n, s))
        tally.attempt("networks", what, lambda k=kind, b=base, t=timesteps, s=own: network_fits(k, t, b, s))
        tally.attempt("graphs", what, lambda h=shape, n=nodes, s=own: graph_network_fits(h, n, s))


if __name__ == "__main__":
    sys.exit(run_as_command("extremes", run, 120))
