"""What the paper prints of earlier spiking networks beside its own. Source: One-Spike SNN, Tables I to IV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

CITED = {
    16: "Han, Srinivasan and Roy, CVPR 2020",
    17: "Han and Roy, ECCV 2020",
    18: "Deng and Gu, ICLR 2020",
    19: "Liu et al., AAAI 2022",
    22: "Rathi and Roy, IEEE TNNLS 2021",
    23: "Chowdhury, Rathi and Roy, ECCV 2022",
    24: "Bu et al., ICLR 2021",
    28: "Park et al., DAC 2020",
}
"""Number in the paper's references -> authors, place and year."""

TRAINED_FOR_CONVERSION = (24,)
"""Systems whose source network is trained for the conversion (the dagger of Tables I to III)."""


@dataclass(frozen=True)
class PriorSystem:
    """One row of another system.

    Args:
        reference: number in the paper's references, a key of :data:`CITED`.
        ann, snn: accuracy in percent; None where the paper prints a dash.
        timesteps: T.
        coding: "Rate" or "Temporal". Table IV does not print it; the paper's text says that [22] and [23] are rate codes.
        alpha: Eq. 6 (Table IV); None in Tables I to III.
    """

    reference: int
    ann: float | None
    snn: float
    timesteps: int
    coding: str = "Rate"
    alpha: float | None = None


ACCURACY: dict[str, tuple[PriorSystem, ...]] = {
    # Table I
    "cifar10/vgg16": (
        PriorSystem(16, 93.63, 93.63, 2048),
        PriorSystem(17, 93.63, 93.63, 2048, "Temporal"),
        PriorSystem(28, None, 91.43, 80, "Temporal"),
        PriorSystem(18, 92.34, 92.24, 128),
        PriorSystem(24, 95.40, 95.54, 32),
        PriorSystem(19, 93.71, 93.63, 16),
    ),
    "cifar10/resnet18": (PriorSystem(24, 96.04, 96.08, 32),),
    "cifar10/resnet20": (
        PriorSystem(16, 91.47, 91.42, 2048),
        PriorSystem(17, 91.47, 91.42, 2048, "Temporal"),
        PriorSystem(18, 92.14, 90.89, 128),
        PriorSystem(24, 91.77, 92.24, 32),
        PriorSystem(19, 91.47, 91.47, 16),
    ),
    # Table II
    "cifar100/vgg16": (
        PriorSystem(16, 71.22, 70.93, 2048),
        PriorSystem(17, 71.22, 70.97, 2048, "Temporal"),
        PriorSystem(28, None, 68.79, 80, "Temporal"),
        PriorSystem(18, 71.22, 70.47, 128),
        PriorSystem(24, 76.28, 77.02, 32),
        PriorSystem(19, 71.22, 71.22, 16),
    ),
    "cifar100/resnet18": (PriorSystem(24, 79.62, 79.62, 32),),
    "cifar100/resnet20": (
        PriorSystem(16, 68.72, 67.82, 2048),
        PriorSystem(17, 68.72, 68.18, 2048, "Temporal"),
        PriorSystem(24, 69.64, 69.82, 32),
        PriorSystem(19, 68.72, 68.69, 16),
    ),
    # Table III
    "imagenet/vgg16": (
        PriorSystem(16, 73.49, 73.09, 2560),
        PriorSystem(17, 73.49, 73.46, 2560, "Temporal"),
        PriorSystem(18, 73.47, 71.06, 128),
        PriorSystem(24, 74.29, 73.97, 128),
        PriorSystem(19, 73.49, 73.47, 16),
    ),
    "imagenet/resnet34": (
        PriorSystem(16, 70.64, 69.89, 4096),
        PriorSystem(17, 70.64, 69.93, 4096, "Temporal"),
        PriorSystem(24, 74.32, 73.15, 128),
        PriorSystem(19, 70.64, 70.57, 16),
    ),
}
"""Row -> systems of Tables I to III, in the paper's order; rows without any are not in it."""

EFFICIENCY: dict[str, tuple[PriorSystem, ...]] = {
    # Table IV. The text that this was copied from has one row too many for CIFAR-10, "ResNet-18, Ours, 92.79, 91.78, 5, 6.3":
    # these are the numbers of [22] on ResNet-20, which follow it. The paper's own ResNet-18 is 95.34, 94.91, 16, 17.03.
    "cifar10/vgg16": (
        PriorSystem(22, 93.72, 92.70, 5, alpha=12.4),
        PriorSystem(23, 94.10, 93.05, 1, alpha=33.0),
    ),
    "cifar10/resnet20": (
        PriorSystem(22, 92.79, 91.78, 5, alpha=6.3),
        PriorSystem(23, 93.34, 91.10, 1, alpha=16.32),
    ),
    "cifar100/vgg16": (
        PriorSystem(22, 71.82, 69.67, 5, alpha=12.1),
        PriorSystem(23, 72.46, 70.15, 1, alpha=29.24),
    ),
    "cifar100/resnet20": (
        PriorSystem(22, 64.64, 64.07, 5, alpha=6.6),
        PriorSystem(23, 65.90, 63.30, 1, alpha=15.35),
    ),
    "imagenet/vgg16": (
        PriorSystem(22, 70.08, 69.00, 5, alpha=11.7),
        PriorSystem(23, 70.08, 67.71, 1, alpha=24.61),
    ),
}
"""Row -> systems of Table IV, which are trained further after the conversion."""

PRIOR = {"table1": ACCURACY, "table2": ACCURACY, "table3": ACCURACY, "table4": EFFICIENCY}
"""Table -> row -> other systems; the other tables print none."""


def prior_columns(system: PriorSystem) -> dict[str, object]:
    """What the paper prints of a system, by column."""
    dagger = "†" if system.reference in TRAINED_FOR_CONVERSION else ""
    columns: dict[str, object] = {
        "system": f"[{system.reference}]{dagger}",
        "coding": system.coding,
        "T": system.timesteps,
        "ANN": system.ann,
        "SNN": system.snn,
    }
    return columns | ({} if system.alpha is None else {"alpha": system.alpha})


def cited(systems: Sequence[PriorSystem]) -> list[str]:
    """A line for each reference, and one on the dagger where it stands."""
    numbers = sorted({system.reference for system in systems})
    lines = [f"[{number}] {CITED[number]}" for number in numbers]
    if set(numbers) & set(TRAINED_FOR_CONVERSION):
        lines.append("† the source network is trained for the conversion")
    return lines
