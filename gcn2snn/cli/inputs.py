"""What a verb runs a network on: the data it comes from, or others, and the rows that were chosen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gcn2snn.spiking_network import SpikingNetwork

MOST_ROWS = 1_000_000
"""Rows or neurons that can be chosen by number; whoever wants more leaves the option out."""


def row_numbers(text: str | None, option: str = "--rows") -> list[int] | None:
    """``0,5,7-9`` as numbers.

    Raises:
        ConfigError: it is something else, or of more than :data:`MOST_ROWS`.
    """
    from gcn2snn.errors import ConfigError

    if text is None:
        return None
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise ConfigError(
                f"{option} {text!r} is no list of numbers; whole numbers are needed, such as 0,5,7 or 3-6"
            )
        if dash and int(last) < int(first):
            raise ConfigError(f"{option} {text!r} counts down; write the smaller number first: {last}-{first}")
        asked = int(last or first) - int(first) + 1
        if len(found) + asked > MOST_ROWS:  # such a list would fill the memory before anyone compares it with the data
            raise ConfigError(
                f"{option} {text!r} asks for more than {MOST_ROWS:,} rows. Give fewer, such as 0,5,7 or 3-6"
            )
        found += range(int(first), int(last or first) + 1)
    return found


def inputs_of(
    file: Path,
    network: SpikingNetwork,
    origin: dict[str, object],
    inputs: str | None,
    data_dir: Path | None,
    rows: list[int] | None,
) -> tuple[tuple[object, ...], list[int] | None]:
    """What the network is called with, and the rows of its output that are left to choose."""
    from gcn2snn.cli.origins import data_of, given_call, graph_of, refuse_unknown_origin

    if origin.get("kind") == "images":
        from gcn2snn.cli.images import chosen_images

        return (chosen_images(origin, inputs, data_dir, [0] if rows is None else rows),), None
    inputs = data_of(origin, inputs)
    if inputs is not None:
        return given_call(network, inputs, data_dir)[1], rows
    from gcn2snn.textgcn import call

    refuse_unknown_origin(file, network, origin)
    return call(graph_of(origin, data_dir)), rows
