from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gcn2snn.cnn import build_model, find_normalisation, load_images
from gcn2snn.cnn.evaluation import count_energy, predict
from gcn2snn.config import ConvertConfig
from gcn2snn.conversion import convert
from gcn2snn.errors import InputError
from gcn2snn.report import Batch, Subject
from gcn2snn.report.collect import measure


@pytest.mark.parametrize("wait", [None, 0, 2])
def test_evaluate_and_report_count_the_same_spikes(wait: int | None) -> None:
    """With a short wait, late and false spikes count: both verbs see those that are really sent."""
    torch.manual_seed(0)
    images, normalise = load_images("digits", "test").first(40), find_normalisation("unit")
    model = build_model("small", 10, 1).eval()
    x, labels = next(iter(images.batches(40, normalise)))
    snn = convert(model, x, ConvertConfig(wait=wait))
    batch = Batch((x,), labels, torch.ones(len(labels), dtype=torch.bool))
    reported = measure(snn, Subject(lambda: [batch], images.class_names, "images", "40")).evaluation.energy
    counted = count_energy(snn, images, normalise, batch_size=15)
    assert counted.to_dict()["layers"] == reported.to_dict()["layers"]
    assert counted.updates == reported.updates


def test_a_network_for_other_images_is_refused() -> None:
    images = load_images("digits", "test").first(4)
    with pytest.raises(InputError, match=r"the network cannot work with images: Tensor \[4, 1, 8, 8\] torch.float32"):
        predict(torch.nn.Linear(2, 2), images, find_normalisation("unit"))


@pytest.mark.parametrize("network", [torch.nn.ReLU(), torch.nn.Flatten(0), torch.Tensor.numpy])
def test_what_gives_no_scores_of_classes_is_refused(network: Callable[[Tensor], Tensor]) -> None:
    """A tensor of other dimensions was compared with the labels by broadcasting, or ended in torch's error."""
    images = load_images("digits", "test").first(4)
    with pytest.raises(InputError, match=r"the network gives .* for 4 image\(s\); scores of \[images, classes\]"):
        predict(network, images, find_normalisation("unit"))


def test_any_number_of_images_at_a_time() -> None:
    images, normalise = load_images("digits", "test").first(5), find_normalisation("unit")
    assert [len(labels) for _, labels in images.batches(2**63, normalise)] == [5]
    assert [len(labels) for _, labels in images.batches(2, normalise)] == [2, 2, 1]
    with pytest.raises(InputError, match="0 images at a time were asked for; allowed are 1 and more"):
        next(images.batches(0, normalise))
