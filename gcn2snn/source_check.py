"""Does a description compute what its model computes? Both are run on the example, or on a sample of a large graph."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from gcn2snn import ir
from gcn2snn.engines import bind, head_values, run_float
from gcn2snn.errors import BackendError, ConfigError, ConversionError, InputError, InputTypeError, Refusal
from gcn2snn.frontends import SampledCall, copied, message_values, sampled_call, untouched
from gcn2snn.verify import SourceCheck

_log = logging.getLogger(__name__)

Check = Literal["auto", "full", "sample"]
"""What the source is run on: the example, a sample of its graph, or a sample where the whole would take much memory."""

Comparison: TypeAlias = Callable[[Mapping[str, Tensor] | None], None]
"""Refuses a description whose results differ from those of its model: takes its results by head, or None to compute them."""

CHECKS = ("auto", "full", "sample")

OF_EVERY_MODULE = frozenset(vars(nn.Module()))
"""Attributes that torch gives to every module."""

FULL_VALUES = 1 << 27
"""Values of a layer's messages up to which "auto" runs the source on the whole example: half a GiB, of which a model of
PyG holds more than two copies (docs/decisions/0115)."""


def refuse_unknown(check: str) -> None:
    """Refuse a word that is no kind of check.

    Raises:
        ConfigError: as said.
    """
    if not isinstance(check, str) or check not in CHECKS:
        raise ConfigError(f"check is {check!r}; allowed are {', '.join(CHECKS)}")


def check_source(
    model: nn.Module,
    source: ir.Network,
    args: tuple[object, ...],
    kwargs: dict[str, object],
    output: object = None,
    check: Check = "auto",
) -> tuple[SourceCheck, SampledCall | None, Comparison]:
    """Run a model to compare its description with it: on what, the smaller call where it is a sample, and the comparison.

    A sample is compared at once. The whole example is compared when the comparison is called: with the results of the
    description on it where they are known, by head, else with None.

    Args:
        model: the source.
        source: its description, before anything was changed.
        args, kwargs: of the example.
        output: as for :func:`gcn2snn.convert`.
        check: "full": on the example. "sample": on neighbourhoods of some nodes (:func:`sampled_call`). "auto": on a sample
            where the messages of the widest layer have more than :data:`FULL_VALUES` values and a sample can be made.

    Raises:
        ConversionError: they differ; from the comparison, for the whole example.
        InputError: the model fails on the example, or gives values that are not finite; "sample" is asked for and there is none.
    """
    due = check == "sample" or (check == "auto" and message_values(source, args, kwargs) > FULL_VALUES)
    why = ""
    if due:
        try:
            small = sampled_call(source, args, kwargs)
            expected = result_on_example(model, small.args, small.kwargs)
            found = _outputs(source, small.args, small.kwargs)
        except (InputError, InputTypeError) as error:
            if check == "sample":
                raise InputError(f"no sample of the example can be compared: {error}. Leave check at 'auto'") from error
            why = f"no sample could be made, for {error}"
            _log.warning("the source is run on the whole example: %s", why)
        else:
            _compare(expected, source, found, output)
            return (
                SourceCheck("sample", small.seeds, small.nodes, small.edges, small.left_out, small.of),
                small,
                compared,
            )
    expected = result_on_example(model, args, kwargs)

    def compare(heads: Mapping[str, Tensor] | None) -> None:
        found = _outputs(source, args, kwargs) if heads is None else list(head_values(source, heads))
        _compare(expected, source, found, output)

    return SourceCheck("full", why=why), None, compare


def compared(heads: Mapping[str, Tensor] | None) -> None:
    """The comparison of what was compared already."""


def result_on_example(model: nn.Module, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
    """What the model itself gives on the example.

    A forward that writes to the model's own numbers or buffers runs once more, for its result may depend on them.

    Raises:
        ConversionError: it does.
        InputError: the model fails, which is the error's cause, or gives values that are not finite.
        BackendError, ConfigError: an environment variable asks for a backend that is not there.
    """
    changed: list[str] = []
    again: object = None
    try:
        with untouched(model), torch.no_grad():
            before = _state(model)
            expected: object = model(*copied(args), **copied(kwargs))  # it may write to what it is given
            after = _state(model)
            changed = [name for name, value in after.items() if name not in before or before[name] != value]
            if changed:
                again = model(*copied(args), **copied(kwargs))
    except (
        BackendError,
        ConfigError,
    ):  # what an environment variable asks for: neither the model nor the example is at fault
        raise
    except Exception as failure:
        what = f"{type(failure).__name__}: {failure}"
        raise InputError(
            f"{type(model).__name__} itself fails on the example ({what}). Pass what it runs on"
        ) from failure
    for tensor in ir.pack(expected, lambda item: isinstance(item, Tensor))[1].values():
        if isinstance(tensor, Tensor) and not bool(torch.isfinite(tensor).all()):
            raise InputError(
                f"{type(model).__name__} gives values that are NaN or infinite on the example. Check the values of the example"
            )
    if changed and not _alike(expected, again):
        why = "is changed by the model's own forward, and a second call on the example gives another result than the first."
        instead = "Keep what one call leaves for the next out of the result."
        raise ConversionError([Refusal(name, "state", why, instead, "impossible") for name in changed])
    return expected


def _state(model: nn.Module) -> dict[str, object]:
    """The plain numbers that modules hold, the lengths of their containers, and how often each buffer was written to."""
    found: dict[str, object] = {}
    for path, module in model.named_modules():
        own = [item for item in vars(module).items() if item[0] not in OF_EVERY_MODULE]
        for name, value in (*own, *module._buffers.items()):
            if isinstance(value, Tensor) and not isinstance(value, nn.Parameter) and not value.is_inference():
                found[f"{path}.{name}".strip(".")] = (id(value), value._version)
            elif isinstance(value, int | float) and value == value:
                found[f"{path}.{name}".strip(".")] = value
            elif isinstance(value, list | dict | set):
                found[f"{path}.{name}".strip(".")] = len(value)
    return found


def _alike(first: object, second: object) -> bool:
    """Whether two results of a model are the same up to rounding."""
    pairs = [list(ir.pack(each, lambda item: isinstance(item, Tensor))[1].values()) for each in (first, second)]
    return len(pairs[0]) == len(pairs[1]) and all(
        isinstance(a, Tensor) and isinstance(b, Tensor) and a.shape == b.shape and torch.allclose(a, b, 1e-4, 1e-6)
        for a, b in zip(*pairs, strict=True)
    )


def _outputs(source: ir.Network, args: tuple[object, ...], kwargs: dict[str, object]) -> list[Tensor]:
    """The description's own results."""
    heads: dict[str, Tensor] = {}
    with torch.no_grad():
        run_float(source, bind(source, args, kwargs), heads=heads)
    return list(head_values(source, heads))


def _compare(expected: object, source: ir.Network, got: list[Tensor], output: object) -> None:
    """The description computes what the model computes, to float accuracy; else a handler is wrong.

    The bound, 1e-3 of the largest value of a head, is far above summation order and far below any missing term.
    """
    structure, found = ir.pack(expected, lambda item: isinstance(item, Tensor))
    wanted = list(found.values())
    if output is not None:
        structure, kept = ir.renumbered(ir.chosen(structure, output))
        wanted = [wanted[number] for number in kept]
    if structure != source.structure:
        why = f"has the structure {structure}, the description {source.structure}."
        raise ConversionError([Refusal("model", "output", why, "")])
    for way, whole, own in zip(ir.paths(structure), wanted, got, strict=True):
        _compare_head("output" if way == () else f"output {ir.told(way)}", whole, own)


def _compare_head(what: str, expected: object, got: Tensor) -> None:
    if not isinstance(expected, Tensor) or expected.shape != got.shape:
        shape = list(expected.shape) if isinstance(expected, Tensor) else type(expected).__name__
        raise ConversionError([Refusal("model", what, f"is {shape}, the description gives {list(got.shape)}.", "")])
    largest = float(expected.abs().max()) if expected.numel() else 0.0
    error = float((expected - got).abs().max()) if expected.numel() else 0.0
    if not error <= 1e-3 * max(largest, 1e-6):
        why = f"differs by {error:.3g} from the description (largest output {largest:.3g})."
        raise ConversionError([Refusal("model", what, why, "A handler does not compute what its layer computes.")])
