"""What one operation costs, in joules: the presets that ``preset=`` and ``--energy`` name."""

from __future__ import annotations

from dataclasses import dataclass

from gcn2snn.errors import ConfigError


@dataclass(frozen=True)
class EnergyPreset:
    """Joules per operation in 45 nm CMOS.

    Args:
        mac: one multiply-accumulate of the source model.
        add: one addition of a spike's weight.
        weight_bytes: size of a weight; potentials and activations are 4 bytes.
        byte: moving one byte to or from a 32 KB memory (20 pJ for 8 bytes).

    Source: Horowitz, ISSCC 2014, as used by the paper: 4.6 / 0.9 pJ (FP32, Section IV-C), 0.2 / 0.03 pJ (INT8,
    Section V-A). Table VI mixes 0.2 and 0.23 pJ; both presets are kept.
    """

    mac: float
    add: float
    weight_bytes: int
    byte: float = 2.5e-12

    @property
    def multiply(self) -> float:
        """One multiplication: what a MAC costs above an addition."""
        return self.mac - self.add


PRESETS = {
    "fp32": EnergyPreset(4.6e-12, 0.9e-12, 4),
    "int8-paper": EnergyPreset(0.2e-12, 0.03e-12, 1),
    "int8-horowitz": EnergyPreset(0.23e-12, 0.03e-12, 1),
}


def preset_of(name: str) -> EnergyPreset:
    """A preset by name.

    Raises:
        ConfigError: unknown name.
    """
    if name not in PRESETS:
        raise ConfigError(f"energy preset {name!r} is unknown; allowed are {', '.join(PRESETS)}")
    return PRESETS[name]
