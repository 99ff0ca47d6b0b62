"""ONNX: the classifier of new documents gives what ``snn.predict`` says, from word numbers alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gcn2snn.errors import ConfigError, InputError, InputTypeError
from gcn2snn.formats import check, export
from gcn2snn.formats.onnx_documents import document_feeds
from gcn2snn.formats.onnx_model import read_onnx, run_onnx

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

TEXTS = ["sweet red apple apple", "engine road bus", "nothing that is known", "", "pear and car", "wheel"]


def test_labels_and_probabilities_are_those_of_predict(text_gcn, tmp_path: Path) -> None:
    out = tmp_path / "documents.onnx"
    export(text_gcn, "onnx-documents", out=out)
    found = run_onnx(out, document_feeds(text_gcn, TEXTS))
    names = text_gcn.documents_of().class_names
    assert [names[place] for place in found["label"]] == text_gcn.predict(TEXTS)
    np.testing.assert_allclose(found["probability"], text_gcn.predict_proba(TEXTS).numpy(), atol=1e-6)
    assert check(text_gcn, "onnx-documents", TEXTS, out=out).passed
    assert check(text_gcn, "onnx-documents", out=out).facts["texts"] == 200


def test_the_words_stand_in_the_metadata(text_gcn, tmp_path: Path) -> None:
    """Whoever has the file alone can number the words of a text: ids are places in ``words``."""
    export(text_gcn, "onnx-documents", out=tmp_path / "documents.onnx")
    notes = {each.key: each.value for each in read_onnx(tmp_path / "documents.onnx").metadata_props}
    words, classes = json.loads(notes["words"]), json.loads(notes["classes"])
    ids = np.array([words.index(word) for word in ("engine", "road")])
    feeds = {"ids": ids, "counts": np.ones(2, np.float32), "document": np.zeros(2, np.int64)}
    found = run_onnx(tmp_path / "documents.onnx", feeds | {"documents": np.array([1])})
    assert classes[int(found["label"][0])] == "traffic"


def test_a_network_without_words_is_refused(cnn, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot classify texts"):
        export(cnn[0], "onnx-documents", out=tmp_path / "documents.onnx")


def test_inputs_that_are_no_texts_are_refused(text_gcn, tmp_path: Path) -> None:
    export(text_gcn, "onnx-documents", out=tmp_path / "documents.onnx")
    with pytest.raises(InputTypeError, match="inputs of onnx-documents are texts, got int"):
        check(text_gcn, "onnx-documents", [1, 2], out=tmp_path / "documents.onnx")


def test_no_texts_are_no_check(text_gcn, tmp_path: Path) -> None:
    export(text_gcn, "onnx-documents", out=tmp_path / "documents.onnx")
    with pytest.raises(InputError, match="there are no texts to compare"):
        check(text_gcn, "onnx-documents", [], out=tmp_path / "documents.onnx")
