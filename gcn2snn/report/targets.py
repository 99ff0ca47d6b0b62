"""What a report was asked for: networks by their files, or by the run folders that hold them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gcn2snn.errors import ArtefactError, ConfigError, DataError
from gcn2snn.file_names import shell_word, why_not_there
from gcn2snn.files import load_json
from gcn2snn.report.collect import Subject
from gcn2snn.report.stored import StoredRun, StoredTuning
from gcn2snn.run_folder import tell_of_another_run
from gcn2snn.run_summary import RUN_FILE
from gcn2snn.schema import Json, Stored

NETWORKS = ("snn.safetensors", "tuned.safetensors")
"""Files of a run folder that a report looks at."""

TUNE_FILE = "tune.json"
TABLE = "table5.json"


@dataclass(frozen=True)
class Target:
    """A file or folder with networks.

    Args:
        place: as it was given.
        files: the networks in it.
        summary: what its ``run.json`` holds; empty where there is none.
        tuned: what its ``tune.json`` holds, None where there is none.
    """

    place: Path
    files: tuple[Path, ...]
    summary: Json
    tuned: Json | None


def read_targets(places: Sequence[Path]) -> list[Target]:
    """Every place with what it holds, read before anything is measured.

    Raises:
        ArtefactError: a place is missing, damaged, or holds nothing to report on.
        ConfigError: a network was given twice, or a table stands beside networks.
    """
    for place in places:
        refuse_missing(place)
    tables = [str(place) for place in places if is_table(place)]
    if tables:
        raise ConfigError(
            f"{', '.join(tables)} holds a {TABLE}, which has a report of its own; give networks and run folders alone"
        )
    targets = [_target(place) for place in places]
    given = Counter(file.resolve() for target in targets for file in target.files)
    twice = [str(file) for file, times in given.items() if times > 1]
    if twice:
        raise ConfigError(f"{', '.join(twice)} was given twice; give each network once")
    return targets


def is_table(place: Path) -> bool:
    """Whether a place is a folder of ``reproduce table5``."""
    return place.is_dir() and (place / TABLE).exists()


def refuse_missing(place: Path) -> None:
    """Refuse a place that does not exist.

    Raises:
        ArtefactError: as said; the message names what a report can be about.
    """
    if not place.exists():
        raise ArtefactError(
            f"{place} {why_not_there(place)}; a report is about a spiking network (a file like RUN/snn.safetensors), a run "
            f"folder that holds one, or a folder with {TABLE}. Make a network with `gcn2snn train DATASET --out RUN` "
            f"and `gcn2snn convert RUN`, a table with `gcn2snn reproduce table5 --out DIR`"
        )


def _target(place: Path) -> Target:
    if not place.is_dir():
        return Target(place, (place,), {}, None)
    files, word = tuple(place / name for name in NETWORKS if (place / name).exists()), shell_word(place)
    if not files:
        raise ArtefactError(
            f"{place} holds none of {', '.join(NETWORKS)} and no {TABLE}; nothing to report on. "
            f"Make a network first: `gcn2snn convert {word}` or `gcn2snn tune {word}`"
        )
    for file in files:
        tell_of_another_run(file)
    summary = _beside(place, files[0], RUN_FILE, StoredRun, f"gcn2snn train DATASET --out {word} --force")
    tuned = _beside(place, files[0], TUNE_FILE, StoredTuning, f"gcn2snn tune {word} --force")
    return Target(place, files, summary or {}, tuned)


def _beside(folder: Path, network: Path, name: str, schema: type[Stored], command: str) -> Json | None:
    """A file that a run folder keeps beside its networks; None where it is not there.

    Raises:
        ArtefactError: it is damaged.
    """
    if not (folder / name).exists():
        return None
    remedy = f"with `{command}`, or report on a network alone with `gcn2snn report {shell_word(network)}`"
    return load_json(folder / name, schema, f"Make it again {remedy}")


def names_of(files: Sequence[Path]) -> list[str]:
    """What networks are called on one page: their file names, with as much of the folders as tells them apart.

    >>> names_of([Path("/runs/a/snn.safetensors"), Path("/runs/b/snn.safetensors")])
    ['a/snn.safetensors', 'b/snn.safetensors']
    """
    names = [file.name for file in files]
    if len(set(names)) == len(names):
        return names
    paths = [file.resolve() for file in files]
    shared = os.path.commonpath([path.parent for path in paths])
    return [path.relative_to(shared).as_posix() for path in paths]


@dataclass(frozen=True)
class TestData:
    """What networks must have been measured on alike to stand side by side.

    Args:
        name: of the data.
        content: checksum of the data where it is known, else "".
        classes: their names.
        labels: of all test rows, in order, [rows].
        unit: what is classified, in the plural.
    """

    name: str
    content: str
    classes: tuple[str, ...]
    labels: Tensor
    unit: str

    @classmethod
    def of(cls, subject: Subject, data: dict[str, object]) -> TestData:
        """The test data of a network.

        Args:
            subject: what it is measured on.
            data: what those data are.
        """
        labels = [batch.labels[batch.rows] for batch in subject.batches()]
        name, content = str(data.get("dataset", data.get("data", ""))), str(data.get("corpus_hash", ""))
        return cls(name, content, subject.class_names, torch.cat(labels), subject.unit)

    def __str__(self) -> str:
        return f"{self.name or 'unnamed data'} ({self.labels.numel():,} {self.unit} of {len(self.classes)} classes)"

    def is_that_of(self, other: TestData) -> bool:
        """Whether both are the same rows of the same data."""
        same = (self.name, self.content, self.classes) == (other.name, other.content, other.classes)
        return same and torch.equal(self.labels, other.labels)


def refuse_other_data(names: Sequence[str], data: Sequence[TestData]) -> None:
    """Refuse networks that were not measured on the same test data.

    Raises:
        DataError: as said; the message names every network that differs from the first.
    """
    others = [(name, found) for name, found in zip(names, data, strict=True) if not found.is_that_of(data[0])]
    if not others:
        return
    told = [f"{name} with {found}{' of other content' if str(found) == str(data[0]) else ''}" for name, found in others]
    raise DataError(
        f"networks are compared on the same test data: {names[0]} goes with {data[0]}, but {', '.join(told)}. Write a report "
        f"for each, or give data that suit all of them with --data"
    )
