"""A spiking network as one file: description, scales, configuration, report and where it came from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from gcn2snn import ir
from gcn2snn.config import ConvertConfig
from gcn2snn.errors import ArtefactError, Gcn2SnnError, refuses_misfits
from gcn2snn.file_names import refuse_other_ending, why_not_there
from gcn2snn.files import load_tensors
from gcn2snn.kernels import PhaseCode
from gcn2snn.model_folder import CONFIG_FILE, NETWORK_FILE, check_folder, find_folder
from gcn2snn.network_checks import check_network
from gcn2snn.network_file import SNN_FORMAT, write_network
from gcn2snn.passes import Choice, PopulationReport, RefitReport, Trial
from gcn2snn.schema import Stored, made_of
from gcn2snn.spiking_network import SpikingNetwork
from gcn2snn.textgcn import NewDocuments, check_documents
from gcn2snn.watched import Watched


@refuses_misfits
def save(
    snn: SpikingNetwork, path: str | Path, origin: dict[str, object] | None = None, *, force: bool = False
) -> Path:
    """Write a spiking network: safetensors, with everything else as JSON in the header.

    >>> import torch, gcn2snn
    >>> from tempfile import TemporaryDirectory
    >>> snn = gcn2snn.convert(torch.nn.Linear(2, 2).eval(), torch.rand(3, 2))
    >>> with TemporaryDirectory() as folder:
    ...     print(save(snn, f"{folder}/snn.safetensors").name)
    snn.safetensors

    Args:
        snn: converted network.
        path: file to write, whole or not at all. Its name ends in ``.safetensors``, or in no format's ending.
        origin: JSON values kept with it (dataset, run, source accuracy) instead of ``snn.origin``.
        force: replace a file that exists.

    Returns:
        The path.

    Raises:
        ArtefactError: the file exists and ``force`` is not set, its name ends as that of another format (``.json``, ``.pt``,
            ...), or it cannot be written.
        InputError: a tensor of the network was written to, and holds what no conversion gives, such as NaN.
    """
    refuse_other_ending(Path(path), ".safetensors")
    if os.path.lexists(path) and not force:
        raise ArtefactError(f"{path} exists; it is not overwritten without force=True. Choose another name")
    kept = snn.origin if origin is None else origin
    return write_network(Path(path), snn, kept)


@refuses_misfits
def load(path: str | Path) -> SpikingNetwork:
    """Read what :func:`save` wrote.

    >>> import torch, gcn2snn
    >>> from tempfile import TemporaryDirectory
    >>> snn = gcn2snn.convert(torch.nn.Linear(2, 2).eval(), torch.rand(3, 2))
    >>> with TemporaryDirectory() as folder:
    ...     again = load(gcn2snn.save(snn, f"{folder}/snn.safetensors"))
    >>> again(torch.ones(1, 2)).equal(snn(torch.ones(1, 2)))
    True

    Raises:
        ArtefactError: missing, truncated, edited, or of another format version.
    """
    return load_with_origin(path)[0]


def load_with_origin(path: str | Path) -> tuple[SpikingNetwork, dict[str, Any]]:
    """The network, and the ``origin`` that it was saved with, which ``snn.origin`` holds too."""
    if not Path(path).exists():
        raise ArtefactError(
            f"{path} {why_not_there(Path(path))}; a spiking network is needed, a file like RUN/snn.safetensors. Make one with "
            f"`gcn2snn convert RUN`, where RUN is a run folder of `gcn2snn train DATASET --out RUN`"
        )
    again = "Convert again with this release: `gcn2snn convert RUN --force`, RUN being the run folder it was made from"
    tensors, meta = load_tensors(
        Path(path), kind="snn", version=SNN_FORMAT, schema=StoredNetwork, again=again, mapped=False
    )
    try:
        network = ir.Network(tuple(_unpack_node(packed, tensors) for packed in meta["nodes"]))
        check_network(network)
        report = [made_of(PopulationReport, row, "a row of the report", finite=False) for row in meta["report"]]
        refits = [made_of(RefitReport, row, "a row of the refits", finite=False) for row in meta["refits"]]
        snn = SpikingNetwork(network, ConvertConfig(**meta["config"]), report, refits, _choice_of(meta["choice"]))
        if meta["documents"] is not None:
            parts = {name.removeprefix("documents."): t for name, t in tensors.items() if name.startswith("documents.")}
            documents = NewDocuments.of_parts(parts, meta["documents"])
            check_documents(documents, network)
            snn.documents = documents
        snn.origin = meta["origin"]
        return snn, meta["origin"]
    except (KeyError, TypeError, ValueError, LookupError, RuntimeError, Gcn2SnnError) as error:
        raise ArtefactError(f"{path} does not hold a whole network: {error}. {again}") from error


def _choice_of(values: Mapping[str, object] | None) -> Choice | None:
    """What was measured to choose the configuration, from the values of a file."""
    if values is None:
        return None
    made: dict[str, object] = {}
    for name in ("trials", "first"):
        rows = values.get(name)
        known = rows if isinstance(rows, list) else []
        made[name] = tuple(made_of(Trial, row, "a setting that was compared", finite=False) for row in known)
    return made_of(Choice, {**values, **made}, "what was measured")


class StoredNetwork(Stored):
    """What stands beside the tensors of a network."""

    nodes: list[dict[str, object]]
    documents: dict[str, object] | None
    config: dict[str, object]
    report: list[dict[str, object]]
    refits: list[dict[str, object]]
    choice: dict[str, object] | None
    environment: dict[str, str]
    origin: dict[str, object]


@refuses_misfits
def from_pretrained(source: str | Path, revision: str | None = None) -> SpikingNetwork:
    """The network of a folder that ``snn.save_pretrained`` wrote, with the same bits.

    >>> from_pretrained("folder-or-owner/name")  # doctest: +SKIP

    Args:
        source: a folder on this machine, for which no network is needed; or, where there is no such folder, OWNER/NAME of a
            repository on the Hugging Face Hub, for which huggingface_hub has to be installed (``pip install 'gcn2snn[hub]'``).
        revision: branch, tag or commit of the repository; a folder has none.

    Raises:
        ArtefactError: it is not there, or a file is missing, damaged, or from another network or release.
        MissingPackageError: it is a repository, and huggingface_hub is not installed.
    """
    folder = find_folder(source, revision)
    with Watched.now(folder, lambda: (folder / CONFIG_FILE, folder / NETWORK_FILE), ArtefactError).reading():
        return load(check_folder(folder))


def _unpack_node(packed: dict[str, object], tensors: dict[str, Tensor]) -> ir.Node:
    values = {key: _unpack(value, tensors) for key, value in packed.items() if key != "type"}
    kind = packed.get("type")
    if not isinstance(kind, str) or kind not in ir.NODE_TYPES:
        raise ArtefactError(f"node type {kind!r} is unknown to this release")
    return made_of(ir.NODE_TYPES[kind], values, f"the {kind} {packed.get('name')!r}")


def _unpack(value: object, tensors: dict[str, Tensor]) -> object:
    if isinstance(value, dict) and set(value) == {"tensor"}:
        return tensors[value["tensor"]]
    if isinstance(value, dict) and set(value) == {"phase_code"}:
        return made_of(PhaseCode, value["phase_code"], "a phase code")
    if isinstance(value, dict) and set(value) == {"activation"}:
        return made_of(ir.Activation, value["activation"], "an activation")
    return tuple(_unpack(item, tensors) for item in value) if isinstance(value, list) else value
