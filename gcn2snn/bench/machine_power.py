"""Joules that the processor itself counts (Intel's RAPL, which AMD's processors have too), where the system lets us read them."""

from __future__ import annotations

from pathlib import Path

ZONES = Path("/sys/class/powercap")
"""Where Linux shows the counters; one folder a processor package, with sub-zones inside that are part of it."""


class PowerCounter:
    """The energy counters of all processor packages together.

    They count what the whole package uses, other processes and idle cores included, so a number is worth something on a quiet
    machine only.
    """

    def __init__(self, zones: Path = ZONES):
        self.files: list[tuple[Path, int]] = []
        self.missing = ""
        packages = sorted(path for path in zones.glob("*-rapl:*") if path.name.count(":") == 1)
        if not packages:
            self.missing = f"{zones} has no energy counter (a virtual machine or another system)"
        for package in packages:
            try:
                int((package / "energy_uj").read_text())
                self.files.append((package / "energy_uj", int((package / "max_energy_range_uj").read_text())))
            except (OSError, ValueError) as error:
                self.missing = f"{package / 'energy_uj'} cannot be read ({type(error).__name__}); root may read it"

    @property
    def readable(self) -> bool:
        """Whether joules can be measured here; if not, ``missing`` is the reason."""
        return not self.missing

    def read(self) -> list[int]:
        """Microjoules of each package, from some point on."""
        return [int(path.read_text()) for path, _ in self.files]

    def joules(self, before: list[int], after: list[int]) -> float:
        """Joules between two readings; a counter that began anew in between is seen."""
        ranges = [most for _, most in self.files]
        return sum((b - a) % (most + 1) for a, b, most in zip(before, after, ranges, strict=True)) / 1e6
