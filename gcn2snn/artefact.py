"""A spiking network as one file: description, scales, configuration, report and where it came from."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from torch import Tensor

from gcn2snn import ir
from gcn2snn.config import ConvertConfig, to_dict
from gcn2snn.errors import ArtefactError, Gcn2SnnError
from gcn2snn.files import load_tensors, save_tensors
from gcn2snn.kernels import PhaseCode
from gcn2snn.machine import environment
from gcn2snn.passes import PopulationReport, RefitReport
from gcn2snn.spiking_network import SpikingNetwork
from gcn2snn.textgcn import NewDocuments

SNN_FORMAT = 3


def save(snn: SpikingNetwork, path: str | Path, origin: dict[str, object] | None = None) -> Path:
    """Write a spiking network: safetensors, with everything else as JSON in the header.

    Args:
        snn: converted network.
        path: file to write, whole or not at all.
        origin: JSON values kept with it (dataset, run, source accuracy); returned by :func:`load_with_origin`.

    Returns:
        The path.

    Raises:
        ArtefactError: the file cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    nodes = [_pack_node(node, index, tensors) for index, node in enumerate(snn.network)]
    documents = None
    if snn.documents is not None:
        parts, documents = snn.documents.parts()
        tensors |= {f"documents.{name}": tensor for name, tensor in parts.items()}
    meta = {
        "nodes": nodes,
        "documents": documents,
        "config": to_dict(snn.config),
        "report": [asdict(row) for row in snn.report],
        "refits": [asdict(row) for row in snn.refits],
        "environment": environment(),
        "origin": origin or {},
    }
    return save_tensors(Path(path), tensors, kind="snn", version=SNN_FORMAT, meta=meta)


def load(path: str | Path) -> SpikingNetwork:
    """Read what :func:`save` wrote.

    Raises:
        ArtefactError: missing, truncated, edited, or of another format version.
    """
    return load_with_origin(path)[0]


def load_with_origin(path: str | Path) -> tuple[SpikingNetwork, dict[str, Any]]:
    """The network, and the ``origin`` that :func:`save` was given."""
    if not Path(path).exists():
        raise ArtefactError(
            f"{path} does not exist; a spiking network is needed, a file like RUN/snn.safetensors. Make one with "
            f"`gcn2snn convert RUN`, where RUN is a run folder of `gcn2snn train DATASET --out RUN`"
        )
    again = "Convert again with this release: `gcn2snn convert RUN --force`, RUN being the run folder it was made from"
    tensors, meta = load_tensors(Path(path), kind="snn", version=SNN_FORMAT, again=again)
    try:
        nodes = tuple(_unpack_node(packed, tensors) for packed in meta["nodes"])
        report = [PopulationReport(**row) for row in meta["report"]]
        refits = [RefitReport(**row) for row in meta["refits"]]
        snn = SpikingNetwork(ir.Network(nodes), ConvertConfig(**meta["config"]), report, refits)
        if meta["documents"] is not None:
            parts = {name.removeprefix("documents."): t for name, t in tensors.items() if name.startswith("documents.")}
            snn.documents = NewDocuments.of_parts(parts, meta["documents"])
        return snn, meta["origin"]
    except (KeyError, TypeError, Gcn2SnnError) as error:
        raise ArtefactError(f"{path} does not hold a whole network: {error}. {again}") from error


def _pack_node(node: ir.Node, index: int, tensors: dict[str, Tensor]) -> dict[str, object]:
    packed: dict[str, object] = {"type": type(node).__name__}
    for item in fields(node):
        value = getattr(node, item.name)
        if isinstance(value, Tensor):
            key = f"{index}.{item.name}"
            tensors[key] = value.clone()  # safetensors refuses tensors that share storage
            packed[item.name] = {"tensor": key}
        elif isinstance(value, PhaseCode):
            packed[item.name] = {"phase_code": asdict(value)}
        elif isinstance(value, ir.Activation):
            packed[item.name] = {"activation": asdict(value)}
        else:
            packed[item.name] = value
    return packed


def _unpack_node(packed: dict[str, object], tensors: dict[str, Tensor]) -> ir.Node:
    values = {key: _unpack(value, tensors) for key, value in packed.items() if key != "type"}
    if packed["type"] not in ir.NODE_TYPES:
        raise KeyError(f"node type {packed['type']!r} is unknown to this release")
    return ir.NODE_TYPES[packed["type"]](**values)


def _unpack(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, dict) and set(value) == {"tensor"}:
        return tensors[value["tensor"]]
    if isinstance(value, dict) and set(value) == {"phase_code"}:
        return PhaseCode(**value["phase_code"])
    if isinstance(value, dict) and set(value) == {"activation"}:
        return ir.Activation(**value["activation"])
    return tuple(_unpack(item, tensors) for item in value) if isinstance(value, list) else value
