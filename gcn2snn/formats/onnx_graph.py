"""An ONNX graph under construction, and the few expressions that all rules are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from gcn2snn.formats.refusals import package
from gcn2snn.kernels import PhaseCode

if TYPE_CHECKING:
    import onnx

OPSET = 18
"""Version of the standard operators: the first with sums and maxima in ScatterND."""

IR_VERSION = 9
"""Version of the file format; runtimes of 2023 and later read it."""

MOST_GATHERED = 1 << 26
"""Values that an aggregation of a known matrix gathers at once; more channels go in several parts."""

Attribute = int | float | str | Sequence[int]


@dataclass(frozen=True)
class Sparse:
    """A sparse matrix in a graph: names of row, col [entries], value [entries], and rows [1]."""

    row: str
    col: str
    value: str
    rows: str
    entries: int | None = None


@dataclass(eq=False)
class OnnxGraph:
    """Nodes, constants, inputs and outputs of a model; a value is known by its name.

    Args:
        dtype: of the network's values, float32 or float64.
    """

    dtype: np.dtype[np.generic]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    inputs: list[onnx.ValueInfoProto] = field(default_factory=list)
    outputs: list[onnx.ValueInfoProto] = field(default_factory=list)
    count: int = 0

    def __post_init__(self) -> None:
        self.helper = package("onnx").helper
        self.of_array = package("onnx.numpy_helper").from_array
        self.kinds = package("onnx").TensorProto

    def op(self, kind: str, *inputs: str, name: str = "", **attributes: Attribute) -> str:
        """Add an operator with one result and give the result's name."""
        self.count += 1
        result = name or f"{kind.lower()}/{self.count}"  # no name of a module or argument has a slash
        self.nodes.append(self.helper.make_node(kind, list(inputs), [result], name=f"op_{self.count}", **attributes))
        return result

    def constant(self, value: NDArray[np.generic] | Sequence[float] | float) -> str:
        """A constant in the network's number type."""
        return self._keep(np.asarray(value, dtype=self.dtype))

    def whole(self, value: NDArray[np.generic] | Sequence[int] | int) -> str:
        """A constant of whole numbers, int64."""
        return self._keep(np.asarray(value, dtype=np.int64))

    def tensor(self, tensor: Tensor, dims: int = 0, axis: int = 1) -> str:
        """A tensor of the network; one of a value per channel stretched to ``dims`` axes."""
        array = tensor.detach().cpu().numpy()
        if dims and array.ndim == 1:
            shape = [1] * dims
            shape[axis] = array.size
            array = array.reshape(shape)
        return self.constant(array)

    def _keep(self, array: NDArray[np.generic]) -> str:
        self.count += 1
        name = f"constant/{self.count}"
        self.constants.append(self.of_array(array, name))
        return name

    def input(self, name: str, shape: Sequence[int | str | None], whole: bool = False) -> str:
        """Declare an input; None and names are sizes that the call decides."""
        self.inputs.append(self.helper.make_tensor_value_info(name, self.kind(whole), list(shape)))
        return name

    def output(self, name: str, shape: Sequence[int | str | None], whole: bool = False) -> None:
        """Declare an output."""
        self.outputs.append(self.helper.make_tensor_value_info(name, self.kind(whole), list(shape)))

    def kind(self, whole: bool = False) -> int:
        """ONNX's number for int64 or for the network's number type."""
        if whole:
            return int(self.kinds.INT64)
        return int(self.kinds.DOUBLE if self.dtype == np.float64 else self.kinds.FLOAT)

    def rows(self, value: str) -> str:
        """Size of the first axis, int64 [1]."""
        return self.op("Slice", self.op("Shape", value), self.whole([0]), self.whole([1]))

    def sum_at(self, index: str, value: str, rows: str) -> str:
        """Sum of the values [entries] that have the same index, [rows]."""
        return self.op("ScatterElements", self.filled(rows, 0.0), index, value, axis=0, reduction="add")

    def filled(self, shape: str, value: float) -> str:
        """A tensor of one value."""
        return self.op("Expand", self.constant(value), shape)

    def aggregate(self, matrix: Sparse, x: str, channels: int) -> str:
        """A X for X [nodes, channels]: rows of the neighbours, weighed and added up at their targets."""
        step = channels if matrix.entries is None else max(1, MOST_GATHERED // max(matrix.entries, 1))
        parts = []
        for start in range(0, channels, step):
            some = x if step >= channels else self.columns(x, start, min(start + step, channels))
            width = min(step, channels - start)
            gathered = self.op("Gather", some, matrix.col, axis=0)
            weighed = self.op("Mul", gathered, self.op("Unsqueeze", matrix.value, self.whole([1])))
            parts.append(self.scattered(matrix, weighed, width, 0.0, "add"))
        return parts[0] if len(parts) == 1 else self.op("Concat", *parts, axis=1)

    def columns(self, x: str, start: int, end: int) -> str:
        return self.op("Slice", x, self.whole([start]), self.whole([end]), self.whole([1]))

    def scattered(self, matrix: Sparse, values: str, channels: int, empty: float, reduction: str) -> str:
        """Values [entries, channels] added up, or their maximum, at the row of each entry."""
        shape = self.op("Concat", matrix.rows, self.whole([channels]), axis=0)
        index = self.op("Unsqueeze", matrix.row, self.whole([1]))
        return self.op("ScatterND", self.filled(shape, empty), index, values, reduction=reduction)

    def fired(
        self, potential: str, scale: str, sent_scale: str, coding: PhaseCode, horizon: str | None = None, name: str = ""
    ) -> str:
        """The values that a population sends for its potentials: thresholds as comparisons, levels from a table.

        The number of thresholds that z = U / scale reaches, c, gives the phase T + 1 - c and the value Q^-(T + 1 - c).
        """
        z = self.op("Div", potential, scale)
        magnitude = self.op("Abs", z) if coding.signed else z
        ladder = self.constant(coding.thresholds().numpy())
        reached = self.op("GreaterOrEqual", self.op("Unsqueeze", magnitude, self.whole([-1])), ladder)
        count = self.op("ReduceSum", self.op("Cast", reached, to=self.kinds.INT64), self.whole([-1]), keepdims=0)
        if horizon is not None:  # a spike past the last phase is not sent
            phase = self.op("Sub", self.whole(coding.timesteps + 1), count)
            count = self.op("Where", self.op("Greater", phase, horizon), self.whole(0), count)
        table = self.constant(np.concatenate([[0.0], coding.levels().numpy()[::-1]]))
        value = self.op("Gather", table, count)
        if coding.signed:
            value = self.op("Mul", value, self.op("Sign", z))
        return self.op("Mul", value, sent_scale, name=name)

    def model(self, title: str, notes: dict[str, str]) -> onnx.ModelProto:
        """The whole model with its opset and metadata."""
        graph = self.helper.make_graph(self.nodes, title, self.inputs, self.outputs, self.constants)
        opset = self.helper.make_opsetid("", OPSET)
        model = self.helper.make_model(graph, producer_name="gcn2snn", opset_imports=[opset])
        model.ir_version = IR_VERSION
        self.helper.set_model_props(model, notes)
        return model
