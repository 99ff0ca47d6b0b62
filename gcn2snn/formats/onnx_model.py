"""ONNX: the closed form of a network in standard operators, for any runtime."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gcn2snn import ir
from gcn2snn.engines import Value, bind, constants, dense_value, matrix_value, network_dtype
from gcn2snn.errors import ArtefactError, ConfigError, reason_of
from gcn2snn.files import replacing
from gcn2snn.formats.onnx_graph import OPSET, OnnxGraph, Sparse
from gcn2snn.formats.onnx_matrices import computed, fixed, given, why_fixed
from gcn2snn.formats.onnx_rules import lower
from gcn2snn.formats.refusals import check_closed_form, package
from gcn2snn.kernels import CSR, decode
from gcn2snn.spiking_network import SpikingNetwork

if TYPE_CHECKING:
    import onnx

LARGEST = 2_000_000_000
"""Bytes of one model: a file of protobuf holds 2 GiB."""

OUTPUT = "potentials"
"""Name of the output, which the rule of ``ir.Output`` gives it."""

Feeds = dict[str, NDArray[np.generic]]


@dataclass(eq=False)
class _Lowering:
    """One network on its way into a graph: names of the values so far, and why matrices had to be fixed."""

    network: ir.Network
    example: dict[str, Value]
    graph: OnnxGraph
    names: dict[str, str] = field(default_factory=dict)
    matrices: dict[str, Sparse] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        matrices = [node for node in self.network.of(ir.Operator) if isinstance(self.example.get(node.name), CSR)]
        fixed = [node for node in matrices if self._is_read(node) and why_fixed(node, self.network, self.example)]
        self.fixed_arguments = {name for node in fixed for name in self._arguments_of(node)}
        horizons = (node.horizon for node in self.network.of(ir.Neuron))
        of_nodes = any(each is not None and each.dim() > 0 and each.shape[0] > 1 for each in horizons)
        # A fixed matrix, or a last phase for each node, belongs to the rows of the export.
        self.same_size = bool(fixed) or of_nodes

    def _arguments_of(self, node: ir.Node) -> set[str]:
        """Arguments of the source model that a matrix is made of; features give it their number of rows only."""
        if isinstance(node, ir.Input):
            return set() if node.role == "dense" else {node.name}
        return {name for feed in node.inputs for name in self._arguments_of(self.network[feed])}

    def run(self) -> None:
        for node in self.network:
            if not self._is_read(node):
                continue
            if isinstance(node, ir.Input):
                self._input(node)
            elif isinstance(node, ir.Operator) and not self._is_part_with_values(node):
                self._matrix(node)
            elif isinstance(node, ir.Part):
                self.names[node.name] = self.graph.input(node.name, self._shape(node))
            else:
                reads = [self.matrices.get(name) or self.names.get(name, "") for name in node.inputs]
                dense = [name for name in node.inputs if name not in self.matrices]
                shape = self.network.shapes[dense[-1] if dense else node.name]
                self.names[node.name] = lower(node, self.graph, shape, *reads)

    def _is_read(self, node: ir.Node) -> bool:
        return isinstance(node, ir.Output) or bool(self.network.readers(node.name))

    @staticmethod
    def _is_part_with_values(node: ir.Operator) -> bool:
        return isinstance(node, ir.Part) and node.role == "dense"

    def _shape(self, node: ir.Input | ir.Part) -> list[int | str | None]:
        rows: int | str = "rows"
        if self.same_size:  # the runtime refuses another number, instead of reading rows that the matrix does not know
            rows = dense_value(self.example[node.name]).shape[0]
        return [rows if place == 0 and size is None else size for place, size in enumerate(node.size)]

    def _input(self, node: ir.Input) -> None:
        if node.role == "dense":
            self.names[node.name] = self.graph.input(node.name, self._shape(node))
        elif node.role == "operator":
            self.matrices[node.name] = given(self.graph, node, matrix_value(self.example[node.name]))

    def _matrix(self, node: ir.Operator) -> None:
        """Only matrices that an aggregation reads; a part of a graph object is no matrix."""
        value = self.example[node.name]
        if not isinstance(value, CSR):
            return
        reason = why_fixed(node, self.network, self.example)
        shared = self._arguments_of(node) & self.fixed_arguments
        if not reason and shared:  # one graph and another in one file would give neither's result
            reason = f"another matrix of {', '.join(sorted(shared))} is fixed"
        if reason or not isinstance(node, ir.Adjacency):
            self.reasons[node.name] = reason
            self.matrices[node.name] = fixed(self.graph, value)
            return
        edges, *rest = node.inputs
        targets, sources = (self._count(name) for name in rest[-2:])
        weight = self._declared(rest[0], ["edges"], whole=False) if node.weighted else None
        self.matrices[node.name] = computed(
            self.graph, node, self._declared(edges, [2, "edges"], whole=True), weight, targets, sources
        )

    def _declared(self, name: str, shape: list[int | str | None], whole: bool) -> str:
        if name not in self.names:
            self.names[name] = self.graph.input(name, shape, whole=whole)
        return self.names[name]

    def _count(self, name: str) -> str:
        return self.matrices[name].rows if name in self.matrices else self.graph.rows(self.names[name])


def build_onnx(snn: SpikingNetwork, args: Sequence[object]) -> tuple[onnx.ModelProto, dict[str, str]]:
    """The model, and for each matrix that had to be fixed the reason.

    Inputs have the names of the source model's arguments, sizes as there; a matrix that is passed comes as NAME.row,
    NAME.col and NAME.value. The output is ``potentials``. Numbers have the network's type. Where a matrix is fixed, inputs
    have the number of rows of ``args``.

    Raises:
        ConfigError: the wait is too short for the closed form, or a CNN computes in double precision.
        MissingPackageError: onnx is not installed.
    """
    check_closed_form(snn, "onnx")
    _refuse_double_images(snn.network)
    if any(node.name == OUTPUT for node in snn.network):
        raise ConfigError(
            f"a layer or argument is called {OUTPUT}, as the output is in the file. Rename it in the model"
        )
    inputs = bind(snn.network, args, {})
    graph = OnnxGraph(np.dtype("float64" if network_dtype(snn.network) == torch.float64 else "float32"))
    lowering = _Lowering(snn.network, constants(snn.network, inputs), graph)
    lowering.run()
    rows, *rest = snn.network.shapes[snn.network.output.name]
    graph.output(OUTPUT, ["output rows" if rows is None else rows, *rest])
    notes = {
        "about": "A one-spike network in closed form: what its neurons send once all input has arrived, without time.",
        "fixed matrices": json.dumps(lowering.reasons),
    }
    return graph.model("one_spike_network", notes), lowering.reasons


def _refuse_double_images(network: ir.Network) -> None:
    """Runtimes have no convolutions and means of windows in double precision."""
    nodes = [node.name for node in network if isinstance(node, ir.Conv | ir.AvgPool)]
    if nodes and network_dtype(network) == torch.float64:
        raise ConfigError(
            f"the network computes in double precision, in which onnxruntime has no convolution or average pool "
            f"({', '.join(nodes)}). Export snn.float()"
        )


def write_onnx(snn: SpikingNetwork, args: Sequence[object], out: Path) -> dict[str, int | str]:
    """Write the model; returns its opset, numbers of operators and bytes, and what is fixed.

    Raises:
        ConfigError: ``out`` does not end with .onnx, the wait is too short, or the model does not fit one file.
        MissingPackageError: onnx is not installed.
    """
    if out.suffix != ".onnx":
        raise ConfigError(f"the ONNX export is one model, got {out.name}; choose a name that ends with .onnx")
    model, reasons = build_onnx(snn, args)
    told: dict[str, int | str] = save_onnx(model, out)
    if reasons:
        told["fixed"] = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    return told


def save_onnx(model: onnx.ModelProto, out: Path) -> dict[str, int | str]:
    """Check a model with ONNX's own checker, with inferred shapes, and write it."""
    size = model.ByteSize()
    if size > LARGEST:
        raise ConfigError(
            f"the model has {size:,} bytes; one ONNX file holds {LARGEST:,}. Export a smaller network or graph"
        )
    package("onnx.checker").check_model(model, full_check=True)
    with replacing(out) as temporary:
        temporary.write_bytes(model.SerializeToString())
    inputs = ", ".join(each.name for each in model.graph.input)
    return {"opset": OPSET, "operators": len(model.graph.node), "bytes": size, "inputs": inputs}


def check_onnx(snn: SpikingNetwork, args: Sequence[object], out: Path) -> dict[str, int | float]:
    """Run the file in onnxruntime on given inputs and compare each population's values and the output.

    Raises:
        MissingPackageError: onnx or onnxruntime is not installed.
        ArtefactError: the file cannot be read.
    """
    populations = [node.name for node in snn.network.of(ir.Neuron) if snn.network.readers(node.name)]
    expected = snn(*args).cpu().numpy()
    found = run_onnx(out, feeds_of(snn, args, out), populations)
    potentials = found["potentials"]
    sent = snn.spikes(*args)
    spikes = differ = 0
    for name in populations:
        spikes += int(sent[name].fired.sum())
        value = decode(sent[name], sent[name].scale.dtype).cpu().numpy()
        _refuse_other_shape(out, name, found[name], value)
        differ += int((~np.isclose(found[name], value, rtol=1e-4, atol=0.0)).sum())
    _refuse_other_shape(out, "potentials", potentials, expected)
    wrong = int((potentials.argmax(1) != expected.argmax(1)).sum())
    largest = float(np.abs(potentials - expected).max(initial=0.0))
    told: dict[str, int | float] = {"spikes": spikes, "differ": differ, "rows": len(expected)}
    return told | {"predictions_differ": wrong, "largest_difference": largest}


def _refuse_other_shape(out: Path, name: str, found: NDArray[np.generic], expected: NDArray[np.generic]) -> None:
    if found.shape != expected.shape:
        raise ArtefactError(
            f"{name} of {out} has the shape {list(found.shape)}, that of the network {list(expected.shape)}: the file is of "
            f"another network, or of a graph that was fixed in it. Export the network again"
        )


def feeds_of(snn: SpikingNetwork, args: Sequence[object], out: Path) -> Feeds:
    """The arguments of the source model as the inputs of the file, by name."""
    fixed_values = constants(snn.network, bind(snn.network, args, {}))
    whole: Feeds = {}
    for name, value in fixed_values.items():
        if isinstance(value, CSR):
            whole[f"{name}.row"], whole[f"{name}.col"] = value.row.numpy(), value.col.long().numpy()
            whole[f"{name}.value"] = value.values(network_dtype(snn.network)).numpy()
            whole[f"{name}.rows"] = np.array([value.shape[0]])
        elif isinstance(value, Tensor) and value.layout is torch.strided:
            array = value if not value.is_floating_point() else value.to(network_dtype(snn.network))
            whole[name] = (array.long() if not array.is_floating_point() else array).numpy()
    names = [each.name for each in read_onnx(out).graph.input]
    unknown = [name for name in names if name not in whole]
    if unknown:
        raise ArtefactError(f"{out} takes {', '.join(unknown)}, which the network does not. Export the network again")
    return {name: whole[name] for name in names}


def read_onnx(out: Path) -> onnx.ModelProto:
    """The model of a file.

    Raises:
        ArtefactError: missing or broken.
    """
    package("onnx")
    from google.protobuf.message import DecodeError

    try:
        return package("onnx").load(out)
    except (OSError, DecodeError) as error:
        raise ArtefactError(f"{out} cannot be read: {reason_of(error)}. Export the network again") from error


def run_onnx(out: Path, feeds: Feeds, also: Sequence[str] = ()) -> Feeds:
    """Outputs of a file by name, computed by onnxruntime on one CPU thread; ``also``: values inside the model.

    Raises:
        ArtefactError: the file cannot be read, or the runtime refuses it or these inputs.
    """
    runtime = package("onnxruntime")
    model = read_onnx(out)
    helper = package("onnx").helper
    declared = {each.name for each in model.graph.output}
    model.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in also if name not in declared)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # the exception says the same
    state = package("onnxruntime.capi.onnxruntime_pybind11_state")
    own = [each for each in vars(state).values() if isinstance(each, type) and issubclass(each, Exception)]
    refusals: tuple[type[Exception], ...] = (ValueError, *own)
    try:
        session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        names = [each.name for each in session.get_outputs()]
        return dict(zip(names, session.run(names, feeds), strict=True))
    except refusals as error:
        sizes = ", ".join(f"{name} {list(value.shape)}" for name, value in feeds.items())
        raise ArtefactError(
            f"onnxruntime cannot run {out} with {sizes}: {error}. Export the network again, with inputs of these sizes"
        ) from error
