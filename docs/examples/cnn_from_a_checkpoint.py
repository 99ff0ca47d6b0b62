"""A CNN whose weights come from a checkpoint: loaded, converted, and kept as one file."""

from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn

import gcn2snn


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AvgPool2d(4), nn.Flatten(), nn.Linear(128, 10)
    )  # fmt: skip


torch.manual_seed(0)
images = torch.rand(16, 3, 16, 16)  # yours are training images, normalised as in training
with TemporaryDirectory() as folder:
    checkpoint, target = Path(folder) / "cnn.pt", Path(folder) / "cnn-snn.safetensors"
    torch.save(network().state_dict(), checkpoint)  # yours is there already

    model = network()
    model.load_state_dict(torch.load(checkpoint, weights_only=True))
    snn = gcn2snn.convert(model.eval(), images)
    gcn2snn.save(snn, target)
    again = gcn2snn.load(target)

assert torch.equal(snn(images), again(images))
print(again.summary())
