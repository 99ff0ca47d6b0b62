"""Every torch layer or function that cannot become spikes, with the reason and what to use instead."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from gcn2snn.frontends.refusal_reasons import ATTENTION, GATES, NORMALISATION, NOT_RELU, SATURATES
from gcn2snn.frontends.registry import refuses

refuses(
    *(nn.GELU, nn.SiLU, nn.ELU, nn.SELU, nn.CELU, nn.Mish, nn.Softplus, nn.PReLU, nn.RReLU, nn.Hardswish),
    *(functional.gelu, functional.silu, functional.elu, functional.selu, functional.celu, functional.mish),
    *(
        functional.softplus,
        functional.prelu,
        torch.prelu,
        functional.hardswish,
        torch.selu,
        torch.celu,
    ),
    **NOT_RELU,
)
refuses(
    *(nn.Tanh, nn.Hardsigmoid, torch.tanh, functional.tanh),
    *("tanh", "sigmoid_", "tanh_", functional.hardsigmoid, functional.logsigmoid, nn.LogSigmoid),
    **SATURATES,
)
refuses(
    *(nn.LayerNorm, nn.GroupNorm, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.LocalResponseNorm, nn.RMSNorm),
    *(functional.layer_norm, functional.group_norm, functional.instance_norm, functional.normalize),
    **NORMALISATION,
)
refuses(
    *(nn.MultiheadAttention, nn.Transformer, nn.TransformerEncoder, nn.TransformerEncoderLayer),
    *(functional.scaled_dot_product_attention, nn.TransformerDecoder, nn.TransformerDecoderLayer),
    **ATTENTION,
)
refuses(
    *("stride", "storage_offset", "is_contiguous", "element_size", "data_ptr", "untyped_storage"),
    why="asks how values lie in memory, which is another question in a spiking network.",
    instead="Leave it out; x.contiguous() and x.reshape(...) may stand without it.",
    kind="model",
)
refuses(
    nn.Embedding,
    why="looks rows up by numbers that come with the call.",
    instead="Use embedding.weight as the features of all nodes, or pass the looked-up features.",
)
refuses(
    *(nn.GRU, nn.LSTM, nn.RNN, nn.GRUCell, nn.LSTMCell, nn.RNNCell),
    **GATES,
)
refuses(
    *(nn.ReflectionPad2d, nn.ReplicationPad2d, nn.CircularPad2d, nn.ConstantPad2d),
    why="fills the border with something else than zeros, which no synapse sends.",
    instead="Use nn.ZeroPad2d, or the padding of the convolution.",
)
refuses(
    *(nn.Conv1d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d, functional.conv_transpose2d),
    *(nn.LazyConv2d, nn.Unfold, nn.Fold),
    why="is not a 2-D convolution over images.",
    instead="Use nn.Conv2d.",
)
refuses(
    *(nn.Upsample, nn.PixelShuffle, functional.interpolate, nn.UpsamplingNearest2d, nn.UpsamplingBilinear2d),
    why="enlarges the image; only classifiers are supported.",
    instead="Leave it out, or use strides.",
)
refuses(
    *(nn.LPPool2d, nn.FractionalMaxPool2d, nn.MaxUnpool2d, functional.lp_pool2d),
    why="is neither a mean nor a maximum over windows.",
    instead="Use MaxPool2d or AvgPool2d.",
    kind="impossible",
)
