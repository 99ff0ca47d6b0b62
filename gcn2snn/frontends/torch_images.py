"""Image layers and functions -> description."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from gcn2snn import ir
from gcn2snn.frontends.builder import Builder, Ref
from gcn2snn.frontends.layouts import known_sizes, taken
from gcn2snn.frontends.registry import lowers, lowers_function, parameter
from gcn2snn.frontends.torch_layers import batch_norm, lower_cat
from gcn2snn.frontends.windows import adaptive_windows, pair, same_padding, sides, window_of_adaptive

Sizes = int | Sequence[int]


@lowers(nn.Conv2d)
def lower_conv(builder: Builder, path: str, module: nn.Conv2d, input: Ref) -> Ref:
    """Y = W * X + b, zero padding of any form."""
    if module.padding_mode != "zeros":
        what = f"padding_mode={module.padding_mode!r}"
        why = "fills the border with copies of spikes, which no synapse sends."
        return builder.refuse(path, what, why, "Use padding_mode='zeros'.")
    return _conv(
        builder,
        path,
        input,
        module.weight,
        module.bias,
        module.stride,
        module.padding,
        module.dilation,
        module.groups,
    )


@lowers_function(functional.conv2d, torch.conv2d)
def lower_conv_function(
    builder: Builder,
    path: str,
    input: Ref,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Ref:
    """Y = W * X + b with weights of the model."""
    if isinstance(weight, Ref):
        why = "convolves with a value of the network; a spike only adds fixed weights."
        return builder.refuse(path, "conv2d", why, "Use weights that are parameters.")
    return _conv(builder, path, input, weight, bias, stride, padding, dilation, groups)


def _conv(
    builder: Builder,
    path: str,
    x: Ref,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sizes,
    padding: Sizes | str,
    dilation: Sizes,
    groups: int,
) -> Ref:
    kernel, spacing = (weight.shape[2], weight.shape[3]), pair(dilation)
    if isinstance(padding, str):
        around = same_padding(kernel, spacing) if padding == "same" else (0, 0, 0, 0)
    else:
        around = sides(pair(padding))
    source = builder.nodes.get(x)
    if isinstance(source, ir.Pad):  # the convolution pads by itself
        x = Ref(source.inputs[0])
        around = tuple(a + b for a, b in zip(around, source.padding, strict=True))  # type: ignore[assignment]
    return builder.add(
        ir.Conv(
            name=path,
            inputs=(x,),
            weight=parameter(weight),
            bias=None if bias is None else parameter(bias),
            stride=pair(stride),
            padding=around,
            dilation=spacing,
            groups=groups,
        )
    )


@lowers(nn.BatchNorm2d, nn.SyncBatchNorm)
def lower_batch_norm(builder: Builder, path: str, module: nn.BatchNorm2d | nn.SyncBatchNorm, input: Ref) -> Ref:
    """y = gamma (x - mean) / sqrt(var + eps) + beta with running statistics."""
    return batch_norm(builder, path, input, module)


@lowers_function(functional.pad)
def lower_pad(
    builder: Builder, path: str, input: Ref, pad: Sequence[int], mode: str = "constant", value: object = 0
) -> Ref:
    """Zeros around the image, or zero channels before and after (option-A shortcuts)."""
    what = f"pad({tuple(pad)}, mode={mode!r}, value={value})"
    if mode != "constant" or value not in (None, 0):
        return builder.refuse(path, what, "does not pad with zeros.", "Use mode='constant' and value=0.")
    left, right, top, bottom, before, after, *rest = (*pad, *[0] * (8 - len(pad)))
    if len(builder.shape(input)) != 4 or any(rest) or min(pad) < 0:
        why = "crops, or pads something else than an image or its channels."
        return builder.refuse(path, what, why, "Pad [N, C, H, W] by numbers of 0 and more.", input)
    if before or after:
        input = builder.add(
            ir.Subsample(name=path, inputs=(input,), stride=1, channels_before=before, channels_after=after)
        )
    return _pad(builder, path, input, (left, right, top, bottom))


@lowers(nn.ZeroPad2d)
def lower_zero_pad(builder: Builder, path: str, module: nn.ZeroPad2d, input: Ref) -> Ref:
    """Zeros around the image."""
    return lower_pad(builder, path, input, module.padding)


def _pad(builder: Builder, path: str, x: Ref, padding: tuple[int, int, int, int]) -> Ref:
    return builder.add(ir.Pad(name=path, inputs=(x,), padding=padding)) if any(padding) else x


@lowers_function(functional.max_pool2d, torch.max_pool2d, functional.max_pool2d_with_indices)
def lower_max_pool_function(
    builder: Builder,
    path: str,
    input: Ref,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Ref:
    """Largest value of each window: the earliest spike wins."""
    if return_indices:
        return builder.refuse(path, "return_indices=True", "spikes carry no indices.", "Use return_indices=False.")
    kernel = pair(kernel_size)
    return builder.add(
        ir.MaxPool(
            name=path,
            inputs=(input,),
            kernel=kernel,
            stride=pair(stride) if stride else kernel,
            padding=pair(padding),
            dilation=pair(dilation),
            ceil_mode=ceil_mode,
        )
    )


@lowers(nn.MaxPool2d)
def lower_max_pool(builder: Builder, path: str, module: nn.MaxPool2d, input: Ref) -> Ref:
    """Largest value of each window: the earliest spike wins."""
    m = module
    return lower_max_pool_function(
        builder, path, input, m.kernel_size, m.stride, m.padding, m.dilation, m.ceil_mode, m.return_indices
    )


@lowers_function(functional.avg_pool2d)
def lower_avg_pool_function(
    builder: Builder,
    path: str,
    input: Ref,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Ref:
    """Mean of each window."""
    if divisor_override is not None:
        what = f"divisor_override={divisor_override}"
        return builder.refuse(path, what, "is no mean.", "Leave it out and multiply the result by a constant.")
    kernel = pair(kernel_size)
    return builder.add(
        ir.AvgPool(
            name=path,
            inputs=(input,),
            kernel=kernel,
            stride=pair(stride) if stride else kernel,
            padding=pair(padding),
            ceil_mode=ceil_mode,
            count_padding=count_include_pad,
        )
    )


@lowers(nn.AvgPool2d)
def lower_avg_pool(builder: Builder, path: str, module: nn.AvgPool2d, input: Ref) -> Ref:
    """Mean of each window."""
    m = module
    options = (m.kernel_size, m.stride, m.padding, m.ceil_mode, m.count_include_pad, m.divisor_override)
    return lower_avg_pool_function(builder, path, input, *options)


@lowers_function(functional.adaptive_avg_pool2d)
def lower_adaptive_avg_function(builder: Builder, path: str, input: Ref, output_size: object) -> Ref:
    """Mean of each window."""
    return _adaptive(builder, path, input, output_size, ir.AvgPool)


@lowers_function(functional.adaptive_max_pool2d, functional.adaptive_max_pool2d_with_indices)
def lower_adaptive_max_function(
    builder: Builder, path: str, input: Ref, output_size: object, return_indices: bool = False
) -> Ref:
    """Largest value of each window."""
    if return_indices:
        return builder.refuse(path, "return_indices=True", "spikes carry no indices.", "Use return_indices=False.")
    return _adaptive(builder, path, input, output_size, ir.MaxPool)


@lowers(nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)
def lower_adaptive(builder: Builder, path: str, module: nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d, input: Ref) -> Ref:
    """Mean or largest value of each window."""
    kind = ir.AvgPool if isinstance(module, nn.AdaptiveAvgPool2d) else ir.MaxPool
    return _adaptive(builder, path, input, module.output_size, kind)


def _adaptive(builder: Builder, path: str, x: Ref, output_size: Any, kind: type[ir.AvgPool] | type[ir.MaxPool]) -> Ref:
    size = builder.shape(x)[2:]
    if None in size:
        what = f"adaptive pooling of {list(size)} to {output_size}"
        return builder.refuse(path, what, "is of an image of unknown size.", "Use AvgPool2d.", x)
    kernel = window_of_adaptive(size, output_size)
    if kernel is not None:
        return x if kernel == (1, 1) else builder.add(kind(name=path, inputs=(x,), kernel=kernel, stride=kernel))
    wanted = pair(output_size) if isinstance(output_size, int) else output_size
    for axis, (own, target) in enumerate(zip(size, wanted, strict=True), start=2):
        if target not in (None, own):
            x = _unequal(builder, path, x, axis, target, kind)
    return x


def _unequal(
    builder: Builder, path: str, x: Ref, axis: int, target: int, kind: type[ir.AvgPool] | type[ir.MaxPool]
) -> Ref:
    """Adaptive pooling along one axis: the windows of one size together, then all in their order."""
    windows = adaptive_windows(known_sizes(builder, x)[axis - 1], target)
    parts, places = [], []
    for size in sorted({len(window) for window in windows}):
        mine = [place for place, window in enumerate(windows) if len(window) == size]
        spread = taken(builder, f"{path}.windows", x, axis, [pixel for place in mine for pixel in windows[place]])
        kernel = (size, 1) if axis == 2 else (1, size)
        pooled = builder.add(kind(name=f"{path}.axis{axis}", inputs=(spread,), kernel=kernel, stride=kernel))
        parts.append(pooled if size > 1 else spread)
        places += mine
    joined = lower_cat(builder, f"{path}.joined", parts, axis) if len(parts) > 1 else parts[0]
    return taken(builder, f"{path}.order", joined, axis, [places.index(place) for place in range(target)])
