"""The settings of a conversion that are compared where a configuration leaves something open."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gcn2snn.config import PAPER, ConvertConfig


@dataclass(frozen=True)
class Setting:
    """How the populations of a network are coded.

    Args:
        base: "plain", the base of Eq. 5 for the number of phases; "own", for each population the base of least squared error;
            "own wider", larger ones, for values that differ more than squared errors say; "given".
        scale, per, correct, group: as in :class:`gcn2snn.ConvertConfig`.
    """

    base: str
    scale: str
    per: str
    correct: str
    group: int = 1

    @property
    def suits_groups(self) -> bool:
        """Whether it is tried with several neurons to a membrane: their levels are fine enough for one setting to be best."""
        return self.base == "own" and self.scale == "mse"

    def __str__(self) -> str:
        bases = {"plain": "", "own": "own bases, ", "own wider": "wider own bases, ", "given": ""}[self.base]
        scale = {"max": "maxima", "mse": "least error", "percentile": "percentiles"}[self.scale]
        means = ", means corrected" if self.correct == "mean" else ""
        groups = f", groups of {self.group}" if self.group > 1 else ""
        return f"{bases}{scale} per {self.per}{means}{groups}"


SETTINGS = (
    Setting("own", "mse", "channel", "mean"),
    Setting("own", "mse", "channel", "none"),
    Setting("own wider", "mse", "channel", "mean"),
    Setting("own", "max", "channel", "none"),
    Setting("own", "max", "layer", "mean"),
    Setting("plain", "mse", "channel", "mean"),
    Setting("plain", "max", "layer", "mean"),
    Setting("plain", "max", "layer", "none"),
)
"""What is compared where everything is open, the paper's last (docs/decisions/0097)."""

GROUPS = (2, 4)
"""Neurons to a membrane that are tried as well where accuracy comes first."""


FEW_ROWS = 32
"""With fewer rows a scale for each channel, or a channel's mean, would be fitted to chance."""

FEW_ROWS_SETTINGS = (("own", "mse"), ("own wider", "mse"), ("plain", "max"))
"""Base and scale of the settings that are compared on few rows."""


def candidates(config: ConvertConfig, many_rows: bool = True, accuracy_first: bool = False) -> list[Setting]:
    """The settings to compare: :data:`SETTINGS` with what is given in its place, each once.

    Args:
        config: what it sets is in every candidate.
        many_rows: False leaves out what is fitted to each channel.
        accuracy_first: groups of neurons, too.
    """
    found = [*SETTINGS]
    if not many_rows:
        found = [Setting(base, scale, "layer", "none") for base, scale in FEW_ROWS_SETTINGS]
    if accuracy_first and config.group == 1:
        groups = [size for size in GROUPS if config.timesteps * size <= 255]
        found += [replace(setting, group=size) for size in groups for setting in found if setting.suits_groups]
    else:
        found = [replace(setting, group=config.group) for setting in found]
    given = {name: getattr(config, name) for name in PAPER if name not in config.open}
    given |= {"base": "given"} if "base" in given else {}
    return list(dict.fromkeys(replace(setting, **given) for setting in found))
