"""The largest level meets the cap, or the top is clipped by a second comparison: docs/decisions/0082 has the numbers.

``pytest -m slow -s tests/gcn2snn/passes/test_scale_under_a_cap.py`` prints them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from capped_models import GraphNet, InvertedResidual, capped_relu
from torch import Tensor, nn

from gcn2snn import ir
from gcn2snn.cnn import load_images
from gcn2snn.config import ConvertConfig
from gcn2snn.conversion import convert
from gcn2snn.datasets import load_graph
from gcn2snn.engines import Value, bind, code_input, fire, run, started
from gcn2snn.errors import DataError
from gcn2snn.kernels import Spikes
from gcn2snn.passes import bias_correction, calibration

RULES = [
    ConvertConfig(scale="max", per="layer", correct="none"),
    ConvertConfig(scale="max", per="channel", correct="mean"),
    ConvertConfig(scale="mse", per="channel", correct="mean"),
]


LEAST_ERROR = calibration._least_error


def clipped(node: ir.Neuron, potential: Value) -> Spikes:
    """Spikes that a second comparison at the top delays to the first phase whose level is not above the cap."""
    spikes, cap = fire(node, potential), node.activation.cap
    if cap is None:
        return spikes
    above = node.coding.levels()[:, None] * node.scale.double().reshape(1, -1) > cap * (1 + 1e-6)
    first = (above.sum(0) + 1).to(spikes.code.dtype).view(1, -1, *[1] * (spikes.code.dim() - 2))
    return spikes.with_code(torch.where(spikes.fired, spikes.code.maximum(first), spikes.code))


def divergence(model: nn.Module, data: tuple[Any, ...], config: ConvertConfig, sample: list[Any], fires: Any) -> float:
    """KL divergence of the converted network's classes from the source's."""
    network = convert(model, sample[0], config, calibration=sample).network
    with torch.no_grad():
        scores = started(network.output, run(network, bind(network, data, {}), fires, code_input))
        return float(
            F.kl_div(scores.log_softmax(1), model(*data).log_softmax(1), log_target=True, reduction="batchmean")
        )


Case = tuple[nn.Module, tuple[Any, ...], list[Any]]


def descend(model: nn.Module, batches: Iterable[tuple[tuple[Any, ...], Tensor, Any]], rate: float) -> nn.Module:
    """Adam over batches of (arguments, labels, rows that have labels)."""
    optimizer = torch.optim.Adam(model.parameters(), rate, weight_decay=5e-4)
    model.train()
    for args, labels, rows in batches:
        optimizer.zero_grad()
        F.cross_entropy(model(*args)[rows], labels[rows]).backward()
        optimizer.step()
    return model.eval()


def mobile(cap: float) -> Case:
    """A small MobileNetV2 on the digits."""
    torch.manual_seed(0)
    model = nn.Sequential(
        *(nn.Conv2d(1, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), capped_relu(cap)),
        *(InvertedResidual(16, 24, 1, cap), InvertedResidual(24, 24, 1, cap), InvertedResidual(24, 32, 2, cap)),
        *(InvertedResidual(32, 32, 1, cap), nn.Conv2d(32, 64, 1, bias=False), nn.BatchNorm2d(64), capped_relu(cap)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)),
    )
    train, test = load_images("digits", "train"), load_images("digits", "test")
    images, labels = train.images.float() / 255, torch.as_tensor(train.labels)
    order = torch.cat([torch.randperm(len(images)) for _ in range(5)]).split(64)
    descend(model, (((images[rows],), labels[rows], slice(None)) for rows in order), 0.01)
    return model, (test.images.float() / 255,), [images[:150]]


def cora(cap: float) -> Case:
    """A graph network of three layers on Cora."""
    torch.manual_seed(0)
    try:
        graph = load_graph("cora")
    except DataError as error:
        pytest.skip(f"needs Cora: {error}")
    assert graph.features is not None
    call = (graph.adjacency, graph.features)
    model = GraphNet((graph.features.shape[1], 64, 64, graph.num_classes), cap)
    descend(model, [(call, graph.labels, graph.train_mask)] * 60, 0.01)
    return model, call, [graph]


@pytest.mark.slow
@pytest.mark.parametrize(("make", "cap"), [(mobile, 6.0), (mobile, 2.0), (cora, 6.0), (cora, 1.0)])
def test_meeting_the_cap_is_as_good_as_clipping_and_better_where_values_reach_it(
    make: Callable[[float], Case], cap: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, data, sample = make(cap)
    meets, clips = [], []
    for config in RULES:
        meets.append(divergence(model, data, config, sample, fire))
        with monkeypatch.context() as patch:  # the usual scale, and the cap only at the top of what is sent
            patch.setattr(calibration, "_under_cap", lambda node, scale, kind: scale)
            patch.setattr(calibration, "_least_error", lambda counts, coding, capped: LEAST_ERROR(counts, coding))
            patch.setattr(bias_correction, "fire", clipped)
            clips.append(divergence(model, data, config, sample, clipped))
        print(f"{make.__name__} cap {cap:g} {config.scale} {config.per}: meets {meets[-1]:.4f}, clips {clips[-1]:.4f}")
    assert sum(meets) < 1.5 * sum(clips)
    if cap < 6:
        assert max(meets[:2]) < min(clips[:2])
