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
        ({"wait": 65_536}, "wait = 65536: input should be less than or equal to 65535"),
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


BOUNDS = {
    TrainConfig: {
        "hidden": (1, None), "layers": (2, None), "dropout": (0.0, 0.999), "weight_decay": (0.0, None), "epochs": (1, None),
        "patience": (1, None), "validation": (1e-9, 0.999), "learning_rate": (1e-9, None), "seed": (0, 2**31 - 1),
        "threads": (0, None), "save_every": (0.0, None),
    },
    ConvertConfig: {
        "base": (1.0000001, 999999.0), "timesteps": (1, 255), "group": (1, 8), "percentile": (1e-9, 100.0), "wait": (0, None),
        "input_timesteps": (1, 24), "horizon": (1e-9, None), "events": (1e-9, 1.0), "refit_ridge": (0.0, None),
    },
    LayerConfig: {
        "base": (1.0000001, 999999.0), "timesteps": (1, 255), "group": (1, 8), "horizon": (1e-9, None), "events": (1e-9, 1.0),
    },
}  # fmt: skip
"""The least and the largest value of each option; the next one outside is refused."""

NEEDED: dict[str, dict[str, object]] = {"percentile": {"scale": "percentile"}, "refit_ridge": {"refit": True}}
"""What an option needs to have an effect."""


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, options in BOUNDS.items() for name in options])
def test_options_end_where_they_say(kind: type, name: str) -> None:
    for bound, outwards in zip(BOUNDS[kind][name], (-1, 1), strict=True):
        if bound is None:
            continue
        assert getattr(kind(**{name: bound}, **NEEDED.get(name, {})), name) == bound
        beyond = bound + outwards if isinstance(bound, int) else round(bound + outwards * 1e-3, 3)
        if isinstance(bound, float) and bound == 999999.0:
            beyond = 1e6
        with pytest.raises(ConfigError, match=f"{name} = "):
            kind(**{name: beyond}, **NEEDED.get(name, {}))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"scale": "max", "percentile": 50.0}, "^percentile=50 has no effect: no scale is a percentile"),
        ({"percentile": 50.0}, "^percentile=50 has no effect"),
        ({"layers": {"a": LayerConfig(scale="mse")}, "percentile": 50.0}, "^percentile=50 has no effect"),
        ({"refit_ridge": 0.5}, "^refit_ridge=0.5 has no effect: nothing is refitted"),
        ({"input": "single", "input_timesteps": 3}, "^input_timesteps=3 has no effect: .* input is 'single'"),
        ({"events": 0.5, "horizon": 0.1}, "^events and horizon exclude each other"),
        (
            {"shift": False, "last": "half", "refit_ridge": 0.5},
            "needs shifted thresholds; .*; refit_ridge=0.5 has no effect",
        ),
    ],
)
def test_options_that_another_leaves_without_effect_are_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        ConvertConfig(**options)


def test_exceptions_by_population_count_for_what_has_an_effect() -> None:
    ConvertConfig(percentile=50.0, layers={"a": LayerConfig(scale="percentile")})
    ConvertConfig(refit_ridge=0.5, layers={"a": LayerConfig(refit=True)})
    ConvertConfig(events=0.5, layers={"a": LayerConfig(horizon=0.1)})
    own = {"a": LayerConfig(scale="percentile", refit=True)}
    assert ConvertConfig(percentile=50.0, refit_ridge=0.5, layers=own).without_exceptions() == ConvertConfig()
    kept = ConvertConfig(scale="percentile", percentile=50.0, refit=True, refit_ridge=0.5)
    assert kept.without_exceptions() == kept
    with pytest.raises(ConfigError, match=r"^events and horizon exclude each other"):
        LayerConfig(events=0.5, horizon=0.1)
    with pytest.raises(ConfigError, match=r"^layers\.a: events and horizon exclude each other"):
        ConvertConfig(layers={"a": {"events": 0.5, "horizon": 0.1}})


def test_defaults_are_those_that_the_method_describes() -> None:
    """Training: Yao et al. 2019, Section 4. Conversion: the paper's T and thresholds; the rest is measured or left out."""
    assert to_dict(TrainConfig()) == {
        "hidden": 200, "layers": 2, "dropout": 0.5, "learning_rate": 0.02, "weight_decay": 0.0, "epochs": 200, "patience": 10,
        "validation": 0.1, "seed": 0, "threads": 0, "device": "auto", "save_every": 10.0, "inductive": False, "cost": 0.0,
        "averaging": 0.0,
    }  # fmt: skip
    found = to_dict(TrainConfig.for_new_documents())
    assert {name: value for name, value in found.items() if value != to_dict(TrainConfig())[name]} == {
        "hidden": 160, "learning_rate": 0.1, "inductive": True, "cost": 1.0, "averaging": 0.95,
    }  # fmt: skip
    assert to_dict(ConvertConfig()) == {
        "base": None, "timesteps": 16, "group": 1, "message": "signed", "scale": "auto", "percentile": 99.9, "per": "auto",
        "shift": True, "last": "midpoint", "one_hot": "unit", "input": "binary", "input_timesteps": None, "wait": None,
        "batch_norm": "weights", "avg_pool": "merge", "correct": "auto", "weights": "float", "horizon": None, "events": None,
        "refit": False, "refit_ridge": 0.0, "residual": "spikes", "layers": {},
    }  # fmt: skip
    assert set(to_dict(ConvertConfig(layers={"a": LayerConfig()}))["layers"]["a"].values()) == {None}
    assert ConvertConfig().common_base == 1.3
    assert ConvertConfig(base=2.0).common_base == 2.0
    assert [ConvertConfig(timesteps=t).input_bits for t in (8, 24, 25)] == [8, 24, 24]
    assert ConvertConfig(timesteps=8, input_timesteps=3).input_bits == 3


@pytest.mark.parametrize(
    ("kind", "options", "told"),
    [
        (TrainConfig, {"cost": 1.0}, "^cost = 1.0 and averaging = 0.0 belong to inductive training"),
        (TrainConfig, {"averaging": 0.5}, "^cost = 0.0 and averaging = 0.5 belong to inductive training"),
        (TrainConfig, {"inductive": True}, "^cost = 0 leaves nothing to learn"),
        (ConvertConfig, {"shift": False, "last": "half"}, "^last='half' needs shifted thresholds"),
        (ConvertConfig, {"shift": False, "layers": {"a": {"last": "half"}}}, "^last='half' needs shifted thresholds"),
        (ConvertConfig, {"timesteps": 0, "wait": -1}, "^timesteps = 0: .*; wait = -1: "),
        (TrainConfig, {"layers": 2.5}, "^layers = 2.5: "),
    ],
)
def test_options_that_exclude_each_other_are_told_in_a_sentence(kind: type, options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        kind(**options)
    assert ConvertConfig(shift=False, layers={"a": {"last": "midpoint"}}).shift is False
