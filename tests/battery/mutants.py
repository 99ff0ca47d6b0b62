"""Mutants: one small change of the code at a time, which the tests of the module must notice.

mutmut and cosmic-ray start an interpreter for each mutant, which loads torch for seconds, and look for modules by the folders that
they lie in, which the mapping of this package turns around. Here a child of a process that has loaded torch compiles the changed
module in the place of the real one and runs the tests; files are never changed. A survivor is printed with its line.

    python tests/battery/mutants.py --module encoding --seed 7 --mutants 40
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import gc
import importlib
import importlib.machinery
import io
import os
import random
import signal
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import hypothesis
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 300
"""After which a mutant that does not end counts as noticed."""

MODULES: dict[str, tuple[str, str]] = {
    "encoding": ("gcn2snn/encoding.py", "gcn2snn/test_encoding.py"),
    "phase": ("kernels/phase.py", "kernels/test_phase.py kernels/test_encode.py gcn2snn/test_encoding.py kernels/test_codes.py"),
    "energy.aggregation": ("gcn2snn/energy/aggregation.py", "gcn2snn/energy"),
    "energy.by_rows": ("gcn2snn/energy/by_rows.py", "gcn2snn/engines/test_layerwise.py gcn2snn/energy"),
    "energy.count": ("gcn2snn/energy/count.py", "gcn2snn/energy"),
    "energy.effective": ("gcn2snn/energy/effective.py", "gcn2snn/energy"),
    "energy.event_driven": ("gcn2snn/energy/event_driven.py", "gcn2snn/energy"),
    "energy.events": ("gcn2snn/energy/events.py", "gcn2snn/energy"),
    "energy.lemaire": ("gcn2snn/energy/lemaire.py", "gcn2snn/energy"),
    "energy.neurobench": ("gcn2snn/energy/neurobench.py", "gcn2snn/energy"),
    "energy.presets": ("gcn2snn/energy/presets.py", "gcn2snn/energy"),
    "energy.report": ("gcn2snn/energy/report.py", "gcn2snn/energy"),
    "energy.verdict": ("gcn2snn/energy/verdict.py", "gcn2snn/energy"),
    "energy.wanted_rows": ("gcn2snn/energy/wanted_rows.py", "gcn2snn/energy"),
    "conversion": ("gcn2snn/conversion.py", "gcn2snn/test_conversion.py gcn2snn/test_refusals_at_the_call.py gcn2snn/test_module.py"),
    "config": ("gcn2snn/config.py", "gcn2snn/test_config.py gcn2snn/test_errors.py gcn2snn/passes/test_settings.py"),
    "source_check": ("gcn2snn/source_check.py", "gcn2snn/test_source_check.py"),
    "spiking_network": ("gcn2snn/spiking_network.py", "gcn2snn/test_spiking_network.py gcn2snn/test_conversion.py gcn2snn/test_module.py gcn2snn/test_heads.py"),
    "passes.activation_counts": ("gcn2snn/passes/activation_counts.py", "gcn2snn/passes/test_calibration.py gcn2snn/passes/test_some_rows.py gcn2snn/passes/test_choose_base.py"),
    "passes.bias_correction": ("gcn2snn/passes/bias_correction.py", "gcn2snn/passes/test_bias_correction.py gcn2snn/passes/test_correction_by_rows.py"),
    "passes.calibration": ("gcn2snn/passes/calibration.py", "gcn2snn/passes/test_calibration.py gcn2snn/passes/test_scale_under_a_cap.py gcn2snn/passes/test_some_rows.py"),
    "passes.choose_base": ("gcn2snn/passes/choose_base.py", "gcn2snn/passes/test_choose_base.py gcn2snn/passes/test_setting_choice.py"),
    "passes.correction_by_rows": ("gcn2snn/passes/correction_by_rows.py", "gcn2snn/passes/test_correction_by_rows.py gcn2snn/passes/test_bias_correction.py"),
    "passes.departure": ("gcn2snn/passes/departure.py", "gcn2snn/passes/test_departure.py gcn2snn/passes/test_side_by_side.py gcn2snn/passes/test_setting_choice.py"),
    "passes.fold": ("gcn2snn/passes/fold.py", "gcn2snn/passes/test_fold.py"),
    "passes.horizon": ("gcn2snn/passes/horizon.py", "gcn2snn/passes/test_horizon.py"),
    "passes.masked_least_squares": ("gcn2snn/passes/masked_least_squares.py", "gcn2snn/passes/test_refit.py"),
    "passes.neurons": ("gcn2snn/passes/neurons.py", "gcn2snn/passes/test_neurons.py"),
    "passes.over_ranks": ("gcn2snn/passes/over_ranks.py", "gcn2snn/passes/test_over_ranks.py"),
    "passes.refit": ("gcn2snn/passes/refit.py", "gcn2snn/passes/test_refit.py"),
    "passes.setting_choice": ("gcn2snn/passes/setting_choice.py", "gcn2snn/passes/test_setting_choice.py"),
    "passes.settings": ("gcn2snn/passes/settings.py", "gcn2snn/passes/test_settings.py"),
    "passes.side_by_side": ("gcn2snn/passes/side_by_side.py", "gcn2snn/passes/test_side_by_side.py gcn2snn/passes/test_departure.py"),
    "passes.some_rows": ("gcn2snn/passes/some_rows.py", "gcn2snn/passes/test_some_rows.py"),
    "passes.weight_rounding": ("gcn2snn/passes/weight_rounding.py", "gcn2snn/passes/test_weight_rounding.py"),
    "artefact": ("gcn2snn/artefact.py", "gcn2snn/test_artefact.py gcn2snn/test_network_checks.py gcn2snn/serve/test_network_file.py"),
    "network_file": ("gcn2snn/network_file.py", "gcn2snn/test_network_checks.py gcn2snn/test_artefact.py gcn2snn/model_folder"),
    "network_checks": ("gcn2snn/network_checks.py", "gcn2snn/test_network_checks.py gcn2snn/test_artefact.py"),
    "schema": ("gcn2snn/schema.py", "gcn2snn/test_schema.py"),
    "run_summary": ("gcn2snn/run_summary.py", "gcn2snn/test_run_folder.py gcn2snn/cli/test_origins.py"),
    "run_folder": ("gcn2snn/run_folder.py", "gcn2snn/test_run_folder.py gcn2snn/textgcn/test_graph_runs.py"),
    "files": ("gcn2snn/files.py", "gcn2snn/test_files.py"),
    "torch_file": ("gcn2snn/torch_file.py", "gcn2snn/test_torch_file.py"),
    "matrix_cache": ("gcn2snn/matrices/cache.py", "gcn2snn/matrices/test_cache.py gcn2snn/matrices/test_build.py"),
    "graph": ("gcn2snn/graph.py", "gcn2snn/test_graph.py"),
    "graph_file": ("datasets/graph_file.py", "datasets/test_graph_file.py"),
    "tensor_file": ("datasets/tensor_file.py", "datasets/test_tensor_file.py datasets/test_graph_file.py datasets/test_loading.py"),
    "loading": ("datasets/loading.py", "datasets/test_loading.py"),
    "corpus": ("datasets/corpus.py", "datasets/test_corpus.py datasets/test_own.py datasets/test_text_file.py"),
    "own": ("datasets/own.py", "datasets/test_own.py datasets/test_tables.py datasets/test_text_file.py"),
    "tables": ("datasets/tables.py", "datasets/test_tables.py datasets/test_own.py datasets/test_packed.py"),
    "columns": ("datasets/columns.py", "datasets/test_tables.py datasets/test_own.py datasets/test_packed.py"),
    "json_records": ("datasets/json_records.py", "datasets/test_json_records.py datasets/test_own.py datasets/test_packed.py"),
    "text_file": ("datasets/text_file.py", "datasets/test_text_file.py datasets/test_own.py"),
    "unmarked_text": ("datasets/unmarked_text.py", "datasets/test_unmarked_text.py datasets/test_text_file.py"),
    "file_bytes": ("datasets/file_bytes.py", "datasets/test_text_file.py datasets/test_packed.py datasets/test_own.py"),
    "parquet": ("datasets/parquet.py", "datasets/test_packed.py datasets/test_own.py"),
    "planetoid": ("datasets/planetoid.py", "datasets/test_planetoid.py"),
    "cifar": ("cnn/cifar.py", "cnn/test_image_datasets.py"),
    "image_set": ("cnn/image_set.py", "cnn/test_image_datasets.py"),
    "image_weights": ("cnn/weights.py", "cnn/test_weights.py cnn/test_commands.py"),
}  # fmt: skip
"""Module -> its file, and the tests below `tests` that must notice, the quick ones first."""

LOADED = (
    "numpy",
    "scipy.optimize",
    "scipy.sparse",
    "sklearn.metrics",
    "pydantic",
    "pooch",
    "rich.table",
    "torch.fx",
    "torch_geometric.nn",
    "typer",
)
"""What the children find loaded; names of ours are not among them, for each child loads its mutant."""

COMPARISONS = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}
COMPARISONS |= {ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In}
OPERATORS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div}
OPERATORS |= {
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}


def changes_of(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Every small change of one node."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
        new = copy.deepcopy(node)
        new.ops[0] = COMPARISONS[type(node.ops[0])]()
        yield "comparison", new
    elif isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        yield "operator", ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right)
    elif isinstance(node, ast.BoolOp):
        yield "and/or", ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub | ast.Invert):
        yield "sign", node.operand
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield "flag", ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield "number", ast.Constant(node.value + 1)
    elif isinstance(node, ast.IfExp):
        yield "choice", ast.IfExp(node.test, node.orelse, node.body)


def mutants_of(source: str) -> list[tuple[int, int]]:
    """Every change outside annotations and messages: the number of its node in `_code`, and of the change there."""
    nodes = enumerate(_code(ast.parse(source)))
    return [(number, which) for number, node in nodes for which, _ in enumerate(changes_of(node))]


def mutant_of(source: str, number: int, which: int) -> tuple[int, str, ast.Module]:
    """(line, what, changed module) of one change."""
    tree = ast.parse(source)
    old = list(_code(tree))[number]
    what, new = list(changes_of(old))[which]
    said = f"{what}: {ast.unparse(old)} -> {ast.unparse(new)}"
    _replace(tree, old, ast.copy_location(new, old))
    return getattr(old, "lineno", 0), said, ast.fix_missing_locations(tree)


def _code(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that compute: no annotations, decorators, texts, or errors."""
    yield node
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list") or isinstance(node, ast.JoinedStr | ast.Raise):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _code(child)


def _replace(tree: ast.AST, old: ast.AST, new: ast.AST) -> None:
    for node in ast.walk(tree):
        for field, value in ast.iter_fields(node):
            if value is old:
                setattr(node, field, new)
            elif isinstance(value, list) and any(item is old for item in value):
                setattr(node, field, [new if item is old else item for item in value])


def noticed(file: Path, mutant: ast.Module | None, tests: tuple[str, ...]) -> bool:
    """Whether the tests fail with a module changed like this; without a mutant, whether they fail at all."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.alarm(SECONDS)
            gc.freeze()  # what the parent loaded is not looked through again
            os.chdir(ROOT)
            if mutant is not None:
                _compile_instead(file, compile(mutant, str(file), "exec"))
            # The same examples each time, none kept for later, and a failure need not become small.
            phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
            hypothesis.settings.register_profile("mutants", derandomize=True, database=None, phases=phases)
            hypothesis.settings.load_profile("mutants")
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                code = int(pytest.main(["-x", "-q", "-p", "no:xdist", "--assert=plain", *tests]))
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1] != 0


def _compile_instead(file: Path, code: CodeType) -> None:
    real = importlib.machinery.SourceFileLoader.get_code

    def get_code(self: importlib.machinery.SourceFileLoader, fullname: str) -> CodeType | None:
        return code if Path(self.path).resolve() == file else real(self, fullname)

    importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[method-assign]


def main() -> int:
    """Try some mutants of one module or of all; 1 if the tests fail without one."""
    parser = argparse.ArgumentParser(description="Mutants that the tests must notice.")
    parser.add_argument("--module", choices=MODULES, action="append", help="may be repeated [all]")
    parser.add_argument("--seed", type=int, default=0, help="of the choice")
    parser.add_argument("--mutants", type=int, default=40, help="of each module")
    parser.add_argument(
        "--line", type=int, action="append", help="only those of the choice that stand there; may be repeated"
    )
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    for library in LOADED:
        importlib.import_module(library)
    rows = Counter[tuple[str, str]]()
    for name in given.module or MODULES:
        file, tests = (ROOT / MODULES[name][0]).resolve(), tuple(f"tests/{test}" for test in MODULES[name][1].split())
        if noticed(file, None, tests):
            print(f"{name}: the tests fail without a mutant")
            return 1
        source = file.read_text(encoding="utf-8")
        found = mutants_of(source)
        chosen = random.Random(f"{given.seed} {name}").sample(found, min(given.mutants, len(found)))
        for line, what, mutant in (mutant_of(source, *change) for change in sorted(chosen)):
            if given.line and line not in given.line:
                continue
            killed = noticed(file, mutant, tests)
            rows[name, "noticed" if killed else "survived"] += 1
            if not killed:
                print(f"survivor: {MODULES[name][0]}:{line} {what}", flush=True)
        print(
            f"| {name} | {len(found)} | {len(chosen)} | {rows[name, 'noticed']} | {rows[name, 'survived']} |",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
