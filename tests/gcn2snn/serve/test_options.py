"""Options: names for addresses, limits that fit each other, refusals in one sentence."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from gcn2snn.errors import ConfigError
from gcn2snn.serve import ServeOptions
from gcn2snn.serve.options import number_of_cores


@pytest.mark.parametrize(
    ("file", "name"), [("runs/r8-a/snn.safetensors", "r8-a"), ("x/small.safetensors", "small"), ("x/net", "net")]
)
def test_a_model_is_called_after_its_file_or_folder(file: str, name: str) -> None:
    assert ServeOptions(network=Path(file)).model_name == name
    assert ServeOptions(network=Path(file), name="given").model_name == "given"


def test_a_relative_file_is_called_after_the_folder_that_it_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine")
    assert ServeOptions(network=Path("snn.safetensors")).model_name == "mine"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"port": 70000}, "port = 70000: input should be less than or equal to 65535"),
        ({"port": -1}, "port = -1"),
        ({"workers": 0}, "workers = 0"),
        ({"queue": 10}, "^queue = 10 is smaller than max_texts = 1000"),
        ({"batch": 0}, "batch = 0"),
        ({"max_bytes": 1}, "max_bytes = 1"),
        ({"body_seconds": 0}, "body_seconds = 0"),
        ({"host": ""}, "host = ''"),
        ({"name": "a/b"}, "the model's name would be 'a/b', and a part of an address has letters"),
        ({"network": Path("ü b.safetensors")}, "Give one with --name"),
    ],
)
def test_impossible_options_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace(".", r"\.")):
        ServeOptions(**{"network": Path("x"), **given})


def test_options_travel_to_workers() -> None:
    options = ServeOptions(network=Path("x"), workers=3)
    assert pickle.loads(pickle.dumps(options)) == options
    assert ServeOptions(network=Path("x")).workers == number_of_cores() >= 1
