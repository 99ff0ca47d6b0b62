"""Write the notebooks from the programs beside them, without running them: ``python docs/examples/make_notebooks.py``.

A notebook is JSON (nbformat 4.5), so no library is needed. Its first cell is the program's docstring, and each block of the
program that an empty line separates at the left margin becomes a cell of code.
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

HERE = Path(__file__).parent
PROGRAMS = ("text_gcn_from_own_texts", "spike_trains")
"""Programs that have a notebook."""


def notebook(program: Path) -> str:
    """The notebook of a program, as JSON.

    Args:
        program: a Python file with a docstring.
    """
    source = program.read_text(encoding="utf-8")
    tree = ast.parse(source)
    first = tree.body[0].end_lineno or 0
    code = "\n".join(source.splitlines()[first:]).strip()
    blocks = re.split(r"\n\n+(?=\S)", code)
    cells = [_cell("markdown", 0, f"# {ast.get_docstring(tree)}\n\nMade from `{program.name}` by `make_notebooks.py`.")]
    cells += [_cell("code", number, block) for number, block in enumerate(blocks, 1)]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    content = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _cell(kind: str, number: int, text: str) -> dict[str, object]:
    cell: dict[str, object] = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}}
    lines = text.splitlines(keepends=True)
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {}) | {"source": lines}


if __name__ == "__main__":
    for name in PROGRAMS:
        target = HERE / f"{name}.ipynb"
        target.write_text(notebook(HERE / f"{name}.py"), encoding="utf-8")
        print(f"written to {target}")
