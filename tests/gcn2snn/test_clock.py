"""Latency and throughput: the formula of Section V-C2 against the pipeline that runs, and what is a clock."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from gcn2snn import convert
from gcn2snn.clock import Timing, frequency, hertz, seconds, timing_of
from gcn2snn.engines import bind, run_pipeline
from gcn2snn.errors import ConfigError


@pytest.mark.parametrize("wait", [None, 3])
def test_timing_is_that_of_the_pipeline(wait: int | None) -> None:
    torch.manual_seed(0)
    x = torch.rand(4, 5)
    snn = convert(nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 2)).eval(), x)
    timing = timing_of(snn.network, wait)
    items = [bind(snn.network, (row[None],), {}) for row in x]
    assert run_pipeline(snn.network, items[:1], wait).steps == timing.latency
    assert run_pipeline(snn.network, items, wait).steps == timing.latency + 3 * timing.period


def test_seconds_and_throughput() -> None:
    content = Timing(timesteps=16, wait=15, layers=3).to_dict(1e6)
    assert (content["latency_steps"], content["period_steps"]) == (61, 31)
    assert content["latency_seconds"] == pytest.approx(61e-6)
    assert content["inputs_per_second"] == pytest.approx(1e6 / 31)
    assert "clock_hz" not in Timing(16, 15, 3).to_dict()


@given(st.floats(min_value=1e-3, max_value=1e5), st.sampled_from(["Hz", "kHz", "MHz", "GHz"]))
def test_a_clock_is_a_number_with_its_unit(number: float, unit: str) -> None:
    factor = {"Hz": 1, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9}[unit]
    assert hertz(f"{number!r} {unit}") == pytest.approx(number * factor)


@pytest.mark.parametrize("text", ["fast", "1", "MHz", "-1MHz", "0Hz", "1e400Hz", "nan Hz", "1THz", "1 M Hz"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="a positive number with Hz, kHz, MHz or GHz is needed, such as 1MHz"):
        hertz(text)


def test_readable_units() -> None:
    assert (seconds(2.0), seconds(3e-3), seconds(6.1e-5), seconds(4e-9)) == ("2 s", "3 ms", "61 us", "4 ns")
    assert (frequency(5), frequency(32768), frequency(1e6), frequency(2e9)) == ("5 Hz", "32.768 kHz", "1 MHz", "2 GHz")
