"""The pipeline: trained model -> description -> batch norm away -> neurons -> scales -> spiking network."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch._ops import OpOverload
from torch.nn.parameter import UninitializedParameter

from gcn2snn import ir
from gcn2snn.config import ConvertConfig
from gcn2snn.described_module import full_precision
from gcn2snn.engines import Value, bind, choose_engine
from gcn2snn.errors import ConfigError, ConversionError, InputError, InputTypeError, Refusal, kind_of, within_memory
from gcn2snn.frontends import Call, Handler, SampledCall, copied, lower, small_call, untouched
from gcn2snn.graph import Graph
from gcn2snn.memory import current_limit
from gcn2snn.passes import (
    Problem,
    RefitProgress,
    Sampler,
    Statistics,
    calibrate,
    choose_setting,
    correct_means,
    fold_batch_norm,
    insert_neurons,
    merge_linear,
    refit_values,
    round_weights,
    set_horizons,
    with_codes,
)
from gcn2snn.source_check import Check, check_source, compared, refuse_unknown, result_on_example
from gcn2snn.spiking_network import SpikingNetwork
from gcn2snn.textgcn import NewDocuments
from gcn2snn.verify import SourceCheck

_log = logging.getLogger(__name__)

NUMBERS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""Number types whose values can be checked; a network computes in the last two."""

PART = "a memory limit holds, so the model ran on at most 2,048 nodes and the edges between them"
"""Said of a conversion under a memory limit."""


@within_memory("the conversion")
@full_precision()
def convert(
    model: nn.Module,
    example: object,
    config: ConvertConfig | None = None,
    *further: object,
    output: object = None,
    calibration: Iterable[object] | None = None,
    handlers: Mapping[type[nn.Module], Handler] | None = None,
    row_weights: Tensor | None = None,
    on_channels: RefitProgress | None = None,
    accuracy_first: bool = False,
    check: Check = "auto",
) -> SpikingNetwork:
    """A one-spike network that is called like ``model``; the model itself is not changed.

    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(8, 6), torch.nn.ReLU(), torch.nn.Linear(6, 3)).eval()
    >>> x = torch.rand(20, 8)
    >>> snn = convert(model, x)
    >>> snn(x).shape
    torch.Size([20, 3])

    Args:
        model: trained, in ``eval()`` mode, with ReLU activations.
        example: a :class:`Graph`, or what ``model`` is called with: a tuple of arguments, a dict of keywords, or one value.
        config: how to convert. What it leaves open (base, scales, correction of means: by default all of them) is chosen
            by measuring: some settings are tried on the calibration data, and the one whose outputs are nearest to the
            model's own is taken (:func:`gcn2snn.passes.choose_setting`). The network's ``config`` holds the result, its
            ``choice`` what was measured. ``ConvertConfig.paper()`` is the paper's conversion.
        further: nothing; it is there so that ``convert(model, x, edge_index, edge_weight)`` is refused with the right call.
        output: of a model that returns several results, the one that is wanted: its index, key or field, or a path of them
            (``output=0``, ``output="logits"``, ``output=("heads", 1)``); what it does not depend on may be anything. Default:
            all of them, in the structure that the model returns.
        calibration: an iterable of further inputs like ``example``, from which the scales come; default: the example.
            Their order changes nothing.
        handlers: class -> handler for layers of your own; they win over the built-in ones.
        row_weights: with ``config.refit``: how much each row of the aggregation matters, [N]; default: all the same.
        on_channels: with ``config.refit``: called with a population, its channels that are done, and their number.
        accuracy_first: also try several neurons to a membrane, which cost more neurons and no more spikes.
        check: on what the network's description is compared with the model: "full", the example; "sample", neighbourhoods of
            some nodes of its graph; "auto", a sample where the messages of the whole graph would take more than a GiB. Where it
            is a sample, settings are compared on it too, unless ``calibration`` is given; scales come from the whole graph.

    Returns:
        The network, with a report of its populations in ``report``, and in ``checked`` what was compared with the model.

    Autocast is off inside. Under :func:`gcn2snn.memory_limit` the network is calibrated some rows at a time, and the model
    is read and compared with its description on a part of the example's graph (up to 2,048 nodes and the edges between
    them).

    Raises:
        ConversionError: with every part that cannot become spikes, or a model in training mode.
        ConfigError: the configuration does not fit the network, or asks under a memory limit for horizons or a refit.
        InputError: inputs that do not fit or on which the model itself fails, or values that are not finite.

    Source: Section III-C and IV-D; docs/method.md.
    """
    if not isinstance(model, nn.Module):
        raise InputTypeError(f"the model is {type(model).__name__}; a trained torch.nn.Module is needed")
    if isinstance(model, SpikingNetwork):
        raise InputTypeError("the model is a spiking network already; convert its source model")
    if further or isinstance(config, Tensor | np.ndarray | list | tuple):
        given = 1 + len(further) + (config is not None)
        raise InputTypeError(
            f"convert got {given} arguments after the model, and the second is {type(config).__name__}; the whole call of the "
            f"model is one example, a tuple: convert(model, (x, edge_index)), and a ConvertConfig may follow it"
        )
    if config is not None and not isinstance(config, ConvertConfig):
        raise InputTypeError(f"config is {type(config).__name__}; a ConvertConfig is needed: ConvertConfig(base=1.3)")
    config = config or ConvertConfig()
    _check_fits_limit(config)
    if row_weights is not None and not (config.refit or any(own.refit for own in config.layers.values())):
        raise ConfigError("row_weights are given, but no refit is asked for; set refit=True in the configuration")
    prepared = _prepared(model, example, config, handlers, output, check)
    network, given = prepared.network, calibration is not None
    measured = bool(config.open) or accuracy_first
    batches = _batches(network, example, calibration)
    sampler = Sampler(network, example.num_documents if isinstance(example, Graph) else None)
    if given:
        prepared.compare(None)

    def seen(batch: Mapping[str, Value], heads: Mapping[str, Tensor]) -> None:
        if not given:  # the batch is the example, so what calibration computes is what there is to check
            prepared.compare(heads)
        if measured and (given or prepared.small is None):
            sampler(batch, heads)

    statistics = Statistics(network, batches, seen)
    if statistics.without_rows:
        raise InputError("no calibration data: no batch has a row. Pass at least one example input with some")
    problem = _problem(prepared, batches, statistics, sampler, given)
    config, choice = choose_setting(problem, config, accuracy_first)
    if choice is not None and choice.departs:
        _log.warning("%s", choice.warning())
    network, report = calibrate(with_codes(network, config), batches, config, statistics)
    args, kwargs = call_of(example)
    source = network
    if config.weights == "int8":
        network = round_weights(network)
    network = set_horizons(network, bind(network, args, kwargs), config)
    network, refits = refit_values(network, bind(network, args, kwargs), config, row_weights, source, on_channels)
    if refits:  # what the populations behind them see has changed, so their horizons are set anew
        network = set_horizons(network, bind(network, args, kwargs), config, {report.name for report in refits})
    if config.correct == "mean":
        network = correct_means(network, batches, source)
    snn = SpikingNetwork(network, config, report, refits, choice)
    snn.checked = prepared.checked
    if isinstance(example, Graph) and "dataset" in example.source:
        snn.origin = {"dataset": example.source, "fingerprint": example.fingerprint}
        snn.origin |= {"class_names": list(example.class_names)}
    if isinstance(example, Graph) and example.vocabulary and network.of(ir.OneHot):
        with contextlib.suppress(ConfigError):  # no spikes of words to keep: asking for a prediction says so
            snn.documents = NewDocuments.of(snn, example)
    return snn


def prepare(
    model: nn.Module,
    example: object,
    config: ConvertConfig,
    handlers: Mapping[type[nn.Module], Handler] | None = None,
    output: object = None,
    check: Check = "auto",
) -> ir.Network:
    """The description with its neurons in place, not calibrated; arguments and errors as for :func:`convert`."""
    prepared = _prepared(model, example, config, handlers, output, check)
    prepared.compare(None)
    return prepared.network


@dataclass(frozen=True)
class Prepared:
    """A description with its neurons, on what it is compared with its source, and the smaller call where that is a sample.

    ``compare`` takes the heads of the network on the example where they are known, else it computes them.
    """

    network: ir.Network
    checked: SourceCheck
    small: SampledCall | None
    compare: Callable[[Mapping[str, Tensor] | None], None]


def _prepared(
    model: nn.Module,
    example: object,
    config: ConvertConfig,
    handlers: Mapping[type[nn.Module], Handler] | None,
    output: object,
    check: Check,
) -> Prepared:
    refuse_unknown(check)
    if example is None:
        raise InputTypeError(
            "the example is None; pass what the model is called with, such as a tensor or a tuple of them"
        )
    args, kwargs = call_of(example)
    check_model(model)
    check_example("example", kwargs or args)
    limited, given = current_limit() is not None, (*args, *kwargs.values())
    if limited:
        args, kwargs = _part_to_read(model, args, kwargs)
    try:
        with untouched(model), torch.no_grad():
            source = lower(model, copied(args), copied(kwargs), handlers or {}, output)
    except ConversionError as refused:
        if refused.__cause__ is not None:  # the model's own code raised: where it does so by itself, that is the reason
            result_on_example(model, args, kwargs)
        raise
    checked, small, compare = check_source(model, source, args, kwargs, output, check)
    if limited:  # calibration sees the whole graph, so what it computes is not what the model gave
        compare(None)
        small, compare = None, compared
        if any(now is not before for now, before in zip((*args, *kwargs.values()), given, strict=True)):
            checked = replace(checked, kind="part", why=PART)
    network = insert_neurons(merge_linear(fold_batch_norm(source, config.batch_norm)), config)
    choose_engine(network, config.wait, "auto")
    return Prepared(network, checked, small, compare)


def _part_to_read(model: nn.Module, args: tuple[object, ...], kwargs: dict[str, object]) -> Call:
    """A part of a large graph, for the model itself holds a message for every edge; all of it where the model needs that.

    A model with a table for its nodes, say, runs on no part of them.
    """
    part = small_call(args, kwargs)
    try:
        result_on_example(model, *part)
    except InputError:
        return args, kwargs
    return part


def _check_fits_limit(config: ConvertConfig) -> None:
    """Refuse what looks at all spikes of a population at once where a memory limit holds.

    Raises:
        ConfigError: as said.
    """
    every = [config, *config.layers.values()]
    asked = [name for name in ("horizon", "events", "refit") if any(getattr(own, name) for own in every)]
    if asked and current_limit() is not None:
        raise ConfigError(
            f"{', '.join(asked)} and a memory limit: what a spike is worth is compared among all neurons of a population at "
            f"once. Convert without the limit, or leave {', '.join(asked)} out"
        )


def check_example(name: str, value: object) -> None:
    """Refuse tensors that no model of a spiking network can be read on, inside tuples, lists and dicts too.

    Raises:
        InputError: a value without rows, or a tensor on the device "meta".
        InputTypeError: a nested, quantised or complex tensor, or an iterator.
    """
    if isinstance(value, Mapping):
        for key, item in value.items():
            check_example(f"{name}[{key!r}]", item)
    elif isinstance(value, tuple | list):
        for number, item in enumerate(value):
            check_example(f"{name}[{number}]", item)
    elif isinstance(value, Iterator):
        raise InputTypeError(
            f"{name} is a {type(value).__name__}, whose items are gone once they were read; pass them as a list or a tuple"
        )
    elif isinstance(value, Tensor):
        if value.is_nested or value.is_quantized or value.is_complex():
            kind = "nested" if value.is_nested else str(value.dtype)
            raise InputTypeError(f"{name} is a tensor of kind {kind}; a plain tensor of real numbers is needed")
        if value.device.type == "meta":
            raise InputError(f"{name} is on the device 'meta', so it has no values; pass a tensor that has")
        if value.is_floating_point() and value.dim() >= 2 and value.shape[0] == 0:
            raise InputError(f"{name} has no rows, so no scale can be measured on it; pass an example that has some")


def call_of(example: object) -> tuple[tuple[object, ...], dict[str, object]]:
    """The call ``model(*args, **kwargs)`` that an example stands for."""
    if isinstance(example, Graph):
        return (example.adjacency,) if example.features is None else (example.adjacency, example.features), {}
    if isinstance(example, Mapping):
        return (), {name: _tensor_of(value) for name, value in example.items()}
    given = example if isinstance(example, tuple | list) else (example,)
    return tuple(_tensor_of(value) for value in given), {}


def _tensor_of(value: object) -> object:
    """NumPy arrays of numbers as tensors, which models are called with, whatever the order of their bytes and rows."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu" or value.dtype.itemsize > 8:
        return value
    return torch.from_numpy(np.asarray(value, value.dtype.newbyteorder("="), order="C"))


def check_model(model: nn.Module) -> None:
    """Refuse what makes any conversion wrong: training mode, and weights that are missing or not finite.

    Raises:
        ConversionError: the model is in training mode.
        InputError: a parameter or buffer holds a NaN or an infinity, or no values yet.
    """
    compiled = [(path, part) for path, part in model.named_modules() if isinstance(part, torch.jit.ScriptModule)]
    if compiled:
        path, part = compiled[0]  # what lies inside it is compiled, too
        why = "is compiled by torch.jit, so its layers cannot be seen."
        raise ConversionError(
            [Refusal(path or "model", type(part).__name__, why, "Convert the module that it was made from.")]
        )
    if isinstance(model, fx.GraphModule) and any(isinstance(node.target, OpOverload) for node in model.graph.nodes):
        why = "is exported by torch.export, so its layers are taken apart into operations of ATen."
        raise ConversionError([Refusal("model", "exported module", why, "Convert the module that it was made from.")])
    if model.training:
        why = "dropout and batch statistics would change the result."
        raise ConversionError([Refusal("model", "training mode", why, "Call model.eval() first.")])
    for name, parameter in model.named_parameters():
        if isinstance(parameter, UninitializedParameter):
            raise InputError(f"{name} has no values yet: a lazy layer was never run. Run the model once, and train it")
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        values = tensor.detach()
        if values.device.type == "meta":
            raise InputError(f"{name} is on the device 'meta', so it has no values. Load the weights before converting")
        if values.is_quantized or (values.is_floating_point() and values.dtype not in NUMBERS):
            raise InputTypeError(f"{name} has dtype {values.dtype}; convert the model of float32 that it was made from")
        values = values if values.layout is torch.strided else values.to_sparse_coo().coalesce().values()
        if (
            values.is_floating_point()
            and values.numel()
            and not bool(torch.isfinite(torch.stack(values.aminmax())).all())
        ):
            raise InputError(
                f"{name} holds values that are NaN or infinite; the model cannot be converted. Train it again"
            )


def _problem(
    prepared: Prepared,
    batches: Callable[[], Iterable[dict[str, Any]]],
    statistics: Statistics,
    sampler: Sampler,
    given: bool,
) -> Problem:
    """What settings are judged by: the calibration data, or the sample where the source was compared on one."""
    network, small = prepared.network, prepared.small
    if small is not None and not given:
        sample = bind(network, small.args, small.kwargs)
        return Problem(network, lambda: [sample], statistics, small.seeds, Statistics(network, lambda: [sample]))
    return Problem(network, batches, statistics, sampler.counted, sample=sampler.sample())


def _iterator_of(calibration: Iterable[object]) -> Iterator[object]:
    """An iterator over it.

    Raises:
        InputTypeError: it has none.
    """
    try:
        return iter(calibration)
    except TypeError:
        raise InputTypeError(
            f"calibration is {kind_of(calibration)}; allowed are a list, a loader, or what else gives one example after the "
            f"other, each as convert takes it. For one example pass calibration=[example]"
        ) from None


def _batches(
    network: ir.Network, example: object, calibration: Iterable[object] | None
) -> Callable[[], Iterable[dict[str, Any]]]:
    if calibration is None:
        examples: Iterable[object] = [example]
    elif _iterator_of(calibration) is calibration:  # a generator can be read once, calibration reads up to three times
        examples = list(calibration)
    else:
        examples = calibration

    def batches() -> Iterable[dict[str, Any]]:
        for item in examples:
            args, kwargs = call_of(item)
            yield bind(network, args, kwargs)

    return batches
