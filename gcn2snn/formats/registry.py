"""The formats by name, and the two things done with each: write a network, and check what was written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from torch import Tensor

from gcn2snn import ir
from gcn2snn.engines import bind
from gcn2snn.errors import ConfigError, InputError, InputTypeError, refuses_misfits
from gcn2snn.files import refuse_existing
from gcn2snn.formats.arrays import check_arrays, write_arrays
from gcn2snn.formats.brian2_script import brian2_ready, check_brian2, write_brian2
from gcn2snn.formats.nir_graph import check_nir, nir_ready, write_nir
from gcn2snn.formats.onnx_documents import check_onnx_documents, sample_texts, write_onnx_documents
from gcn2snn.formats.onnx_model import check_onnx, write_onnx
from gcn2snn.formats.refusals import package
from gcn2snn.formats.spike_events import check_spikes, write_spikes
from gcn2snn.graph import Graph
from gcn2snn.spiking_network import SpikingNetwork
from gcn2snn.textgcn import call

Facts = Mapping[str, int | float | str]


@dataclass(frozen=True, eq=False)
class Job:
    """One export: the network, its inputs as arguments of the source model, the file, and rows of the output or None."""

    snn: SpikingNetwork
    args: tuple[object, ...]
    out: Path
    rows: Sequence[int] | None


@dataclass(frozen=True)
class Exported:
    """What was written: the files, and numbers about them."""

    format: str
    files: tuple[Path, ...]
    facts: Facts


@dataclass(frozen=True)
class Checked:
    """What a check found: whether all is equal, in one sentence, and the numbers."""

    passed: bool
    sentence: str
    facts: Facts


@dataclass(frozen=True)
class Format:
    """One format.

    Args:
        says: what it is, in one line.
        needs_inputs: whether it runs given inputs.
        takes_rows: whether it can be told which rows of the output matter.
        beside: endings of the files that are written beside ``out``.
        write: writes the files and gives numbers about them.
        check: compares what was written with the network; takes a Python interpreter or None.
        ready: refuses where the other program of the check is missing; takes a Python interpreter or None.
    """

    says: str
    needs_inputs: bool
    takes_rows: bool
    beside: tuple[str, ...]
    write: Callable[[Job], Facts]
    check: Callable[[Job, str | None], Checked]
    ready: Callable[[str | None], None]


def check_ready(format: str, python: str | None = None) -> None:
    """Whether what :func:`check` needs for a format is installed; asked before anything is written.

    Raises:
        ConfigError: an unknown format, or an interpreter for one whose check runs here.
        MissingPackageError: the other program is not there; the message says how to install it.
    """
    _format(format).ready(python)


def files_of(format: str, out: str | Path) -> tuple[Path, ...]:
    """The files that an export writes: ``out``, and what lies beside it.

    Raises:
        ConfigError: an unknown format, or ``out`` names no file.
    """
    chosen, file = _format(format), Path(out)
    if not file.name:
        raise ConfigError(f"out is {str(out)!r}, which names no file; give the file to write")
    return file, *(file.with_suffix(ending) for ending in chosen.beside)


@refuses_misfits
def export(
    snn: SpikingNetwork,
    format: str,
    inputs: object = None,
    *,
    out: str | Path,
    rows: Sequence[int] | None = None,
    force: bool = False,
) -> Exported:
    """Write a converted network in a format that other programs read (docs/export.md).

    >>> import tempfile, torch, gcn2snn
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2)).eval()
    >>> snn = gcn2snn.convert(model, torch.rand(8, 4))
    >>> folder = tempfile.mkdtemp()
    >>> gcn2snn.export(snn, "spikes", torch.rand(5, 4), out=f"{folder}/spikes.csv").facts["populations"]
    2

    Args:
        snn: converted.
        format: a name of :data:`FORMATS`.
        inputs: what the source model is called with: a tuple of arguments, a dict of keywords, one argument, or a
            :class:`gcn2snn.Graph`.
        out: the file to write; each format says which ending it has.
        rows: of the output (nodes, documents, images), for a format that takes them; None for all.
        force: replace files that exist.

    Returns:
        The files, and numbers about what was written.

    Raises:
        ConfigError: an unknown format, an ending or an option that it does not have, or inputs that are missing.
        ArtefactError: a file exists and ``force`` is not given, or it cannot be written.
        InputError, InputTypeError: the inputs do not fit the network, or a part of the network has no counterpart in the format.
        MissingPackageError: the format needs a package that is not installed.
    """
    chosen, job = _job(snn, format, inputs, out, rows)
    files = files_of(format, job.out)
    for file in files:
        refuse_existing(file, force)
    return Exported(format, files, chosen.write(job))


def check(
    snn: SpikingNetwork,
    format: str,
    inputs: object = None,
    *,
    out: str | Path,
    rows: Sequence[int] | None = None,
    python: str | None = None,
) -> Checked:
    """Compare what :func:`export` wrote with the network: another program runs it, or the file is read back.

    Args:
        snn, format, inputs, out, rows: as they were exported.
        python: an interpreter that has the other program, where the format needs one.

    Raises:
        MissingPackageError: the other program is not there; the message says how to install it.
        ConfigError, ArtefactError: as for :func:`export`, or the other program fails.
    """
    chosen, job = _job(snn, format, inputs, out, rows)
    return chosen.check(job, python)


def _job(
    snn: SpikingNetwork, format: str, inputs: object, out: str | Path, rows: Sequence[int] | None
) -> tuple[Format, Job]:
    if not isinstance(snn, SpikingNetwork):
        raise InputTypeError(
            f"a converted network is exported, got {type(snn).__name__}: convert(model, example) first"
        )
    if snn.network.of(ir.Result):
        _refuse_heads(snn.network)
    chosen = _format(format)
    files_of(format, out)
    if chosen.needs_inputs and inputs is None:
        raise ConfigError(f"the format {format} runs the network: give the inputs, as for the source model")
    if rows is not None and not chosen.takes_rows:
        takes = ", ".join(name for name, each in FORMATS.items() if each.takes_rows)
        raise ConfigError(f"rows has no meaning for the format {format}; formats that take rows: {takes}. Leave it out")
    return chosen, Job(snn, _arguments(snn, inputs), Path(out), rows)


def _refuse_heads(network: ir.Network) -> NoReturn:
    """No format holds more than the potentials of one output.

    Raises:
        InputError: as said, with the way out.
    """
    if network.structure != ir.HEAD:
        there = ", ".join(map(ir.told, ir.paths(network.structure)))
        what = f"this network gives {len(network.heads)} results: {there}. Export one of them: snn.head(...)"
    else:
        steps = ", ".join(f"{node.name} ({type(node).__name__})" for node in network.of(ir.Readout))
        what = f"this network works out {steps} of its potentials. Convert the model without these steps"
    raise InputError(f"a file holds the potentials of one output, and {what}")


def _format(name: str) -> Format:
    chosen = FORMATS.get(name)
    if chosen is None:
        raise ConfigError(f"format is {name!r}; allowed are {', '.join(FORMATS)}")
    return chosen


def _arguments(snn: SpikingNetwork, inputs: object) -> tuple[object, ...]:
    if inputs is None:
        return ()
    if isinstance(inputs, Graph):
        return call(inputs)
    if isinstance(inputs, Mapping):  # keywords, as where the network was converted
        nodes = snn.network.of(ir.Input)
        names = [node.name for node in nodes]
        wrong = [name for name in inputs if name not in names]
        absent = [node.name for node in nodes if node.name not in inputs and not node.optional]
        if wrong or absent:
            told = [f"{name!r} is unknown" for name in wrong] + [f"{name!r} is missing" for name in absent]
            raise InputError(f"{', '.join(told)}; the network takes {names}, by name or in this order as a tuple")
        return tuple(inputs.get(name) for name in names)
    return inputs if isinstance(inputs, tuple) and not isinstance(inputs, Tensor) else (inputs,)


def _check_brian2(job: Job, python: str | None) -> Checked:
    found = check_brian2(job.snn, job.args, job.out, job.rows, python)
    populations = found["populations"]
    spikes, differ = (sum(row[key] for row in populations) for key in ("spikes", "differ"))
    most = max((row["most_spikes_of_a_neuron"] for row in populations), default=0)
    passed = differ == 0 and found["predictions_differ"] == 0 and most <= 1
    sentence = (
        f"Brian2 ran {found['synapses']:,} synapses: {spikes:,} spikes, {differ:,} differ in phase or sign; at most {most} "
        f"spike a neuron; {found['rows']:,} predictions, {found['predictions_differ']:,} differ; potentials within "
        f"{found['largest_difference']:.1e}; {found['run_seconds']:.1f} s"
    )
    facts: dict[str, int | float | str] = {
        "spikes": spikes,
        "differ": differ,
        "most_spikes_of_a_neuron": most,
        "rows": found["rows"],
    }
    facts |= {"predictions_differ": found["predictions_differ"]}
    facts |= {"largest_difference": found["largest_difference"], "run_seconds": found["run_seconds"]}
    return Checked(passed, sentence, facts)


def _check_arrays(job: Job, python: str | None) -> Checked:
    found = check_arrays(job.snn, job.out)
    return Checked(not found["differ"], f"{found['arrays']} arrays read back, {found['differ']} differ", found)


def _check_spikes(job: Job, python: str | None) -> Checked:
    found = check_spikes(job.snn, job.args, job.out)
    sentence = (
        f"{found['spikes']:,} spikes of {found['populations']} populations read back and compared with the network run step "
        f"by step: {found['differ']} neurons differ"
    )
    return Checked(not found["differ"], sentence, found)


def _check_onnx(job: Job, python: str | None) -> Checked:
    found = check_onnx(job.snn, job.args, job.out)
    sentence = (
        f"onnxruntime: {found['rows']:,} predictions, {found['predictions_differ']:,} differ; {found['spikes']:,} spikes, "
        f"{found['differ']:,} differ; potentials within {found['largest_difference']:.1e}"
    )
    return Checked(not found["predictions_differ"], sentence, found)


def _check_documents(job: Job, python: str | None) -> Checked:
    texts = _texts(job.args) if job.args else sample_texts(job.snn)
    found = check_onnx_documents(job.snn, texts, job.out)
    sentence = (
        f"onnxruntime: {found['texts']:,} texts, {found['predictions_differ']:,} predictions differ; probabilities within "
        f"{found['largest_difference']:.1e}"
    )
    return Checked(not found["predictions_differ"], sentence, found)


def _texts(args: tuple[object, ...]) -> list[str]:
    texts = args[0] if len(args) == 1 and isinstance(args[0], list) else list(args)
    wrong = [type(text).__name__ for text in texts if not isinstance(text, str)]
    if wrong:
        raise InputTypeError(f"the inputs of onnx-documents are texts, got {wrong[0]}; pass a list of strings")
    return [str(text) for text in texts]


def _write_nir(job: Job) -> Facts:
    bind(job.snn.network, job.args, {})  # the file holds no inputs, but those for its check are wrong from the start
    return write_nir(job.snn, job.out)


def _no_other_program(python: str | None) -> None:
    if python is not None:
        raise ConfigError(
            "an interpreter (--python) is for the checks of brian2 and nir; this one runs here. Leave it out"
        )


def _onnxruntime(python: str | None) -> None:
    _no_other_program(python)
    package("onnxruntime")


def _check_nir(job: Job, python: str | None) -> Checked:
    found = check_nir(job.snn, job.args, job.out, python)
    told = [
        f"{each['name']} {each['version']}: {each['predictions_differ']} predictions differ, output within "
        f"{each['largest_difference']:.1e}"
        for each in found
    ]
    facts: dict[str, int | float | str] = {}
    for each in found:
        facts[f"{each['name']}_predictions_differ"] = each["predictions_differ"]
        facts[f"{each['name']}_largest_difference"] = each["largest_difference"]
    return Checked(not any(each["predictions_differ"] for each in found), "; ".join(told), facts)


FORMATS: dict[str, Format] = {
    "brian2": Format(
        "a Python script and its data that run the network in time in Brian2",
        needs_inputs=True,
        takes_rows=True,
        beside=(".npz",),
        write=lambda job: write_brian2(job.snn, job.args, job.out, job.rows),
        check=_check_brian2,
        ready=brian2_ready,
    ),
    "spikes": Format(
        "the spikes of every population as (time, neuron, sign): .npz, .csv, or .nir",
        needs_inputs=True,
        takes_rows=False,
        beside=(),
        write=lambda job: write_spikes(job.snn, job.args, job.out),
        check=_check_spikes,
        ready=_no_other_program,
    ),
    "npz": Format(
        "all weights, thresholds, potentials, delays and codes as NumPy arrays and JSON",
        needs_inputs=False,
        takes_rows=False,
        beside=(".json",),
        write=lambda job: write_arrays(job.snn, job.out),
        check=_check_arrays,
        ready=_no_other_program,
    ),
    "onnx": Format(
        "the closed form in standard operators, for any runtime",
        needs_inputs=True,
        takes_rows=False,
        beside=(),
        write=lambda job: write_onnx(job.snn, job.args, job.out),
        check=_check_onnx,
        ready=_onnxruntime,
    ),
    "onnx-documents": Format(
        "the classifier of new documents of a Text GCN: word numbers in, class out",
        needs_inputs=False,
        takes_rows=False,
        beside=(),
        write=lambda job: write_onnx_documents(job.snn, job.out),
        check=_check_documents,
        ready=_onnxruntime,
    ),
    "nir": Format(
        "the closed form of a dense or convolutional network as banks of threshold neurons",
        needs_inputs=True,
        takes_rows=False,
        beside=(),
        write=_write_nir,
        check=_check_nir,
        ready=nir_ready,
    ),
}
"""Every format by name."""
