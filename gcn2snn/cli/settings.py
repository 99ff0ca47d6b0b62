"""Options whose help, default and range are those of a configuration's field, so that each is said in one place only."""

from __future__ import annotations

import dataclasses
from typing import Any, get_args

import typer
from pydantic.fields import FieldInfo


def setting(cls: type[object], name: str, *words: str, text: str = "", note: str = "") -> object:
    """An option of the command line for one field of a configuration class.

    Args:
        cls: a dataclass of pydantic's, whose fields have a description and a range, or a plain one.
        name: of the field.
        words: how the option is typed, if not --NAME.
        text: its help instead of the field's description.
        note: a sentence more.
    """
    facts = [fact for fact in (_default(cls, name), _allowed(_field(cls, name))) if fact]
    said = (text or str(getattr(_field(cls, name), "description", None) or "")).rstrip(".")
    brackets = f" [{'; '.join(facts)}]" if facts else ""
    more = f" {note.rstrip('.')}." if note else ""
    return typer.Option(*words, show_default=False, help=f"{said[:1].upper()}{said[1:]}{brackets}.{more}")


def _field(cls: type[object], name: str) -> FieldInfo | None:
    return getattr(cls, "__pydantic_fields__", {}).get(name)


def _default(cls: type[Any], name: str) -> str:
    (field,) = (field for field in dataclasses.fields(cls) if field.name == name)
    value = _field(cls, name).default if _field(cls, name) is not None else field.default  # type: ignore[union-attr]
    shown = isinstance(value, str | int | float) and not isinstance(value, bool) and value != ""
    return f"default {value:g}" if shown and isinstance(value, float) else f"default {value}" if shown else ""


def _allowed(field: FieldInfo | None) -> str:
    """The range of a number, or the words that a text may be."""
    if field is None:
        return ""
    words = [str(word) for word in get_args(field.annotation) if isinstance(word, str)]
    if words:
        return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]
    bounds = {
        key: getattr(item, key) for item in field.metadata for key in ("ge", "gt", "le", "lt") if hasattr(item, key)
    }
    if "ge" in bounds and "le" in bounds:
        return f"{bounds['ge']:g} to {bounds['le']:g}"
    told = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    return ", ".join(f"{word} {bounds[key]:g}" for key, word in told.items() if key in bounds and bounds[key] < 2**31)
