from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from gcn2snn.cli.origins import graph_of, is_image_run, origin_of, refuse_unknown_origin
from gcn2snn.conversion import convert
from gcn2snn.datasets import load_graph
from gcn2snn.errors import ArtefactError, ConfigError
from gcn2snn.run_summary import RUN_FORMAT


def test_graph_of_gives_the_graph_of_a_run_and_refuses_another() -> None:
    karate = load_graph("karate")
    summary = {"dataset": karate.source, "fingerprint": karate.fingerprint, "config": {}, "epochs": 3}
    origin = origin_of(summary)
    assert "epochs" not in origin
    assert graph_of(origin, None).fingerprint == karate.fingerprint
    with pytest.raises(ArtefactError, match="the data of karate are not those the network was trained on"):
        graph_of(origin | {"fingerprint": "0" * 64}, None)


def test_is_image_run_reads_the_kind(tmp_path: Path) -> None:
    assert not is_image_run(tmp_path)
    both = {"format": RUN_FORMAT, "status": "running", "environment": {}, "data": "digits", "train_images": 3}
    both |= {"dataset": {}, "fingerprint": "0" * 64}
    both["config"] = {"model": "small", "stem": "", "normalise": "unit", "seed": 0}
    for kind in ("images", "graph"):
        (tmp_path / "run.json").write_text(json.dumps(both | {"kind": kind}))
        assert is_image_run(tmp_path) == (kind == "images")


def test_refuse_unknown_origin_takes_images_and_datasets() -> None:
    snn = convert(torch.nn.Linear(4, 3).eval(), torch.rand(2, 4))
    refuse_unknown_origin(Path("snn"), snn, {"kind": "images"})
    refuse_unknown_origin(Path("snn"), snn, {"dataset": {"dataset": "karate"}})
    with pytest.raises(ConfigError, match=r"snn does not say what it was trained on. Give the data: --data FILE.pt"):
        refuse_unknown_origin(Path("snn"), snn, {})
