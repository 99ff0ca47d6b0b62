"""Options of each verb: frozen, checked when made, saved as JSON."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from gcn2snn.errors import ConfigError

_STRICT = ConfigDict(extra="forbid", arbitrary_types_allowed=False, allow_inf_nan=False)

Class = TypeVar("Class", bound=type)


def own_errors(cls: Class) -> Class:
    """Let a configuration class raise ConfigError that names each wrong option, what was got and what is allowed."""
    checked = cls.__init__  # type: ignore[misc]

    @functools.wraps(checked)
    def initialise(self: object, **options: object) -> None:
        try:
            checked(self, **options)
        except ValidationError as error:
            raise ConfigError(_explain(error)) from None

    cls.__init__ = initialise  # type: ignore[misc]
    return cls


def _explain(error: ValidationError) -> str:
    parts = []
    for item in error.errors():
        own = item.get("ctx", {}).get("error")
        name = ".".join(str(part) for part in item["loc"])
        if own is not None:  # of __post_init__, whose sentence is complete
            parts.append(f"{name}: {own}" if name else str(own))
            continue
        name = name or "configuration"
        parts.append(f"{name} = {item['input']!r}: {item['msg'][0].lower()}{item['msg'][1:]}")
    return "; ".join(parts)


Base = Annotated[float, Field(gt=1.0, lt=1e6, description="base Q of the phase code")]
Timesteps = Annotated[int, Field(ge=1, le=255, description="phases T")]
MOST_THREADS = 4_096
"""Threads that may be asked for: more than any machine has cores, and fewer than make an operating system refuse them."""

LONGEST_WAIT = 65_535
"""Steps that a layer may wait at most. Codes have 255 phases, so that a longer wait hears nothing more and only takes time."""

PERCENTILE = 99.9
"""Of the values at calibration, for scales that are percentiles."""

BOTH_HORIZONS = (
    "events and horizon exclude each other: the horizon follows from the share of events. Leave one of them out"
)
"""Said where both are given."""

Group = Annotated[
    int,
    Field(ge=1, le=8, description="neurons that share a membrane, of which at most one fires; finer by base^(1/group)"),
]


@own_errors
@dataclass(frozen=True, config=_STRICT, kw_only=True)
class TrainConfig:
    """How a Text GCN is trained (Yao et al. 2019, Section 4).

    >>> TrainConfig(hidden=64).layers
    2
    """

    hidden: Annotated[int, Field(ge=1, le=2**20, description="units of each hidden layer")] = 200
    layers: Annotated[int, Field(ge=2, le=1000, description="graph convolutions")] = 2
    dropout: Annotated[float, Field(ge=0.0, lt=1.0, description="on the input and on each hidden layer")] = 0.5
    learning_rate: Annotated[float, Field(gt=0.0, description="of Adam")] = 0.02
    weight_decay: Annotated[float, Field(ge=0.0, description="of Adam, on the first layer")] = 0.0
    epochs: Annotated[int, Field(ge=1, description="at most")] = 200
    patience: Annotated[
        int, Field(ge=1, description="stop when the validation loss exceeds the mean of so many last ones")
    ] = 10
    validation: Annotated[float, Field(gt=0.0, lt=1.0, description="share of the training nodes held out")] = 0.1
    seed: Annotated[int, Field(ge=0, lt=2**31, description="of weights, dropout and the validation split")] = 0
    threads: Annotated[int, Field(ge=0, le=MOST_THREADS, description="CPU threads, 0 = what torch chooses")] = 0
    device: Annotated[Literal["auto", "cpu", "cuda"], Field(description="where to train")] = "auto"
    save_every: Annotated[float, Field(ge=0.0, description="seconds between two checkpoints for --resume")] = 10.0
    inductive: Annotated[
        bool, Field(description="trained for documents that no graph has seen, see TrainConfig.for_new_documents")
    ] = False
    cost: Annotated[
        float,
        Field(ge=0.0, description="inductive: C, what a document counts for against the penalty on what words add"),
    ] = 0.0
    averaging: Annotated[
        float, Field(ge=0.0, lt=1.0, description="inductive: decay of the mean of the weights over the epochs")
    ] = 0.0

    def __post_init__(self) -> None:
        if not self.inductive and (self.cost or self.averaging):
            raise ConfigError(
                f"cost = {self.cost} and averaging = {self.averaging} belong to inductive training; "
                f"set inductive=True too, or leave them at 0"
            )
        if self.inductive and not self.cost:
            raise ConfigError(
                "cost = 0 leaves nothing to learn from documents; inductive training needs more, usually 1"
            )

    @classmethod
    def for_new_documents(cls, **options: Any) -> Self:
        """Training for documents that no graph has seen (docs/method.md, Section 9); ``options`` replace its defaults.

        >>> TrainConfig.for_new_documents(seed=3).cost
        1.0
        """
        return cls(**{"inductive": True, **NEW_DOCUMENTS, **options})


NEW_DOCUMENTS: dict[str, object] = {"hidden": 160, "learning_rate": 0.1, "cost": 1.0, "averaging": 0.95}
"""Defaults of inductive training where they differ from the published ones (docs/decisions/0139)."""


@own_errors
@dataclass(frozen=True, config=_STRICT, kw_only=True)
class LayerConfig:
    """What one population does differently; None keeps the network's setting.

    >>> ConvertConfig(layers={"layer1.relu": LayerConfig(timesteps=8)}).layers["layer1.relu"].timesteps
    8
    """

    base: Base | None = None
    timesteps: Timesteps | None = None
    group: Group | None = None
    scale: Literal["max", "percentile", "mse"] | None = None
    per: Literal["layer", "channel"] | None = None
    last: Literal["midpoint", "half"] | None = None
    horizon: Annotated[float | None, Field(gt=0.0)] = None
    events: Annotated[float | None, Field(gt=0.0, le=1.0)] = None
    refit: bool | None = None

    def __post_init__(self) -> None:
        if self.events is not None and self.horizon is not None:
            raise ConfigError(BOTH_HORIZONS)


@own_errors
@dataclass(frozen=True, config=_STRICT, kw_only=True)
class ConvertConfig:
    """How a trained network becomes spikes.

    What is left open, ``base`` (None), ``scale``, ``per`` and ``correct`` ("auto"), ``convert`` chooses by measuring
    (:func:`gcn2snn.passes.choose_setting`); what is set stays as it is, and with all four set nothing is measured.

    >>> ConvertConfig(timesteps=24, base=1.2).input_bits
    24
    >>> ConvertConfig(base=0.5)
    Traceback (most recent call last):
    ...
    gcn2snn.errors.ConfigError: ...
    """

    base: Annotated[
        float | None,
        Field(gt=1.0, lt=1e6, description="base Q of the phase code; without it, one is measured for each population"),
    ] = None
    timesteps: Timesteps = 16
    group: Group = 1
    message: Annotated[
        Literal["signed", "rectified", "fused"],
        Field(description="neuron between transform and aggregation: signed, without its negative part, or none"),
    ] = "signed"
    scale: Annotated[
        Literal["auto", "max", "percentile", "mse"],
        Field(
            description="calibrated maximum, a percentile of it, or the scale of least encoding error; auto: measured"
        ),
    ] = "auto"
    percentile: Annotated[float, Field(gt=0.0, le=100.0, description="for scale=percentile")] = PERCENTILE
    per: Annotated[
        Literal["auto", "layer", "channel"],
        Field(description="one scale per layer or per channel (Eq. 2); auto: measured"),
    ] = "auto"
    shift: Annotated[bool, Field(description="thresholds at midpoints (Eq. 4); False: Eq. 3")] = True
    last: Annotated[
        Literal["midpoint", "half"],
        Field(description="threshold of the last phase: at the midpoint to the next (Eq. 4), or half of its value"),
    ] = "midpoint"
    one_hot: Annotated[
        Literal["unit", "binary"], Field(description="a one-hot input is one unit spike, or 1.0 in T-bit binary")
    ] = "unit"
    input: Annotated[
        Literal["binary", "single", "analog"], Field(description="coder of the input data; binary allows many spikes")
    ] = "binary"
    input_timesteps: Annotated[int | None, Field(ge=1, le=24, description="bits of the binary input, default T")] = None
    wait: Annotated[
        int | None,
        Field(ge=0, le=LONGEST_WAIT, description="wait timestep w; None waits for all input, which is exact"),
    ] = None
    batch_norm: Annotated[
        Literal["weights", "threshold"], Field(description="fold batch norm, or keep it in threshold and v(0)")
    ] = "weights"
    avg_pool: Annotated[
        Literal["merge", "spike"], Field(description="average pooling merges into the next sum, or has neurons")
    ] = "merge"
    residual: Annotated[
        Literal["spikes", "kept"],
        Field(description="identity branch of a residual sum: as spikes, or kept in the potential of the neuron"),
    ] = "spikes"
    correct: Annotated[
        Literal["auto", "none", "mean"],
        Field(description="mean: shift each channel's potential so that it sends its mean activation; auto: measured"),
    ] = "auto"
    weights: Annotated[
        Literal["float", "int8"], Field(description="int8: weights rounded to 8 bits, one step size per output channel")
    ] = "float"
    horizon: Annotated[
        float | None,
        Field(gt=0.0, description="lambda: a spike that moves the result by less for each addition is not sent"),
    ] = None
    events: Annotated[
        float | None,
        Field(gt=0.0, le=1.0, description="share of a population's additions that may remain; lambda follows from it"),
    ] = None
    refit: Annotated[
        bool, Field(description="new values for what a horizon leaves of a one-hot input's messages, by least squares")
    ] = False
    refit_ridge: Annotated[
        float,
        Field(ge=0.0, description="pull of the new values towards the source's, against fitting one graph too well"),
    ] = 0.0
    layers: Annotated[Mapping[str, LayerConfig], Field(description="exceptions by population name")] = Field(
        default_factory=dict
    )

    def __post_init__(self) -> None:
        if contradictions := list(self._contradictions()):
            raise ConfigError("; ".join(contradictions))

    def _contradictions(self) -> Iterator[str]:
        """A sentence for each option that another one leaves without effect, or that excludes another."""
        every: tuple[ConvertConfig | LayerConfig, ...] = (self, *self.layers.values())
        if not self.shift and any(own.last == "half" for own in every):
            yield "last='half' needs shifted thresholds; those of Eq. 3 round down, also at the last phase. Use shift=True"
        if self.percentile != PERCENTILE and all(own.scale != "percentile" for own in every):
            yield (
                f"percentile={self.percentile:g} has no effect: no scale is a percentile. Use scale='percentile' with it, or leave it out"
            )
        if self.refit_ridge and not any(own.refit for own in every):
            yield f"refit_ridge={self.refit_ridge:g} has no effect: nothing is refitted. Use refit=True with it, or leave it out"
        if self.input_timesteps is not None and self.input != "binary":
            yield (
                f"input_timesteps={self.input_timesteps} has no effect: the bits are those of a binary input, and input is "
                f"{self.input!r}. Use input='binary' with it, or leave it out"
            )
        if self.events is not None and self.horizon is not None:
            yield BOTH_HORIZONS

    @property
    def input_bits(self) -> int:
        """Timesteps of the binary input coder."""
        return self.input_timesteps if self.input_timesteps is not None else min(self.timesteps, 24)

    @classmethod
    def paper(cls, **options: Any) -> Self:
        """The paper's conversion: Q = 1.3, T = 16, layer maxima as scales, no correction; ``options`` replace its values.

        >>> ConvertConfig.paper(timesteps=24, base=1.2).scale
        'max'

        Source: Section IV-A.
        """
        return cls(**{**PAPER, **options})

    @property
    def common_base(self) -> float:
        """Base of the populations that have none of their own; the paper's where it is left open."""
        return float(PAPER["base"]) if self.base is None else self.base

    @property
    def open(self) -> tuple[str, ...]:
        """Names of the settings that are left to measurement."""
        return tuple(name for name in PAPER if getattr(self, name) in (None, "auto"))

    def without_exceptions(self) -> Self:
        """The same configuration for all populations alike, also without what only an exception has use for."""
        percentile = self.percentile if self.scale == "percentile" else PERCENTILE
        ridge = self.refit_ridge if self.refit else 0.0
        return replace(self, layers={}, percentile=percentile, refit_ridge=ridge)

    def settled(self) -> Self:
        """The same configuration with the paper's value for each setting that it leaves open."""
        return replace(self, **{name: PAPER[name] for name in self.open})


PAPER: dict[str, Any] = {"base": 1.3, "scale": "max", "per": "layer", "correct": "none"}
"""The paper's value of each setting that can be left to measurement."""


def to_dict(config: TrainConfig | ConvertConfig) -> dict[str, Any]:
    """JSON values of a configuration."""
    return dict(json.loads(TypeAdapter(type(config)).dump_json(config)))
