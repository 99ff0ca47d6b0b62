"""The options of figures and tables: data, weights, seeds, modes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from gcn2snn.errors import ConfigError, DataError, misfits


@dataclass(frozen=True)
class ReproduceOptions:
    """Options of a figure or table; an item refuses those that it does not use.

    Args:
        data_dir: where datasets are found and kept; None is the default place.
        rows: rows of a table to compute, all when empty.
        datasets: datasets to use, all of the item's when empty.
        seeds: how many training seeds; None is the item's own number.
        modes: variants of the conversion to compare, the item's own when empty.
        limit: at most so many test inputs.
        weights: trained weights by model name, as safetensors files.
        keep_going: leave broken run folders out instead of stopping at the first.
        trials: configurations of a search; None is the item's own number.
        max_loss: points of validation accuracy that what a search picks may lose; None is the item's own rule.

    Raises:
        ConfigError: seeds, limit or trials is not positive, or max_loss is negative or no number.
        DataError: data_dir is no folder.
    """

    data_dir: Path | None = None
    rows: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    seeds: int | None = None
    modes: tuple[str, ...] = ()
    limit: int | None = None
    weights: Mapping[str, Path] = field(default_factory=dict)
    keep_going: bool = False
    trials: int | None = None
    max_loss: float | None = None

    def __post_init__(self) -> None:
        with misfits("ReproduceOptions", vars(self)):
            self._check()

    def _check(self) -> None:
        for name in ("seeds", "limit", "trials"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} (--{name}) is {value}; allowed are 1 and more, or leave it out")
        if self.data_dir is not None and not self.data_dir.is_dir():
            raise DataError(
                f"data_dir (--data-dir) is {self.data_dir}, which is no folder; give the folder that holds the data"
            )
        if self.max_loss is not None and not 0 <= self.max_loss < math.inf:
            raise ConfigError(
                f"max_loss (--max-loss) is {self.max_loss:g}; allowed are 0 and more points, or leave it out"
            )

    def given(self) -> list[str]:
        """Names of the fields that are not at their default."""
        default = ReproduceOptions()
        return [item.name for item in fields(self) if getattr(self, item.name) != getattr(default, item.name)]


def flags(options: Iterable[str]) -> str:
    """Options as they are typed: data_dir is --data-dir."""
    return ", ".join(f"--{name.replace('_', '-')}" for name in options)


def chosen_names(known: Iterable[str], asked: Iterable[str], what: str) -> tuple[str, ...]:
    """The asked names as they are spelt, in the order asked; all of them when none is.

    Raises:
        ConfigError: an unknown name.
    """
    by_name = {name.lower(): name for name in known}
    asked = tuple(asked)
    unknown = [name for name in asked if name.lower() not in by_name]
    if unknown:
        raise ConfigError(f"there is no {what} {', '.join(unknown)} here; allowed are {', '.join(by_name.values())}")
    return tuple(by_name[name.lower()] for name in asked) or tuple(by_name.values())
