from __future__ import annotations

import json
from typing import Any

import pytest

from gcn2snn.config import ConvertConfig, LayerConfig, TrainConfig, to_dict
from gcn2snn.errors import ConfigError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"base": 1.0}, r"base = 1\.0: input should be greater than 1"),
        ({"base": float("nan")}, "base = nan: input should be a finite number"),
        ({"timesteps": 0}, "timesteps = 0: input should be greater than or equal to 1"),
        ({"timesteps": 256}, "timesteps = 256: input should be less than or equal to 255"),
        ({"message": "loud"}, "message = 'loud': input should be 'signed', 'rectified' or 'fused'"),
        ({"wait": -1}, "wait = -1"),
        ({"layers": {"relu": {"base": 0.5}}}, r"layers\.relu\.base = 0\.5"),
        ({"bass": 1.3}, "bass = 1.3: unexpected"),
    ],
)
def test_convert_config_refuses(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ConvertConfig(**options)


@pytest.mark.parametrize("options", [{"layers": 1}, {"dropout": 1.0}, {"epochs": 0}, {"device": "tpu"}, {"seed": -1}])
def test_train_config_refuses(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(options))} = "):
        TrainConfig(**options)


def test_to_dict_survives_json() -> None:
    config = ConvertConfig(layers={"layer1.relu": LayerConfig(base=1.5, per="channel")}, wait=4)
    assert ConvertConfig(**json.loads(json.dumps(to_dict(config)))) == config


@pytest.mark.parametrize(
    ("options", "graph", "expected"),
    [
        ({}, False, ("max", "layer", "none")),
        ({}, True, ("mse", "channel", "mean")),
        ({"scale": "max"}, True, ("max", "layer", "none")),
        ({"per": "layer"}, True, ("mse", "layer", "mean")),
        ({"scale": "percentile", "correct": "none"}, True, ("percentile", "channel", "none")),
    ],
)
def test_settled(options: dict[str, Any], graph: bool, expected: tuple[str, str, str]) -> None:
    config = ConvertConfig(**options).settled(graph)
    assert (config.scale, config.per, config.correct) == expected
    assert config.settled(not graph) == config
