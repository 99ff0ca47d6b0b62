"""Which layers of a model are known, before anything is run: by handler, read by their own code, refused, or unknown."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from gcn2snn.docstrings import docstring_of
from gcn2snn.errors import Refusal
from gcn2snn.frontends.layer_state import class_of
from gcn2snn.frontends.read_model import load_handlers
from gcn2snn.frontends.refusal_reasons import unknown_layer
from gcn2snn.frontends.registry import REFUSED_LAYERS, REGISTRY
from gcn2snn.frontends.trace import is_leaf


@dataclass(frozen=True)
class LayerFate:
    """What becomes of one layer.

    Args:
        path: in the model.
        layer: its class.
        becomes: what the handler says that it becomes; "" for a layer that is refused.
        refusal: why it is refused; None where it has a handler.
    """

    path: str
    layer: str
    becomes: str
    refusal: Refusal | None


def layer_fates(model: nn.Module) -> list[LayerFate]:
    """Every layer that is not only a container of others, in the order of the model.

    Modules without a handler that are not of a library are read by running their own code, so their parts are listed, not they.
    Functions that ``forward`` calls are seen only when it runs, see :func:`gcn2snn.frontends.lower`.
    """
    load_handlers()
    found: list[LayerFate] = []
    inside: list[str] = []
    for path, module in model.named_modules():
        if any(path.startswith(f"{outer}.") for outer in inside if outer) or (inside and inside[0] == ""):
            continue
        cls = class_of(module)
        if cls in REGISTRY:
            first = docstring_of(REGISTRY[cls]).partition("\n\n")[0]
            found.append(LayerFate(path, cls.__qualname__, " ".join(first.split()), None))
            inside.append(path)
        elif cls in REFUSED_LAYERS or (is_leaf(module) and not isinstance(module, nn.ModuleList | nn.ModuleDict)):
            reason = REFUSED_LAYERS.get(cls) or unknown_layer(cls)
            found.append(LayerFate(path, cls.__qualname__, "", Refusal(path or "model", cls.__qualname__, **reason)))
            inside.append(path)
    return found
