"""Reading of trained weights: .safetensors, or .pt / .pth / .th without running pickled code; a mismatch is listed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from gcn2snn.cnn.resnet8 import ResNet8, from_keras, is_keras
from gcn2snn.errors import ArtefactError, reason_of
from gcn2snn.files import refuse_special
from gcn2snn.torch_file import read_torch

NESTED = ("state_dict", "model_state_dict", "model", "net")
"""Keys under which public checkpoints keep the weights."""

PREFIXES = ("module.", "_orig_mod.")
"""What DataParallel and torch.compile put in front of parameter names."""

SHOWN = 12
"""Keys of each kind that an error lists."""


BUILT = "Choose the model, stem and classes it was trained as"
"""What to do where weights do not fit one of our own models."""


def load_weights(model: nn.Module, path: str | Path, remedy: str = BUILT) -> nn.Module:
    """Put the weights of a file into ``model`` (in place: it is the caller's own) and return it.

    >>> import torch
    >>> from tempfile import TemporaryDirectory
    >>> from gcn2snn.cnn import build_model
    >>> with TemporaryDirectory() as folder:
    ...     torch.save(build_model("small", classes=10).state_dict(), f"{folder}/weights.pt")
    ...     model = load_weights(build_model("small", classes=10), Path(f"{folder}/weights.pt"))

    Args:
        model: untrained, from :func:`gcn2snn.cnn.models.build_model`.
        path: .safetensors, or any file of ``torch.save`` that holds tensors by name, alone or under "state_dict".
        remedy: what to do where they do not fit.

    Raises:
        ArtefactError: missing, unreadable, holds something else than tensors, or keys or shapes differ (all are listed).
    """
    file = Path(path)
    return fit_weights(model, read_state(file), file, remedy)


def fit_weights(model: nn.Module, state: dict[str, Tensor], path: Path, remedy: str = BUILT) -> nn.Module:
    """Put weights into ``model`` (in place: it is the caller's own) and return it.

    Args:
        model: untrained.
        state: its tensors by name, or those of a Keras ResNet-8.
        path: where they come from, for messages.
        remedy: what to do where they do not fit.

    Raises:
        ArtefactError: keys or shapes differ (all are listed), or values are NaN or infinite.
    """
    if isinstance(model, ResNet8) and is_keras(state):
        state = from_keras(state)
    problems = mismatches(model, state)
    if problems:
        lines = "\n".join(f"  - {line}" for line in problems)
        raise ArtefactError(f"{path} does not fit {type(model).__name__}:\n{lines}\n{remedy}")
    for name, tensor in state.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ArtefactError(
                f"{path}: {name} holds values that are NaN or infinite; all must be finite. Train again"
            )
    model.load_state_dict(state, strict=False)
    return model


def read_state(path: Path) -> dict[str, Tensor]:
    """Tensors of a checkpoint by name, without ``module.`` prefixes.

    >>> import torch
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     torch.save({"state_dict": {"module.bias": torch.zeros(2)}}, f"{folder}/weights.pt")
    ...     read_state(Path(f"{folder}/weights.pt"))
    {'bias': tensor([0., 0.])}

    Args:
        path: .safetensors, or any file of ``torch.save`` that holds tensors by name, alone or under "state_dict".

    Raises:
        ArtefactError: missing, unreadable, or not tensors by name.
    """
    if not path.exists():
        raise ArtefactError(f"{path} does not exist; give a .safetensors or .pt file with trained weights")
    save = "Save model.state_dict(), not the model"
    content = _read_safetensors(path) if path.suffix == ".safetensors" else read_torch(path, ArtefactError, save)
    for key in NESTED:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not content or not all(map(_is_weight, content.items())):
        raise ArtefactError(
            f"{path} holds {type(content).__name__}, not tensors by name (text -> plain tensor). {save}"
        )
    state = dict(content)
    for prefix in PREFIXES:
        if all(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _is_weight(item: tuple[object, object]) -> bool:
    name, value = item
    return isinstance(name, str) and isinstance(value, Tensor) and value.layout == torch.strided


def _read_safetensors(path: Path) -> object:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    refuse_special(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise ArtefactError(
            f"{path} cannot be read: {reason_of(error)}. It was truncated or is not a safetensors file"
        ) from error


def mismatches(model: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """Every way in which names and shapes differ, in words; empty when the weights fit."""
    own = model.state_dict()
    missing = [key for key in own if key not in state and not key.endswith("num_batches_tracked")]
    statistics = [key for key in missing if key.endswith(("running_mean", "running_var"))]
    missing = [key for key in missing if key not in statistics]
    unknown = [key for key in state if key not in own and not key.endswith("num_batches_tracked")]
    shapes = [
        f"{key}: the file has {[*state[key].shape]}, the model needs {[*own[key].shape]}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    return [
        *_listed("missing in the file", missing),
        *_listed("batch norm statistics are missing (a checkpoint without buffers cannot be converted)", statistics),
        *_listed("unknown to the model", unknown),
        *_listed("shapes differ", shapes),
    ]


def _listed(what: str, keys: list[str]) -> list[str]:
    if not keys:
        return []
    rest = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return [f"{what}: {', '.join(keys[:SHOWN])}{rest}"]
