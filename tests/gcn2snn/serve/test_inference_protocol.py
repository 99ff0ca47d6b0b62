"""The Open Inference Protocol: every endpoint, tensors in and out, errors as the protocol has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

INPUT: dict[str, Any] = {"name": "text", "shape": [2], "datatype": "BYTES", "data": ["sweet apple", "bus jam"]}


@pytest.fixture
def model(network_file: Path) -> str:
    return f"/v2/models/{network_file.parent.name}"


def test_health_and_metadata(client: Any, model: str) -> None:
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"live": True, "ready": True}
    server = client.get("/v2").json()
    assert (server["name"], set(server)) == ("gcn2snn", {"name", "version", "extensions"})
    name = model.rpartition("/")[2]
    assert client.get(f"{model}/ready").json() == {"name": name, "ready": True}
    metadata = client.get(model).json()
    assert metadata["name"] == name
    assert metadata["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]


def test_tensors_agree_with_the_metadata_and_with_predict(client: Any, model: str) -> None:
    found = client.post(f"{model}/infer", {"id": "42", "inputs": [INPUT]})
    assert found.status_code == 200
    content = found.json()
    assert content["id"] == "42"
    assert content["model_name"] == model.rpartition("/")[2]
    tensors = {each["name"]: each for each in content["outputs"]}
    for each in client.get(model).json()["outputs"]:
        tensor = tensors[each["name"]]
        assert tensor["datatype"] == each["datatype"]
        assert tensor["shape"] == [2 if size == -1 else size for size in each["shape"]]
        size = tensor["shape"][0] * (tensor["shape"][1] if len(tensor["shape"]) == 2 else 1)
        assert len(tensor["data"]) == size
    answers = client.post("/predict", {"texts": INPUT["data"], "top": 2}).json()["predictions"]
    for name in ("label", "known_words", "spikes", "additions", "joules", "steps"):
        assert tensors[name]["data"] == [answer[name] for answer in answers]
    classes = tensors["classes"]["data"]
    assert tensors["probability"]["data"] == [answer["probability"][each] for answer in answers for each in classes]


def test_nested_data_and_chosen_outputs(client: Any, model: str) -> None:
    nested = INPUT | {"shape": [2, 1], "data": [["sweet apple"], ["bus jam"]], "parameters": {"content_type": "str"}}
    body = {"inputs": [nested], "outputs": [{"name": "label"}], "parameters": {"energy": "int8-paper"}}
    content = client.post(f"{model}/infer", body).json()
    assert content["outputs"] == [{"name": "label", "shape": [2], "datatype": "BYTES", "data": ["fruit", "traffic"]}]
    assert "id" not in content


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": []}, "0 inputs came; this model has one, called text"),
        ({"inputs": [INPUT, INPUT]}, "2 inputs came"),
        ({"inputs": [INPUT | {"name": "x"}]}, "the input is 'x' of datatype BYTES; this model has one called 'text'"),
        ({"inputs": [INPUT | {"datatype": "FP32", "data": [1.0, 2.0]}]}, "of datatype FP32"),
        ({"inputs": [INPUT | {"data": ["a", 2]}]}, "data holds something else than strings"),
        ({"inputs": [INPUT | {"data": [["a", "b"]]}]}, "data holds something else than strings"),
        ({"inputs": [INPUT | {"shape": [3]}]}, "the shape is [3] and data holds 2 texts"),
        ({"inputs": [INPUT | {"shape": [-1]}]}, "the shape is [-1] and data holds 2 texts"),
        ({"inputs": [INPUT | {"shape": [0], "data": []}]}, "at least one text is needed"),
        ({"inputs": [INPUT | {"parameters": {"binary_data_size": 9}}]}, "Send texts as JSON strings"),
        ({"inputs": [INPUT], "outputs": [{"name": "logits"}]}, "outputs are ['logits']; each may be asked for once"),
        ({"inputs": [INPUT], "outputs": []}, "outputs are []"),
        ({"inputs": [INPUT], "parameters": {"top": 3}}, "parameters top are unknown; allowed are strict"),
        ({"inputs": [INPUT], "parameters": {"strict": "yes"}}, "parameter strict is 'yes'; true or false"),
        ({"inputs": [INPUT], "parameters": {"energy": 3}}, "parameter energy is 3"),
        ({"inputs": [INPUT], "parameters": {"energy": "9nm"}}, "energy preset '9nm' is unknown"),
        ({"inputs": [INPUT], "extra": 1}, "extra: extra inputs are not permitted"),
        ({}, "inputs: field required"),
    ],
    ids=range(18),
)  # fmt: skip
def test_errors_have_the_form_of_the_protocol(client: Any, model: str, change: dict[str, Any], message: str) -> None:
    found = client.post(f"{model}/infer", change)
    assert found.status_code == 400
    assert set(found.json()) == {"error"}
    assert message in found.json()["error"]


def test_refusals_with_another_status(client: Any, model: str) -> None:
    strict = {"inputs": [INPUT | {"data": ["apple", "unheard"]}], "parameters": {"strict": True}}
    assert client.post(f"{model}/infer", strict).status_code == 422
    assert client.post("/v2/models/other/infer", {"inputs": [INPUT]}).status_code == 404
    many = INPUT | {"shape": [1001], "data": ["a"] * 1001}
    assert client.post(f"{model}/infer", {"inputs": [many]}).status_code == 413
    binary = client.post(f"{model}/infer", b"{}", headers={"Inference-Header-Content-Length": "2"})
    assert (binary.status_code, "binary form is not spoken" in binary.json()["error"]) == (400, True)
