from __future__ import annotations

import pytest

from gcn2snn.cli.options import given, refuse_given
from gcn2snn.errors import ConfigError


def test_given_keeps_what_was_on_the_command_line() -> None:
    assert given({"epochs": 3, "seed": 0, "force": False, "hidden": None}) == {"epochs": 3, "seed": 0, "force": False}


def test_refuse_given_names_the_options_as_they_are_typed() -> None:
    refuse_given({"batch_size": None}, "karate is a graph")
    with pytest.raises(
        ConfigError, match=r"--batch-size, --model has no meaning here: karate is a graph. Leave it out"
    ):
        refuse_given({"batch_size": 8, "seed": None, "model": "small"}, "karate is a graph")
