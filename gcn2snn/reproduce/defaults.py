"""``gcn2snn reproduce defaults``: what the measured default loses on small networks, beside each setting it chooses from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gcn2snn.config import ConvertConfig, to_dict
from gcn2snn.conversion import call_of, convert, prepare
from gcn2snn.engines import bind
from gcn2snn.files import save_json, save_text
from gcn2snn.machine import environment
from gcn2snn.passes import SETTINGS, Problem, Statistics, configured
from gcn2snn.reproduce.default_networks import CASES, Task, trained
from gcn2snn.reproduce.kept import kept_rows, published_data, say
from gcn2snn.reproduce.options import ReproduceOptions, chosen_names

VERSION = 3
"""Of what a kept row means."""


@dataclass(frozen=True)
class Row:
    """One network: percent right on test data.

    Args:
        name, half, what: of the network.
        tested: rows of test data.
        source: accuracy of the network that was converted.
        settings: accuracy with each of :data:`SETTINGS` alone.
        default: accuracy of ``convert`` without options.
        chosen: number of the setting that the default took, from 1.
        noise: standard error of the difference between the default and the best single setting, in points: both classify the
            same rows, so that only rows count which one of them has right and the other has not.
        divergences: on calibration data, in nats, of each setting that ``convert`` compared to the end.
        left_out: settings whose coding went out after the first look, with the divergence of that look.
        changed: percent of the calibration rows that change their class.
        groups: accuracy with ``accuracy_first=True``.
    """

    name: str
    half: str
    what: str
    tested: int
    source: float
    settings: tuple[float, ...]
    default: float
    chosen: int
    noise: float
    divergences: dict[str, float]
    left_out: dict[str, float]
    changed: float
    groups: float

    @property
    def loss(self) -> float:
        """Points that the default loses against the source."""
        return self.source - self.default

    @property
    def gap(self) -> float:
        """Points that the default is below the best single setting, which is known only when labels are."""
        return max(self.settings) - self.default


def defaults(out: Path, options: ReproduceOptions) -> dict[str, object]:
    """Train and convert every network; writes ``defaults.json`` and ``defaults.md``.

    Args:
        options: ``rows`` narrow the networks, by name or by half ("design", "held-out").
    """
    halves = {
        case.half.replace(" ", "-"): [n for n, c in CASES.items() if c.half == case.half] for case in CASES.values()
    }
    asked = [name for word in options.rows for name in halves.get(word, [word])]
    key = {"version": VERSION, "settings": [asdict(each) for each in SETTINGS], "environment": environment()}
    path = out / "defaults-rows.json"
    found: dict[str, Any] = kept_rows(path, key | {"data": published_data()})
    for name in chosen_names(CASES, asked, "row"):
        what = CASES[name].what
        if name not in found or found[name]["what"] != what:
            say(f"{name}: {what}")
            found[name] = asdict(measured(name, out / "weights", options.data_dir))
            save_json(path, {"key": key | {"data": published_data()}, "rows": found})
    rows = [Row(**found[name]) for name in chosen_names(CASES, asked, "row")]
    text = table(rows)
    content = {"rows": [asdict(row) | {"loss": row.loss, "gap": row.gap} for row in rows], "environment": environment()}
    content |= {"default": to_dict(ConvertConfig()), "settings": [str(setting) for setting in SETTINGS]}
    files = [save_json(out / "defaults.json", content), save_text(out / "defaults.md", text)]
    return {"text": text, "results": content["rows"], "files": [str(file) for file in files]}


def measured(name: str, weights: Path, data_dir: Path | None) -> Row:
    """A network trained or read back, and converted with each setting and with the default."""
    case, task = CASES[name], trained(name, CASES[name], weights, data_dir)
    example, calibration = task.calibration[0], list(task.calibration)
    network = prepare(task.model, example, ConvertConfig())
    calls = [call_of(call) for call in calibration]

    def batches() -> list[dict[str, Any]]:
        return [bind(network, args, kwargs) for args, kwargs in calls]

    problem = Problem(network, batches, Statistics(network, batches))
    single = []
    for setting in SETTINGS:
        config = configured(setting, ConvertConfig(), problem)
        single.append(right_rows(convert(task.model, example, config, calibration=calibration), task))
    snn = convert(task.model, example, calibration=calibration)
    best = convert(task.model, example, calibration=calibration, accuracy_first=True)
    assert snn.choice is not None  # everything was open
    own = right_rows(snn, task)
    winner = max(single, key=lambda rows: int(rows.sum()))
    return Row(
        name,
        case.half,
        case.what,
        sum(int(scored.mask.sum()) for scored in task.tests),
        percent(right_rows(task.model, task)),
        tuple(map(percent, single)),
        percent(own),
        [str(setting) for setting in SETTINGS].index(snn.choice.best.setting) + 1,
        float((winner.double() - own.double()).std() / len(own) ** 0.5) * 100,
        {trial.setting: trial.divergence for trial in snn.choice.trials},
        {trial.setting: trial.divergence for trial in snn.choice.first},
        snn.choice.best.changed,
        percent(right_rows(best, task)),
    )


@torch.no_grad()
def right_rows(model: torch.nn.Module, task: Task) -> Tensor:
    """Which of the test rows have their class as the largest output, bool [rows]."""
    return torch.cat([(model(*each.call).argmax(1) == each.labels)[each.mask] for each in task.tests])


def percent(rows: Tensor) -> float:
    """Share of the rows that are right."""
    return 100 * float(rows.double().mean())


def table(rows: Sequence[Row]) -> str:
    """A Markdown table of each half, and what the numbered settings are."""
    numbers = range(1, len(SETTINGS) + 1)
    lines = [f"{number}. {setting}" for number, setting in zip(numbers, SETTINGS, strict=True)]
    for half in dict.fromkeys(row.half for row in rows):
        own = [row for row in rows if row.half == half]
        columns = f"| {half} | source | {' | '.join(map(str, numbers))} | default | took | loss | gap to best | error of gap | groups |"
        lines += ["", columns, "|-" * (len(SETTINGS) + 8) + "|"]
        for row in own:
            each = " | ".join(f"{value:.2f}" for value in row.settings)
            end = f"{row.default:.2f} | {row.chosen} | {row.loss:+.2f} | {row.gap:.2f} | {row.noise:.2f} | {row.groups:.2f}"
            lines.append(f"| {row.name} | {row.source:.2f} | {each} | {end} |")
        means = [sum(row.source - row.settings[number - 1] for row in own) / len(own) for number in numbers]
        loss, gap = (sum(getattr(row, name) for row in own) / len(own) for name in ("loss", "gap"))
        groups = sum(row.source - row.groups for row in own) / len(own)
        each = " | ".join(f"{value:+.2f}" for value in means)
        lines.append(f"| mean loss | | {each} | {loss:+.2f} | | {loss:+.2f} | {gap:.2f} | | {groups:+.2f} |")
    return "\n".join(lines) + "\n"
