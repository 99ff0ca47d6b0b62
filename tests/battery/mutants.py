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

import numpy  # noqa: F401 - loaded for the children
import pytest
import scipy.sparse  # noqa: F401
import torch

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 300
"""After which a mutant that does not end counts as noticed."""

MODULES: dict[str, tuple[str, tuple[str, ...]]] = {
    "encoding": ("gcn2snn/encoding.py", ("tests/gcn2snn/test_encoding.py",)),
    "phase": ("kernels/phase.py", ("tests/kernels/test_encode.py", "tests/gcn2snn/test_encoding.py")),
    "energy": ("gcn2snn/energy/count.py", ("tests/gcn2snn/energy",)),
    "conversion": ("gcn2snn/conversion.py", ("tests/gcn2snn/test_conversion.py", "tests/gcn2snn/test_refusals_at_the_call.py")),
    "fold": ("gcn2snn/passes/fold.py", ("tests/gcn2snn/passes/test_fold.py",)),
    "calibration": ("gcn2snn/passes/calibration.py", ("tests/gcn2snn/passes/test_calibration.py",)),
    "horizon": ("gcn2snn/passes/horizon.py", ("tests/gcn2snn/passes/test_horizon.py",)),
    "files": ("gcn2snn/files.py", ("tests/gcn2snn/test_files.py",)),
    "torch_file": ("gcn2snn/torch_file.py", ("tests/gcn2snn/test_torch_file.py",)),
}  # fmt: skip
"""Module -> its file and the tests that must notice."""

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


def mutants_of(source: str) -> list[tuple[int, str, ast.Module]]:
    """(line, what, changed module) of every change outside annotations and messages."""
    tree, found = ast.parse(source), []
    for number, node in enumerate(_code(tree)):
        for what, new in changes_of(node):
            other = ast.parse(source)
            old = list(_code(other))[number]
            _replace(other, old, ast.copy_location(new, old))
            line = getattr(node, "lineno", 0)
            found.append((line, f"{what}: {ast.unparse(node)} -> {ast.unparse(new)}", ast.fix_missing_locations(other)))
    return found


def _code(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that compute: no annotations, texts, or calls that log."""
    yield node
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns") or isinstance(node, ast.JoinedStr | ast.Raise):
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
            os.chdir(ROOT)
            if mutant is not None:
                _compile_instead(file, compile(mutant, str(file), "exec"))
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                code = int(pytest.main(["-x", "-q", "-p", "no:xdist", *tests]))
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
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    rows = Counter[tuple[str, str]]()
    for name in given.module or MODULES:
        file, tests = (ROOT / MODULES[name][0]).resolve(), MODULES[name][1]
        if noticed(file, None, tests):
            print(f"{name}: the tests fail without a mutant")
            return 1
        found = mutants_of(file.read_text(encoding="utf-8"))
        chosen = random.Random(f"{given.seed} {name}").sample(found, min(given.mutants, len(found)))
        for line, what, mutant in sorted(chosen, key=lambda one: one[0]):
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
