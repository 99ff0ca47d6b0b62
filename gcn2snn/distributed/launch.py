"""What torchrun says about a process: its number, how many there are, and where they meet."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from gcn2snn.errors import ConfigError

NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""Environment variables that torchrun sets for each process; without it they are set by hand."""

TIMEOUT_VARIABLE = "GCN2SNN_TIMEOUT"
"""Environment variable with the seconds that a rank waits for another."""

USUAL_TIMEOUT = 300.0
"""Seconds that a rank waits for another before it gives the job up."""


@dataclass(frozen=True)
class Launch:
    """One process of a job.

    Args:
        rank: its number, from 0.
        size: processes of the job.
        local_rank: its number on its machine.
        machine: number of the machine.
        local_size: processes on its machine.
        address, port: where rank 0, or torchrun for it, listens.
        timeout: seconds that a rank waits for another.
    """

    rank: int
    size: int
    local_rank: int
    machine: int
    local_size: int
    address: str
    port: int
    timeout: float = USUAL_TIMEOUT


def launched(environment: Mapping[str, str] = os.environ) -> Launch | None:
    """How this process was started; None for a process alone, which has neither RANK nor WORLD_SIZE.

    >>> launched({"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}).rank
    1
    >>> launched({}) is None
    True

    Raises:
        ConfigError: a variable is missing, no whole number, or out of range.
    """
    if "RANK" not in environment and "WORLD_SIZE" not in environment:
        return None
    missing = [name for name in NEEDED if not environment.get(name)]
    if missing:
        raise ConfigError(
            f"{' and '.join(missing)} not set, but {'RANK' if 'RANK' in environment else 'WORLD_SIZE'} is; a job on several "
            f"processes needs {', '.join(NEEDED)}. Start it with torchrun, which sets them, or unset RANK and WORLD_SIZE"
        )
    size = _number(environment, "WORLD_SIZE", 1, 2**20)
    rank = _number(environment, "RANK", 0, size - 1)
    return Launch(
        rank=rank,
        size=size,
        local_rank=_number(environment, "LOCAL_RANK", 0, size - 1, rank),
        machine=_number(environment, "GROUP_RANK", 0, size - 1, 0),
        local_size=_number(environment, "LOCAL_WORLD_SIZE", 1, size, size),
        address=environment["MASTER_ADDR"],
        port=_number(environment, "MASTER_PORT", 0, 65535),
        timeout=float(_number(environment, TIMEOUT_VARIABLE, 1, 10**6, int(USUAL_TIMEOUT))),
    )


def _number(environment: Mapping[str, str], name: str, least: int, most: int, usual: int | None = None) -> int:
    """A variable as a whole number in its range."""
    text = environment.get(name)
    if not text and usual is not None:
        return usual
    if text is None or not text.isdecimal() or not least <= int(text) <= most:
        who = "Set it in seconds, or unset it" if name == TIMEOUT_VARIABLE else "torchrun sets it"
        raise ConfigError(f"{name} is {text!r}; a whole number from {least} to {most} is needed. {who}")
    return int(text)
