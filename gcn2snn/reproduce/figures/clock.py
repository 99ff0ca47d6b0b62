"""Figure 10: the layers of a spiking network at work on several inputs at once."""

from __future__ import annotations

from pathlib import Path

import torch

from gcn2snn import ir
from gcn2snn.engines import latency, run_pipeline
from gcn2snn.kernels import PhaseCode
from gcn2snn.reproduce.figures.drawing import COLOURS, blank, save
from gcn2snn.reproduce.options import ReproduceOptions


def fig10(out: Path, options: ReproduceOptions) -> dict[str, object]:
    """Four layers, three inputs, T = 16 and w = 10: each layer starts w steps after the one before it.

    The bars are the steps that the simulator took, and their end is N (T + w) + w (N_L - 1).

    Source: Fig. 10 and Section V-C2.
    """
    inputs, timesteps, wait = options.limit or 3, 16, 10
    network = _chain(3, timesteps)
    random = torch.Generator().manual_seed(0)
    items = [{"x": torch.rand(1, 4, generator=random, dtype=torch.float64)} for _ in range(inputs)]
    run = run_pipeline(network, items, wait)
    figure, (ax,) = blank(1, 1, (8.0, 2.8))
    colours = [COLOURS[name] for name in ("blue", "orange", "green")]
    for slot in run.slots:
        bar = (slot.first - 1, slot.last - slot.first + 1)
        colour = colours[slot.item % len(colours)]
        ax.broken_barh([(bar[0], wait)], (slot.layer - 0.36, 0.72), facecolor=colour, alpha=0.35)
        ax.broken_barh([(bar[0] + wait, bar[1] - wait)], (slot.layer - 0.36, 0.72), facecolor=colour, alpha=0.8)
        ax.text(
            bar[0] + (wait + bar[1]) / 2, slot.layer, f"input {slot.item + 1}", ha="center", va="center", fontsize=8
        )
    ax.axvline(run.steps, color=COLOURS["red"], linestyle="--", linewidth=1)
    ax.annotate(
        f"$N(T+w)+w(N_L-1)={run.steps}$", (run.steps, -0.45), (-4, 2), textcoords="offset points", ha="right",
        color=COLOURS["red"], fontsize=8,
    )  # fmt: skip
    ax.annotate("", (wait, 0.62), (0, 0.62), arrowprops={"arrowstyle": "<->", "color": "black", "linewidth": 0.8})
    ax.text(wait / 2, 0.7, "$w$", ha="center", va="top")
    ax.set(xlabel="clock step (pale: waiting, full: firing)", xlim=(0, run.steps + 2), ylim=(run.layers - 0.4, -0.8))
    ax.set_yticks(range(run.layers), [f"layer {layer}" for layer in range(run.layers)])
    rows = [
        {"layer": s.layer, "input": s.item + 1, "first_step": s.first, "first_firing_step": s.first + wait, "last_step": s.last}
        for s in run.slots
    ]  # fmt: skip
    formula = latency(inputs, timesteps, wait, run.layers)
    return {"steps": run.steps, "formula": formula, "files": save(figure, rows, out, "fig10")}


def _chain(populations: int, timesteps: int) -> ir.Network:
    random = torch.Generator().manual_seed(1)
    one = torch.tensor(1.0, dtype=torch.float64)
    nodes: list[ir.Node] = [
        ir.Input(name="x", size=(None, 4)),
        ir.Coder(name="code", inputs=("x",), kind="binary", timesteps=timesteps, scale=one),
    ]
    for index in range(populations + 1):
        weight = torch.rand(4, 4, generator=random, dtype=torch.float64) / 2
        nodes.append(ir.Dense(name=f"synapse{index}", inputs=(nodes[-1].name,), weight=weight))
        if index < populations:
            code = PhaseCode(1.3, timesteps)
            nodes.append(ir.Neuron(name=f"layer{index}", inputs=(nodes[-1].name,), coding=code, scale=one))
    nodes.append(ir.Output(name="output", inputs=(nodes[-1].name,)))
    return ir.Network(tuple(nodes))
