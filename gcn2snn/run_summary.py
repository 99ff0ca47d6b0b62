"""What ``run.json`` and the origin of a network say: their schemas, and the reading of a run's summary."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gcn2snn.errors import ArtefactError
from gcn2snn.files import load_json
from gcn2snn.schema import Amount, Count, Json, Percent, Sha256, Stored, checked

RUN_FILE, RUN_FORMAT = "run.json", 2

IDENTITY = {"graph": ("dataset", "fingerprint"), "images": ("data", "train_images")}
"""Kind of run -> keys of its summary that say what it was trained on."""


def trained_on(summary: Json) -> str:
    """The data of a run, for people."""
    if summary["kind"] == "images":
        return f"{summary['data']} ({summary['train_images']} images)"
    return f"the graph of {summary['dataset'].get('dataset')} ({summary['fingerprint'][:8]})"


def load_summary(folder: Path, kind: str | None = None) -> Json:
    """What the folder's ``run.json`` says.

    Args:
        folder: of a run, finished or not.
        kind: "graph" or "images"; None takes either.

    Raises:
        ArtefactError: it is missing, edited, of another format version, or of another kind.
    """
    file = folder / RUN_FILE
    summary = load_json(file, Stored, "Train again")
    if summary.get("format") != RUN_FORMAT:
        raise ArtefactError(f"{file} has format {summary.get('format')}; this release reads {RUN_FORMAT}. Train again")
    found = summary.get("kind")
    if not isinstance(found, str) or found not in IDENTITY:
        raise ArtefactError(f"{file} has no known kind, but {found!r}; it was edited. Train again")
    finished = summary.get("status") == "finished"
    checked(summary, _SCHEMAS[found, finished], str(file), "Train again with --force")
    if kind not in (None, found):
        raise ArtefactError(f"{folder} holds a run on {trained_on(summary)}; a run of the kind {kind!r} is needed")
    return summary


class Scores(Stored):
    """What was measured of the source model."""

    accuracy: Percent
    macro_f1: Percent | None = None


class Source(Stored):
    """What a graph says of the data it was made from."""

    dataset: str | None = None
    path: str | None = None
    corpus_hash: Sha256 | None = None
    options: Json | None = None


class NamedSource(Source):
    """The same for data that can be found again: a published name, or a path with the hash of what is there."""

    dataset: str

    @model_validator(mode="after")
    def _hashed(self) -> Self:
        if self.path is not None and self.corpus_hash is None:
            raise ValueError("a path needs a corpus_hash")
        return self


class GraphOrigin(Stored):
    """What a network keeps of the run on a graph that it was converted from."""

    dataset: NamedSource
    fingerprint: Sha256
    config: Json = Field(default_factory=dict)


class ImageOrigin(Stored):
    """What a network keeps of the image classifier that it was converted from."""

    kind: Literal["images"]
    data: str
    normalise: str
    model: str = ""
    stem: str = ""
    weights: str = ""
    run: str = ""
    class_names: list[str] = Field(default_factory=list)


class Run(Stored):
    """``run.json`` while the run goes on."""

    status: Literal["running", "finished"]
    environment: Json


class Finished(Run):
    """``run.json`` of a run that has come to its end."""

    epochs: Annotated[int, Field(ge=1)]
    last_epoch: Json
    train_seconds: Amount
    peak_memory_bytes: Count


class GraphRun(Run):
    """A run on a graph."""

    dataset: Source
    fingerprint: Sha256
    config: Json


class Validation(Stored):
    """What the validation documents said of an inductive run."""

    loss: float | None
    accuracy: Percent | None
    documents: Count


class FinishedGraphRun(GraphRun, Finished):
    """A finished run on a graph."""

    ann: Scores | None = None
    temperature: Annotated[float, Field(gt=0.0)] | None = None
    validation: Validation | None = None


class ImageOptions(Stored):
    """Of the configuration of a run on images what is needed to read its weights."""

    model: str
    stem: str
    normalise: str
    seed: int


class ImageRun(Run):
    """A run on images."""

    data: str
    train_images: Annotated[int, Field(ge=1)]
    config: ImageOptions
    precision: Literal["float32", "bfloat16"] | None = None


class FinishedImageRun(ImageRun, Finished):
    """A finished run on images."""

    ann: Scores
    classes: list[str]


_SCHEMAS: dict[tuple[str, bool], type[Run]] = {
    ("graph", False): GraphRun,
    ("graph", True): FinishedGraphRun,
    ("images", False): ImageRun,
    ("images", True): FinishedImageRun,
}
"""Kind of a run, and whether it is finished -> what its summary must hold."""
