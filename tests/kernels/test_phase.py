"""Phase codes: what may be one, which phases a step holds, and spikes as a train."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gcn2snn.errors import ConfigError
from gcn2snn.kernels import PhaseCode, Spikes


@given(timesteps=st.integers(1, 255), group=st.integers(1, 255))
def test_steps_share_out_the_phases_in_order(timesteps: int, group: int) -> None:
    """Each phase belongs to one step; all steps but the last hold as many phases as the group has neurons."""
    code = PhaseCode(1.01, timesteps, group=group)
    parts = [list(code.phases_of(step)) for step in range(1, code.steps + 1)]
    assert [phase for part in parts for phase in part] == list(range(1, timesteps + 1))
    assert all(len(part) == group for part in parts[:-1])
    assert 1 <= len(parts[-1]) <= group
    phases = torch.arange(timesteps + 1)
    expected = [0, *(step for step, part in enumerate(parts, start=1) for _ in part)]
    assert code.step_of(phases).tolist() == expected


@pytest.mark.parametrize("signed", [False, True])
def test_a_train_has_the_sign_of_the_spike_at_its_phase(signed: bool) -> None:
    coding = PhaseCode(2.0, 5, signed=signed)
    code = torch.arange(-5 if signed else 0, 6, dtype=torch.int8)[:, None]
    train = Spikes(code, torch.tensor(1.0), coding).to_dense()
    assert train.shape == (5, *code.shape)
    phases = torch.arange(1, 6, dtype=torch.int8)[:, None, None]
    assert torch.equal((train * phases).sum(0, dtype=torch.int8), code)  # a phase can be read back from its place
    assert torch.equal(train.abs().sum(0, dtype=torch.int64), (code != 0).long())


@pytest.mark.parametrize(
    ("fields", "allowed"),
    [
        ({"timesteps": 1}, True), ({"timesteps": 255, "base": 1.01}, True), ({"timesteps": 0}, False),
        ({"timesteps": 256, "base": 1.01}, False), ({"base": 1.0}, False), ({"base": 1.0001}, True), ({"group": 0}, False),
        ({"group": 1}, True), ({"base": 16.0, "timesteps": 24}, True), ({"base": 16.0, "timesteps": 25}, False),
        ({"last": "half"}, True), ({"last": "half", "shift": False}, False), ({"last": "midpoint", "shift": False}, True),
    ],
)  # fmt: skip
def test_bounds_of_a_code(fields: dict[str, object], allowed: bool) -> None:
    values = {"base": 2.0, "timesteps": 4, **fields}
    if allowed:
        assert PhaseCode(**values).timesteps == values["timesteps"]
        return
    with pytest.raises(ConfigError):
        PhaseCode(**values)


def test_codes_of_one_byte_as_long_as_they_fit() -> None:
    assert [PhaseCode(1.1, t).code_dtype for t in (127, 128)] == [torch.int8, torch.int16]


def test_thresholds_by_hand() -> None:
    """Q = 2: values 1/2, 1/4, 1/8; midpoints 3/4 of them; the last one may be half of its value."""
    assert PhaseCode(2.0, 3).levels().tolist() == [0.5, 0.25, 0.125]
    assert PhaseCode(2.0, 3, shift=False).thresholds().tolist() == [0.5, 0.25, 0.125]
    assert PhaseCode(2.0, 3).thresholds().tolist() == [0.375, 0.1875, 0.09375]
    assert PhaseCode(2.0, 3, last="half").thresholds().tolist() == [0.375, 0.1875, 0.0625]


def test_spikes_say_what_they_are() -> None:
    spikes = Spikes(torch.tensor([[3, 0, -1]], dtype=torch.int8), torch.ones(3), PhaseCode(2.0, 4, signed=True))
    assert (spikes.phase.tolist(), spikes.sign.tolist(), spikes.fired.tolist()) == (
        [[3, 0, 1]],
        [[1, 0, -1]],
        [[True, False, True]],
    )
    assert "Spikes([1, 3] int8, " in repr(spikes)
    assert repr(spikes).endswith("3 scales)")
    assert "one scale" in repr(Spikes(spikes.code, torch.tensor(1.0), spikes.coding))


def test_numbers_of_numpy_are_the_same_code() -> None:
    code = PhaseCode(np.int64(3), np.uint8(9), group=np.int32(2))  # type: ignore[arg-type]
    assert code == PhaseCode(3.0, 9, group=2)
    assert torch.equal(code.levels(), PhaseCode(3.0, 9).levels())
    with pytest.raises(ConfigError, match="base is an integer of many digits"):
        PhaseCode(10**400, 3)
