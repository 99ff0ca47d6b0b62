"""Latency and throughput of a network on a clock: steps as in Section V-C2, and seconds where the clock is known."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gcn2snn import ir
from gcn2snn.engines import depths, input_timesteps, latency
from gcn2snn.errors import ConfigError

UNITS = {"hz": 1.0, "khz": 1e3, "mhz": 1e6, "ghz": 1e9}


@dataclass(frozen=True)
class Timing:
    """How long an input takes, in steps of the network's clock, on which all layers work at once (Fig. 10).

    latency = T + w + w (N_L - 1): from the first spike of an input to its output.
    period  = T + w: after so many steps the next input may enter, so that N inputs take N period + w (N_L - 1) steps.

    Args:
        timesteps: T, the longest of all populations and coders.
        wait: w.
        layers: N_L, the depth counted in membranes, the output among them.

    Source: Section V-C2.
    """

    timesteps: int
    wait: int
    layers: int

    @property
    def latency(self) -> int:
        """Steps from the first spike of an input to its output."""
        return latency(1, self.timesteps, self.wait, self.layers)

    @property
    def period(self) -> int:
        """Steps from one input to the next."""
        return self.timesteps + self.wait

    def to_dict(self, clock: float | None = None) -> dict[str, float]:
        """JSON values; with a clock in hertz also seconds and inputs a second."""
        found: dict[str, float] = {"timesteps": self.timesteps, "wait": self.wait, "layers": self.layers}
        found |= {"latency_steps": self.latency, "period_steps": self.period}
        if clock is not None:
            found |= {
                "clock_hz": clock,
                "latency_seconds": self.latency / clock,
                "inputs_per_second": clock / self.period,
            }
        return found

    def told(self, clock: float) -> str:
        """In words, for a clock in hertz.

        >>> Timing(timesteps=16, wait=15, layers=3).told(1e6)
        'latency 61 steps, 61 us at 1 MHz; pipelined, an input every 31 steps, 32,258 a second'
        """
        return (
            f"latency {self.latency:,} steps, {seconds(self.latency / clock)} at {frequency(clock)}; "
            f"pipelined, an input every {self.period:,} steps, {clock / self.period:,.0f} a second"
        )


def timing_of(network: ir.Network, wait: int | None) -> Timing:
    """Timing of a network; a wait of None is the shortest that hears all input, T - 1, as in ``run_pipeline``."""
    membranes = [node for node in network if isinstance(node, ir.Population | ir.Output)]
    longest = max(input_timesteps(network, node) for node in membranes)
    return Timing(longest, longest - 1 if wait is None else wait, 1 + max(depths(network).values()))


def hertz(text: str) -> float:
    """A clock in hertz.

    >>> hertz("1MHz"), hertz("32.768 kHz")
    (1000000.0, 32768.0)

    Raises:
        ConfigError: it is no positive number with Hz, kHz, MHz or GHz.
    """
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)\s*([kKmMgG]?[hH][zZ])\s*", text)
    if found is None or not 0 < float(found[1]) < 1e15:
        raise ConfigError(f"the clock is {text!r}; a positive number with Hz, kHz, MHz or GHz is needed, such as 1MHz")
    return float(found[1]) * UNITS[found[2].lower()]


def seconds(amount: float) -> str:
    """A time in a readable unit: 6.1e-05 s is 61 us."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if amount >= size:
            return f"{amount / size:.3g} {unit}"
    return f"{amount / 1e-9:.3g} ns"


def frequency(amount: float) -> str:
    """A clock in a readable unit: 1e6 is 1 MHz."""
    for unit, size in (("GHz", 1e9), ("MHz", 1e6), ("kHz", 1e3)):
        if amount >= size:
            return f"{amount / size:.6g} {unit}"
    return f"{amount:.6g} Hz"
