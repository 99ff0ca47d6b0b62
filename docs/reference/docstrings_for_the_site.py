"""Make docstrings ready for the site: examples get fences, references their name, options the sentence of their field.

mkdocs.yml names this file. The docstrings are written for people who read them in a terminal; Markdown takes ``>>>`` outside a
fence for a quotation, and knows no ``:func:``.
"""

from __future__ import annotations

import ast
import re

import griffe

EXAMPLE = re.compile(r"^([ ]*)>>> .*\n(?:\1(?! *>>>)\S.*\n|\1>>> .*\n|\1\.\.\. ?.*\n)*", re.M)
"""Lines of an example with what it prints; it ends at an empty line."""

REFERENCE = re.compile(r":(?:class|func|meth|mod|attr|data):`[.~]*([^`]+)`")


class DocstringsForTheSite(griffe.Extension):
    """A griffe extension that changes docstrings before they are parsed."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Change the docstring of one module, class, function or attribute; give an option its field's description."""
        if isinstance(obj, griffe.Attribute) and obj.docstring is None:
            words = described(str(obj.annotation)) or described(str(aliased(obj)))
            obj.docstring = griffe.Docstring(words, parent=obj) if words else None
            if isinstance(obj.annotation, griffe.ExprSubscript) and isinstance(obj.annotation.slice, griffe.ExprTuple):
                obj.annotation = obj.annotation.slice.elements[0] if words else obj.annotation
        if obj.docstring and "```" not in obj.docstring.value:
            value = REFERENCE.sub(r"``\1``", obj.docstring.value.rstrip() + "\n")
            obj.docstring.value = EXAMPLE.sub(_fenced, value)


def aliased(attribute: griffe.Attribute) -> object:
    """What the annotation stands for where it is a name of the same module, such as ``Timesteps``."""
    found = attribute.module.members.get(str(attribute.annotation).split(" ")[0])
    return found.value if isinstance(found, griffe.Attribute) else ""


def described(annotation: str) -> str:
    """The description in ``Annotated[..., Field(..., description="...")]``, or ""."""
    if not annotation.startswith("Annotated["):
        return ""
    calls = [node for node in ast.walk(ast.parse(annotation, mode="eval")) if isinstance(node, ast.Call)]
    words = [keyword.value for call in calls for keyword in call.keywords if keyword.arg == "description"]
    return next((str(word.value) for word in words if isinstance(word, ast.Constant)), "")


def _fenced(match: re.Match[str]) -> str:
    space = match[1]
    return f"\n{space}```pycon\n{match[0]}{space}```\n"
