"""Whether a spiking network saves energy when its memory counts, in words."""

from __future__ import annotations

from collections.abc import Mapping

from gcn2snn.energy.lemaire import LemaireEnergy

OF_LEMAIRE = {
    "input": "reading the addresses of spikes",
    "weights": "reading weights",
    "potentials": "reading and writing potentials",
    "output": "writing the addresses of spikes",
    "operations": "additions and neuron updates",
    "addressing": "finding the addresses of potentials and weights",
}
"""The parts of the analytical model, as a sentence names them."""


def verdict_of(alpha: float, parts: Mapping[str, float], lemaire: LemaireEnergy | None) -> str:
    """One sentence for each accounting with memory.

    >>> for part in verdict_of(0.5, {"additions": 1.0, "neuron updates": 3.0}, None).split("; "):
    ...     print(part)
    With memory, the spiking network does not save energy: it takes 2.00 times what its source takes
    neuron updates are most of it (75 %).

    Args:
        alpha: source over spiking network, with neuron updates and memory.
        parts: joules of the spiking network by part.
        lemaire: the analytical model; None where it has no meaning.
    """
    told = f"With memory, the spiking network {_saving(alpha)}; {_largest(parts)}."
    if lemaire is None:
        return told
    agrees = "also" if (lemaire.alpha > 1) == (alpha > 1) else "however,"
    named = {OF_LEMAIRE[name]: amount for name, amount in lemaire.spiking.items()}
    return (
        f"{told} By the analytical model of Lemaire et al., which prices a memory by its size, it {agrees} "
        f"{_saving(lemaire.alpha)}; {_largest(named)}."
    )


def _saving(alpha: float) -> str:
    if alpha == float("inf"):
        return "saves energy: it takes none"
    if alpha > 1:
        return f"saves energy: its source takes {alpha:.2f} times as much"
    if alpha == 1:
        return "does not save energy: it takes as much as its source"
    return f"does not save energy: it takes {1 / alpha if alpha else float('inf'):.2f} times what its source takes"


def _largest(parts: Mapping[str, float]) -> str:
    total = sum(parts.values())
    if not total:
        return "nothing is spent"
    name = max(parts, key=lambda part: parts[part])
    share = parts[name] / total
    much = "most of it" if share > 0.5 else "its largest part"
    verb = "is" if name.split()[0] in ("reading", "writing", "finding", "memory") else "are"
    return f"{name} {verb} {much} ({100 * share:.0f} %)"
