"""The Open Inference Protocol, version 2, in its JSON form: texts in, one tensor for each part of the answers out.

Source: https://github.com/kserve/open-inference-protocol, specification/protocol/inference_rest.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gcn2snn.energy import preset_of
from gcn2snn.errors import ConfigError
from gcn2snn.prediction import Prediction
from gcn2snn.serve.request_errors import RequestError, wrong_body

EXAMPLE = '{"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["shares of the bank fell"]}]}'
INPUT = {"name": "text", "datatype": "BYTES", "shape": [-1]}

Parameters = dict[str, str | int | float | bool]
Row = list[str] | list[float] | list[int]


class RequestInput(BaseModel):
    """One input tensor."""

    model_config = ConfigDict(extra="forbid", strict=True)
    name: str
    shape: list[int]
    datatype: str
    parameters: Parameters = Field(default_factory=dict)
    data: list[object]


class RequestOutput(BaseModel):
    """One output tensor that is wanted."""

    model_config = ConfigDict(extra="forbid", strict=True)
    name: str
    parameters: Parameters = Field(default_factory=dict)


class InferenceRequest(BaseModel):
    """``$inference_request`` of the protocol."""

    model_config = ConfigDict(extra="forbid", strict=True)
    id: str | None = None
    parameters: Parameters = Field(default_factory=dict)
    inputs: list[RequestInput]
    outputs: list[RequestOutput] | None = None


@dataclass(frozen=True)
class _Column:
    """One output tensor: its datatype, its numbers for one text, and whether it has a column for each class."""

    datatype: str
    row: Callable[[Prediction], Row]
    by_class: bool = False


_COLUMNS = {
    "label": _Column("BYTES", lambda answer: [answer.label]),
    "probability": _Column("FP64", lambda answer: list(answer.probability.values()), by_class=True),
    "known_words": _Column("INT64", lambda answer: [answer.known_words]),
    "spikes": _Column("INT64", lambda answer: [answer.spikes]),
    "additions": _Column("INT64", lambda answer: [answer.additions]),
    "joules": _Column("FP64", lambda answer: [answer.joules]),
    "steps": _Column("INT64", lambda answer: [answer.steps]),
}
CLASSES = "classes"
"""The output with the names of the classes, in the order of the columns of ``probability``."""


def model_metadata(name: str, num_classes: int) -> dict[str, object]:
    """``$metadata_model_response``: what goes in and what comes out."""
    outputs: list[dict[str, object]] = [
        {"name": each, "datatype": column.datatype, "shape": [-1, num_classes] if column.by_class else [-1]}
        for each, column in _COLUMNS.items()
    ]
    outputs.append({"name": CLASSES, "datatype": "BYTES", "shape": [num_classes]})
    return {"name": name, "platform": "gcn2snn_spiking_network", "inputs": [INPUT], "outputs": outputs}


@dataclass(frozen=True)
class Inference:
    """A request that has been read.

    Args:
        texts: to classify.
        strict: refuse texts without a known word.
        energy: preset of the joules.
        outputs: names of the tensors to answer with.
        id: to give back, if there is one.
    """

    texts: list[str]
    strict: bool
    energy: str
    outputs: list[str]
    id: str | None


def read_inference(body: bytes) -> Inference:
    """The texts and options of a request.

    Raises:
        RequestError: 400, the body is not what the protocol or this model says.
    """
    try:
        request = InferenceRequest.model_validate_json(body)
    except ValidationError as error:
        raise wrong_body(error, EXAMPLE, status=400) from None
    names = [*_COLUMNS, CLASSES]
    wanted = names if request.outputs is None else [output.name for output in request.outputs]
    unknown = [name for name in wanted if name not in names]
    if unknown or len(set(wanted)) < len(wanted) or not wanted:
        raise RequestError(400, f"outputs are {wanted}; each may be asked for once, and there are {', '.join(names)}")
    strict, energy = _parameters(request.parameters)
    return Inference(_texts(request.inputs), strict, energy, wanted, request.id)


def inference_response(
    model: str, request: Inference, answers: Sequence[Prediction], class_names: Sequence[str]
) -> dict[str, object]:
    """``$inference_response``: tensors flattened row by row."""
    outputs: list[dict[str, object]] = []
    for name in request.outputs:
        if name == CLASSES:
            outputs.append({"name": name, "shape": [len(class_names)], "datatype": "BYTES", "data": list(class_names)})
            continue
        column = _COLUMNS[name]
        shape = [len(answers), len(class_names)] if column.by_class else [len(answers)]
        data = [value for answer in answers for value in column.row(answer)]
        outputs.append({"name": name, "shape": shape, "datatype": column.datatype, "data": data})
    content: dict[str, object] = {"model_name": model, "outputs": outputs}
    return content if request.id is None else content | {"id": request.id}


def _parameters(given: Parameters) -> tuple[bool, str]:
    # binary_data_output asks for an extension that is not here; a JSON answer is right by the protocol all the same.
    unknown = sorted(set(given) - {"strict", "energy", "binary_data_output"})
    if unknown:
        raise RequestError(
            400, f"parameters {', '.join(unknown)} are unknown; allowed are strict (true or false) and energy"
        )
    strict, energy = given.get("strict", False), given.get("energy", "fp32")
    if not isinstance(strict, bool):
        raise RequestError(400, f"parameter strict is {strict!r}; true or false is needed")
    if not isinstance(energy, str):
        raise RequestError(400, f"parameter energy is {energy!r}; the name of a preset is needed, such as fp32")
    try:
        preset_of(energy)
    except ConfigError as error:
        raise RequestError(400, f"parameter energy: {error}") from None
    return strict, energy


def _texts(inputs: Sequence[RequestInput]) -> list[str]:
    if len(inputs) != 1:
        raise RequestError(
            400, f"{len(inputs)} inputs came; this model has one, called text. Send a body like {EXAMPLE}"
        )
    (given,) = inputs
    if given.name != INPUT["name"] or given.datatype != INPUT["datatype"]:
        raise RequestError(
            400,
            f"the input is {given.name!r} of datatype {given.datatype}; this model has one called 'text' of datatype BYTES. "
            f"Send a body like {EXAMPLE}",
        )
    unknown = sorted(set(given.parameters) - {"content_type"})
    if unknown:
        raise RequestError(
            400,
            f"parameters {', '.join(unknown)} of the input are unknown. Send texts as JSON strings in data, like {EXAMPLE}",
        )
    rows = [row[0] if isinstance(row, list) and len(row) == 1 else row for row in given.data]
    texts = [row for row in rows if isinstance(row, str)]
    if len(texts) < len(rows):
        raise RequestError(400, f"data holds something else than strings. Send a body like {EXAMPLE}")
    if given.shape not in ([len(texts)], [len(texts), 1]) or not texts:
        raise RequestError(
            400,
            f"the shape is {given.shape} and data holds {len(texts)} texts; the shape is [texts] or [texts, 1], and at least one "
            f"text is needed",
        )
    return texts
