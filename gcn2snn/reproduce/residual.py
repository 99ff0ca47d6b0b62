"""``gcn2snn reproduce residual``: residual branches as spikes against branches that stay in the potential, and where errors come from."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.cnn import predict
from gcn2snn.config import ConvertConfig, LayerConfig
from gcn2snn.conversion import call_of, convert, prepare
from gcn2snn.engines import activate, bind, code_input, fire, keepers, kept_of, run
from gcn2snn.errors import NotRunError
from gcn2snn.files import save_json, save_text
from gcn2snn.machine import environment
from gcn2snn.reproduce.image_paper_numbers import PaperRow
from gcn2snn.reproduce.image_workbench import Workbench
from gcn2snn.reproduce.kept import keep, kept, key_of, say
from gcn2snn.reproduce.last_threshold import IMAGES, Case, graph_case, images_case
from gcn2snn.reproduce.options import ReproduceOptions, chosen_names
from gcn2snn.spiking_network import SpikingNetwork
from gcn2snn.tune import divergence_of

GRAPHS = ("cora/GIN", "citeseer/GIN")
ROWS = (*IMAGES, *GRAPHS)
MODES = ("spikes", "kept", "kept-first2", "kept2", "spikes2")
"""Residual branches as spikes or kept; 2: two neurons to a membrane in the populations of the residual stream alone; first2: in the
first of these alone."""

SETS = 5
"""Calibration sets of images, or trained graph networks."""

CALIBRATION, HELD_OUT, SHARES = 1000, 2000, 500
"""Training images of a calibration set, others on which its conversions are compared, and those by which errors are shared out."""

Columns = dict[str, float]


def residual(out: Path, options: ReproduceOptions) -> dict[str, object]:
    """Divergence from the source without labels, accuracy lost on test images, and energy, over several calibration sets.

    Every conversion is kept below ``out``, so that a second call goes on where the first was stopped.

    Args:
        out: for ``residual.json``, ``residual.md``, the results of each conversion, and trained weights of graph networks.
        options: ``rows`` (:data:`ROWS`) and ``modes`` (:data:`MODES`) narrow what is run; ``seeds``: calibration sets, or training
            seeds of graphs; ``limit``: test images.
    """
    rows: list[dict[str, object]] = []
    missing: dict[str, str] = {}
    modes, bench = chosen_names(MODES, options.modes, "mode"), Workbench(options)
    for name in chosen_names(ROWS, options.rows, "row"):
        try:
            found = [_set(name, seed, modes, out, bench) for seed in range(options.seeds or SETS)]
        except NotRunError as error:
            missing[name] = str(error)
            continue
        rows += [{"network": name, "mode": mode} | _over_sets([each[mode] for each in found]) for mode in modes]
    text = _table(rows) + "".join(f"\n{name}: not run; {why}\n" for name, why in missing.items())
    content = {"results": rows, "not_run": missing, "environment": environment()}
    files = [save_json(out / "residual.json", content), save_text(out / "residual.md", text)]
    return {"text": text, "results": rows, "files": [str(file) for file in files]}


def _set(name: str, seed: int, modes: tuple[str, ...], out: Path, bench: Workbench) -> dict[str, Columns]:
    """What every mode gives with one calibration set or trained network."""
    found: dict[str, Columns] = {}
    case: Case | None = None
    for mode in modes:
        path = out / "sets" / f"{name.replace('/', '-')}-{seed}-{mode}.json"
        key = key_of("residual", name, seed, mode, bench.options.limit, CALIBRATION, HELD_OUT, SHARES)
        columns = kept(path, key)
        if columns is None:
            if case is None:
                case = _case(name, seed, out, bench.options)
            columns = _measured(name, case, mode, seed, out, bench)
            keep(path, key, {**columns})
            say(f"{name}, set {seed}, {mode}: done")
        found[mode] = columns
    return found


def _case(name: str, seed: int, out: Path, options: ReproduceOptions) -> Case:
    if name in IMAGES:
        return images_case(IMAGES[name], seed, options, CALIBRATION, HELD_OUT)
    return graph_case(name, seed, out, options)


def configuration(case: Case, mode: str) -> ConvertConfig:
    """The paper's neuron with corrected means; two neurons to a membrane where a residual stream is sent."""
    plain = ConvertConfig.paper(correct="mean", residual="kept" if mode.startswith("kept") else "spikes")
    if not mode.endswith("2"):
        return plain
    pairs = stream(case)[:1] if mode.endswith("first2") else stream(case)
    return replace(plain, layers={name: LayerConfig(group=2) for name in pairs})


def stream(case: Case) -> tuple[str, ...]:
    """Populations that send a residual stream: those whose potential can be kept, and those that begin with a kept one."""
    network = prepare(case.model, case.example, ConvertConfig.paper(residual="kept"))
    names = {keeper.name for keeper in keepers(network).values()}
    return tuple(x.name for x in network.of(ir.Population) if x.name in names or kept_of(network, x))


@torch.no_grad()
def _measured(name: str, case: Case, mode: str, seed: int, out: Path, bench: Workbench) -> Columns:
    snn = convert(case.model, case.example, configuration(case, mode), calibration=case.calibration)
    total, count = 0.0, 0
    for item, rows in case.compared:
        args, kwargs = call_of(item)
        wanted, got = case.model(*args, **kwargs), snn(*args, **kwargs)
        wanted, got = (wanted, got) if rows is None else (wanted[rows], got[rows])
        total += len(got) * divergence_of(wanted.double().softmax(1), got, 1.0)
        count += len(got)
    args, _ = call_of(case.compared[0][0])
    energy = snn.energy(*args)
    neurons = sum(
        node.coding.group * (population.neurons // population.samples)
        for population in energy.populations
        for node in [snn.network[population.name]]
        if isinstance(node, ir.Neuron)
    )
    found = {"divergence": total / count, "alpha_events": energy.alpha_events, "alpha_total": energy.alpha_total}
    found["neurons"] = float(neurons)
    if name in IMAGES:
        found["loss"] = _loss(IMAGES[name], snn, out, bench)
        if seed == 0:
            found |= {f"share {who}": value for who, value in shares(case, snn).items()}
    return found


def _loss(row: PaperRow, snn: SpikingNetwork, out: Path, bench: Workbench) -> float:
    """Points of test accuracy that the conversion loses; the source's accuracy is worked out once and kept."""
    path, key = out / "sets" / f"{row.model}-source.json", key_of("source", row.name, bench.options.limit)
    source = kept(path, key)
    if source is None:
        source = {"accuracy": bench.source(row).accuracy}
        keep(path, key, source)
    spiking = predict(snn, bench.images(row, "test"), bench.normalise(row))
    return float(source["accuracy"]) - spiking.accuracy


@torch.no_grad()
def shares(case: Case, snn: SpikingNetwork) -> Columns:
    """Relative error of the outputs where one part of the populations sends spikes and all others what the source has.

    Args:
        case: the first ``SHARES`` held-out rows are used.
        snn: converted from its model.

    Returns:
        sqrt(sum of squared errors / sum of squares), of outputs without their mean over the classes: of the first population, of
        the others of the residual stream, of the rest, and of all.
    """
    chain = stream(case)
    populations = [node.name for node in snn.network.of(ir.Neuron)]
    parts = {
        "first": set(populations[:1]),
        "stream": set(chain) - set(populations[:1]),
        "inside": set(populations) - set(chain) - set(populations[:1]),
        "all": set(populations),
    }
    items = [item for item, _ in case.compared][: max(1, SHARES // 100)]
    wanted = [_centred(case.model(*call_of(item)[0])) for item in items]
    found: Columns = {}
    for part, names in parts.items():
        errors = [_centred(_partly(snn.network, item, names)) - true for item, true in zip(items, wanted, strict=True)]
        found[part] = (sum(float(x.square().sum()) for x in errors) / _squares(wanted)) ** 0.5
    return found


def _partly(network: ir.Network, item: object, names: set[str]) -> Tensor:
    """The output where only the populations of these names send spikes."""
    inputs = bind(network, *call_of(item))
    return run(network, inputs, lambda node, x: (fire if node.name in names else activate)(node, x), code_input)


def _centred(scores: Tensor) -> Tensor:
    return scores.double() - scores.double().mean(1, keepdim=True)


def _squares(values: list[Tensor]) -> float:
    return sum(float(x.square().sum()) for x in values)


def _over_sets(found: list[Columns]) -> dict[str, object]:
    """Mean, sample standard deviation and the values of each set; shares are of the first set alone."""
    columns: dict[str, object] = {}
    for name, value in found[0].items():
        if name.startswith("share "):
            columns[name] = value
            continue
        values = [each[name] for each in found]
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        columns[name] = {"mean": statistics.fmean(values), "deviation": spread, "sets": values}
    return columns


def _table(rows: list[dict[str, object]]) -> str:
    lines = [
        "| network | branches | divergence from the source | points lost on test images | each set | alpha by events, with memory | neurons |",
        "|-|-|-|-|-|-|-|",
    ]
    lines += [f"| {' | '.join(_cells(row))} |" for row in rows]
    lines += ["", "| network | branches | first population | stream | inside blocks | all |", "|-|-|-|-|-|-|"]
    shared = [row for row in rows if "share all" in row]
    for row in shared:
        told = " | ".join(f"{row[f'share {part}']:.3f}" for part in ("first", "stream", "inside", "all"))
        lines.append(f"| {row['network']} | {row['mode']} | {told} |")
    return "\n".join(lines if shared else lines[: len(rows) + 2]) + "\n"


def _cells(row: dict[str, object]) -> Iterator[str]:
    def of(name: str, digits: int) -> str:
        column = cast(Mapping[str, float], row[name])
        return f"{column['mean']:.{digits}f} ± {column['deviation']:.{digits}f}"

    def mean(name: str) -> float:
        return cast(Mapping[str, float], row[name])["mean"]

    yield str(row["network"])
    yield str(row["mode"])
    yield of("divergence", 4)
    yield of("loss", 2) if "loss" in row else "-"
    sets = cast(Mapping[str, list[float]], row.get("loss", {"sets": []}))["sets"]
    yield ", ".join(f"{value:.2f}" for value in sets) or "-"
    yield f"{mean('alpha_events'):.2f}, {mean('alpha_total'):.2f}"
    yield f"{mean('neurons'):,.0f}"
