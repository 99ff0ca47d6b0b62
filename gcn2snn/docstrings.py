"""What functions say of themselves, also where Python was told to drop it (``python -OO``)."""

from __future__ import annotations

import ast
import contextlib
import inspect
import textwrap
from collections.abc import Callable


def docstring_of(function: Callable[..., object]) -> str:
    """The docstring without its indentation; read from the source where ``-OO`` has left none, "" where there is none either.

    Help and explanations print docstrings, and a user who asks for optimised code has not asked for help without words.

    >>> docstring_of(docstring_of).partition(";")[0]
    'The docstring without its indentation'
    """
    found = inspect.getdoc(function)
    if found is None:
        with contextlib.suppress(OSError, TypeError, SyntaxError):  # no source, or only a part of an expression
            [definition] = ast.parse(textwrap.dedent(inspect.getsource(function))).body
            if isinstance(definition, ast.FunctionDef | ast.ClassDef):
                found = ast.get_docstring(definition)
    return found or ""
