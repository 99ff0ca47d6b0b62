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
    ("options", "open_settings", "expected"),
    [
        ({}, ("base", "scale", "per", "correct"), (1.3, "max", "layer", "none")),
        ({"scale": "mse"}, ("base", "per", "correct"), (1.3, "mse", "layer", "none")),
        ({"base": 2.0, "correct": "mean", "per": "channel"}, ("scale",), (2.0, "max", "channel", "mean")),
    ],
)
def test_what_is_open_is_settled_as_in_the_paper(
    options: dict[str, Any], open_settings: tuple[str, ...], expected: tuple[float, str, str, str]
) -> None:
    config = ConvertConfig(**options)
    assert config.open == open_settings
    settled = config.settled()
    assert (settled.base, settled.scale, settled.per, settled.correct) == expected
    assert settled.open == ()


def test_the_paper_is_one_word_and_options_replace_its_values() -> None:
    assert ConvertConfig.paper() == ConvertConfig().settled()
    assert ConvertConfig.paper(base=1.2, timesteps=24).open == ()
    assert ConvertConfig.paper(correct="auto").open == ("correct",)
