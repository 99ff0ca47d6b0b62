from __future__ import annotations

import pytest

from gcn2snn.distributed.launch import NEEDED, launched
from gcn2snn.errors import ConfigError

WHOLE = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "host", "MASTER_PORT": "29500"}


def test_launched_reads_what_torchrun_sets() -> None:
    launch = launched(WHOLE | {"LOCAL_RANK": "0", "GROUP_RANK": "1", "LOCAL_WORLD_SIZE": "1", "GCN2SNN_TIMEOUT": "7"})
    assert launch is not None
    assert (launch.rank, launch.size, launch.local_rank, launch.machine) == (1, 2, 0, 1)
    assert (launch.local_size, launch.address, launch.port, launch.timeout) == (1, "host", 29500, 7.0)


def test_launched_takes_one_machine_where_nothing_else_is_said() -> None:
    launch = launched(WHOLE)
    assert launch is not None
    assert (launch.local_rank, launch.machine, launch.local_size, launch.timeout) == (1, 0, 2, 300.0)


def test_launched_is_none_for_a_process_alone() -> None:
    assert launched({"MASTER_ADDR": "host", "MASTER_PORT": "1"}) is None


@pytest.mark.parametrize("name", NEEDED)
def test_launched_refuses_a_missing_variable(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} not set, but .* Start it with torchrun"):
        launched({other: value for other, value in WHOLE.items() if other != name})


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"RANK": "2"}, "RANK is '2'; a whole number from 0 to 1"),
        ({"RANK": "one"}, "RANK is 'one'"),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE is '0'; a whole number from 1"),
        ({"MASTER_PORT": "70000"}, "MASTER_PORT is '70000'"),
        ({"GCN2SNN_TIMEOUT": "0"}, "GCN2SNN_TIMEOUT is '0'; .* Set it in seconds, or unset it"),
    ],
)
def test_launched_refuses_numbers_out_of_range(change: dict[str, str], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        launched(WHOLE | change)
