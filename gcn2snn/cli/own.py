"""What convert and tune do with a model of the caller's own, named as ``package.module:factory``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcn2snn.cli.loudness import hint, note
from gcn2snn.cli.own_models import Own, head_of, short_name

if TYPE_CHECKING:
    from gcn2snn.config import ConvertConfig
    from gcn2snn.tune import Problem


def convert(
    own: Own,
    out: Path | None,
    config: ConvertConfig,
    accuracy_first: bool,
    images: dict[str, Any],
    force: bool,
    as_json: bool,
    check: str | None = None,
) -> None:
    """Convert the model with scales measured on the data, and write the network beside the current folder's files.

    Raises:
        ConfigError: there are no data, or weights are missing.
    """
    from gcn2snn.cli.options import refuse_given
    from gcn2snn.cli.output import console, emit, megabytes
    from gcn2snn.cli.own_data import are_images
    from gcn2snn.cli.tables import conversion_tables
    from gcn2snn.config import to_dict
    from gcn2snn.files import refuse_existing
    from gcn2snn.machine import peak_memory
    from gcn2snn.passes import choice_dict
    from gcn2snn.source_check import refuse_unknown

    if check is not None:
        refuse_unknown(check)
    target = out or Path(f"{short_name(own.target)}-snn.safetensors")
    refuse_existing(target, force)
    data = needed_data(own, "the scales of the populations are measured on data")
    if are_images(data):
        refuse_given({"check": check}, f"{data} is image data")
        content, snn = _of_images(own, data, target, config, images, accuracy_first)
    else:
        refuse_given(images, f"{data} is no image data")
        snn = _of_graph(own, data, target, config, accuracy_first, check)
        content = {"snn": str(target), "config": to_dict(snn.config), "origin": snn.origin}
        content |= {"populations": [vars(row) for row in snn.report]}
        content |= {"choice": choice_dict(snn.choice, timed=True), "check": snn.checked and snn.checked.to_dict()}
    if own.weights is None:
        note(f"no --weights: {own.target} was converted with the weights that it makes itself")
    if as_json:
        emit(content | {"peak_memory_bytes": peak_memory()})
        return
    screen = console(as_json)
    for each in conversion_tables(snn):
        screen.print(each)
    if snn.checked is not None and snn.checked.told():
        screen.print(snn.checked.told())
    screen.print(f"{own.target} on {data} written to {target}; peak memory {megabytes(peak_memory())}")
    hint(as_json, "gcn2snn evaluate {}", target)


def needed_data(own: Own, why: str) -> str:
    """The data of the command line.

    Raises:
        ConfigError: none were given.
    """
    from gcn2snn.errors import ConfigError

    if own.data is None:
        raise ConfigError(
            f"no data: {why}. Give --data cora, citeseer, digits, cifar10, a class folder, or FILE.pt, a file of torch.save with a "
            f"dict that holds what the model is called with, y and test_mask"
        )
    return own.data


def _of_graph(
    own: Own,
    data: str,
    target: Path,
    config: ConvertConfig,
    accuracy_first: bool = False,
    check: str | None = None,
) -> Any:
    from gcn2snn.artefact import save
    from gcn2snn.cli.own_data import own_data
    from gcn2snn.conversion import convert as convert_model

    model = own.model()
    found = own_data(model, data, own.data_dir)
    more: dict[str, Any] = {"output": head_of(own.head), "accuracy_first": accuracy_first, "check": check or "auto"}
    snn = convert_model(model, found.example, config, **more)
    snn.origin = own.origin(data) | {"class_names": list(found.call.class_names)}
    save(snn, target, force=True)  # looked for before any work was done
    return snn


def _of_images(
    own: Own, data: str, target: Path, config: ConvertConfig, images: dict[str, object], accuracy_first: bool = False
) -> tuple[dict[str, Any], Any]:
    from gcn2snn.artefact import load
    from gcn2snn.cli.options import given
    from gcn2snn.cnn import convert_images

    more: dict[str, Any] = given(images) | {"own": (own.target, own.model()), "output": head_of(own.head)}
    more |= {"accuracy_first": accuracy_first}
    content = convert_images(target, data=data, config=config, data_dir=own.data_dir, force=True, **more)
    return content, load(target)


def problem_of(own: Own, images: int | None) -> tuple[Problem, str]:
    """The model with validation data for the tuner, and the name of the data.

    Raises:
        DataError: the data name no rows to choose by.
        ConfigError: there are no data.
    """
    import torch

    from gcn2snn.cli.own_data import are_images, own_data
    from gcn2snn.cnn import find_normalisation, load_images
    from gcn2snn.errors import ConfigError, DataError
    from gcn2snn.tune import Problem

    if own.head is not None:
        raise ConfigError(
            "--head is not known to the tuner: let the factory give a model that returns that result alone"
        )
    data = needed_data(own, "configurations are compared on validation data")
    model = own.model()
    if are_images(data):
        chosen = load_images(data, "train", own.data_dir).balanced(500 if images is None else images)
        return Problem(model, chosen.batches(100, find_normalisation("unit"))), data
    found = own_data(model, data, own.data_dir)
    if found.call.validation is None:
        raise DataError(
            f"{data} has no val_mask, and configurations are not chosen on test rows. Add val_mask, bool [rows]"
        )
    labels = torch.where(found.call.validation, found.call.labels, -1)
    return Problem(model, [(found.example, labels)]), data


def finished(own: Own, target: Path, config: ConvertConfig) -> dict[str, object]:
    """Convert with the chosen configuration, write the network, and compare it on the test rows, which are read only here."""
    from gcn2snn.cli.origins import given_call
    from gcn2snn.cli.own_data import are_images
    from gcn2snn.cnn import evaluate_images
    from gcn2snn.evaluation import evaluate

    data = needed_data(own, "the network is compared on data")
    if are_images(data):
        _of_images(own, data, target, config, {})
        return evaluate_images(target, data_dir=own.data_dir)
    snn = _of_graph(own, data, target, config)
    found, args = given_call(snn, data, own.data_dir)
    return evaluate(snn, args, found.labels, found.rows).to_dict()
