"""When each membrane works, in steps of the network's clock, as in Section V-C2: layer l begins at step l w."""

from __future__ import annotations

from dataclasses import dataclass

from gcn2snn import ir
from gcn2snn.engines import input_timesteps, sources


@dataclass(frozen=True)
class Window:
    """The clock steps of one membrane.

    Args:
        opens: step before its local step 1, at which the first spikes arrive.
        hears: local steps in which spikes arrive.
        wait: w; phase step 1 is local step w + 1.
        delays: source -> steps by which its spikes are delayed, so that all sources of the membrane are aligned.
    """

    opens: int
    hears: int
    wait: int
    delays: dict[str, int]

    @property
    def begins(self) -> int:
        """Step before its first possible spike: a spike of phase step n leaves at clock step begins + n."""
        return self.opens + self.wait


def windows_of(network: ir.Network, wait: int | None) -> dict[str, Window]:
    """The window of every population and of the output; None waits for all input. Input spikes of step n leave at step n."""
    begins: dict[str, int] = {}
    found: dict[str, Window] = {}
    for node in network:
        if isinstance(node, ir.Coder | ir.OneHot):
            begins[node.name] = 0
        if not isinstance(node, ir.Neuron | ir.Output):
            continue
        feeds = sources(network, node)
        hears = input_timesteps(network, node)
        opens = max((begins[name] for name in feeds), default=0)
        own = 0 if isinstance(node, ir.Output) else hears if wait is None else wait
        found[node.name] = Window(opens, hears, own, {name: opens - begins[name] for name in feeds})
        begins[node.name] = found[node.name].begins
    return found
