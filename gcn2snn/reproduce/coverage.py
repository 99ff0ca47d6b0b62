"""``gcn2snn reproduce coverage``: every layer of PyG's and DGL's ``nn`` and every classifier of torchvision, converted or why not.

Each is made with random weights and biases, converted on random data, and compared with itself. "before coding" is the largest
difference between the source and its description, "after coding" that of the spiking network, both over the largest output.
"""

from __future__ import annotations

import copy
import os
import warnings
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor, nn

from gcn2snn.config import ConvertConfig
from gcn2snn.conversion import convert
from gcn2snn.engines import bind, read_out, run_float
from gcn2snn.errors import ConversionError, Gcn2SnnError, MissingPackageError
from gcn2snn.files import save_json, save_text
from gcn2snn.frontends import lower
from gcn2snn.machine import environment
from gcn2snn.reproduce.coverage_cases import Case
from gcn2snn.reproduce.options import ReproduceOptions, chosen_names

SOURCES = {
    "pyg": ("torch_geometric", "gcn2snn.reproduce.coverage_pyg"),
    "dgl": ("dgl", "gcn2snn.reproduce.coverage_dgl"),
    "torchvision": ("torchvision", "gcn2snn.reproduce.coverage_torchvision"),
}
"""Row -> (package that must be installed, module with the function ``cases``)."""

VERDICTS = {
    "converted": "converts",
    "impossible": "refused: impossible for neurons that fire once",
    "unknown": "refused: not known yet",
    "no network": "refused: computes no values for which a neuron could stand",
    "not run": "cannot be made or run here",
    "foreign error": "an error that is not ours: a fault of this package",
}


@dataclass(frozen=True)
class Judged:
    """One class: ``verdict`` of :data:`VERDICTS`, the reason or error, and differences over the largest output."""

    library: str
    name: str
    verdict: str
    detail: str = ""
    before: float | None = None
    after: float | None = None


class _Picked(nn.Module):
    """A module that returns several things -> the first tensor among them, which is at the end of ``way``."""

    def __init__(self, inner: nn.Module, way: list[Hashable]) -> None:
        super().__init__()
        self.inner, self.way = inner, way

    def forward(self, *args: object) -> object:
        value = self.inner(*args)
        for key in self.way:
            value = value[key]
        return value


def _way_to_first(value: object) -> list[Hashable]:
    """Keys and numbers that lead to the first tensor in nested tuples, lists and dicts."""
    way: list[Hashable] = []
    while isinstance(value, tuple | list | dict) and value:
        key = next(iter(value)) if isinstance(value, dict) else 0
        way.append(key)
        value = value[key]
    return way


def judge(library: str, name: str, case: Case) -> Judged:
    """What becomes of one class. Errors that are not ours are a verdict of their own, so the sweep always ends."""
    if case is None:
        return Judged(library, name, "not run", "no example of its arguments is known here")
    torch.manual_seed(0)
    try:
        model, args = case()
        model = _random(model)
        with torch.no_grad():
            expected = model(*copy.deepcopy(args))
        if not isinstance(expected, Tensor):
            model = _Picked(model, _way_to_first(expected)).eval()
            with torch.no_grad():
                expected = model(*copy.deepcopy(args))
    except Exception as error:
        return Judged(library, name, "not run", _told(error))
    if not isinstance(expected, Tensor):
        return Judged(library, name, "no network", f"returns {type(expected).__name__}")
    try:
        network = lower(model, args, {})
        before = _difference(read_out(network, run_float(network, bind(network, args, {}))), expected)
        after = _difference(read_out(network, convert(model, args, ConvertConfig.paper())(*args)), expected)
    except ConversionError as error:
        return Judged(library, name, _kind(error), "; ".join(f"{r.what}: {r.why}" for r in error.refusals))
    except Gcn2SnnError as error:
        return Judged(library, name, "unknown", _told(error))
    except Exception as error:
        return Judged(library, name, "foreign error", _told(error))
    return Judged(library, name, "converted", "", before, after)


def _kind(error: ConversionError) -> str:
    """The strongest reason: one that is impossible decides."""
    kinds = {refusal.kind for refusal in error.refusals}
    if any("no values" in r.why or "description of the graph" in r.why for r in error.refusals):
        return "no network"
    return "impossible" if "impossible" in kinds else "unknown"


def _random(model: nn.Module) -> nn.Module:
    """Random weights and biases, so that a mistake in any of them shows."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter + 0.1 * torch.randn_like(parameter))
    return model.eval()


def _difference(got: Tensor, expected: Tensor) -> float:
    """The largest difference over the largest output."""
    if not expected.numel():
        return 0.0
    return float((got - expected).abs().max()) / max(float(expected.abs().max()), 1e-12)


def _told(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:160]}" if lines else type(error).__name__


def coverage(out: Path, options: ReproduceOptions) -> dict[str, object]:
    """Judge every class of the chosen libraries and write coverage.json and coverage.md.

    Raises:
        MissingPackageError: a library that was asked for by name is not installed; without names it is left out and said.
    """
    os.environ.setdefault("DGLBACKEND", "pytorch")
    found: list[Judged] = []
    absent: list[str] = []
    for name in chosen_names(SOURCES, options.rows, "library"):
        package, module = SOURCES[name]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the libraries, at import
                import_module(package)
        except ImportError as error:
            if options.rows:
                raise MissingPackageError(f"coverage of {name} needs {package}: pip install {package}") from error
            absent.append(name)
            continue
        make: Callable[[], dict[str, Case]] = import_module(module).cases
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found += [judge(name, key, case) for key, case in make().items()]
    counts = {
        name: dict(Counter(row.verdict for row in found if row.library == name))
        for name in SOURCES
        if name not in absent
    }
    counts = {name: count for name, count in counts.items() if count}
    save_json(
        out / "coverage.json",
        {"counts": counts, "absent": absent, "rows": [asdict(row) for row in found], "environment": environment()},
    )
    text = table(found, counts, absent)
    save_text(out / "coverage.md", text)
    return {"counts": counts, "absent": absent, "text": text, "files": ["coverage.json", "coverage.md"]}


def table(found: list[Judged], counts: dict[str, dict[str, int]], absent: list[str]) -> str:
    """Markdown: the counts, then every class with its verdict."""
    lines = [f"| library | {' | '.join(VERDICTS)} | all |", "|-" * (len(VERDICTS) + 2) + "|"]
    for name, count in counts.items():
        numbers = [str(count.get(verdict, 0)) for verdict in VERDICTS]
        lines.append(f"| {name} | {' | '.join(numbers)} | {sum(count.values())} |")
    lines += [f"\nNot installed, so not judged: {', '.join(absent)}."] if absent else []
    lines += [""] + [f"{verdict}: {meaning}." for verdict, meaning in VERDICTS.items()]
    lines += ["", "| library | class | verdict | before coding | after coding | reason |", "|-|-|-|-|-|-|"]
    for row in found:
        before = "" if row.before is None else f"{row.before:.1e}"
        after = "" if row.after is None else f"{row.after:.1e}"
        detail = row.detail.replace("|", "\\|")
        lines.append(f"| {row.library} | {row.name} | {row.verdict} | {before} | {after} | {detail} |")
    return "\n".join(lines) + "\n"
