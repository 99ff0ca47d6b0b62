"""Image cases: convolutions at the shapes of ResNet-20 and VGG-16, and ResNet-20 as a whole, against torch's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from gcn2snn import kernels
from gcn2snn.bench.cases import Case, Work
from gcn2snn.config import ConvertConfig
from gcn2snn.conversion import convert
from gcn2snn.errors import NotRunError
from gcn2snn.kernels import Fire, PhaseCode, Spikes, decode, encode
from gcn2snn.spiking_network import SpikingNetwork

IMAGE_CASES: dict[str, Case] = {}
# channels in, out, image side, kernel side, stride
LAYERS = {
    "16 x 32 x 32": (16, 16, 32, 3, 1),
    "32 x 16 x 16": (32, 32, 16, 3, 1),
    "64 x 8 x 8": (64, 64, 8, 3, 1),
    "16 to 32, stride 2": (16, 32, 32, 3, 2),
    "256 x 8 x 8": (256, 256, 8, 3, 1),
    "512 x 4 x 4": (512, 512, 4, 3, 1),
    "64 x 32 x 32, 1 x 1": (64, 64, 32, 1, 1),
}
SILENT = 0.65  # share of silent neurons; converted ResNet-20 and VGG-16 have 55 to 75 %
AROUND = {1: (0, 0, 0, 0), 3: (1, 1, 1, 1)}


@dataclass(frozen=True, eq=False)
class ImageProblem:
    """Random images for image cases.

    Args:
        count: images in a batch.
        weights: public ResNet-20 weights for the whole network; None for random ones, batch norm set by the images.
        where: "cpu" or "cuda".
    """

    count: int
    weights: Path | None = None
    where: str = "cpu"

    @property
    def name(self) -> str:
        """As in the tables."""
        return f"images-{self.count}"

    @property
    def device(self) -> torch.device:
        """Where the operands are."""
        return torch.device(self.where)

    @cached_property
    def images(self) -> Tensor:
        """[count, 3, 32, 32]."""
        return torch.randn(self.count, 3, 32, 32, generator=torch.Generator().manual_seed(0)).to(self.device)


def _register(group: str, name: str, ours: bool = False) -> Callable[[Callable[[ImageProblem], Work]], None]:
    def register(prepare: Callable[[ImageProblem], Work]) -> None:
        IMAGE_CASES[f"{group}/{name}"] = Case(group, name, prepare, ours=ours)  # type: ignore[arg-type]

    return register


@dataclass(frozen=True, eq=False)
class _Layer:
    spikes: Spikes
    weight: Tensor
    fire: Fire
    x: Tensor
    stride: int
    side: int

    def convolve(self, x: Tensor, weight: Tensor) -> Tensor:
        return functional.conv2d(x, weight, None, self.stride, self.side // 2)


@lru_cache(maxsize=1)
def _layer(name: str, p: ImageProblem) -> _Layer:
    inputs, outputs, image, side, stride = LAYERS[name]
    generator, coding = torch.Generator().manual_seed(1), PhaseCode(1.3, 16)
    x = torch.rand(p.count, inputs, image, image, generator=generator)
    x = torch.where(torch.rand(x.shape, generator=generator) < SILENT, 0.0, x + 0.02).to(p.device)
    spikes = encode(x.contiguous(memory_format=torch.channels_last), torch.tensor(1.0, device=p.device), coding)
    weight = torch.randn(outputs, inputs, side, side, generator=generator).to(p.device)
    fire = Fire(torch.tensor(float(side * inputs**0.5), device=p.device), coding)
    return _Layer(spikes, weight, fire, decode(spikes).contiguous(), stride, side)


def _layer_cases(name: str) -> None:
    group = f"convolve and fire, {name}"

    @_register(group, "torch conv2d, ReLU")
    def _contiguous(p: ImageProblem) -> Work:
        a = _layer(name, p)
        return lambda: (torch.relu_(a.convolve(a.x, a.weight)),)

    @_register(group, "torch conv2d, ReLU, channels last")
    def _channels_last(p: ImageProblem) -> Work:
        a = _layer(name, p)
        x, weight = (t.contiguous(memory_format=torch.channels_last) for t in (a.x, a.weight))
        return lambda: (torch.relu_(a.convolve(x, weight)),)

    @_register(group, "decode, conv2d, encode", ours=True)
    def _decoded(p: ImageProblem) -> Work:
        a = _layer(name, p)
        return lambda: encode(a.convolve(decode(a.spikes), a.weight), a.fire.scale, a.fire.coding).code

    @_register(group, "gcn2snn phase_conv2d_fire", ours=True)
    def _ours(p: ImageProblem) -> Work:
        a = _layer(name, p)
        return lambda: kernels.phase_conv2d_fire(a.spikes, a.weight, a.fire, None, (a.stride,) * 2, AROUND[a.side]).code

    @_register(group, "gcn2snn phase_conv2d_bucketed, wait 4", ours=True)
    def _bucketed(p: ImageProblem) -> Work:
        a = _layer(name, p)
        geometry = ((a.stride, a.stride), AROUND[a.side])
        return lambda: (kernels.phase_conv2d_bucketed(a.spikes, a.weight, a.fire, 4, None, *geometry),)


for _name in LAYERS:
    _layer_cases(_name)


@lru_cache(maxsize=1)
def _resnet20(p: ImageProblem) -> tuple[nn.Module, SpikingNetwork]:
    from gcn2snn.cnn import build_model, load_weights

    torch.manual_seed(0)
    model = build_model("resnet20", 10)
    if p.weights is not None:
        load_weights(model, p.weights)
    else:
        with torch.no_grad():
            for _ in range(10):
                model.train()(p.images.cpu())
    snn = convert(model.eval(), p.images.cpu(), ConvertConfig.paper())
    return model.to(p.device), snn.to(p.device)


def _network(layout: torch.memory_format, compiled: bool) -> Callable[[ImageProblem], Work]:
    def prepare(p: ImageProblem) -> Work:
        import copy

        model = copy.deepcopy(_resnet20(p)[0]).to(memory_format=layout)  # type: ignore[call-overload]
        x = p.images.contiguous(memory_format=layout)
        run = torch.compile(model) if compiled else model

        def work() -> Tensor:
            with torch.no_grad():
                result: Tensor = run(x)
            return result

        try:
            work()
        except RuntimeError as error:  # torch.compile needs a compiler that this machine may lack
            raise NotRunError(str(error).strip().splitlines()[0]) from error
        return work

    return prepare


_register("resnet20", "ANN, eager")(_network(torch.contiguous_format, False))
_register("resnet20", "ANN, eager, channels last")(_network(torch.channels_last, False))
_register("resnet20", "ANN, torch.compile")(_network(torch.contiguous_format, True))


@_register("resnet20", "gcn2snn one-spike SNN, closed form", ours=True)
def _spiking(p: ImageProblem) -> Work:
    snn = _resnet20(p)[1]
    return lambda: (snn(p.images),)  # in a tuple: its values differ from the ANN's on purpose


def _in_time(engine: str, wait: int) -> Callable[[ImageProblem], Work]:
    def prepare(p: ImageProblem) -> Work:
        snn = _resnet20(p)[1]
        return lambda: (snn.simulate(p.images, engine=engine, wait=wait),)

    return prepare


for _engine in ("bucketed", "temporal"):
    for _wait in (4, 16):
        _register("resnet20", f"gcn2snn {_engine} engine, wait {_wait}", ours=True)(_in_time(_engine, _wait))
