"""Figures 1, 4 and 6: ways to encode an activation, what one spike loses, and the base that loses least."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

from gcn2snn.encoding import binary_levels, decode, encode, encode_binary
from gcn2snn.passes import expected_error, optimal_base
from gcn2snn.reproduce.figures.drawing import COLOURS, blank, save, title
from gcn2snn.reproduce.options import ReproduceOptions

VALUES = (14, 11, 8, 6, 3)
LARGEST = 16


def fig1(out: Path, options: ReproduceOptions) -> dict[str, object]:
    """Rate, temporal and phase coding of five activations, x_max = 16.

    Rate: a spike at each of 16 steps with probability x / 16. Temporal: one spike at t = -T ln(x / 16), so that
    exp((T - t) / T) is proportional to x. Phase: the bits of x / 16, base 2.

    Source: Fig. 1 and Section II-A.
    """
    rows = [*_rate_rows(16), *_temporal_rows(16), *_phase_rows(4)]
    titles = {
        "rate": "rate: a spike with probability $x/x_{max}$",
        "temporal": "temporal: one spike, $e^{(T-t)/T}\\propto x$",
        "phase": "phase: $2^{-t}$ a spike",
    }
    figure, axes = blank(1, 3, (9.0, 2.9), width_ratios=[3, 3, 1.6], sharey=True)
    for ax, (scheme, text) in zip(axes, titles.items(), strict=True):
        own = [row for row in rows if row["scheme"] == scheme]
        steps = max(row["step"] for row in own)
        for line, value in enumerate(VALUES):
            times = [row["step"] for row in own if row["x"] == value and row["spike"]]
            ax.hlines(line, 0.4, steps + 0.6, color=COLOURS["grey"], linewidth=0.6)
            ax.vlines(times, line, line + 0.62, color=COLOURS["blue"], linewidth=2.2)
            if not times and scheme == "temporal":
                ax.text(
                    steps / 2, line + 0.12, "below $x_{max}/e$: silent", color=COLOURS["red"], ha="center", fontsize=8
                )
        title(ax, text)
        ax.set(xlabel="timestep $t$", xlim=(0.2, steps + 0.8), ylim=(-0.3, len(VALUES)))
        ax.set_yticks(range(len(VALUES)), [f"$x={value}$" for value in VALUES])
        ax.set_xticks(range(1, steps + 1, 1 if steps <= 4 else 3))
    spikes = {scheme: sum(row["spike"] for row in rows if row["scheme"] == scheme) for scheme in titles}
    return {"spikes": spikes, "files": save(figure, rows, out, "fig1")}


def _rate_rows(steps: int) -> list[dict[str, object]]:
    random = torch.Generator().manual_seed(3)
    share = torch.tensor(VALUES, dtype=torch.float64) / LARGEST
    fired = torch.rand(len(VALUES), steps, generator=random, dtype=torch.float64) < share[:, None]
    return [
        {"scheme": "rate", "x": value, "step": step + 1, "spike": int(fired[line, step]), "carries": LARGEST / steps}
        for line, value in enumerate(VALUES)
        for step in range(steps)
    ]


def _temporal_rows(steps: int) -> list[dict[str, object]]:
    rows = []
    for value in VALUES:
        time = round(-steps * math.log(value / LARGEST))
        for step in range(1, steps + 1):
            carries = LARGEST * math.exp(-step / steps)
            rows.append(
                {"scheme": "temporal", "x": value, "step": step, "spike": int(step == time), "carries": carries}
            )
    return rows


def _phase_rows(steps: int) -> list[dict[str, Any]]:
    code = encode_binary(torch.tensor(VALUES, dtype=torch.float64), torch.tensor(float(LARGEST)), steps)
    return [
        {
            "scheme": "phase",
            "x": value,
            "step": step,
            "spike": int(binary_levels(code, steps, step)[line]),
            "carries": LARGEST * 2.0**-step,
        }
        for line, value in enumerate(VALUES)
        for step in range(1, steps + 1)
    ]


def fig4(out: Path, options: ReproduceOptions) -> dict[str, object]:
    """Encoded value and error over x for one spike in four phases: floor, round off, and a smaller base.

    Source: Fig. 4; Eq. 3 and 4.
    """
    schemes = [
        ("(a) $Q=2$, floor (Eq. 3)", 2.0, False),
        ("(b) $Q=2$, round off (Eq. 4)", 2.0, True),
        ("(c) $Q=\\sqrt{2}$, round off (Eq. 4)", math.sqrt(2), True),
    ]
    x = torch.linspace(0, 1, 2001, dtype=torch.float64)[:-1]
    figure, axes = blank(2, 3, (9.0, 4.2), sharex=True, sharey="row", height_ratios=[2, 1])
    rows: list[dict[str, object]] = []
    means = {}
    for column, (text, base, shift) in enumerate(schemes):
        value = decode(encode(x, 1.0, base, 4, shift), torch.float64)
        error = value - x
        upper, lower = axes[column], axes[3 + column]
        upper.plot(x, x, color=COLOURS["grey"], linewidth=0.8, label="$x$")
        upper.plot(x, value, color=COLOURS["blue"], linewidth=1.6, label="$\\bar{x}$")
        upper.fill_between(x, x, value, color=COLOURS["orange"], alpha=0.35, linewidth=0)
        title(upper, text)
        upper.set(xlim=(0, 1), ylim=(0, 1))
        for level in {float(v) for v in value if v > 0}:
            upper.axhline(level, color=COLOURS["grey"], linewidth=0.3)
        lower.plot(x, error, color=COLOURS["orange"], linewidth=1.2)
        lower.axhline(0, color=COLOURS["grey"], linewidth=0.6)
        lower.set(xlabel="activation $x$", ylim=(-0.55, 0.2))
        inside = x < 1 / base
        means[text[:3]] = {
            "mean_error": float(error.abs().mean()),
            "largest_error_below_first_phase": float(error[inside].abs().max()),
        }
        rows += [
            {"scheme": text[1], "base": base, "shift": int(shift), "x": float(a), "encoded": float(b)}
            for a, b in zip(x[::10], value[::10], strict=True)
        ]
    axes[0].set_ylabel("encoded value")
    axes[0].legend(loc="upper left", frameon=False)
    axes[3].set_ylabel("error $\\bar{x}-x$")
    return {"errors": means, "files": save(figure, rows, out, "fig4")}


def fig6(out: Path, options: ReproduceOptions) -> dict[str, object]:
    """Mean absolute percentage error of Eq. 5 over the base, mu = 0 and sigma = 1, T = 16 and 24.

    Source: Fig. 6; the paper reads minima near 1.3 and 1.2.
    """
    bases = torch.linspace(1.02, 2.0, 197, dtype=torch.float64).tolist()
    figure, (ax,) = blank(1, 1, (4.6, 3.1))
    rows, best = [], {}
    for timesteps, colour in ((16, "blue"), (24, "orange")):
        errors = [100 * expected_error(base, timesteps) for base in bases]
        optimum = optimal_base(timesteps)
        least = 100 * expected_error(optimum, timesteps)
        best[f"T={timesteps}"] = {"base": optimum, "mape_percent": least}
        ax.plot(bases, errors, color=COLOURS[colour], linewidth=1.6, label=f"$T={timesteps}$")
        ax.plot([optimum], [least], "o", color=COLOURS[colour], markersize=4)
        offset = (4, -13) if timesteps == 24 else (12, 8)
        ax.annotate(f"$Q={optimum:.2f}$", (optimum, least), offset, textcoords="offset points", color=COLOURS[colour])
        rows += [{"timesteps": timesteps, "base": q, "mape_percent": e} for q, e in zip(bases, errors, strict=True)]
    ax.set(xlabel="base $Q$", ylabel="MAPE (%), Eq. 5", xlim=(1.0, 2.0), ylim=(0, None))
    ax.legend(loc="upper right", frameon=False)
    return {"minima": best, "files": save(figure, rows, out, "fig6")}
