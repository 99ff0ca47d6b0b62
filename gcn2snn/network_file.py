"""A spiking network written as one file: description, scales, configuration, report and where it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Protocol

from torch import Tensor

from gcn2snn import ir
from gcn2snn.config import ConvertConfig, to_dict
from gcn2snn.files import save_tensors
from gcn2snn.kernels import PhaseCode
from gcn2snn.machine import environment
from gcn2snn.network_checks import check_network
from gcn2snn.passes import Choice, PopulationReport, RefitReport, choice_dict

SNN_FORMAT = 4


class ReadsTexts(Protocol):
    """What classifies texts with a network, and comes apart into tensors and JSON values."""

    @property
    def class_names(self) -> tuple[str, ...]: ...

    def parts(self) -> tuple[dict[str, Tensor], dict[str, object]]: ...


class Converted(Protocol):
    """A converted network: :class:`gcn2snn.SpikingNetwork`."""

    @property
    def network(self) -> ir.Network: ...

    @property
    def config(self) -> ConvertConfig: ...

    @property
    def report(self) -> Sequence[PopulationReport]: ...

    @property
    def refits(self) -> Sequence[RefitReport]: ...

    @property
    def choice(self) -> Choice | None: ...

    @property
    def documents(self) -> ReadsTexts | None: ...

    @property
    def origin(self) -> dict[str, object]: ...


def write_network(path: Path, snn: Converted, origin: Mapping[str, object]) -> Path:
    """Write a converted network as safetensors, with everything that is no tensor as JSON in the header.

    Args:
        path: file to write, whole or not at all.
        snn: what is written, all but its own origin.
        origin: JSON values kept with it.

    Raises:
        ArtefactError: the file cannot be written.
        InputError: the network holds values that no conversion gives, with which it could not be loaded.
    """
    check_network(snn.network)  # its tensors may have been written to since it was made
    tensors: dict[str, Tensor] = {}
    nodes = [_pack_node(node, index, tensors) for index, node in enumerate(snn.network)]
    values = None
    if snn.documents is not None:
        parts, values = snn.documents.parts()
        tensors |= {f"documents.{name}": tensor for name, tensor in parts.items()}
    meta = {
        "nodes": nodes,
        "documents": values,
        "config": to_dict(snn.config),
        "report": [asdict(row) for row in snn.report],
        "refits": [asdict(row) for row in snn.refits],
        "choice": choice_dict(snn.choice),
        "environment": environment(),
        "origin": dict(origin),
    }
    return save_tensors(path, tensors, kind="snn", version=SNN_FORMAT, meta=meta)


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
