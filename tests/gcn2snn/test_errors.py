"""Errors of Python and torch about arguments become errors of ours that say what the arguments were."""

from __future__ import annotations

import pytest
import torch
from torch.nn.parameter import UninitializedParameter

from gcn2snn.errors import ConfigError, InputError, InputTypeError, kind_of, misfits, refuses_misfits


@refuses_misfits
def third(values: list[int], divisor: int) -> float:
    return values[2] / divisor


def test_a_function_names_what_it_was_given() -> None:
    with pytest.raises(
        InputTypeError, match=r"third cannot work with values: tuple of 3, divisor: 'a' \(TypeError: unsup"
    ):
        third((1, 2, 3), "a")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"values: list of 1, divisor: 2 \(IndexError"):
        third([1], 2)
    with pytest.raises(InputError, match="ZeroDivisionError"):
        third([1, 2, 3], 0)
    assert third([1, 2, 3], 3) == 1


def test_a_wrong_number_of_arguments_stays_a_type_error() -> None:
    with pytest.raises(TypeError, match="missing a required argument") as found:
        third([1])  # type: ignore[call-arg]
    assert not isinstance(found.value, InputTypeError)


def test_the_cause_is_kept_and_errors_of_ours_pass() -> None:
    with pytest.raises(InputError) as found:
        third([], 1)
    assert isinstance(found.value.__cause__, IndexError)
    with pytest.raises(ConfigError, match=r"^as it was$"), misfits("anything"):
        raise ConfigError("as it was")


def test_a_device_out_of_memory_is_no_misfit() -> None:
    with pytest.raises(torch.OutOfMemoryError), misfits("the network"):
        raise torch.OutOfMemoryError("full")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (torch.ones(2, 3), "Tensor [2, 3] torch.float32"),
        (torch.eye(2).to_sparse(), "Tensor [2, 2] torch.float32 sparse_coo"),
        (None, "None"),
        ("\0", "'\\x00'"),
        ("a" * 99, "str of 101 characters"),
        (10**400, "an integer of many digits"),
        ([1, 2], "list of 2"),
        (torch.float32, "dtype"),
        (UninitializedParameter(), "UninitializedParameter"),
    ],
)
def test_kinds_in_a_few_words(value: object, told: str) -> None:
    assert kind_of(value) == told
