"""Figures 3, 7, 8 and 9 for a row of the tables: by default ResNet-20 on CIFAR-10 with its public weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gcn2snn.config import ConvertConfig
from gcn2snn.engines import dense_value
from gcn2snn.errors import ConfigError, NotRunError
from gcn2snn.kernels import decode
from gcn2snn.reproduce.figures.drawing import COLOURS, blank, save, title
from gcn2snn.reproduce.image_paper_numbers import ROWS
from gcn2snn.reproduce.image_workbench import Workbench
from gcn2snn.reproduce.options import ReproduceOptions, chosen_names
from gcn2snn.spiking_network import SpikingNetwork

BASES = (1.1, 1.15, 1.2, 1.25, 1.3, 1.35, 1.4, 1.5, 1.6, 1.8, 2.0)
TIMESTEPS = (8, 12, 16, 20, 24)
IMAGES = 200
POINTS = 2000


def activations(snn: SpikingNetwork, inputs: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """Of every population: the source's activation, and the value of the spike that the converted network sends."""
    true: dict[str, Tensor] = {}
    snn.source(inputs, observe=lambda node, args, value: true.__setitem__(node.name, dense_value(value)))
    return {name: (true[name], decode(spikes)) for name, spikes in snn.spikes(inputs).items()}


def fig3(out: Path, options: ReproduceOptions) -> dict[str, object]:
    """First layer's values by channel: source, one scale for the layer, one scale for each channel. Source: Fig. 3."""
    bench, row = _network(options)
    x = _images(bench, row, 20)
    name, true = "", torch.zeros(0)
    panels: list[tuple[str, Tensor]] = []
    for per in ("layer", "channel"):
        snn = bench.network(row, bench.coded(ConvertConfig.paper(per=per), row))
        name, (true, sent) = next(iter(activations(snn, x).items()))
        panels.append((f"({'bc'[len(panels)]}) one scale for each {per}", sent))
    panels.insert(0, (f"(a) source, {name}", true))
    figure, axes = blank(1, 3, (9.0, 3.0), sharey=True)
    from matplotlib.ticker import MaxNLocator  # blank says what is missing if it is not there

    rows: list[dict[str, object]] = []
    errors: dict[str, float] = {}
    for ax, (text, value) in zip(axes, panels, strict=True):
        picked = value.transpose(0, 1).flatten(1)[:, :: max(1, value[:, 0].numel() // 300)]
        channel = torch.arange(picked.shape[0])[:, None].expand_as(picked)
        ax.plot(channel.flatten(), picked.flatten(), ".", color=COLOURS["blue"], markersize=1.5)
        title(ax, text)
        ax.set_xlabel("channel")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        rows += [
            {"panel": text[1], "channel": int(c), "value": float(v)}
            for c, v in zip(channel.flatten(), picked.flatten(), strict=True)
        ]
        errors[text[4:]] = float((value - true).abs().mean() / true.abs().mean())
    axes[0].set_ylabel("value")
    return {"row": row.name, "relative error": errors, "files": save(figure, rows, out, "fig3")}


def fig7(out: Path, options: ReproduceOptions) -> dict[str, object]:
    """Sent against true activations in four layers, with and without threshold shift. Source: Fig. 7."""
    bench, row = _network(options)
    x = _images(bench, row, 20)
    found = {}
    for shift in (True, False):
        snn = bench.network(row, bench.coded(ConvertConfig.paper(shift=shift), row))
        found[shift] = activations(snn, x)
    names = list(found[True])
    chosen = [names[round(i * (len(names) - 1) / 3)] for i in range(4)] if len(names) > 4 else names
    figure, axes = blank(2, len(chosen), (2.4 * len(chosen), 4.8))
    rows: list[dict[str, object]] = []
    slopes: dict[str, float] = {}
    for number, shift in enumerate((True, False)):
        for column, name in enumerate(chosen):
            true, sent = (value.flatten() for value in found[shift][name])
            kept = _indices_over(true, POINTS)
            ax = axes[number * len(chosen) + column]
            limit = float(true.max())
            ax.plot([0, limit], [0, limit], color=COLOURS["grey"], linewidth=0.7)
            ax.plot(true[kept], sent[kept], ".", color=COLOURS["blue" if shift else "orange"], markersize=1.5)
            title(ax, f"({'ab'[number]}) {name}")
            slope = float((true * sent).sum() / (true * true).sum().clamp(min=1e-12))
            slopes[f"{name}, {'shift' if shift else 'no shift'}"] = slope
            rows += [
                {"layer": name, "shift": int(shift), "true": float(a), "sent": float(b)}
                for a, b in zip(true[kept], sent[kept], strict=True)
            ]
    for column in range(len(chosen)):
        axes[len(chosen) + column].set_xlabel("activation of the source")
    axes[0].set_ylabel("spike value, with shift")
    axes[len(chosen)].set_ylabel("spike value, without")
    return {"row": row.name, "slope": slopes, "files": save(figure, rows, out, "fig7")}


def fig8(out: Path, options: ReproduceOptions) -> dict[str, object]:
    """Accuracy by base and timesteps. Source: Fig. 8."""
    bench, row = _network(options)
    images = bench.sweep_images(row)
    rows = [
        {"base": base, "timesteps": steps, "accuracy": _accuracy(bench, row, base, steps)}
        for steps in TIMESTEPS
        for base in BASES
    ]
    source = bench.source(row, images).accuracy
    figure, (ax,) = blank(1, 1, (5.0, 3.4))
    colours = ["grey", "green", "orange", "blue", "red"]
    for steps, colour in zip(TIMESTEPS, colours, strict=True):
        own = [r for r in rows if r["timesteps"] == steps]
        ax.plot(
            [r["base"] for r in own], [r["accuracy"] for r in own], "o-", color=COLOURS[colour], label=f"T = {steps}"
        )
    ax.axhline(source, color="black", linewidth=0.8, linestyle="--", label="source")
    ax.set(xlabel="base Q", ylabel="accuracy, %")
    ax.legend(frameon=False)
    title(ax, f"{row.name}, {images} test images")
    return {"row": row.name, "images": images, "source": source, "files": save(figure, rows, out, "fig8")}


def fig9(out: Path, options: ReproduceOptions) -> dict[str, object]:
    """Mean absolute percentage error of the activations, and accuracy loss, by base. Source: Fig. 9."""
    bench, row = _network(options)
    images = bench.sweep_images(row)
    source = bench.source(row, images).accuracy
    rows = []
    for base in BASES:
        network, accuracy = bench.quick(row, replace(ConvertConfig.paper(), base=base, timesteps=row.timesteps))
        report, loss = network.report, source - accuracy
        mape = sum(p.mape * p.neurons for p in report) / sum(p.neurons for p in report)
        rows.append({"base": base, "mape": mape, "accuracy_loss": loss})
    figure, (left,) = blank(1, 1, (5.0, 3.4))
    right = left.twinx()
    bases = [r["base"] for r in rows]
    left.plot(bases, [r["mape"] for r in rows], "o-", color=COLOURS["blue"])
    right.plot(bases, [r["accuracy_loss"] for r in rows], "s--", color=COLOURS["orange"])
    left.set(xlabel="base Q")
    left.set_ylabel("mean absolute percentage error, %", color=COLOURS["blue"])
    right.set_ylabel("accuracy loss, points", color=COLOURS["orange"])
    title(left, f"{row.name}, T = {row.timesteps}, {images} test images")
    best = {key: min(rows, key=lambda r: r[key])["base"] for key in ("mape", "accuracy_loss")}
    return {"row": row.name, "images": images, "best base": best, "files": save(figure, rows, out, "fig9")}


def _network(options: ReproduceOptions) -> tuple[Workbench, Any]:
    """The row asked for, or the first whose weights and data are here.

    Raises:
        ConfigError: none is.
    """
    bench = Workbench(options)
    reasons = []
    rows = {row.name: row for row in ROWS}
    for name in chosen_names(rows, options.rows or ("cifar10/resnet20", "cifar10/resnet8"), "row"):
        row = rows[name]
        try:
            bench.model(row)
            bench.images(row, "test")
            return bench, row
        except NotRunError as reason:
            reasons.append(f"{name}: {reason}")
    raise ConfigError("no trained network to draw: " + "; ".join(reasons))


def _images(bench: Workbench, row: Any, count: int) -> Tensor:
    images = bench.images(row, "test").first(count)
    return bench.normalise(row)(images.pixels(torch.arange(len(images))))


def _accuracy(bench: Workbench, row: Any, base: float, timesteps: int) -> float:
    config = replace(ConvertConfig.paper(), base=base, timesteps=timesteps)
    return bench.quick(row, config)[1]


def _indices_over(values: Tensor, count: int) -> Tensor:
    """Indices of about ``count`` values spread evenly over their range of sizes, deterministic."""
    return values.argsort()[:: max(1, values.numel() // count)]
