"""The rules of the tree: imports between packages go one way and through the door, and every public name exists."""

from __future__ import annotations

import ast
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest

import gcn2snn

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("gcn2snn", "cnn", "datasets", "kernels")

# Rooms from the ground up: a folder, or a single file of gcn2snn/. A room may import the rooms named behind it and
# nothing else of the package. They are written in an order in which every room stands above all that it imports.
GROUND = (
    "errors",
    "on_demand",
    "docstrings",
    "config",
    "schema",
    "watched",
    "owner_lock",
    "leftovers",
    "file_names",
    "kept_inputs",
    "json_text",
    "files",
    "torch_file",
    "machine",
    "memory",
    "prediction",
    "kernels",
    "encoding",
    "normalisation",
    "graph",
)
ALLOWED: dict[str, tuple[str, ...]] = {
    "errors": (),
    "on_demand": (),
    "docstrings": (),
    "config": ("errors",),
    "schema": ("errors",),
    "watched": ("errors",),
    "owner_lock": ("errors",),
    "leftovers": ("owner_lock",),
    "file_names": ("errors",),
    "kept_inputs": ("errors", "watched"),
    "json_text": (),
    "files": ("errors", "json_text", "schema", "owner_lock", "leftovers", "file_names", "kept_inputs"),
    "torch_file": ("errors", "files"),
    "machine": ("errors",),
    "memory": ("errors",),
    "prediction": ("errors", "file_names", "files"),
    "kernels": ("errors", "files", "owner_lock", "leftovers"),
    "encoding": ("errors", "kernels"),
    "neighbours": ("errors",),
    "training_loop": ("errors", "schema", "files"),
    "run_summary": ("errors", "schema", "files"),
    "run_folder": (
        "errors",
        "config",
        "schema",
        "owner_lock",
        "leftovers",
        "file_names",
        "files",
        "machine",
        "training_loop",
        "run_summary",
    ),
    "normalisation": ("errors", "kernels"),
    "graph": ("errors", "schema", "files", "kernels", "normalisation"),
    "datasets": GROUND,
    "ir": GROUND,
    "matrices": (*GROUND, "ir"),
    "engines": (*GROUND, "ir", "matrices"),
    "energy": (*GROUND, "ir", "engines"),
    "passes": (*GROUND, "ir", "engines"),
    "clock": (*GROUND, "ir", "engines"),
    "pictures": (*GROUND, "ir", "engines"),
    "verify": (*GROUND, "ir", "engines"),
    "opaque_call": (),
    "network_state": (*GROUND, "ir"),
    "network_checks": (*GROUND, "ir"),
    "described_module": (*GROUND, "ir", "network_state"),
    "network_summary": (*GROUND, "ir", "engines"),
    "network_file": (*GROUND, "ir", "passes", "network_checks"),
    "model_folder": (*GROUND, "datasets", "ir", "energy", "passes", "network_file"),
    "spiking_network": (
        *GROUND,
        "ir",
        "engines",
        "energy",
        "passes",
        "verify",
        "network_state",
        "described_module",
        "network_summary",
        "model_folder",
        "opaque_call",
        "pictures",
    ),
    "evaluation": (*GROUND, "neighbours", "ir", "engines", "energy", "spiking_network"),
    "textgcn": (
        *GROUND,
        "training_loop",
        "run_summary",
        "run_folder",
        "evaluation",
        "datasets",
        "ir",
        "engines",
        "energy",
        "spiking_network",
    ),
    "artefact": (
        *GROUND,
        "ir",
        "passes",
        "network_checks",
        "network_file",
        "model_folder",
        "spiking_network",
        "textgcn",
    ),
    "formats": (*GROUND, "ir", "engines", "network_state", "spiking_network", "textgcn"),
    "frontends": (*GROUND, "ir", "matrices", "textgcn"),
    "source_check": (*GROUND, "ir", "engines", "verify", "frontends"),
    "conversion": (
        *GROUND,
        "neighbours",
        "ir",
        "engines",
        "passes",
        "verify",
        "frontends",
        "source_check",
        "described_module",
        "spiking_network",
        "textgcn",
    ),
    "distributed": (
        *GROUND,
        "training_loop",
        "run_folder",
        "datasets",
        "ir",
        "engines",
        "energy",
        "passes",
        "spiking_network",
        "evaluation",
        "textgcn",
        "frontends",
    ),
    "estimator": (*GROUND, "datasets", "spiking_network", "textgcn", "conversion"),
    "tune": (*GROUND, "ir", "engines", "energy", "passes", "frontends", "conversion"),
}
CORE = tuple(ALLOWED)
ALLOWED |= {"cnn": CORE}
ALLOWED |= {"bench": (*CORE, "cnn"), "reproduce": (*CORE, "cnn")}
ALLOWED |= {"plan": (*GROUND, "bench")}
ALLOWED |= {"report": (*CORE, "reproduce")}
ALLOWED |= {"serve": (*GROUND, "datasets", "energy", "spiking_network", "artefact")}
ALLOWED |= {"cli": tuple(ALLOWED)}
ALLOWED |= {"start": ("errors", "cli")}

# These packages answer for one operation a file, so that the file bears the name of the function.
ONE_FILE_PER_FUNCTION = ("kernels",)


def imports(path: Path) -> set[str]:
    """Full names of everything that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            assert node.module is not None
            found |= {f"gcn2snn.{alias.name}" for alias in node.names} if node.module == "gcn2snn" else {node.module}
    return found


def files(folder: str, root: Path = ROOT) -> list[Path]:
    found = sorted((root / folder).rglob("*.py"))
    assert found
    return found


def room_of(path: Path, root: Path = ROOT) -> str:
    """The room a file belongs to: the top folder, the folder inside gcn2snn/, or the file's own name there."""
    parts = path.relative_to(root).with_suffix("").parts
    room = parts[0] if parts[0] != "gcn2snn" else parts[1]
    return "start" if room == "__main__" else room  # the same beginning under another name


def violations(root: Path = ROOT) -> list[str]:
    """Imports that go upwards, sideways, or past a door."""
    found = []
    for path in (path for folder in FOLDERS if (root / folder).is_dir() for path in files(folder, root)):
        own = room_of(path, root)
        if own == "__init__":  # the door of the whole package
            continue
        for name in sorted(imports(path)):
            package, _, rest = name.partition(".")
            room, _, inner = rest.partition(".")
            if package != "gcn2snn" or room in (own, "__version__", ""):
                continue
            if room not in ALLOWED[own]:
                found.append(f"{path.relative_to(root)} imports {name}, which {own} may not")
            elif inner:
                found.append(f"{path.relative_to(root)} imports {name} past the door gcn2snn.{room}")
    return found


def test_imports_go_one_way_and_through_the_door() -> None:
    assert violations() == []


def test_every_room_is_listed_and_stands_above_what_it_imports() -> None:
    rooms = {room_of(path) for folder in FOLDERS for path in files(folder)} - {"__init__"}
    assert rooms == set(ALLOWED)
    order = list(ALLOWED)
    for room, below in ALLOWED.items():
        for other in set(below) - {room}:
            assert order.index(other) < order.index(room), f"{room} may import {other}, which is written above it"


@pytest.mark.parametrize(
    ("place", "line", "message"),
    [
        ("gcn2snn/ir/planted.py", "from gcn2snn.engines import run_closed", "which ir may not"),
        ("gcn2snn/engines/planted.py", "from gcn2snn import conversion", "which engines may not"),
        ("kernels/planted.py", "from gcn2snn.graph import Graph", "which kernels may not"),
        ("cnn/planted.py", "def later():\n    from gcn2snn.cli import main", "which cnn may not"),
        ("gcn2snn/tune/planted.py", "from gcn2snn.engines.temporal import run_temporal", "past the door"),
    ],
)
def test_a_planted_import_is_found(tmp_path: Path, place: str, line: str, message: str) -> None:
    file = tmp_path / place
    file.parent.mkdir(parents=True)
    file.write_text(f"{line}\n")
    (found,) = violations(tmp_path)
    assert place in found
    assert message in found


@pytest.mark.parametrize("verb", [path.stem for path in files("gcn2snn/cli")])
def test_no_verb_imports_another(verb: str) -> None:
    shared = {"options", "origins", "output", "progress", "tables", "images", "text_lines", "inputs"}
    shared |= {"settings", "loudness", "verbs", "own", "own_data", "own_models", "ranks"}
    if verb == "__init__":
        return
    for name in imports(ROOT / "gcn2snn" / "cli" / f"{verb}.py"):
        _, _, other = name.partition("gcn2snn.cli.")
        assert other in {"", *shared} - {verb}, f"cli/{verb}.py imports the verb {other}"


@pytest.mark.parametrize("folder", [*FOLDERS, "tests"])
def test_long_names_only(folder: str) -> None:
    for path in files(folder):
        assert not imports(path) & {"kernels", "datasets", "cnn"}, f"{path.relative_to(ROOT)} imports a bare folder"


def test_every_public_name_exists() -> None:
    assert sorted(gcn2snn.__all__) == list(gcn2snn.__all__)
    assert set(gcn2snn._HOME) == set(gcn2snn.__all__)
    assert gcn2snn.__version__ == version("gcn2snn")
    for name in gcn2snn.__all__:
        assert getattr(gcn2snn, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        gcn2snn.nothing  # noqa: B018


def packages() -> list[tuple[str, Path]]:
    """Full name and folder of every package."""
    found = []
    for folder in FOLDERS:
        name = "gcn2snn" if folder == "gcn2snn" else f"gcn2snn.{folder}"
        for init in (ROOT / folder).rglob("__init__.py"):
            found.append((".".join([name, *init.parent.relative_to(ROOT / folder).parts]), init.parent))
    return found


@pytest.mark.parametrize(("name", "folder"), packages(), ids=[name for name, _ in packages()])
def test_every_name_of_a_door_exists_and_hides_no_module(name: str, folder: Path) -> None:
    door = import_module(name)
    public = getattr(door, "__all__", [])
    for each in public:
        assert getattr(door, each) is not None
    if name.removeprefix("gcn2snn.") not in ONE_FILE_PER_FUNCTION:
        hidden = {path.stem for path in folder.glob("*.py")} & set(public)
        assert not hidden, f"{name} has modules and public names that are both called {sorted(hidden)}"


def test_every_package_is_listed_and_typed() -> None:
    listed = (ROOT / "pyproject.toml").read_text()
    assert all((ROOT / folder / "py.typed").exists() for folder in FOLDERS)
    for name, _ in packages():
        assert f'"{name}"' in listed, f"{name} is missing from [tool.setuptools] packages"
