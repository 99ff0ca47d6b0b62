"""Options that several verbs share, and the refusal of options that have no meaning for what was given."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gcn2snn.energy import PRESETS

DataDir = Annotated[
    Path | None, typer.Option(help="Folder searched first for data; then GCN2SNN_DATA, cache, network.")
]


Data = Annotated[
    str | None,
    typer.Option(
        help="Test data instead of those the network comes from: a .pt file with x, edge_index, y and test_mask (or what "
        "the model takes), or a dataset such as cora; for images, image data.",
    ),
]


Energy = Annotated[str, typer.Option(help=f"Joules per operation: one of {', '.join(PRESETS)}.")]


AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, all else on standard error.")]


def given(options: dict[str, Any]) -> dict[str, Any]:
    """The options that were on the command line; the others keep the configuration's default."""
    return {name: value for name, value in options.items() if value is not None}


def refuse_given(options: dict[str, Any], why: str) -> None:
    """Refuse options that have no meaning here instead of dropping them.

    Raises:
        ConfigError: one was given.
    """
    from gcn2snn.errors import ConfigError

    names = ", ".join(f"--{name.replace('_', '-')}" for name in given(options))
    if names:
        raise ConfigError(f"{names} has no meaning here: {why}. Leave it out")
