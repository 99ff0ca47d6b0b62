"""The command line. Modules of verbs import torch and the rest of the package only inside their functions."""

from __future__ import annotations

import itertools
import os
import sys
import traceback
from typing import Annotated

import typer

from gcn2snn.cli.bench import bench
from gcn2snn.cli.convert import convert
from gcn2snn.cli.datasets import app as datasets
from gcn2snn.cli.doctor import doctor
from gcn2snn.cli.evaluate import evaluate
from gcn2snn.cli.explain import explain
from gcn2snn.cli.export import export
from gcn2snn.cli.info import info
from gcn2snn.cli.loading_room import watch_for_torch
from gcn2snn.cli.loudness import verbose
from gcn2snn.cli.plan import plan
from gcn2snn.cli.predict import predict
from gcn2snn.cli.ranks import as_rank
from gcn2snn.cli.report import report
from gcn2snn.cli.reproduce import reproduce
from gcn2snn.cli.serve import serve
from gcn2snn.cli.show import show
from gcn2snn.cli.train import train
from gcn2snn.cli.tune import tune
from gcn2snn.cli.verbs import SETTINGS, STOPPED, UsageError, add, refuse_usage
from gcn2snn.distributed import launched
from gcn2snn.errors import Gcn2SnnError, InterruptedRunError, lacks_memory, reason_of, way_out_of
from gcn2snn.file_names import refuse_undecodable

app = typer.Typer(
    name="gcn2snn",
    context_settings=SETTINGS,
    help="Turn a trained ReLU graph network or CNN into a spiking network in which every neuron fires at most once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
add(app, train)
add(app, convert)
add(app, explain)
add(app, evaluate)
add(app, predict)
add(app, export)
add(app, show)
add(app, serve)
add(app, tune)
add(app, report)
add(app, reproduce)
add(app, bench)
add(app, plan)
add(app, info)
add(app, doctor)
app.add_typer(datasets, name="datasets")


@app.callback(invoke_without_command=True)
def version(show: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    """Answer --version."""
    if show:
        from importlib.metadata import version as of

        print(of("gcn2snn"))
        raise typer.Exit


def main() -> None:
    """Run the command line: exit code 2 and one line for an error of ours, 130 after Ctrl-C (143 after SIGTERM).

    As one of several processes that torchrun started, it meets the others first (docs/distributed.md).
    """
    watch_for_torch()
    try:
        launch = launched()
        if launch is not None:
            sys.exit(as_rank(launch, sys.argv[1:], _run))
        code = _run()
    except InterruptedRunError as error:
        print(f"gcn2snn: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except Gcn2SnnError as error:
        if verbose():
            traceback.print_exc()
        print(f"gcn2snn: error: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # the reader of our output has gone, for example `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:  # full disk, missing permission: the system's own words
        print(
            f"gcn2snn: error: {reason_of(error, with_file=True)}. {way_out_of(error, 'place', 'read and write')}",
            file=sys.stderr,
        )
        sys.exit(2)
    except (MemoryError, RuntimeError) as error:
        if not lacks_memory(error):
            raise
        if verbose():
            traceback.print_exc()
        reason = " ".join(str(error).split())[:200] or "no more can be had"
        print(
            f"gcn2snn: error: there is not enough memory for this ({reason}). Ask for less, or take a machine with more",
            file=sys.stderr,
        )
        sys.exit(2)
    if code == 130:  # what Typer makes of a Ctrl-C outside a verb
        print(f"gcn2snn: {STOPPED}", file=sys.stderr)
    sys.exit(code)


def _run() -> int:
    """Run the verb that the command line names; its exit code."""
    for before, argument in itertools.pairwise(sys.argv):
        refuse_undecodable(argument, is_text=before == "--text" or argument.startswith("--text="))
    try:
        code = app(prog_name="gcn2snn", standalone_mode=False)
    except UsageError as error:
        sys.exit(refuse_usage(error))
    except typer.Abort:
        return 130
    return code if isinstance(code, int) else 0
