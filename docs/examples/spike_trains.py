"""Spike trains and membrane potentials of a converted network, step by step, and a picture where matplotlib is there."""

from importlib.util import find_spec

import torch
from torch import nn

import gcn2snn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 3)).eval()
x = torch.rand(1, 6)
snn = gcn2snn.convert(model, x, gcn2snn.ConvertConfig(base=1.3, timesteps=16))

for name, spikes in snn.spikes(x).items():
    fired = spikes.phase[0] > 0
    print(f"{name}: {int(fired.sum())} of {fired.numel()} neurons fire, at steps {spikes.phase[0][fired].tolist()}")

recordings = {"1": gcn2snn.Recording()}  # the population behind the first layer
snn.simulate(x, engine="temporal", recordings=recordings)
potential = torch.stack(recordings["1"].potential)[:, 0]
print(f"potentials of {potential.shape[1]} neurons over {potential.shape[0]} steps")

if find_spec("matplotlib"):
    import matplotlib.pyplot as plt

    train = snn.spikes(x)["1"].to_dense()[:, 0]  # [T, neurons]
    plt.eventplot([steps.nonzero()[:, 0].tolist() for steps in train.T], colors="black")
    plt.xlabel("time step")
    plt.ylabel("neuron")
    plt.close()
