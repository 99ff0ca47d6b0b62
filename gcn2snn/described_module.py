"""A module whose buffers are the tensors of a description, which is frozen and cannot register them itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, NoReturn, Self

import torch
from torch import Tensor, fx, nn

from gcn2snn import ir
from gcn2snn.errors import ConfigError
from gcn2snn.network_state import device_of, in_order, tensors_of, thresholds_of, with_tensors, wrong_values


@contextmanager
def full_precision() -> Iterator[None]:
    """Autocast is off inside, on CPUs and CUDA devices: results are compared in the number type of the model."""
    with ExitStack() as off:
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                off.enter_context(torch.autocast(kind, enabled=False))
        yield


class DescribedModule(nn.Module):
    """What moves, saves, loads and copies like any module, with its tensors in a description of a network.

    Args:
        network: the description; its tensors are laid out as in a loaded file, so that sums have the same order.
    """

    def __init__(self, network: ir.Network):
        super().__init__()
        self.network = network.map_tensors(in_order)
        self.eval()

    def replace_network(self, network: ir.Network) -> None:
        """Put another description in the place of the present one; what was worked out from the old one is forgotten."""
        self.network = network

    def __getattr__(self, name: str) -> Any:
        names = [node.name for node in self.__dict__["network"]] if "network" in self.__dict__ else []
        if any(
            name == full.split(".")[0] for full in names
        ):  # torch looks for a module under the first part of a buffer's name
            raise ConfigError(
                f"{name!r} is a part of the network's description, no module: its tensors cannot be swapped or recorded from "
                f"outside (torch.func.functional_call, torch.export). Use snn.network[NAME], and load_state_dict"
            )
        return super().__getattr__(name)

    def device(self) -> torch.device:
        """Where its tensors are."""
        return device_of(self.network)

    def without_autocast(self) -> AbstractContextManager[object]:
        """A context in which sums keep the network's number type; entering one that changes nothing would cost a short call."""
        return full_precision() if torch.is_autocast_enabled(self.device().type) else nullcontext()

    def refuse_tracing(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> None:
        """Refuse calls by which torch.jit and torch.fx record a module.

        Raises:
            ConfigError: it is such a call.
        """
        if torch.jit.is_tracing():
            raise ConfigError("torch.jit.trace cannot record a spiking network; use it as it is, or in torch.compile")
        if isinstance(args, fx.Proxy) or any(isinstance(value, fx.Proxy) for value in (*args, *kwargs.values())):
            raise ConfigError("torch.fx cannot trace a spiking network; use it as it is, or in torch.compile")

    def __prepare_scriptable__(self) -> NoReturn:
        raise ConfigError("torch.jit.script cannot compile a spiking network; use it as it is, or in torch.compile")

    @torch.no_grad()
    def train(self, mode: bool = True) -> Self:
        """The network stays in evaluation mode: dropout and batch statistics are gone, and nothing is trained."""
        return super().train(False)

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Every tensor of the description as ``NODE.FIELD``."""
        start = f"{prefix}." if prefix else ""
        for name, tensor in tensors_of(self.network).items():
            yield f"{start}{name}", tensor

    def _save_to_state_dict(self, destination: dict[str, object], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination |= {f"{prefix}{name}": tensor.detach() for name, tensor in tensors_of(self.network).items()}
        destination |= {f"{prefix}{name}": tensor for name, tensor in thresholds_of(self.network).items()}

    def _load_from_state_dict(
        self,
        state_dict: Mapping[str, Any],
        prefix: str,
        local_metadata: object,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        own, codes = tensors_of(self.network), thresholds_of(self.network)
        given = {name.removeprefix(prefix): value for name, value in state_dict.items() if name.startswith(prefix)}
        missing_keys += [f"{prefix}{name}" for name in (*own, *codes) if name not in given]
        unexpected_keys += [f"{prefix}{name}" for name in given if name not in own and name not in codes]
        for name in own.keys() & given.keys():
            if wrong := wrong_values(name, given[name], own[name]):
                error_msgs.append(f"{prefix}{name} {wrong}")
            elif given[name].shape != own[name].shape:
                sizes = f"{list(given[name].shape)} in the state, {list(own[name].shape)} in the network"
                error_msgs.append(f"size mismatch for {prefix}{name}: {sizes}")
        for name in codes.keys() & given.keys():
            if not isinstance(given[name], Tensor) or not torch.equal(given[name].cpu(), codes[name]):
                error_msgs.append(f"{prefix}{name} differ: the state belongs to a network with another phase code")
        if not error_msgs:
            new = {name: given[name].detach().to(own[name]).clone() for name in own.keys() & given.keys()}
            self.replace_network(with_tensors(self.network, new))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        moved = self.network.map_tensors(fn)
        if any(tensor.device.type == "meta" for tensor in tensors_of(moved).values()):
            raise ConfigError("a spiking network cannot be on the device 'meta', where tensors have no values")
        types = {tensor.dtype for tensor in tensors_of(moved).values() if tensor.is_floating_point()}
        if not types <= {torch.float32, torch.float64}:
            asked = next(iter(types - {torch.float32, torch.float64}))
            raise ConfigError(
                f"a spiking network computes in float32 or float64, not in {asked}; inputs may be {asked}"
            )
        self.replace_network(moved)
        return super()._apply(fn, recurse)
