"""Refitted spikes of populations that do not depend on the input, kept for all trials that ask for the same ones."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping

from gcn2snn import ir
from gcn2snn.config import ConvertConfig
from gcn2snn.engines import Value, constant_values, spike_value
from gcn2snn.kernels import Spikes
from gcn2snn.passes import refit_values, set_horizons

KEPT_BYTES = 1 << 27
"""Memory for refitted spikes, a byte for each neuron; the ones not used for longest go first."""


class Refits:
    """Results of refits, each made once: one takes seconds, a trial that has its spikes a fraction of one.

    Args:
        kept_bytes: memory for spikes; the newest result stays whatever its size.
    """

    def __init__(self, kept_bytes: int = KEPT_BYTES):
        self.kept_bytes = kept_bytes
        self._kept: OrderedDict[Hashable, dict[str, Spikes]] = OrderedDict()

    def spikes(
        self, key: Hashable, network: ir.Network, inputs: Mapping[str, Value], config: ConvertConfig
    ) -> dict[str, Spikes]:
        """What each refitted population sends, by name: the spikes that ``convert`` gives it.

        Args:
            key: what decides the result.
            network: with codes and scales, without horizons.
            inputs: by name of Input node; the values are fitted to the matrices in them.
            config: horizons, ``refit`` and ``refit_ridge``.

        Raises:
            ConfigError: refit is asked for where it cannot be done.
        """
        if key not in self._kept:
            cut = set_horizons(network, inputs, config)
            changed, reports = refit_values(cut, inputs, config, source=network)
            values = constant_values(changed)
            self._kept[key] = {report.name: spike_value(values[report.name]) for report in reports}
        self._kept.move_to_end(key)
        while len(self._kept) > 1 and self.held_bytes > self.kept_bytes:
            self._kept.popitem(last=False)
        return self._kept[key]

    @property
    def held_bytes(self) -> int:
        """Memory of the spikes that are kept."""
        return sum(spikes.code.nbytes for found in self._kept.values() for spikes in found.values())
