"""What a service is told: where it listens, how many processes it has, and what it refuses to hold."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from gcn2snn.config import own_errors
from gcn2snn.errors import ConfigError

WAITING_BODIES = 16
"""The texts that wait may together have as many bytes as this many bodies of the largest size."""


def number_of_cores() -> int:
    """Processor cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows do not tell which cores a process may use
        return os.cpu_count() or 1


@own_errors
@dataclass(frozen=True, config=ConfigDict(extra="forbid"), kw_only=True)
class ServeOptions:
    """Where a service listens and where its limits are. All limits but ``workers`` hold for each process.

    >>> ServeOptions(network="runs/demo/snn.safetensors").model_name
    'demo'

    Raises:
        ConfigError: a value out of range, a name that is no part of an address, or a queue that one request could overfill.
    """

    network: Annotated[Path, Field(description="file of the converted network")]
    name: Annotated[str, Field(description="name of the model in addresses; empty: that of the file or its folder")] = (
        ""
    )
    host: Annotated[str, Field(min_length=1, description="address to listen at")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="port to listen at; 0 takes a free one")] = 8000
    workers: Annotated[int, Field(ge=1, le=1024, description="processes")] = Field(default_factory=number_of_cores)
    queue: Annotated[int, Field(ge=1, description="texts that may wait; more are answered 503")] = 4096
    batch: Annotated[int, Field(ge=1, le=4096, description="texts that are evaluated at once")] = 256
    max_texts: Annotated[int, Field(ge=1, description="texts of one request")] = 1000
    max_bytes: Annotated[int, Field(ge=1024, description="bytes of one request's body")] = 1 << 20
    requests: Annotated[int, Field(ge=1, description="requests that are read or answered at the same time")] = 512
    body_seconds: Annotated[float, Field(gt=0, description="seconds in which a request must have arrived")] = 10.0
    grace: Annotated[int, Field(ge=0, description="seconds that requests in flight have when the service stops")] = 30
    tokeniser: Annotated[str | None, Field(description="module:function that cuts texts into words")] = None

    def __post_init__(self) -> None:
        """Refuse what the ranges of single values cannot say."""
        if self.queue < self.max_texts:
            raise ConfigError(
                f"queue = {self.queue} is smaller than max_texts = {self.max_texts}, so a full request could never be accepted. "
                f"Give a longer queue, or fewer texts to a request"
            )
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", self.model_name):
            raise ConfigError(
                f"the model's name would be {self.model_name!r}, and a part of an address has letters, digits, dots, hyphens and "
                f"underscores only, a letter or digit first. Give one with --name"
            )

    @property
    def model_name(self) -> str:
        """The name in addresses: as given, or the folder of a snn.safetensors, or the file's name without its suffix."""
        if self.name:
            return self.name
        file = self.network
        return file.resolve().parent.name if file.name == "snn.safetensors" else file.stem
