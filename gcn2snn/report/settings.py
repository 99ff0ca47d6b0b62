"""Settings in words: how a network was converted, how its source was trained, and which of the values are for machines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import get_type_hints

from gcn2snn.config import ConvertConfig, LayerConfig, TrainConfig

MESSAGES = {
    "signed": "numbers of both signs, as spikes with a sign",
    "rectified": "negative numbers are dropped, as in the paper",
    "fused": "no neurons there: values go on as they are",
}
SCALES = {
    "auto": "what suits the network",
    "max": "the largest activation of the calibration data",
    "mse": "the one with the least error on the calibration data",
}
INPUTS = {
    "binary": "in binary, a spike for each bit that is set",
    "single": "as one spike",
    "analog": "as values, without spikes",
}
CORRECTIONS = {
    "auto": "what suits the network",
    "mean": "starting potentials make each channel send its mean",
    "none": "none",
}


def conversion_in_words(config: ConvertConfig) -> dict[str, str]:
    """What a conversion did, one sentence for each setting that matters to the reader."""
    wait = "until all input has arrived, which is exact" if config.wait is None else f"{config.wait} steps"
    told = {
        "Code": _code(config),
        "Thresholds": "halfway between two values, so that values are rounded"
        if config.shift
        else "at the values themselves",
        "Scale": f"{_scale(config)}, for {'each channel' if config.per == 'channel' else 'the whole layer'}",
        "Between weights and aggregation": MESSAGES[config.message],
        "Input values": INPUTS[config.input],
        "A layer waits": wait,
        "Correction": CORRECTIONS[config.correct],
        "Weights": "rounded to 8 bits" if config.weights == "int8" else "as in the source",
        "Spikes that are left out": _left_out(config),
    }
    if config.batch_norm == "threshold":
        told["Batch norm"] = "stays in threshold and starting potential"
    if config.avg_pool == "spike":
        told["Average pooling"] = "has neurons of its own"
    if config.residual == "kept":
        told["Residual branches"] = "stay in the potential of the neuron instead of being sent as spikes"
    for name, own in config.layers.items():
        told[f"Other for {name}"] = _own(own)
    return told


def _code(config: ConvertConfig) -> str:
    group = f"; {config.group} neurons share a membrane" if config.group > 1 else ""
    if config.base is None:
        return f"{config.timesteps} time steps at a base that is measured for each population{group}"
    return f"{config.timesteps} time steps at base {config.base:g}: a spike is worth {config.base:g} times less with each step{group}"


def _scale(config: ConvertConfig) -> str:
    return (
        f"the {config.percentile:g} percentile of the activations"
        if config.scale == "percentile"
        else SCALES[config.scale]
    )


def _left_out(config: ConvertConfig) -> str:
    refit = ", and the rest is fitted anew" if config.refit else ""
    if config.events is not None:
        return f"those that matter least, until {100 * config.events:g} % of each population's additions remain{refit}"
    if config.horizon is not None:
        return f"those that move the result by less than {config.horizon:g} for each addition{refit}"
    return "none"


def _own(own: LayerConfig) -> str:
    changed = {name: value for name, value in vars(own).items() if value is not None}
    return ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in changed.items()
    )


def training_in_words(values: dict[str, object]) -> dict[str, object]:
    """Names of options with their meaning, where the configuration of Text GCN training says it."""
    meanings = {name: _description(hint) for name, hint in get_type_hints(TrainConfig, include_extras=True).items()}
    return {f"{name}: {meanings[name]}" if meanings.get(name) else name: value for name, value in values.items()}


def _description(hint: object) -> str:
    details: Sequence[object] = getattr(hint, "__metadata__", ())
    return next((str(text) for text in (getattr(detail, "description", None) for detail in details) if text), "")


def for_machines(values: dict[str, object]) -> tuple[dict[str, object], dict[str, object]]:
    """Values that people read, and the others: checksums, versions of formats, and what is not set.

    >>> for_machines({"dataset": "r8", "corpus_hash": "0e0a", "options, tokeniser": None})
    ({'dataset': 'r8'}, {'corpus_hash': '0e0a', 'options, tokeniser': None})
    """
    folded = {name: value for name, value in values.items() if value in (None, [], "") or _is_for_machines(name, value)}
    return {name: value for name, value in values.items() if name not in folded}, folded


def _is_for_machines(name: str, value: object) -> bool:
    return bool(re.search(r"hash|fingerprint|builder|sha256", name) or re.fullmatch(r"[0-9a-f]{40,}", str(value)))
