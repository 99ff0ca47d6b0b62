"""A model of the caller's own, named on the command line as ``package.module:factory``: imported, made, and given its weights."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from torch import nn

T = TypeVar("T")

Arguments = Annotated[
    str | None,
    typer.Option(
        "--args", help="Own model: arguments of the factory as JSON, a list or an object, such as '{\"hidden\": 16}'."
    ),
]
Head = Annotated[
    str | None,
    typer.Option(help="Which result of a model with several: 0, logits, or a path such as heads.1."),
]


@dataclass(frozen=True)
class Own:
    """What the command line says of a model of the caller's own."""

    target: str
    arguments: str | None
    weights: Path | None
    data: str | None
    data_dir: Path | None
    head: str | None

    def model(self) -> nn.Module:
        """The model, see :func:`load_own`."""
        return load_own(self.target, self.arguments, self.weights)

    def origin(self, data: str) -> dict[str, object]:
        """What a converted network keeps of it."""
        return {
            "kind": "own",
            "model": self.target,
            "arguments": self.arguments,
            "head": self.head,
            "data": _lasting(data),
        }


def _lasting(data: str) -> str:
    """A file by its whole path, so that later commands find it from other folders; a name as it is."""
    return str(Path(data).resolve()) if Path(data).exists() else data


def is_own(word: object) -> bool:
    """Whether a word names a model of the caller's own, and no file or folder."""
    return word is not None and ":" in str(word) and not Path(str(word)).exists()


def short_name(target: str) -> str:
    """The factory's own name, which files are called after."""
    return target.rpartition(":")[2].rpartition(".")[2]


def head_of(text: str | None) -> object:
    """``heads.1`` as a path: numbers are indices."""
    if text is None:
        return None
    path = tuple(int(step) if step.lstrip("-").isdecimal() else step for step in text.split("."))
    return path[0] if len(path) == 1 else path


def load_own(target: str, arguments: str | None, weights: Path | None) -> nn.Module:
    """The model in evaluation mode, with its weights if some are given.

    The module is the caller's own code and runs, as a web server's application does: it is found in the current folder, then
    where Python looks. Weights are read as tensors alone.

    Raises:
        ConfigError: no such module or attribute, wrong arguments, or what it gives is no model; the caller's line is named
            where the caller's code fails.
        ArtefactError: the weights are missing, unreadable, or do not fit; every name that differs is listed.
    """
    from torch import nn

    from gcn2snn.errors import ConfigError

    made = _attribute(target)
    if not isinstance(made, nn.Module):
        if not callable(made):
            raise ConfigError(
                f"{target} is {type(made).__name__}; a function or class that gives a torch.nn.Module is needed, or a model"
            )
        made = _called(target, made, arguments)
    elif arguments is not None:
        raise ConfigError(f"{target} is a model already, so --args has no meaning. Leave it out")
    if not isinstance(made, nn.Module):
        raise ConfigError(f"{target} gives {type(made).__name__}; a torch.nn.Module is needed. Return the model itself")
    model: nn.Module = made
    if weights is not None:
        from gcn2snn.cnn import load_weights

        load_weights(model, weights, "Give --args as the model was trained with, or other weights")
    return model.eval()


def _attribute(target: str) -> object:
    """What ``module:attribute`` names."""
    from gcn2snn.errors import ConfigError

    module_name, _, name = target.partition(":")
    if not module_name or not all(part.isidentifier() for part in (*module_name.split("."), *name.split("."))):
        raise ConfigError(f"{target!r} is no package.module:factory, for example models:build or net.gcn:GCN")
    found: object = _module(module_name)
    for part in name.split("."):
        if not hasattr(found, part):
            there = ", ".join(key for key, value in vars(found).items() if callable(value) and not key.startswith("_"))
            raise ConfigError(f"{module_name} has no {name!r}; it has {there or 'nothing that can be called'}")
        found = getattr(found, part)
    return found


def _module(name: str) -> ModuleType:
    from gcn2snn.errors import ConfigError

    if sys.path[:1] != [str(Path.cwd())]:
        sys.path.insert(0, str(Path.cwd()))
    first = name.partition(".")[0]
    if first not in sys.modules and find_spec(first) is None:
        raise ConfigError(
            f"no module is called {first!r} in {Path.cwd()} or where Python looks (PYTHONPATH). Start in its folder"
        )
    return _own_code(f"importing {name}", lambda: import_module(name))


def _called(target: str, factory: Callable[..., object], arguments: str | None) -> object:
    """What the factory gives for the arguments of the command line."""
    import inspect

    from gcn2snn.errors import ConfigError

    given = _json(arguments)
    args, kwargs = (given, {}) if isinstance(given, list) else ([], given)
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):  # of code that is no Python
        return _own_code(target, lambda: factory(*args, **kwargs))
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        needed = [p for p in signature.parameters.values() if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
        shown = json.dumps({p.name: "..." for p in needed if p.kind is not p.VAR_POSITIONAL})
        raise ConfigError(
            f"{target}{signature} cannot be called with {arguments or 'no arguments'}: {error}. Give them as --args '{shown}'"
        ) from None
    return _own_code(target, lambda: factory(*args, **kwargs))


def _json(text: str | None) -> list[object] | dict[str, object]:
    from gcn2snn.errors import ConfigError

    try:
        found = json.loads(text or "{}")
    except ValueError as error:
        raise ConfigError(
            f"--args {text!r} is no JSON ({error}). Give a list or an object, such as '{{\"hidden\": 16}}'"
        ) from None
    if not isinstance(found, list | dict):
        raise ConfigError(
            f"--args {text!r} is {type(found).__name__}; a list or an object is needed, such as '[16, 7]'"
        )
    return found


def _own_code(what: str, call: Callable[[], T]) -> T:
    """What the caller's code gives; what it raises becomes one line that names its own line."""
    from gcn2snn.errors import ConfigError, Gcn2SnnError

    try:
        return call()
    except Gcn2SnnError:
        raise
    except (Exception, SystemExit) as error:
        said = " ".join(str(error).split()) or "no message"
        raise ConfigError(f"{what} fails: {type(error).__name__}: {said[:300]}{_line_of(error)}") from error


def _line_of(error: BaseException) -> str:
    """`` (file.py, line 12, in build)``: the last line of the caller's own that was running; else the last one at all."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({error.filename}, line {error.lineno})"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    ours = str(Path(__file__).resolve().parents[1])
    own = [f for f in frames if "site-packages" not in f.filename and not f.filename.startswith(ours)]
    frame = (own or frames)[-1]
    return f" ({frame.filename}, line {frame.lineno}, in {frame.name})"
