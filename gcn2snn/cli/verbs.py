"""What every verb of the command line has alike: -h, --quiet and --verbose, and errors in one line."""

from __future__ import annotations

import functools
import inspect
import os
import sys
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer
from typer.core import TyperCommand

from gcn2snn.cli.loudness import note, set_level
from gcn2snn.docstrings import docstring_of
from gcn2snn.kept_inputs import keep_input, keeping_inputs

SETTINGS: dict[str, object] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

UsageError: type[Exception] = typer.BadParameter.__mro__[1]  # type: ignore[assignment]
"""What a command line that cannot be read raises. Newer versions of Typer bring their own copy of Click, so it is found there."""


STOPPED = "stopped; no half-written file is left. Give the same command again"

QUIET = typer.Option("--quiet", "-q", help="Nothing on standard error but errors: no notes, progress or hints.")
VERBOSE = typer.Option("--verbose", "-v", help="Also versions, time, memory, and where an error was raised.")


class Command(TyperCommand):
    """A verb whose command line is refused where an option stands in the place of another one's value."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words; a refusal knows of which verb, so that it can name the right help."""
        try:
            self._refuse_swallowed_options(args)
            return super().parse_args(ctx, args)
        except UsageError as error:
            if getattr(error, "ctx", None) is None:  # words that cannot be taken apart do not know their verb
                error.ctx = ctx  # type: ignore[attr-defined]
            raise

    def _refuse_swallowed_options(self, words: Sequence[str]) -> None:
        """``--check --out x`` would take --out for the value of --check, and x for an argument."""
        options = [parameter for parameter in self.params if parameter.param_type_name == "option"]
        names = {name for option in options for name in (*option.opts, *option.secondary_opts)}
        valued = {name for option in options if not getattr(option, "is_flag", False) for name in option.opts}
        waiting = iter(words)
        for word in waiting:
            if word == "--":
                return
            if word not in valued:
                continue
            value = next(waiting, None)
            if value in names:
                raise UsageError(
                    f"{word} needs a value, but the option {value} follows. Put the value between them, or leave {word} out"
                )


def verb(function: Callable[..., None]) -> Callable[..., None]:
    """A function as a verb: it gets --quiet and --verbose, of which it need not know.

    Raises:
        ConfigError: when the verb is called with both.
    """

    @functools.wraps(function)
    def run(*args: object, quiet: bool = False, verbose: bool = False, **options: object) -> None:
        from gcn2snn.cli.output import megabytes
        from gcn2snn.errors import ConfigError, InterruptedRunError, exit_code_of
        from gcn2snn.machine import environment, peak_memory

        if quiet and verbose:
            raise ConfigError("--quiet says less and --verbose says more; give one of them")
        set_level("quiet" if quiet else "verbose" if verbose else "usual")
        started = time.perf_counter()
        if verbose:
            note(", ".join(f"{name} {version}" for name, version in environment().items()))
        try:
            with keeping_inputs():
                for name, value in inspect.signature(function).bind(*args, **options).arguments.items():
                    _keep_inputs(name, value)
                function(*args, **options)
        except KeyboardInterrupt as stop:  # Typer would end the program without a word
            raise InterruptedRunError(STOPPED, exit_code_of(stop)) from None
        if verbose:
            note(f"took {time.perf_counter() - started:.1f} s; peak memory {megabytes(peak_memory())}")

    hints = get_type_hints(
        function, include_extras=True
    )  # in the function's own module, where its names mean something
    both = {"quiet": Annotated[bool, QUIET], "verbose": Annotated[bool, VERBOSE]}
    known = [item.replace(annotation=hints[item.name]) for item in inspect.signature(function).parameters.values()]
    kind = inspect.Parameter.KEYWORD_ONLY
    more = [inspect.Parameter(name, kind, default=False, annotation=hint) for name, hint in both.items()]
    run.__signature__ = inspect.Signature([*known, *more])  # type: ignore[attr-defined]
    run.__annotations__ = {**hints, **both}
    del run.__wrapped__  # type: ignore[attr-defined]  # else Typer reads the annotations of the function itself
    return run


WRITTEN = ("out", "csv", "predictions", "plot", "plot_events")
"""Parameters of verbs that name what is written; every other one that names a file names what is read."""


def _keep_inputs(name: str, value: object) -> None:
    """Let no output take the place of a file that a parameter names, or of the run that it is, or lies in."""
    for each in value if isinstance(value, list | tuple) else [value]:
        if name in WRITTEN or not isinstance(each, str | Path) or not os.path.exists(each):
            continue
        from gcn2snn.run_folder import MODEL_FILE
        from gcn2snn.run_summary import RUN_FILE

        place = Path(each)
        run = place if place.is_dir() else place.parent
        if place.is_file():
            keep_input(place)
        if (run / RUN_FILE).is_file():
            keep_input(run / RUN_FILE)
            keep_input(run / MODEL_FILE, as_found=place == run)


def add(app: typer.Typer, function: Callable[..., None], name: str | None = None) -> None:
    """Make a function a verb of ``app``; the list of verbs shows the whole first paragraph of its docstring."""
    said = docstring_of(function)
    first = said.partition("\n\n")[0]
    app.command(name, cls=Command, help=said, short_help=" ".join(first.split()))(verb(function))


def in_one_line(error: Any, words: Sequence[str]) -> str:
    """What is wrong with a command line, what was typed, and where to look, as one line.

    Args:
        error: a :data:`UsageError`.
        words: of the command line, without the program's name.
    """
    said = " ".join(str(error.format_message()).split()).rstrip(".")
    parameter = getattr(error, "param", None)
    typed = _typed(list(getattr(parameter, "opts", [])), words)
    said = f"{said}; got {typed!r}" if typed is not None and typed not in said else said
    context = getattr(error, "ctx", None)
    return f"{said}. See {context.command_path if context is not None else 'gcn2snn'} -h"


def _typed(names: Sequence[str], words: Sequence[str]) -> str | None:
    """The value of an option as it stands on the command line."""
    for word, following in pairwise([*words, ""]):
        if word in names and following:
            return following
        name, equals, value = word.partition("=")
        if equals and name in names:
            return value
    return None


def refuse_usage(error: Any) -> int:
    """Print the one line of a command line that cannot be read, or the help where nothing was asked; the exit code."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
    else:
        print(f"gcn2snn: error: {in_one_line(error, sys.argv[1:])}", file=sys.stderr)
    return 2
