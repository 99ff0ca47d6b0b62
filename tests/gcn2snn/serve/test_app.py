"""The routes: the values of ``predict --json``, refusals with a status and a sentence, metrics, the page."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from command_line import gcn2snn
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from gcn2snn.serve import ServeOptions


def test_the_answers_are_those_of_the_command_line(client: Any, network_file: Path) -> None:
    texts = ["a sweet apple", "the bus jam", "unheard", "", "\U0001f34e apfel apple", "car\x00road"]
    words = [word for text in texts if "\x00" not in text for word in ("--text", text)]
    printed = gcn2snn("predict", network_file, *words, "--json", "--explain", "--top", 2, "--energy", "int8-paper")
    expected = [json.loads(line) for line in printed.stdout.splitlines()]
    body = {"texts": texts, "explain": True, "top": 2, "energy": "int8-paper"}
    found = client.post("/predict", body)
    assert found.status_code == 200
    content = found.json()
    assert content["predictions"][: len(expected)] == expected
    assert content["predictions"][-1]["known_words"] == 2
    assert content["model"] == network_file.parent.name
    assert content["notes"] == [
        "2 of 6 texts have no word that the network knows; their answer is the share of each class in training"
    ]
    short = client.post("/predict", {"texts": ["apple"]}).json()
    assert len(short["predictions"][0]["probability"]) == 1
    assert "influence" not in short["predictions"][0]
    assert short["notes"] == []


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"", 400, "the body is not JSON in UTF-8: invalid JSON: EOF"),
        (b'{"texts": ["a"]', 400, "not JSON"),
        (b'{"texts": ["\xff"]}', 400, "not JSON in UTF-8"),
        ('{"texts": ["a"]}'.encode("utf-16"), 400, "not JSON in UTF-8"),
        (b'{"texts": ["\\ud800"]}', 400, "not JSON"),
        (b'{"texts": ' + b"[" * 50_000, 400, "recursion"),
        (b"[]", 422, "the body: input should be an object, got list"),
        (b"null", 422, "the body: input should be an object, got None"),
        (b"{}", 422, "texts: field required"),
        (b'{"texts": []}', 422, "texts: list should have at least 1 item"),
        (b'{"texts": "apple"}', 422, "texts: input should be a valid array, got 'apple'"),
        (b'{"texts": ["apple", 7]}', 422, "texts.1: input should be a valid string, got 7"),
        (b'{"texts": [1, 2, 3, 4, 5]}', 422, "and 2 more"),
        (b'{"texts": ["apple"], "lop": 3}', 422, "lop: extra inputs are not permitted"),
        (b'{"texts": ["apple"], "top": 0}', 422, "top: input should be greater than or equal to 1, got 0"),
        (b'{"texts": ["apple"], "top": "2"}', 422, "top: input should be a valid integer, got '2'"),
        (b'{"texts": ["apple"], "explain": 1}', 422, "explain: input should be a valid boolean, got 1"),
        (b'{"texts": ["apple"], "energy": "9nm"}', 422, "energy preset '9nm' is unknown; allowed are fp32"),
        (b'{"texts": ["apple", "unheard"], "strict": true}', 422, "1 of 2 texts have no word that the network knows; the f"),
        (json.dumps({"texts": ["a"] * 1001}).encode(), 413, "1,001 texts came; 1,000 are allowed"),
        (json.dumps({"texts": ["a" * 2**20]}).encode(), 413, "the body has more than 1,048,576 bytes; 1,048,576 are allowed"),
        (b" " * (9 * 2**20), 413, "the body has 9,437,184 bytes; 1,048,576 are allowed"),
    ],
    ids=range(22),
)  # fmt: skip
def test_a_wrong_body_is_refused_with_a_sentence(client: Any, body: bytes, status: int, message: str) -> None:
    found = client.post("/predict", body)
    assert found.status_code == status
    assert set(found.json()) == {"error"}
    assert message in found.json()["error"]
    assert len(found.json()["error"]) < 600
    if status in (400, 422) and b"strict" not in body and b"energy" not in body:
        assert found.json()["error"].endswith('Send a body like {"texts": ["shares of the bank fell"]}')


@given(body=st.one_of(st.binary(max_size=200), st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(
        ["texts", "top", "explain", "strict", "energy", "inputs", "name", "shape", "datatype", "data", "outputs", "x"]), inner),
    max_leaves=12,
).map(lambda value: json.dumps(value).encode())), path=st.sampled_from(["/predict", "/v2/models/MODEL/infer"]))  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_whatever_is_sent_is_answered_or_refused(client: Any, network_file: Path, body: bytes, path: str) -> None:
    found = client.post(path.replace("MODEL", network_file.parent.name), body)
    assert found.status_code in (200, 400, 413, 422)
    assert ("error" in found.json()) == (found.status_code != 200)


@settings(max_examples=40, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_text_is_classified(client: Any, text: str) -> None:
    (answer,) = client.post("/predict", {"texts": [text], "explain": True}).json()["predictions"]
    assert answer["text"] == text
    assert answer["label"] in ("fruit", "traffic")


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("get", "/nothing", 404, "there is nothing at /nothing. There are /, /predict"),
        ("get", "/predict", 405, "/predict does not take GET; it takes POST"),
        ("post", "/metrics", 405, "/metrics does not take POST; it takes GET"),
        ("get", "/v2/", 404, "there is nothing at /v2/"),
        ("get", "/docs", 404, "there is nothing at /docs"),  # FastAPI's page would load scripts from elsewhere
        ("get", "/v2/models/other", 404, "there is no model 'other' here; there is "),
        ("get", "/v2/models/other/versions/1", 404, "models have no versions"),
    ],
)
def test_wrong_addresses_say_what_there_is(client: Any, method: str, path: str, status: int, message: str) -> None:
    found = getattr(client, method)(path)
    assert found.status_code == status
    assert message in found.json()["error"]


def test_a_compressed_body_is_refused(client: Any) -> None:
    found = client.post("/predict", b"x", headers={"Content-Encoding": "gzip"})
    assert (found.status_code, "without Content-Encoding" in found.json()["error"]) == (415, True)


def test_metrics_are_those_of_prometheus_and_count_every_outcome(client: Any) -> None:
    before = counts(client)
    client.post("/predict", {"texts": ["apple", "unheard"]})
    client.post("/predict", b"{")
    client.post("/predict", b" " * (9 * 2**20))
    after = counts(client)
    grown = {name: after[name] - before.get(name, 0) for name in after}
    assert grown["gcn2snn_requests_total", "answered", "predict"] == 1
    assert grown["gcn2snn_requests_total", "refused", "predict"] == 1
    assert grown["gcn2snn_requests_total", "too large", "predict"] == 1
    assert grown["gcn2snn_request_seconds_count", "predict"] == 3
    assert grown["gcn2snn_texts_total",] == 2
    assert grown["gcn2snn_texts_without_known_word_total",] == 1
    assert grown["gcn2snn_batch_texts_count",] == 1
    assert after["gcn2snn_memory_bytes",] > 50e6
    assert after["gcn2snn_threads",] >= 2
    assert after["gcn2snn_queue_texts",] == 0
    assert after["gcn2snn_requests_in_flight",] == 1  # the one that asks


def counts(client: Any) -> dict[tuple[str, ...], float]:
    found = client.get("/metrics")
    assert found.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = text_string_to_metric_families(found.text)
    return {
        (sample.name, *(sample.labels[key] for key in ("outcome", "route") if key in sample.labels)): sample.value
        for each in families
        for sample in each.samples
        if "le" not in sample.labels
    }


def test_the_page_loads_nothing_from_elsewhere(client: Any) -> None:
    found = client.get("/")
    assert found.headers["content-type"] == "text/html; charset=utf-8"
    assert "fruit, traffic" in found.text
    assert not re.findall(r"(?:src|href)=[\"'](?!data:)", found.text)
    assert set(re.findall(r"https?://[^\"'<> ]+", found.text)) == {
        "http://www.w3.org/2000/svg"
    }  # a name, not an address
    policy = found.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert '<label for="text">' in found.text
    assert found.text.startswith('<!doctype html>\n<html lang="en">')


def test_the_schema_names_the_routes(client: Any) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/", "/predict", "/metrics", "/v2", "/v2/models/{model}/infer"} <= set(paths)
    schema = paths["/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(schema["properties"]) == {"texts", "top", "explain", "strict", "energy"}


def test_the_command_has_no_defaults_of_its_own(network_file: Path) -> None:
    import inspect

    from gcn2snn.cli.serve import serve

    defaults = {name: item.default for name, item in inspect.signature(serve).parameters.items()}
    options = ServeOptions(network=network_file)
    for name in set(defaults) - {"network"}:
        assert hasattr(options, name)
        assert defaults[name] is None, name
