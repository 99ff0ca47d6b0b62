"""What ``--weights NAME=FILE`` names: looked at before a figure or table is begun, since its rows come after hours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from gcn2snn.errors import ArtefactError, ConfigError
from gcn2snn.reproduce.image_paper_numbers import ROWS, PaperRow

CLASSES = {"cifar10": 10, "cifar100": 100}
"""Classes of the datasets that are always whole; of ImageNet people keep parts."""


def weights_file(given: Path) -> Path:
    """The file of weights, where the run folder that holds it may be given."""
    from gcn2snn.run_folder import MODEL_FILE

    return given / MODEL_FILE if given.is_dir() else given


def refuse_wrong_weights(weights: Mapping[str, Path]) -> None:
    """Refuse unknown names, missing files, and files that fit no network of that name; each kind lists all.

    Args:
        weights: file or run folder by the name of a row or a model.

    Raises:
        ConfigError: a name that no row and no model has.
        ArtefactError: a file is missing, no file of weights, or fits none of the networks.
    """
    unknown = [name for name in weights if not _rows_of(name)]
    if unknown:
        known = dict.fromkeys([row.model for row in ROWS] + [row.name for row in ROWS])
        raise ConfigError(
            f"--weights names {', '.join(unknown)}, which is no model and no row; allowed are {', '.join(known)}"
        )
    files = {name: weights_file(Path(given)) for name, given in weights.items()}
    missing = [f"{name}={file}" for name, file in files.items() if not file.exists()]
    if missing:
        raise ArtefactError(
            f"--weights {', '.join(missing)}: there is no such file. Give a .safetensors or .pt file with trained weights, or the "
            f"run folder that holds them"
        )
    faults = list(_faults(files))
    if faults:
        raise ArtefactError("\n".join(faults))


def _rows_of(name: str) -> list[PaperRow]:
    return [row for row in ROWS if name in (row.name, row.model)]


def _faults(files: Mapping[str, Path]) -> Iterator[str]:
    from gcn2snn.cnn import MODELS, build_model, load_weights, read_state

    for name, file in files.items():
        found: list[str] = []
        rows = _rows_of(name)
        for row in rows:
            try:
                if row.dataset in CLASSES:
                    stem = "cifar" if MODELS[row.model].stems else ""
                    load_weights(build_model(row.model, CLASSES[row.dataset], stem=stem), file)
                else:
                    read_state(file)
            except ArtefactError as error:
                found.append(f"--weights {name}={file}: {error}")
        if len(found) == len(rows):  # weights of a model without a dataset need to fit one of them
            yield found[0]
