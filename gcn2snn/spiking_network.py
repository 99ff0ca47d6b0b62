"""The spiking network as users hold it: a module called like its source model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from gcn2snn import ir
from gcn2snn.config import ConvertConfig
from gcn2snn.energy import EnergyReport, EventCounter, preset_of
from gcn2snn.engines import (
    Observer,
    Recording,
    Value,
    bind,
    choose_engine,
    input_free,
    run_bucketed,
    run_closed,
    run_float,
    run_temporal,
    spike_value,
)
from gcn2snn.errors import ConfigError
from gcn2snn.kernels import Spikes
from gcn2snn.passes import PopulationReport

if TYPE_CHECKING:
    from gcn2snn.verify import VerifyReport


class SpikingNetwork(nn.Module):
    """A converted network. ``snn(*args)`` takes what the source model takes and gives the output potentials.

    Args:
        network: calibrated description.
        config: how it was converted.
        report: how well each population's code fits.
    """

    def __init__(self, network: ir.Network, config: ConvertConfig, report: Sequence[PopulationReport] = ()):
        super().__init__()
        self.network = network
        self.config = config
        self.report = tuple(report)
        self._known: dict[str, Value] | None = None
        self.eval()

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """Output potentials, with the closed form where it is exact and the bucketed engine otherwise."""
        return self.simulate(*args, **kwargs)

    @torch.no_grad()
    def simulate(
        self,
        *args: Any,
        engine: str = "auto",
        wait: int | None = None,
        observe: Observer | None = None,
        recordings: dict[str, Recording] | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """Output potentials by a chosen engine.

        Args:
            args, kwargs: as for the source model.
            engine: "auto", "closed", "bucketed" or "temporal" (docs/method.md, three engines).
            wait: w, default the one of the configuration.
            observe: called with every node; of an engine in time after the run, with all that has arrived by then.
            recordings: {population: Recording()} to fill; needs the temporal engine.

        Raises:
            ConfigError: the closed form is asked for where w < T - 1, wait is negative, or another engine is to record.
            InputError: the arguments are not those of the source model.
        """
        wait = self.config.wait if wait is None else wait
        inputs = bind(self.network, args, kwargs)
        if recordings is not None and engine not in ("auto", "temporal"):
            raise ConfigError(
                f"engine is {engine!r}; only the temporal engine has a step to record. Use engine='temporal'"
            )
        if recordings is not None:
            engine = "temporal"
        chosen = choose_engine(self.network, wait, engine)
        if chosen == "closed":
            return run_closed(self.network, inputs, observe, self._input_free())
        if chosen == "bucketed":
            return run_bucketed(self.network, inputs, wait, observe=observe)
        return run_temporal(self.network, inputs, wait, recordings, observe=observe)

    def _input_free(self) -> dict[str, Value]:
        """Spikes that no input changes, coded once for all calls; they move with the network."""
        if self._known is None:
            self._known = input_free(self.network)
        return self._known

    @torch.no_grad()
    def spikes(self, *args: Any, **kwargs: Any) -> dict[str, Spikes]:
        """The spikes of every population, by name."""
        found: dict[str, Spikes] = {}
        inputs = bind(self.network, args, kwargs)
        if choose_engine(self.network, self.config.wait, "auto") == "bucketed":
            run_bucketed(self.network, inputs, self.config.wait, found)
            return found

        def observe(node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
            if isinstance(node, ir.Neuron):
                found[node.name] = spike_value(value)

        run_closed(self.network, inputs, observe)
        return found

    @torch.no_grad()
    def energy(self, *args: Any, preset: str = "fp32", **kwargs: Any) -> EnergyReport:
        """Operations, additions and joules of one call (docs/method.md, energy)."""
        preset_of(preset)
        inputs = bind(self.network, args, kwargs)
        counter = EventCounter(self.network, self.config.wait)
        if choose_engine(self.network, self.config.wait, "auto") == "closed":
            run_closed(self.network, inputs, counter)
        else:
            run_bucketed(self.network, inputs, self.config.wait, observe=counter)  # late and false spikes included
        return counter.report(preset)

    @torch.no_grad()
    def source(self, *args: Any, observe: Observer | None = None, **kwargs: Any) -> Tensor:
        """What the source model gives: the same description with its ReLUs instead of neurons."""
        return run_float(self.network, bind(self.network, args, kwargs), observe)

    @torch.no_grad()
    def verify(self, *args: Any, tolerance: float = 0.0, wait: int | None = None, **kwargs: Any) -> VerifyReport:
        """Which layer departs first from the source model, by how much, and whether its code explains it.

        Args:
            args, kwargs: as for the source model.
            tolerance: relative error from which a layer counts as departed.
            wait: w, default the one of the configuration.

        Returns:
            A report; ``str(report)`` is a table and one sentence (docs/method.md, verify).
        """
        from gcn2snn.verify import verify

        wait = self.config.wait if wait is None else wait
        return verify(self.network, bind(self.network, args, kwargs), wait, tolerance)

    def layers_table(self, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        """A row per population and the output: its code, its spikes and its errors on these inputs, as JSON values."""
        rows = []
        for row in self.verify(*args, **kwargs).table():
            node = self.network[row["name"]]
            code: dict[str, Any] = dict.fromkeys(("base", "timesteps", "group", "signed"))
            if isinstance(node, ir.Neuron):
                coding = node.coding
                code = {"base": coding.base**coding.group, "timesteps": coding.steps}
                code |= {"group": coding.group, "signed": coding.signed}
            rows.append({"name": row.pop("name"), **code, **row})
        return rows

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> SpikingNetwork:
        self.network = self.network.map_tensors(fn)
        self._known = None
        return super()._apply(fn, recurse)
