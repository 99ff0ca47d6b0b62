"""Which engine runs a network for a given wait."""

from __future__ import annotations

from collections.abc import Mapping

from gcn2snn import ir
from gcn2snn.config import LONGEST_WAIT
from gcn2snn.engines.topology import check_kept_wait, least_exact_wait
from gcn2snn.errors import ConfigError
from gcn2snn.memory import current_limit

ENGINES = ("auto", "closed", "bucketed", "temporal")


def check_wait(wait: object) -> None:
    """Refuse what is no wait.

    Raises:
        ConfigError: ``wait`` is neither None nor a whole number of steps from 0 to :data:`gcn2snn.config.LONGEST_WAIT`.
    """
    if wait is None:
        return
    if isinstance(wait, bool) or not isinstance(wait, int):
        raise ConfigError(f"wait is {wait!r}; a whole number of steps is needed, 0 or more, or None for all")
    if wait < 0:
        raise ConfigError(
            f"wait is {wait}; a neuron cannot fire before its input: allowed are 0 to {LONGEST_WAIT}, or None for all"
        )
    if wait > LONGEST_WAIT:
        raise ConfigError(
            f"wait is {wait}; codes have at most 255 phases, so that a layer hears nothing more after so many steps: "
            f"allowed are 0 to {LONGEST_WAIT}, or None for all input"
        )


def is_exact(network: ir.Network, wait: int | None) -> bool:
    """Whether the closed form is the temporal result: wait >= T - 1 of every membrane's input."""
    return wait is None or wait >= least_exact_wait(network)


def choose_engine(network: ir.Network, wait: int | None, engine: str) -> str:
    """The engine that runs: for "auto" the closed form where it is exact, else "bucketed"; others as asked.

    "temporal" steps every membrane w + T times. It is the independent reference for the other two, which give the same
    spikes.

    Raises:
        ConfigError: wait is negative or too long, the engine is unknown, the closed form is asked for where it is not exact, or a memory
            limit holds and another engine would run.
    """
    if not isinstance(engine, str) or engine not in ENGINES:
        raise ConfigError(f"engine is {engine!r}; allowed are {', '.join(ENGINES)}")
    check_wait(wait)
    check_kept_wait(network, wait)
    exact = is_exact(network, wait)
    if engine == "closed" and not exact:
        raise ConfigError(
            f"the closed form holds for a wait of {least_exact_wait(network)} or more, got {wait}: neurons would fire "
            "before all input is there. Use engine='bucketed' or 'temporal', or a longer wait"
        )
    if engine == "auto":
        engine = "closed" if exact else "bucketed"
    if engine != "closed" and current_limit() is not None:
        raise ConfigError(
            f"a memory limit holds, and the engine would be {engine!r}, which needs all values at once; only the closed form "
            f"runs some rows at a time. Leave the limit out, or wait until all input is there (wait=None)"
        )
    return engine


def check_recordings(network: ir.Network, recordings: object, engine: str) -> None:
    """Refuse what cannot be recorded, before anything runs.

    Args:
        network: the description.
        recordings: what the caller wants filled, {population: Recording}.
        engine: as it was asked for.

    Raises:
        ConfigError: the engine has no step to record, ``recordings`` is no dict, or it names something else than populations.
    """
    if engine not in ("auto", "temporal"):
        raise ConfigError(f"engine is {engine!r}; only the temporal engine has a step to record. Use engine='temporal'")
    if not isinstance(recordings, Mapping):
        raise ConfigError(
            f"recordings is {type(recordings).__name__}; a dict is needed: {{population: gcn2snn.Recording()}}"
        )
    names = [node.name for node in network if isinstance(node, ir.Neuron | ir.Output)]
    unknown = sorted(set(recordings) - set(names))
    if unknown:
        raise ConfigError(f"recordings names {unknown}; what can be recorded is {names}")
