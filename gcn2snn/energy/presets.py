"""What one operation costs, in joules: the presets that ``preset=`` and ``--energy`` name, each with its published source."""

from __future__ import annotations

from dataclasses import dataclass

from gcn2snn.errors import ConfigError

KIB = 1024
SRAM_45NM = ((8 * KIB, 10e-12), (32 * KIB, 20e-12), (1024 * KIB, 100e-12))
"""Joules of one access of 64 bits to a memory of so many bytes. Source: Horowitz, ISSCC 2014, Fig. 1.1.9."""

SRAM_7NM = ((8 * KIB, 7.5e-12), (32 * KIB, 8.5e-12), (1024 * KIB, 14e-12))
"""The same at 7 nm. Source: Jouppi et al., ISCA 2021, Table 2."""


@dataclass(frozen=True)
class EnergyPreset:
    """Joules per operation.

    Args:
        mac: one multiply-accumulate of the source model.
        add: one addition of a spike's weight.
        weight_bytes: size of a weight; potentials and activations are 4 bytes.
        byte: moving one byte to or from a small on-chip memory of 32 KB; 0 where ``mac``, ``add`` and ``step`` contain it.
        step: one neuron update with its memory; None is one multiplication and one comparison, plus the memory by ``byte``.
        sram: (bytes of a memory, joules of one access to it), from which :meth:`access` is made; empty where the figures of
            a chip contain its memory.
        source: where the figures are published.
    """

    mac: float
    add: float
    weight_bytes: int
    byte: float = 2.5e-12
    step: float | None = None
    sram: tuple[tuple[int, float], ...] = SRAM_45NM
    source: str = ""

    @property
    def multiply(self) -> float:
        """One multiplication: what a MAC costs above an addition."""
        return self.mac - self.add

    @property
    def update(self) -> float:
        """One neuron update without the memory that ``byte`` charges: a multiplication by the base and a comparison."""
        return self.multiply + self.add if self.step is None else self.step

    def access(self, size: float) -> float:
        """Joules of one access to a memory of ``size`` bytes: the least-squares line through the points of ``sram``.

        For 45 nm that is 13.3 pJ + 8.28e-5 pJ a byte. Source: Lemaire et al. 2022, Section 3.1, whose line it is.
        """
        count = len(self.sram)
        mean_size = sum(x for x, _ in self.sram) / count
        mean_cost = sum(y for _, y in self.sram) / count
        slope = sum((x - mean_size) * (y - mean_cost) for x, y in self.sram)
        slope /= sum((x - mean_size) ** 2 for x, _ in self.sram)
        return mean_cost + slope * (size - mean_size)


_HOROWITZ = "Horowitz, ISSCC 2014 (45 nm)"
_JOUPPI = "Jouppi et al., ISCA 2021, Table 2 (7 nm)"

PRESETS = {
    "fp32": EnergyPreset(4.6e-12, 0.9e-12, 4, source=f"{_HOROWITZ}, as in the paper's Section IV-C"),
    "int8-paper": EnergyPreset(0.2e-12, 0.03e-12, 1, source=f"{_HOROWITZ}, as in the paper's Section V-A"),
    "int8-horowitz": EnergyPreset(0.23e-12, 0.03e-12, 1, source=_HOROWITZ),
    "fp32-7nm": EnergyPreset(1.69e-12, 0.38e-12, 4, byte=8.5e-12 / 8, sram=SRAM_7NM, source=_JOUPPI),
    "int8-7nm": EnergyPreset(0.077e-12, 0.007e-12, 1, byte=8.5e-12 / 8, sram=SRAM_7NM, source=_JOUPPI),
    "loihi": EnergyPreset(
        23.6e-12, 23.6e-12, 1, byte=0.0, step=81e-12, sram=(), source="Davies et al., IEEE Micro 38(1), 2018 (14 nm)"
    ),
    "loihi2": EnergyPreset(
        2600 / 380e12,
        2600 / 380e12,
        1,
        byte=0.0,
        step=2600 / 240e12,
        sram=(),
        source="Intel, Hala Point, 17 April 2024 (Loihi 2): 2600 W at 380e12 synaptic or 240e12 neuron operations a second",
    ),
}
"""Name -> joules per operation.

* ``fp32``: 4.6 / 0.9 pJ a MAC / addition at 45 nm (multiplication 3.7 pJ), 20 pJ for 8 bytes of a memory of 32 KB. Source: Horowitz,
  "Computing's energy problem", ISSCC 2014; Section IV-C of the paper.
* ``int8-paper``, ``int8-horowitz``: 0.2 / 0.03 and 0.23 / 0.03 pJ. The paper's Table VI mixes both (a multiplication alone is 0.2 pJ).
* ``fp32-7nm``: 1.31 pJ a multiplication, 0.38 pJ an addition; ``int8-7nm``: 0.07 and 0.007 pJ; 8.5 pJ for 8 bytes of 32 KB. Source:
  Jouppi et al., "Ten Lessons From Three Generations Shaped Google's TPUv4i", ISCA 2021, Table 2, which updates Horowitz's to 7 nm.
* ``loihi``: 23.6 pJ a synaptic operation, 81 pJ the update of an active neuron (52 pJ of an inactive one; all are charged 81). Source:
  Davies et al., "Loihi: A Neuromorphic Manycore Processor with On-Chip Learning", IEEE Micro 38(1), 2018.
* ``loihi2``: no joules per operation of Loihi 2 are published. Hala Point, 1,152 of these chips, takes at most 2600 W and makes over 380e12
  8-bit synaptic and over 240e12 neuron operations a second; if the whole power went into one kind of operation, one would cost 6.84 pJ
  and 10.8 pJ. Both are upper bounds, the power of the host processors included. Source: Intel, press release "Intel Builds World's
  Largest Neuromorphic System", 17 April 2024; Orchard et al., SiPS 2021, for the chip (graded spikes: a MAC is a synaptic operation).

On both Loihis the memory of synapses and neurons is in these figures, so nothing is added for it, and the source model is taken to run on
the same chip, with one synaptic operation for each of its MACs and one neuron operation for each of its outputs.
"""


def preset_of(name: str) -> EnergyPreset:
    """A preset by name.

    Raises:
        ConfigError: unknown name.
    """
    if not isinstance(name, str) or name not in PRESETS:
        raise ConfigError(f"energy preset {name!r} is unknown; allowed are {', '.join(PRESETS)}")
    return PRESETS[name]
