"""What the paper reports for each image classifier. Source: One-Spike SNN, Tables I to IV and VI to VIII."""

from __future__ import annotations

from dataclasses import dataclass

WAITS = (4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24)
"""Wait timesteps of Table VIII; rows with T = 16 end at 16."""


@dataclass(frozen=True)
class PaperRow:
    """One network on one dataset.

    Args:
        dataset, model: "cifar10", "cifar100" or "imagenet", and a name of ``MODELS``.
        timesteps, base: T and Q.
        ann, snn: accuracy in percent (Tables I to III); None for networks the paper does not have.
        alpha: Eq. 6 (Table IV).
        int8, alpha_int8: with 8-bit weights (Table VI).
        single, alpha_single: with single-spike input (Table VII).
        waits: accuracy by wait timestep (Table VIII).
    """

    dataset: str
    model: str
    timesteps: int
    base: float
    ann: float | None = None
    snn: float | None = None
    alpha: float | None = None
    int8: float | None = None
    alpha_int8: float | None = None
    single: float | None = None
    alpha_single: float | None = None
    waits: tuple[float | None, ...] = (None,) * 7

    @property
    def name(self) -> str:
        """What ``--rows`` takes."""
        return f"{self.dataset}/{self.model}"


_VGG_10 = (84.15, 91.47, 93.56, 93.68, 93.75, 93.83, 93.76)
_R18_10 = (93.13, 94.52, 95.00, 95.00, 94.95, 94.98, 94.91)
_R20_10 = (90.47, 91.85, 92.37, 92.37, 92.63, 92.55, 92.61)
_R34_10 = (93.63, 94.56, 94.68, 94.83, 94.84, 94.79, 94.84)
_VGG_100 = (55.52, 62.23, 68.20, 71.68, 72.06, 71.78, 71.85)
_R18_100 = (69.04, 74.38, 75.30, 75.99, 75.84, 75.93, 76.04)
_R20_100 = (60.52, 66.13, 67.79, 68.01, 68.02, 68.15, 68.08)
_R34_100 = (71.84, 75.84, 76.20, 76.38, 76.36, 76.41, 76.29)
_VGG_IN = (22.51, 50.87, 62.26, 66.01, 69.16, 72.52, 73.00, 72.91, 72.95, 72.91, 72.92)
_R18_IN = (5.00, 4.89, 11.76, 47.32, 67.82, 68.76, 68.65, 68.70, 68.69, 68.72, 68.73)
_R34_IN = (14.57, 18.69, 27.79, 57.77, 71.11, 72.07, 72.14, 72.13, 72.10, 72.24, 72.21)

ROWS = (
    PaperRow("cifar10", "vgg16", 16, 1.3, 93.90, 93.76, 14.13, 93.55, 18.42, 76.97, 14.45, _VGG_10),
    PaperRow("cifar10", "resnet18", 16, 1.3, 95.34, 94.91, 17.03, 94.93, 22.22, 72.99, 17.67, _R18_10),
    PaperRow("cifar10", "resnet20", 16, 1.3, 92.67, 92.61, 13.72, 92.55, 20.56, 56.57, 14.56, _R20_10),
    PaperRow("cifar10", "resnet34", 16, 1.3, 95.59, 94.84, 17.26, 94.78, 25.87, 80.00, 17.73, _R34_10),
    PaperRow("cifar10", "resnet8", 16, 1.3),
    PaperRow("cifar100", "vgg16", 16, 1.3, 72.14, 71.85, 13.23, 71.97, 17.26, 31.87, 14.11, _VGG_100),
    PaperRow("cifar100", "resnet18", 16, 1.3, 75.96, 76.04, 15.01, 75.82, 19.58, 36.49, 16.15, _R18_100),
    PaperRow("cifar100", "resnet20", 16, 1.3, 68.87, 68.08, 11.56, 68.42, 17.37, 30.66, 12.16, _R20_100),
    PaperRow("cifar100", "resnet34", 16, 1.3, 77.48, 76.29, 16.90, 76.19, 25.29, 39.91, 17.27, _R34_100),
    PaperRow("imagenet", "vgg16", 24, 1.2, 73.36, 72.92, 12.45, 72.85, 18.55, 45.74, 14.10, _VGG_IN),
    PaperRow("imagenet", "resnet18", 24, 1.2, 69.75, 68.73, 4.59, 68.62, 6.73, 16.36, 10.50, _R18_IN),
    PaperRow("imagenet", "resnet34", 24, 1.2, 73.31, 72.21, 6.76, 72.05, 10.01, 27.22, 11.32, _R34_IN),
)
"""The paper's networks, and ResNet-8 of MLPerf Tiny as a second network with public weights."""
