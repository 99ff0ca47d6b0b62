"""What a model of the caller's own is called with: labelled data by name or file, matched by the names of its arguments."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

    from gcn2snn.datasets import LabelledCall

GRAPH_WORDS = ("edge", "adj", "graph", "index", "batch", "weight")
"""Parts of an argument's name that say it describes the graph."""


@dataclass(frozen=True, eq=False)
class OwnData:
    """Labelled data of one graph for a model of the caller's own.

    Args:
        call: the data.
        example: what the model is called with, by name of the argument.
    """

    call: LabelledCall
    example: dict[str, object]


def are_images(data: str) -> bool:
    """Whether data are images: a dataset of them, or a folder of classes."""
    from gcn2snn.cnn import IMAGE_DATASETS

    return data in IMAGE_DATASETS or Path(data).is_dir()


def own_data(model: nn.Module, data: str, data_dir: Path | None) -> OwnData:
    """The data, and the model's arguments among them.

    Raises:
        DataError: they are not there, or hold nothing for an argument that the model needs.
        ConfigError: the model's arguments have no names.
    """
    from gcn2snn.datasets import DATASETS, load_labelled

    found = load_labelled(data, data_dir)
    needed, optional = argument_names(model)
    published = data.lower() in DATASETS  # the weights of its edges are all 1, and are left out where they may be
    wanted = {**dict.fromkeys(needed), **{name: None for name in optional if not published and name in found.values}}
    roles = {name: "dense" if name == needed[0] and not _of_graph(name) else _role(name) for name in wanted}
    return OwnData(found, dict(zip(wanted, found.arguments(roles), strict=True)))


def argument_names(model: nn.Module) -> tuple[list[str], list[str]]:
    """Names of the arguments that ``forward`` needs, and of those that it may be given.

    Raises:
        ConfigError: it takes any number of arguments without names, or none.
    """
    from gcn2snn.errors import ConfigError

    signature = inspect.signature(model.forward)
    named = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    needed = [p.name for p in named if p.default is p.empty]
    if not needed or any(p.kind is p.VAR_POSITIONAL for p in named):
        raise ConfigError(
            f"{type(model).__name__}.forward{signature} does not name what it is called with, so data cannot be matched. Write "
            f"forward(self, x, edge_index), or convert in Python"
        )
    return needed, [p.name for p in named if p.default is not p.empty]


def _of_graph(name: str) -> bool:
    return name in ("g", "data") or any(word in name.lower() for word in GRAPH_WORDS)


def _role(name: str) -> str:
    return "operator" if "adj" in name.lower() and name != "adj_t" else "graph" if _of_graph(name) else "dense"


def random_example(model: nn.Module, inputs: list[str]) -> dict[str, object]:
    """An example of random values from words such as ``x=20x16`` and ``edge_index=2x60``.

    Sizes without a fraction become numbers from 0 up to the first size of the first argument where the argument describes the
    graph, or where ``:int`` says so.

    Raises:
        ConfigError: a word is something else, an argument is unknown, or one that is needed is missing.
    """
    from gcn2snn.errors import ConfigError

    needed, optional = argument_names(model)
    found: dict[str, Tensor] = {}
    rows = 0
    for word in inputs:
        name, _, rest = word.partition("=")
        sizes, _, kind = rest.partition(":")
        numbers = sizes.split("x")
        if not all(number.isdecimal() and int(number) for number in numbers) or kind not in ("", "int", "float"):
            raise ConfigError(
                f"--input {word!r} is no NAME=SIZES, for example x=20x16, edge_index=2x60 or batch=20:int"
            )
        if name not in (*needed, *optional):
            raise ConfigError(f"--input {word!r}: forward has no {name!r}; it takes {', '.join((*needed, *optional))}")
        if name in found:
            raise ConfigError(f"--input {word!r}: {name} was given before; give each argument once")
        shape = [int(number) for number in numbers]
        rows = rows or shape[0]
        found[name] = _values(shape, rows, kind == "int" or (not kind and _of_graph(name) and "weight" not in name))
    missing = [name for name in needed if name not in found]
    if missing:
        shown = " ".join(f"--input {name}={'2x60' if _of_graph(name) else '20x16'}" for name in missing)
        raise ConfigError(f"forward needs {', '.join(missing)} too, for example {shown}")
    return dict(found)


def _values(shape: list[int], rows: int, whole: bool) -> Tensor:
    import torch

    if not whole:
        return torch.rand(shape)
    numbers = torch.randint(0, rows, shape)
    return numbers.sort().values * 0 if len(shape) == 1 else numbers
