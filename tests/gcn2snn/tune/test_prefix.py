"""Runs that go on from a kept state give what whole runs give, and evaluate only what differs."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from network_kinds import IMAGE_KINDS

from gcn2snn import ir
from gcn2snn.config import ConvertConfig
from gcn2snn.energy.count import EventCounter
from gcn2snn.engines.closed import run_closed
from gcn2snn.engines.interpreter import fire
from gcn2snn.engines.node_rules import Value
from gcn2snn.tune.prefix import PrefixRuns


def recoded(network: ir.Network, steps: dict[str, int]) -> ir.Network:
    """The network with a number of timesteps for each population."""
    nodes = {node.name: node for node in network.of(ir.Neuron)}
    return network.replace(
        {name: [replace(nodes[name], coding=replace(nodes[name].coding, timesteps=t))] for name, t in steps.items()}
    )


@pytest.mark.parametrize("kept_bytes", [0, 1000, 1 << 20])
@pytest.mark.parametrize("seed", range(8))
def test_any_order_of_trials_gives_what_whole_runs_give(
    seed: int, kept_bytes: int, make_images: Callable, make_graphs: Callable, make_spiking: Callable
) -> None:
    chance = random.Random(seed)
    if seed % 2:
        case = make_images(seed, chance.sample(IMAGE_KINDS, 4), torch.float32)
    else:
        kinds = chance.sample(("dense", "bn", "residual", "aggregate", "max", "concat", "raw_dense"), 4)
        case = make_graphs(seed, kinds, torch.float32)
    network = make_spiking(case, ConvertConfig(timesteps=6))
    runs = PrefixRuns(network, kept_bytes)
    steps = dict.fromkeys(runs.populations, 6)
    for _ in range(6):
        steps[chance.choice(runs.populations)] = chance.choice((1, 2, 6))
        coded = recoded(network, steps)
        result, counter = runs.run(coded, case[1], dict(steps), 0, fire)
        whole = EventCounter(coded)
        assert torch.equal(result, run_closed(coded, case[1], whole))
        assert counter.report() == whole.report()


def test_only_what_comes_after_a_change_is_evaluated(make_graphs: Callable, make_spiking: Callable) -> None:
    case = make_graphs(0, ("dense", "aggregate", "dense", "dense"), torch.float32)
    network = make_spiking(case, ConvertConfig(timesteps=6))
    runs = PrefixRuns(network)
    names = [node.name for node in network]
    seen: list[str] = []

    def count(counter: EventCounter, node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
        seen.append(node.name)
        counter(node, args, value)

    steps = dict.fromkeys(runs.populations, 6)
    runs.run(network, case[1], dict(steps), 0, fire, count)
    assert seen == names
    for name in reversed(runs.populations):
        seen.clear()
        steps[name] -= 1
        runs.run(recoded(network, steps), case[1], dict(steps), 0, fire, count)
        assert seen == names[names.index(name) :]


def test_old_states_make_room(make_graphs: Callable, make_spiking: Callable) -> None:
    case = make_graphs(0, ("dense", "dense"), torch.float32)
    network = make_spiking(case, ConvertConfig(timesteps=6))
    runs = PrefixRuns(network, kept_bytes=4000)
    for first in range(1, 40):
        steps = dict.fromkeys(runs.populations, first)
        runs.run(recoded(network, steps), case[1], steps, 0, fire)
    held = [tensor for state in runs._states.values() for tensor in (*state.values.values(), *state.counter.tensors())]
    assert 0 < sum(t.numel() * t.element_size() for t in held if isinstance(t, torch.Tensor)) <= 4000
