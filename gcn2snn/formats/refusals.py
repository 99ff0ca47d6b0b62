"""What formats share in saying no: parts without a counterpart, waits that a closed form does not know, missing packages."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

from gcn2snn import ir
from gcn2snn.engines import choose_engine, is_exact
from gcn2snn.errors import ConfigError, InputError, MissingPackageError, Refusal
from gcn2snn.spiking_network import SpikingNetwork


def refuse_parts(format: str, refusals: Sequence[Refusal]) -> None:
    """One error for all parts of a network that a format cannot carry.

    Raises:
        InputError: there are any.
    """
    if refusals:
        lines = "\n".join(f"  - {refusal}" for refusal in refusals)
        raise InputError(f"the format {format} cannot carry this network ({len(refusals)} reason(s)):\n{lines}")


KEPT = "the potential that a population keeps for a residual sum travels without a spike."
"""Why a format of spikes and synapses carries no network that was converted with ``residual="kept"``."""

SENT = "Convert with residual='spikes', or take the format onnx."


def refuse_kept(format: str, network: ir.Network) -> None:
    """One error for all potentials that are kept, which no spike carries.

    Raises:
        InputError: there are any.
    """
    refuse_parts(format, [Refusal(node.name, "a kept potential", KEPT, SENT) for node in network.of(ir.Kept)])


def check_closed_form(snn: SpikingNetwork, format: str) -> None:
    """Refuse networks whose neurons fire before all input is there.

    Raises:
        ConfigError: the wait is shorter than the closed form needs.
    """
    if not is_exact(snn.network, snn.config.wait):
        raise ConfigError(
            f"wait is {snn.config.wait}, so neurons fire before all input is there; the format {format} holds the closed "
            f"form, which is another network. Convert with a longer wait (T - 1 or more), or take the format brian2 or spikes"
        )
    choose_engine(snn.network, snn.config.wait, "closed")


def package(name: str) -> ModuleType:
    """An optional package of the extra ``export``.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingPackageError(
            f"this export needs the package {name} ({error}). Install it with: pip install 'gcn2snn[export]'"
        ) from error
