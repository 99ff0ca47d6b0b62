"""Figures 2 and 5: one neuron in time, and a change of base between two layers. Potentials come from the engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from gcn2snn import ir
from gcn2snn.engines import Recording, run_temporal
from gcn2snn.kernels import PhaseCode
from gcn2snn.reproduce.figures.drawing import COLOURS, blank, save, title
from gcn2snn.reproduce.options import ReproduceOptions

WEIGHTS = [[0.6, 0.4, -0.2]]
INPUT_PHASES = (2, 3, 4)


def fig2(out: Path, options: ReproduceOptions) -> dict[str, object]:
    """A neuron with Q = 2: its potential doubles at each phase, and the first spike ends its work.

    v(t) = Q v(t-1) + sum_i w_i s_i(t); it fires when v(t) >= V = 1, here at t = 3.

    Source: Fig. 2 and Eq. 1, without the threshold shift, as drawn there.
    """
    recording = _single_neuron()
    steps = range(1, 5)
    potential = [float(u) * 2.0**t for t, u in zip(steps, recording.potential, strict=True)]
    fired = [int(s) for s in recording.fired]
    at = fired.index(1) + 1
    figure, (top, middle, bottom) = blank(3, 1, (5.2, 4.4), sharex=True, height_ratios=[1.3, 2, 0.8])
    for line, (phase, weight) in enumerate(zip(INPUT_PHASES, WEIGHTS[0], strict=True)):
        top.hlines(line, 0.5, 4.5, color=COLOURS["grey"], linewidth=0.6)
        top.vlines(phase, line, line + 0.7, color=COLOURS["blue"], linewidth=2.5)
        top.text(4.55, line + 0.15, f"$w_{line + 1}={weight}$", fontsize=8)
    title(top, "pre-synaptic spikes $s_i(t)$")
    top.set(yticks=[], ylim=(-0.2, 3))
    middle.step([0.5, *[t + 0.5 for t in steps]], [0.0, *potential], where="pre", color=COLOURS["blue"], linewidth=1.6)
    middle.axhline(1.0, color=COLOURS["red"], linestyle="--", linewidth=1)
    middle.text(0.52, 1.04, "$V_\\theta$", color=COLOURS["red"])
    for t, v in zip(steps, potential, strict=True):
        middle.text(t, v + 0.06 if v != 1 else v + 0.1, f"{v:.2g}", ha="center", fontsize=8)
    middle.axvspan(at + 0.5, 4.5, color=COLOURS["grey"], alpha=0.25, linewidth=0)
    middle.text(at + 1.0, 0.45, "skipped", ha="center", color=COLOURS["grey"])
    title(middle, "membrane potential $v(t)=Q\\,v(t-1)+\\sum_i w_i s_i(t)$,  $Q=2$")
    middle.set(ylim=(0, 3.4))
    bottom.hlines(0, 0.5, 4.5, color=COLOURS["grey"], linewidth=0.6)
    bottom.vlines(at, 0, 0.7, color=COLOURS["orange"], linewidth=2.5)
    bottom.text(at + 0.08, 0.4, f"carries $2^{{-{at}}}$", color=COLOURS["orange"], fontsize=8)
    title(bottom, "output spike $s_j(t)$")
    bottom.set(xlabel="phase $t$", yticks=[], ylim=(-0.1, 1.1), xlim=(0.5, 5.2))
    bottom.set_xticks([1, 2, 3, 4])
    rows = [
        {"phase": t, "potential": v, "threshold": 1.0, "fired": s, **_inputs_at(t)}
        for t, v, s in zip(steps, potential, fired, strict=True)
    ]
    return {"fires_at": at, "files": save(figure, rows, out, "fig2")}


def _inputs_at(phase: int) -> dict[str, int]:
    return {f"input_{i + 1}": int(own == phase) for i, own in enumerate(INPUT_PHASES)}


def _single_neuron() -> Recording:
    code = PhaseCode(2.0, 4, shift=False)
    one = torch.tensor(1.0, dtype=torch.float64)
    network = ir.Network(
        (
            ir.Input(name="x", size=(None, 3)),
            ir.Coder(name="code", inputs=("x",), kind="binary", timesteps=4, scale=one),
            ir.Dense(name="synapse", inputs=("code",), weight=torch.tensor(WEIGHTS, dtype=torch.float64)),
            ir.Neuron(name="neuron", inputs=("synapse",), coding=code, scale=one),
            ir.Output(name="output", inputs=("neuron",)),
        )
    )
    recording = Recording()
    x = torch.tensor([[2.0**-phase for phase in INPUT_PHASES]], dtype=torch.float64)
    run_temporal(network, {"x": x}, 0, {"neuron": recording})
    return recording


def fig5(out: Path, options: ReproduceOptions) -> dict[str, object]:
    """Binary input, then two layers of base Q = 1.5: only the threshold of layer 0 changes with the phase, by 2 / Q.

    Each layer waits w = 3 steps. Potential and threshold are in the units of Algorithm 1: both grow with Q_in^n, and
    line 12 multiplies the threshold by Q_in / Q_out at each phase.

    Source: Fig. 5 and Section III-B2.
    """
    steps, wait, base = 6, 3, 1.5
    recordings = _two_layers(steps, wait, base)
    figure, axes = blank(1, 2, (8.0, 3.0))
    rows: list[dict[str, Any]] = []
    fires = {}
    for layer, (ax, (name, recording)) in enumerate(zip(axes, recordings.items(), strict=True)):
        base_in = 2.0 if layer == 0 else base
        growth = [base_in ** (n - wait) for n in range(1, len(recording.potential) + 1)]
        potential = [float(u) * g for u, g in zip(recording.potential, growth, strict=True)]
        threshold = [None if v is None else v * g for v, g in zip(recording.threshold, growth, strict=True)]
        own = [
            {"layer": layer, "step": n, "phase": n - wait, "potential": v, "threshold": t, "fired": int(s)}
            for n, (v, t, s) in enumerate(zip(potential, threshold, recording.fired, strict=True), start=1)
        ]
        rows += own
        fires[name] = next(row["phase"] for row in own if row["fired"])
        _draw_layer(ax, layer, own, wait, steps, base_in, base)
    return {"fires_at": fires, "files": save(figure, rows, out, "fig5")}


def _draw_layer(
    ax: Any, layer: int, rows: list[dict[str, Any]], wait: int, steps: int, base_in: float, base: float
) -> None:
    at = [row["step"] for row in rows]
    ax.plot(at, [row["potential"] for row in rows], "o-", color=COLOURS["blue"], markersize=3, label="$v(t)$")
    firing = [row for row in rows if row["threshold"] is not None]
    ax.step(
        [row["step"] - 0.5 for row in firing] + [firing[-1]["step"] + 0.5],
        [row["threshold"] for row in firing] + [firing[-1]["threshold"]],
        where="post",
        color=COLOURS["red"],
        linestyle="--",
        label="$V_\\theta$",
    )
    spike = next(row for row in rows if row["fired"])
    ax.plot([spike["step"]], [spike["potential"]], "o", color=COLOURS["orange"], markersize=8, fillstyle="none")
    ax.annotate(
        f"spike at $t={spike['phase']}$: $Q^{{-{spike['phase']}}}$",
        (spike["step"], spike["potential"]),
        (-8, 8),
        textcoords="offset points",
        ha="right",
        color=COLOURS["orange"],
    )
    ax.axvspan(0.5, wait + 0.5, color=COLOURS["grey"], alpha=0.2, linewidth=0)
    ax.text((wait + 1) / 2, 0.93, "wait $w$", transform=ax.get_xaxis_transform(), ha="center", color=COLOURS["grey"])
    change = f"\\times\\,{base_in:g}/{base:g}" if base_in != base else "\\times\\,1"
    title(ax, f"$L={layer}$: base {base_in:g} in, {base:g} out; threshold ${change}$ a phase")
    ax.set(
        xlabel="step $n$ (phase $t=n-w$)",
        yscale="log",
        xlim=(0.5, wait + steps + 0.5),
    )
    ax.set_xticks(range(1, wait + steps + 1))
    ax.legend(loc="lower right", frameon=False)


def _two_layers(steps: int, wait: int, base: float) -> dict[str, Recording]:
    one = torch.tensor(1.0, dtype=torch.float64)
    code = PhaseCode(base, steps)
    weights = [torch.tensor(w, dtype=torch.float64) for w in ([[0.5, 0.3]], [[0.4]])]
    network = ir.Network(
        (
            ir.Input(name="x", size=(None, 2)),
            ir.Coder(name="code", inputs=("x",), kind="binary", timesteps=steps, scale=one),
            ir.Dense(name="synapse0", inputs=("code",), weight=weights[0]),
            ir.Neuron(name="L0", inputs=("synapse0",), coding=code, scale=one),
            ir.Dense(name="synapse1", inputs=("L0",), weight=weights[1]),
            ir.Neuron(name="L1", inputs=("synapse1",), coding=code, scale=one),
            ir.Output(name="output", inputs=("L1",)),
        )
    )
    recordings = {"L0": Recording(), "L1": Recording()}
    x = torch.tensor([[0.40625, 0.328125]], dtype=torch.float64)
    run_temporal(network, {"x": x}, wait, recordings)
    return recordings
