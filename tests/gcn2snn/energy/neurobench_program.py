"""Counts of NeuroBench and SpikingJelly for spike trains that a network was seen to send; runs in an environment that has them.

Usage: PYTHON neurobench_program.py FILE.pt, a dict with ``layers`` (kind, weight, stride, padding), ``trains`` ([T, N, ...] that enter
each layer) and ``fired`` ([T, N, ...] of each population). Prints one JSON object.
"""

import json
import sys

import torch
from torch import nn


class Replay(nn.Module):
    """Layers that get, step by step, what the network's spikes were; activations that give what its populations sent."""

    def __init__(self, layers, trains, fired):
        super().__init__()
        self.trains, self.fired = trains, fired
        self.connections = nn.ModuleList(_layer(layer) for layer in layers)
        self.activations = nn.ModuleList(nn.Identity() for _ in fired)

    def forward(self, x):
        for layer, train in zip(self.connections, self.trains, strict=True):
            for spikes in train:
                out = layer(spikes)
        for activation, train in zip(self.activations, self.fired, strict=True):
            for spikes in train:
                activation(spikes)
        return out


def _layer(layer):
    weight = layer["weight"]
    if layer["kind"] == "conv":
        made = nn.Conv2d(
            weight.shape[1] * layer["groups"],
            weight.shape[0],
            tuple(weight.shape[2:]),
            layer["stride"],
            layer["padding"],
            groups=layer["groups"],
            bias=False,
        )
    else:
        made = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    made.weight.data = weight
    return made.eval()


def main():
    content = torch.load(sys.argv[1], weights_only=True)
    net = Replay(content["layers"], content["trains"], content["fired"])
    from neurobench.metrics.static import ConnectionSparsity, Footprint
    from neurobench.metrics.workload import ActivationSparsity, SynapticOperations
    from neurobench.models import TorchModel

    model = TorchModel(net)
    model.add_activation_module(nn.Identity)
    model.register_hooks()
    data = (torch.zeros(content["samples"], 1), torch.zeros(content["samples"]))
    with torch.no_grad():
        preds = model(data[0])
    answer = dict(SynapticOperations()(model, preds, data))
    answer["activation_sparsity"] = ActivationSparsity()(model, preds, data)
    answer["connection_sparsity"] = ConnectionSparsity()(model)
    answer["footprint_of_weights"] = Footprint()(model)
    model.cleanup_hooks()

    from spikingjelly.activation_based.op_counter import DispatchCounterMode, SynOpCounter

    counter = SynOpCounter()
    with torch.no_grad(), DispatchCounterMode([counter]):
        for layer, train in zip(net.connections, net.trains, strict=True):
            for spikes in train:
                layer(spikes.abs())  # it counts spikes of 0 and 1 only, so a negative one is shown as a positive one
    answer["spikingjelly_synops"] = counter.get_total()
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
