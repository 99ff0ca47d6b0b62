"""The three files of the folder: written whole or not at all, found here or on the Hugging Face Hub, and checked."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gcn2snn import ir
from gcn2snn.config import to_dict
from gcn2snn.errors import ArtefactError, InputError, InputTypeError, MissingPackageError
from gcn2snn.file_names import why_not_there
from gcn2snn.files import filling, load_json, read_json, refuse_special, save_json, save_text
from gcn2snn.machine import environment
from gcn2snn.model_folder.card import Card
from gcn2snn.network_file import Converted, write_network
from gcn2snn.owner_lock import owned
from gcn2snn.schema import Count, Json, Sha256, Stored, checked

if TYPE_CHECKING:
    from gcn2snn.model_folder.parts import Measured

CONFIG_FILE, NETWORK_FILE, CARD_FILE = "config.json", "model.safetensors", "README.md"
LONGEST_WRITING = 60.0
"""Seconds to wait for another process that writes the same folder."""

MODEL_TYPE, FOLDER_FORMAT = "gcn2snn", 1
REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def write_folder(snn: Converted, folder: Path, *, measured: Measured | None, licence: str | None, force: bool) -> Path:
    """Write model.safetensors, config.json and README.md.

    Args:
        snn: what is written.
        folder: new, empty, or holding nothing but hidden files; with ``force`` also one that this function wrote.
        measured: results on test data, or None.
        licence: terms of the network as the Hub names them, such as "mit", or None.
        force: replace the three files of a network that is there.

    Raises:
        ArtefactError: the folder holds something else, or a network and ``force`` is not given; or it cannot be written.
    """
    _refuse_foreign(folder, force)
    origin = _public_origin(snn.origin)
    names = origin.get("class_names") if snn.documents is None else snn.documents.class_names
    card = Card(
        folder.resolve().name, snn.network, snn.config, origin, names, snn.documents is not None, measured, licence
    )
    # The lock lies beside the folder, for what is in it is published.
    with owned(folder, wait=LONGEST_WRITING), filling(folder, last=CONFIG_FILE) as temporary:
        file = write_network(temporary / NETWORK_FILE, snn, origin)
        content: dict[str, object] = {
            "model_type": MODEL_TYPE,
            "format": FOLDER_FORMAT,
            "architectures": ["SpikingNetwork"],
            "gcn2snn_version": environment()["gcn2snn"],
            "weights": {"file": NETWORK_FILE, "sha256": _sha256(file), "bytes": file.stat().st_size},
            "inputs": [{"name": node.name, "role": node.role} for node in snn.network.of(ir.Input)],
            "conversion": to_dict(snn.config),
            "origin": origin,
            "measured": None if measured is None else measured.to_dict(),
        }
        if names is not None:
            content["id2label"] = {str(number): name for number, name in enumerate(names)}
            content["label2id"] = {name: number for number, name in enumerate(names)}
        save_json(temporary / CONFIG_FILE, content)
        save_text(temporary / CARD_FILE, card.text())
    return folder


def _refuse_foreign(folder: Path, force: bool) -> None:
    if not os.path.lexists(folder):
        return
    if folder.is_symlink():
        raise ArtefactError(f"{folder} is a link, and nothing is written behind one; give the folder itself")
    if not folder.is_dir():
        raise ArtefactError(f"{folder} is a file; give the name of a folder to write into")
    there = sorted(item.name for item in folder.iterdir() if not item.name.startswith("."))
    if not there:
        return
    if not (folder / CONFIG_FILE).is_file() or _model_type(folder / CONFIG_FILE) != MODEL_TYPE:
        raise ArtefactError(
            f"{folder} holds {', '.join(there[:3])} and no network of this package, so nothing is written there. Give a new or "
            f"an empty folder"
        )
    if not force:
        raise ArtefactError(f"{folder} holds a network already; give another folder, or force=True to replace it")


def _model_type(file: Path) -> object:
    try:
        content = read_json(file)
    except ArtefactError:
        return None
    return content.get("model_type") if isinstance(content, dict) else None


def find_folder(source: str | Path, revision: str | None = None) -> Path:
    """The folder on this machine, or the copy of a repository's that huggingface_hub keeps.

    Args:
        source: a folder, or OWNER/NAME on the Hugging Face Hub where there is no such folder.
        revision: branch, tag or commit of the repository.

    Raises:
        ArtefactError: neither, or the repository cannot be had.
        MissingPackageError: it is a repository, and huggingface_hub is not installed.
    """
    if not isinstance(source, str | Path):
        raise InputTypeError(f"from_pretrained needs a folder or OWNER/NAME, got {type(source).__name__}")
    if not str(source):
        raise InputError(
            "from_pretrained got an empty name; give a folder that snn.save_pretrained wrote, or OWNER/NAME"
        )
    folder = Path(source)
    if folder.exists():
        if not folder.is_dir():
            raise ArtefactError(
                f"{folder} {why_not_there(folder)}; from_pretrained reads a folder. For one file use gcn2snn.load"
            )
        return folder
    if not isinstance(source, str) or not REPOSITORY.fullmatch(source):
        raise ArtefactError(
            f"{source} {why_not_there(folder)}. Give a folder that snn.save_pretrained wrote, or OWNER/NAME of a repository"
        )
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise MissingPackageError(
            f"there is no folder {source} here, and to get a repository of that name from the Hugging Face Hub: "
            f"pip install 'gcn2snn[hub]'"
        ) from error
    try:
        found = snapshot_download(source, revision=revision, allow_patterns=[CONFIG_FILE, NETWORK_FILE, CARD_FILE])
    except Exception as error:  # of many kinds: no such repository, no network, no permission
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise ArtefactError(
            f"there is no folder {source} here, and the repository cannot be had from the Hugging Face Hub: {said[0]}. "
            f"Check the name, the network and your login"
        ) from error
    return Path(found)


def check_folder(folder: Path) -> Path:
    """The file of the network in a folder, once config.json and it are known to belong together.

    Raises:
        ArtefactError: a file is missing, damaged, or from another network or release.
    """
    file, config = folder / NETWORK_FILE, folder / CONFIG_FILE
    for needed in (config, file):
        if not needed.is_file():
            raise ArtefactError(
                f"{needed} {why_not_there(needed)}; a folder that snn.save_pretrained wrote holds {CONFIG_FILE} and {NETWORK_FILE}"
            )
    weights = load_config(folder)["weights"]
    if file.stat().st_size != weights["bytes"] or _sha256(file) != weights["sha256"]:
        raise ArtefactError(
            f"{file} is not the file that {CONFIG_FILE} tells of (its sha256 differs): one of them is damaged or from another "
            f"network. Get the folder again"
        )
    return file


class WeightsOfFolder(Stored):
    """Which file the network is in."""

    file: Literal["model.safetensors"]
    sha256: Sha256
    bytes: Count


class ConfigOfFolder(Stored):
    """``config.json``: what is read of it."""

    gcn2snn_version: str
    weights: WeightsOfFolder
    conversion: Json
    origin: Json
    id2label: dict[str, str] | None = None
    label2id: dict[str, int] | None = None


def load_config(folder: Path) -> Json:
    """What the folder's ``config.json`` says.

    Raises:
        ArtefactError: missing, edited, of another package or release.
    """
    config = folder / CONFIG_FILE
    content = load_json(config, Stored, "Get the folder again")
    if content.get("model_type") != MODEL_TYPE:
        raise ArtefactError(
            f"{config} is not of a network of this package (its model_type is not {MODEL_TYPE!r}). Give another folder"
        )
    if content.get("format") != FOLDER_FORMAT:
        raise ArtefactError(
            f"{config} has format {content.get('format')!r}; this release reads {FOLDER_FORMAT}. Save the network again, or "
            f"install the release that wrote it ({content.get('gcn2snn_version')})"
        )
    return checked(content, ConfigOfFolder, str(config), "Get the folder again")


def _sha256(file: Path) -> str:
    refuse_special(file)
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ArtefactError(f"cannot read {file}: {error.strerror or error}") from error


def _public_origin(origin: dict[str, object]) -> dict[str, Any]:
    """The origin without folders of this machine, which mean nothing elsewhere and are nobody's business: names of files stay."""
    public = {key: value for key, value in origin.items() if key != "run"}
    dataset = public.get("dataset")
    if isinstance(dataset, dict):
        places: dict[str, object] = {key: Path(str(dataset[key])).name for key in ("dataset", "path") if key in dataset}
        options = dataset.get("options")
        if isinstance(options, dict) and "stop_words" in options:
            places["options"] = options | {"stop_words": Path(str(options["stop_words"])).name}
        public["dataset"] = dataset | places
    return public
