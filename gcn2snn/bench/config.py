"""What a benchmark is asked for: operands, cases and clock, refused before anything is loaded or timed."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch

from gcn2snn.bench.cases import CASES, Case
from gcn2snn.bench.commands import COMMAND_CASES
from gcn2snn.bench.images import IMAGE_CASES
from gcn2snn.bench.problems import SHAPES, Problem
from gcn2snn.config import MOST_THREADS
from gcn2snn.datasets import find
from gcn2snn.errors import ArtefactError, ConfigError, MissingPackageError, misfits
from gcn2snn.file_names import why_not_there
from gcn2snn.kernels import CSR, MAX_ENTRIES
from gcn2snn.machine import device_named

DEFAULT_ENTRIES = (1e5, 1e6)
PICTURES = (".png", ".svg", ".pdf")


@dataclass(frozen=True, kw_only=True)
class BenchConfig:
    """What to measure, on what, and how.

    Args:
        graphs: names or paths of text graphs.
        entries: of synthetic matrices; ``DEFAULT_ENTRIES`` where no operand is named.
        shapes: of synthetic matrices, both when empty.
        features: the random graph with the sizes of Cora.
        images: sizes of batches.
        weights: of ResNet-20, random when None.
        groups, cases: names, or text in several; all when empty.
        channels: columns of the dense operand.
        rounds: timed rounds after the one that warms up.
        seconds: a case gets fewer rounds when that many would take longer.
        clock: "cpu", processor time, which other processes hardly change; or "wall". None: "cpu" on a CPU, "wall" on CUDA.
        threads: of torch and of the kernels; None: one with processor time, which counts those that wait too, else as they are.
        device: "cpu" or "cuda".
        plot: picture of time against entries, or None.
        plot_events: picture of the ratio against the events that remain, or None.
        commands: whole commands in processes of their own.
        network: file of a converted network, for the command that evaluates it, and for inference on its own graph.

    Raises:
        ConfigError: an option has a value it cannot have, or none of the cases is for the operands.
        DataError: no graph has that name.
        ArtefactError: there are no such weights.
        BackendError: CUDA is asked for and there is none.
        MissingPackageError: a plot is asked for without matplotlib.
    """

    graphs: tuple[str, ...] = ()
    entries: tuple[float, ...] = ()
    shapes: tuple[str, ...] = ()
    features: bool = False
    images: tuple[int, ...] = ()
    weights: Path | None = None
    groups: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    channels: int = 200
    rounds: int = 9
    seconds: float = 20.0
    clock: str | None = None
    threads: int | None = None
    device: str = "cpu"
    plot: Path | None = None
    plot_events: Path | None = None
    commands: bool = False
    network: Path | None = None

    def __post_init__(self) -> None:
        with misfits("BenchConfig", vars(self)):
            for check in (_check_machine, _check_numbers, _check_operands, _check_names, _check_cases, _check_plot):
                check(self)

    @property
    def timer(self) -> str:
        """The clock: "cpu" or "wall"."""
        return self.clock or ("wall" if self.device == "cuda" else "cpu")

    @property
    def sizes(self) -> tuple[int, ...]:
        """Entries of the synthetic matrices."""
        named = self.graphs or self.entries or self.images or self.features or self.commands
        return tuple(int(count) for count in (self.entries if named else DEFAULT_ENTRIES))

    @property
    def matrix_cases(self) -> list[Case]:
        """Cases that multiply sparse matrices, or run a network on a graph."""
        return list(self._chosen(CASES.values()))

    @property
    def image_cases(self) -> list[Case]:
        """Cases that run on images."""
        return list(self._chosen(IMAGE_CASES.values()))

    @property
    def command_cases(self) -> list[Case]:
        """Cases that run whole commands."""
        return list(self._chosen(COMMAND_CASES.values()))

    def _chosen(self, cases: Iterable[Case]) -> Iterator[Case]:
        groups, names = ({getattr(case, key) for case in _all_cases()} for key in ("group", "name"))
        for case in cases:
            if _matches(case.group, self.groups, groups) and _matches(case.name, self.cases, names):
                yield case


def _all_cases() -> list[Case]:
    return [*CASES.values(), *IMAGE_CASES.values(), *COMMAND_CASES.values()]


def _matches(name: str, wanted: tuple[str, ...], known: set[str]) -> bool:
    """A text that is a whole name selects only that name; any other text selects every name that contains it."""
    return not wanted or any(name == text or (text not in known and text in name) for text in wanted)


def _check_machine(config: BenchConfig) -> None:
    if config.device not in ("cpu", "cuda"):
        raise ConfigError(f"device is {config.device!r}; allowed are cpu and cuda")
    if config.clock not in ("wall", "cpu", None) or (config.clock, config.device) == ("cpu", "cuda"):
        raise ConfigError(f"clock is {config.clock!r} on {config.device}; allowed are wall, and on a CPU also cpu")
    device_named(config.device)


def _check_numbers(config: BenchConfig) -> None:
    for name in ("channels", "rounds", "threads"):
        value = getattr(config, name)
        if value is not None and value < 1:
            raise ConfigError(f"{name} (--{name}) is {value}; allowed are 1 and more")
    if config.threads is not None and config.threads > MOST_THREADS:
        raise ConfigError(f"threads (--threads) is {config.threads}; allowed are up to {MOST_THREADS}")
    for count in config.images:
        if count < 1:
            raise ConfigError(f"images (--images) is {count}; allowed are 1 and more")
    for entries in config.entries:
        if not 1 <= entries <= MAX_ENTRIES or entries != math.floor(entries):
            raise ConfigError(
                f"entries (--entries) is {entries:g}; allowed are whole numbers from 1 to {MAX_ENTRIES:,}, "
                f"for example 1e6"
            )
    if not config.seconds >= 0:
        raise ConfigError(f"seconds (--seconds) is {config.seconds:g}; allowed are 0 (one round) and more")


def _check_operands(config: BenchConfig) -> None:
    for shape in config.shapes:
        if shape not in SHAPES:
            raise ConfigError(f"shape is {shape!r}; allowed are {' and '.join(SHAPES)}")
    if config.shapes and not config.sizes:
        raise ConfigError("--shape is about synthetic matrices and none is asked for; add --entries, or leave it out")
    for name in config.graphs:
        if not Path(name).exists():
            find(name)
    if config.network is not None and not config.commands and not config.graphs:
        raise ConfigError(
            "--network is evaluated by a command of its own, or timed on its graph; add --commands or --graph, or leave it out"
        )
    if config.network is not None and not config.network.is_file():
        raise ArtefactError(
            f"{config.network} {why_not_there(config.network)}; --network needs a file of `gcn2snn convert`"
        )
    if config.weights is not None and not config.images:
        raise ConfigError("--weights are those of ResNet-20 on images; add --images N, or leave it out")
    if config.weights is not None and not config.weights.is_file():
        raise ArtefactError(
            f"{config.weights} {why_not_there(config.weights)}; --weights needs a .safetensors or .pt file of ResNet-20"
        )
    _check_files(config)


def _check_files(config: BenchConfig) -> None:
    """Read what a case reads after minutes of others; all that cannot be read is told at once."""
    from gcn2snn.artefact import load
    from gcn2snn.cnn import build_model, load_weights

    faults = []
    for option, file, read in (
        ("--weights", config.weights, lambda file: load_weights(build_model("resnet20", 10), file)),
        ("--network", config.network, load),
    ):
        try:
            if file is not None:
                read(file)
        except ArtefactError as error:
            faults.append(f"{option}: {error}")
    if faults:
        raise ArtefactError("\n".join(faults))


def _check_names(config: BenchConfig) -> None:
    """Every text of --group and --case is in some name: a text that matches none is probably a typo."""
    groups = list(dict.fromkeys(case.group for case in _all_cases()))
    for text in config.groups:
        if not any(text in group for group in groups):
            raise ConfigError(f"no group matches --group {text!r}; groups are: {'; '.join(groups)}")
    inside = [case for case in _all_cases() if _matches(case.group, config.groups, set(groups))]
    for text in config.cases:
        if not any(text in case.name for case in inside):
            names = "; ".join(dict.fromkeys(case.name for case in inside))
            where = " in the chosen groups" if config.groups else ""
            raise ConfigError(f"no case matches --case {text!r}{where}; cases are: {names}")


def _check_cases(config: BenchConfig) -> None:
    """Each kind of operand has something to do."""
    chosen = config.matrix_cases
    if config.images and not config.image_cases:
        raise ConfigError("no chosen case runs on --images; choose others with --group and --case, or leave it out")
    if config.commands and not config.command_cases:
        raise ConfigError("no chosen case is a command; choose others with --group and --case, or leave --commands out")
    if (config.graphs or config.sizes or config.features) and not chosen:
        raise ConfigError(
            "the chosen cases run on images only; give --images N and no graph or matrix, or choose other cases"
        )
    here = [case for case in chosen if case.device in ("", config.device)]
    if (config.graphs or config.sizes or config.features) and not here:
        raise ConfigError(f"no chosen case runs on {config.device}; choose others with --group and --case, or --device")
    lacking = [[case.lacks(_unfilled(size)) if case.lacks else "" for case in here] for size in config.sizes]
    if lacking and all(all(reasons) for reasons in lacking):
        reasons = "; ".join(dict.fromkeys(reason for reasons in lacking for reason in reasons))
        raise ConfigError(f"none of the chosen cases runs on the synthetic matrices: {reasons}")


def _unfilled(entries: int) -> Problem:
    """A synthetic matrix with the rows that so many entries would have, and none of them."""
    rows, nothing = max(entries // 100, 1), torch.zeros(0)
    matrix = CSR(torch.zeros(rows + 1, dtype=torch.int32), nothing.int(), nothing, rows)
    return Problem("", matrix, 1)


def _check_plot(config: BenchConfig) -> None:
    drawn = config.graphs or config.sizes or config.features
    if config.plot is not None and not (drawn and any(case.group == "aggregate" for case in config.matrix_cases)):
        raise ConfigError(
            "--plot draws the group aggregate over the entries of matrices; measure that group on --entries or --graph"
        )
    events = any(case.group == "inference by events" for case in config.matrix_cases)
    if config.plot_events is not None and not (config.graphs and events):
        raise ConfigError("--plot-events draws the group inference by events; measure that group on --graph")
    for option, path in (("--plot", config.plot), ("--plot-events", config.plot_events)):
        if path is not None:
            _check_picture(option, path)


def _check_picture(option: str, path: Path) -> None:
    if path.suffix.lower() not in PICTURES:
        raise ConfigError(f"{option} {path} is no picture that can be drawn; allowed are {', '.join(PICTURES)}")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise ConfigError(f"{option} {path} cannot be written in {folder}; name a file in a folder of yours")
    if find_spec("matplotlib") is None:
        raise MissingPackageError("the plot needs matplotlib: pip install 'gcn2snn[plot]'")
