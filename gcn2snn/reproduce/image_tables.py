"""Tables I to IV and VI to VIII: the paper's numbers, also those of earlier systems, beside ours, row by row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gcn2snn.config import ConvertConfig
from gcn2snn.errors import NotRunError
from gcn2snn.files import save_json, save_text
from gcn2snn.reproduce.image_paper_numbers import ROWS, WAITS, PaperRow
from gcn2snn.reproduce.image_workbench import Workbench
from gcn2snn.reproduce.options import ReproduceOptions, chosen_names
from gcn2snn.reproduce.prior_systems import PRIOR, cited, prior_columns

Columns = dict[str, Any]
Measure = Callable[[Workbench, PaperRow], Columns]
"""measure(bench, row) -> our numbers by column."""
Printed = Callable[[PaperRow], Columns]
"""printed(row) -> the paper's numbers by column."""


def table1(out: Path, options: ReproduceOptions) -> dict[str, object]:
    """CIFAR-10: accuracy of ANN and SNN. Source: Table I."""
    return _table("table1", out, options, _of("cifar10"), _paper_accuracy, _accuracy)


def table2(out: Path, options: ReproduceOptions) -> dict[str, object]:
    """CIFAR-100: accuracy of ANN and SNN. Source: Table II."""
    return _table("table2", out, options, _of("cifar100"), _paper_accuracy, _accuracy)


def table3(out: Path, options: ReproduceOptions) -> dict[str, object]:
    """ImageNet: accuracy of ANN and SNN. Source: Table III."""
    return _table("table3", out, options, _of("imagenet"), _paper_accuracy, _accuracy)


def table4(out: Path, options: ReproduceOptions) -> dict[str, object]:
    """Accuracy and energy efficiency alpha. Source: Table IV."""
    return _table("table4", out, options, ROWS, _paper_efficiency, _efficiency)


def table6(out: Path, options: ReproduceOptions) -> dict[str, object]:
    """INT8 weights: accuracy and alpha with both energy presets. Source: Table VI."""
    return _table("table6", out, options, ROWS, _paper_rounded, _rounded)


def table7(out: Path, options: ReproduceOptions) -> dict[str, object]:
    """Single-spike input. Source: Table VII."""
    return _table("table7", out, options, ROWS, _paper_single, _single)


def table8(out: Path, options: ReproduceOptions) -> dict[str, object]:
    """Accuracy by wait timestep, in time. Source: Table VIII."""
    return _table("table8", out, options, ROWS, _paper_by_wait, _by_wait)


def _of(dataset: str) -> tuple[PaperRow, ...]:
    return tuple(row for row in ROWS if row.dataset == dataset)


def _modes(bench: Workbench) -> dict[str, ConvertConfig]:
    """The conversions to compare, each a step from the one before: the paper's channel maxima; layer maxima; each channel's
    mean error removed; two neurons to a membrane, of which at most one fires; four, where channel maxima are best again."""
    known = {
        "paper": ConvertConfig.paper(per="channel"),
        "layer": ConvertConfig.paper(),
        "mean": ConvertConfig.paper(correct="mean"),
        "group2": ConvertConfig.paper(correct="mean", group=2),
        "group4": ConvertConfig.paper(per="channel", correct="mean", group=4),
    }
    return {name: known[name] for name in chosen_names(known, bench.options.modes or ("mean", "group4"), "mode")}


def _each(bench: Workbench, row: PaperRow, measure: Callable[[ConvertConfig, str], Columns]) -> Columns:
    """Columns of every mode; the name of the mode stands behind the column where there are several."""
    found: Columns = {}
    modes = _modes(bench)
    for mode, config in modes.items():
        own = measure(bench.coded(config, row), mode)
        found |= {key if len(modes) == 1 else f"{key} ({mode})": value for key, value in own.items()}
    return found


def _paper_accuracy(row: PaperRow) -> Columns:
    return {"T": row.timesteps, "Q": row.base, "paper ANN": row.ann, "paper SNN": row.snn}


def _accuracy(bench: Workbench, row: PaperRow) -> Columns:
    def measure(config: ConvertConfig, mode: str) -> Columns:
        return {"SNN": bench.evaluate(row, config).snn.accuracy}

    return {"ANN": bench.source(row).accuracy} | _each(bench, row, measure)


def _paper_efficiency(row: PaperRow) -> Columns:
    return {"T": row.timesteps, "Q": row.base, "paper ANN": row.ann, "paper SNN": row.snn, "paper alpha": row.alpha}


def _efficiency(bench: Workbench, row: PaperRow) -> Columns:
    def measure(config: ConvertConfig, mode: str) -> Columns:
        result = bench.evaluate(row, config)
        energy = result.energy
        alphas = {"alpha": energy.alpha_eq6, "by events": energy.alpha_events, "with memory": energy.alpha_total}
        return {"SNN": result.snn.accuracy} | alphas

    return {"ANN": bench.source(row).accuracy} | _each(bench, row, measure)


def _paper_rounded(row: PaperRow) -> Columns:
    return {
        "T": row.timesteps,
        "Q": row.base,
        "paper FP32": row.snn,
        "paper INT8": row.int8,
        "paper alpha": row.alpha_int8,
    }


def _rounded(bench: Workbench, row: PaperRow) -> Columns:
    def measure(config: ConvertConfig, mode: str) -> Columns:
        exact = bench.evaluate(row, config)
        result = bench.evaluate(row, bench.changed(config, weights="int8"))
        alphas = {f"alpha {p}": bench.alpha(result, p) for p in ("int8-paper", "int8-horowitz")}
        return {"FP32": exact.snn.accuracy, "INT8": result.snn.accuracy} | alphas

    return _each(bench, row, measure)


def _paper_single(row: PaperRow) -> Columns:
    columns: Columns = {"T": row.timesteps, "Q": row.base, "paper ANN": row.ann}
    return columns | {"paper SNN": row.single, "paper alpha": row.alpha_single}


def _single(bench: Workbench, row: PaperRow) -> Columns:
    def measure(config: ConvertConfig, mode: str) -> Columns:
        result = bench.evaluate(row, bench.changed(config, input="single"))
        return {"SNN": result.snn.accuracy, "alpha": result.energy.alpha_eq6}

    return {"ANN": bench.source(row).accuracy} | _each(bench, row, measure)


def _paper_by_wait(row: PaperRow) -> Columns:
    columns: Columns = {"T": row.timesteps, "Q": row.base, "paper ANN": row.ann}
    return columns | {f"w={wait} paper": value for wait, value in zip(WAITS, row.waits, strict=False)}


def _by_wait(bench: Workbench, row: PaperRow) -> Columns:
    found: Columns = {"images": len(bench.images(row, "test"))}
    for wait, _ in zip(WAITS, row.waits, strict=False):
        for mode, config in _modes(bench).items():
            label = f"w={wait}" if len(_modes(bench)) == 1 else f"w={wait} ({mode})"
            found[label] = bench.in_time(row, bench.coded(config, row), wait)
    return found | {"ANN": bench.source(row).accuracy}


def _table(
    name: str, out: Path, options: ReproduceOptions, rows: Sequence[PaperRow], printed: Printed, measure: Measure
) -> dict[str, object]:
    """Measure the rows that are asked for and can be run; print, and write ``name.json`` and ``name.txt`` below out.

    The paper's own numbers and those it prints of other systems stand beside every row, run or not.

    Raises:
        ConfigError: a row that the table does not have.
    """
    wanted = chosen_names((row.name for row in rows), options.rows, "row")
    bench = Workbench(options)
    found: dict[str, Any] = {}
    for row in rows:
        if row.name not in wanted:
            continue
        try:
            bench.model(row)
            ours = measure(bench, row)
        except NotRunError as reason:
            ours = {"not run": str(reason)}
        found[row.name] = printed(row) | ours
    systems = {row: others for row, others in PRIOR.get(name, {}).items() if row in found}
    prior = {row: [prior_columns(system) for system in others] for row, others in systems.items()}
    text = "\n".join([as_text(name, found, prior), *cited([one for others in systems.values() for one in others])])
    content = {"rows": found, "prior systems": prior}
    files = [save_json(out / f"{name}.json", content), save_text(out / f"{name}.txt", text + "\n")]
    return content | {"text": text, "files": [str(file) for file in files]}


def as_text(title: str, rows: dict[str, Columns], prior: Mapping[str, Sequence[Columns]]) -> str:
    """A row per network, and below it one for each other system that the paper compares it with; numbers with two digits
    behind the point, absent ones as a dash."""
    lines = [title]
    for name, columns in rows.items():
        cells = [f"{key} {_number(value)}" for key, value in columns.items()]
        lines.append(f"  {name:20s} " + "  ".join(cells))
        for other in prior.get(name, ()):
            cells = [f"{key} {_number(value)}" for key, value in other.items() if key != "system"]
            lines.append(f"    {other['system']:18s} " + "  ".join(cells))
    return "\n".join(lines)


def _number(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
