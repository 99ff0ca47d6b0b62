"""The tables of supported layers, generated from the registry, so that they always match the code.

``python -m gcn2snn.frontends.support_table``, run in the checkout, rewrites what stands between the markers in
docs/what-converts.md: all layers, and their numbers.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from gcn2snn.docstrings import docstring_of
from gcn2snn.errors import DataError, MissingPackageError
from gcn2snn.files import save_text
from gcn2snn.frontends.read_model import load_handlers
from gcn2snn.frontends.registry import FUNCTIONS, REFUSED_LAYERS, REGISTRY, Function

TABLE, COUNTS = "support-table", "support-counts"
"""Names of the two generated parts; ``<!-- NAME:begin -->`` and ``<!-- NAME:end -->`` stand around each."""

PLUMBING = {
    *(
        "getattr",
        "getitem",
        "setitem",
        "size",
        "numel",
        "nelement",
        "dim",
        "ndimension",
        "local_scope",
        "num_dst_nodes",
        "coalesce",
    ),
    *("number_of_dst_nodes", "t", "to_dense", "to_sparse", "to_sparse_csr", "scatter", "contiguous", "clone", "detach"),
    *(
        "float",
        "iadd",
        "isub",
        "imul",
        "itruediv",
        "sum",
        "pop",
        "sparse_mm",
        "sparse_addmm",
        "max_pool2d_with_indices",
        "adaptive_max_pool2d_with_indices",
    ),
}
"""Functions that models use without thinking of them; the table leaves them out."""

LIBRARIES = {
    "torch": "PyTorch",
    "torch_geometric": "PyTorch Geometric",
    "dgl": "DGL",
}
"""Package -> heading; layers that users register are not listed."""


def support_table() -> str:
    """Markdown: per library the layers and functions with what they become, then what is refused and why.

    Raises:
        MissingPackageError: PyTorch Geometric or DGL is not installed, so their part is unknown.
    """
    _load_all()
    parts = [f"**{title}**\n\n{_layers(library)}\n\n{_functions(library)}" for library, title in LIBRARIES.items()]
    return "\n\n".join([*parts, f"**Refused, with the reason**\n\n{_refusals()}"]) + "\n"


def support_counts() -> str:
    """Markdown: for each library how many kinds of layers and functions convert, and how many are refused with a reason.

    Raises:
        MissingPackageError: as for `support_table`.
    """
    _load_all()
    rows = [
        f"| {title} | {sum(map(len, _by_handler(library).values()))} | {len(_function_names(library))} | "
        f"{len({layer for layer in REFUSED_LAYERS if _home(layer) == library})} |"
        for library, title in LIBRARIES.items()
    ]
    heads = [
        "| library | layers that convert | functions and methods | layers refused, each with its reason |",
        "|-|-|-|-|",
    ]
    return "\n".join([*heads, *rows]) + "\n"


def _load_all() -> None:
    os.environ.setdefault("DGLBACKEND", "pytorch")  # otherwise DGL writes a settings file into the home folder
    for library in LIBRARIES:
        try:
            import_module(library)
        except ImportError as error:
            raise MissingPackageError(f"the table needs {library}: pip install 'gcn2snn[pyg,dgl]'") from error
    load_handlers()


def _by_handler(library: str) -> dict[Callable[..., object], list[str]]:
    targets: dict[Callable[..., object], list[str]] = {}
    for target, handler in REGISTRY.items():
        if _home(target) == library:
            targets.setdefault(handler, []).append(target.__name__)
    return {handler: list(dict.fromkeys(names)) for handler, names in targets.items()}


def _layers(library: str) -> str:
    rows = [f"| {_joined(names)} | {_first_line(handler)} |" for handler, names in _by_handler(library).items()]
    return "\n".join(["| layer | becomes |", "|-|-|", *rows])


def _function_names(library: str) -> list[str]:
    names = [_name(target) for target in FUNCTIONS if _home(target) == library]
    return list(dict.fromkeys(name for name in names if name not in PLUMBING and not name.endswith("_")))


def _functions(library: str) -> str:
    return f"Functions and methods: {_joined(_function_names(library))}."


def _refusals() -> str:
    reasons: dict[str, list[str]] = {}
    for layer, reason in REFUSED_LAYERS.items():
        reasons.setdefault(reason["why"], []).append(layer.__name__)
    rows = [f"| {_joined(names)} | {why} |" for why, names in reasons.items()]
    return "\n".join(["| layer | why |", "|-|-|", *rows])


def _home(target: Function) -> str:
    """The library of a class or function; methods, operators and built-ins count to PyTorch."""
    home = "" if isinstance(target, str) else str(getattr(target, "__module__", "") or "")
    package = home.split(".")[0]
    return package if package in ("torch_geometric", "dgl", "gcn2snn") else "torch"


def _name(target: Function) -> str:
    return target if isinstance(target, str) else str(getattr(target, "__name__", target)).lstrip("_")


def _joined(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in dict.fromkeys(names))


def _first_line(handler: Callable[..., object]) -> str:
    text = docstring_of(handler).splitlines()
    return text[0].replace("|", "\\|") if text else ""


def updated(text: str, name: str, content: str) -> str:
    """The text with new content between the markers of a name.

    Raises:
        DataError: a marker is missing.
    """
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, found, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found and found_end):
        raise DataError(f"the text has no {begin} ... {end}; put both markers where the table belongs")
    return f"{before}{begin}\n{content}{end}{after}"


if __name__ == "__main__":
    page = Path("docs/what-converts.md")
    for name, made in ((TABLE, support_table()), (COUNTS, support_counts())):
        save_text(page, updated(page.read_text(encoding="utf-8"), name, made))
