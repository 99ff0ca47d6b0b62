"""The spiking network as users hold it: a module called like its source model."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from gcn2snn import ir
from gcn2snn.config import ConvertConfig
from gcn2snn.described_module import DescribedModule
from gcn2snn.energy import EnergyReport, EventCounter, WantedRows, preset_of, watching
from gcn2snn.engines import (
    Observer,
    Recording,
    Value,
    bind,
    check_recordings,
    choose_engine,
    input_free,
    run_chosen,
    run_float,
)
from gcn2snn.errors import ConfigError, misfits, refuses_misfits
from gcn2snn.kernels import Spikes
from gcn2snn.network_summary import code_values, headline, layers, summary
from gcn2snn.passes import Choice, PopulationReport, RefitReport
from gcn2snn.prediction import Prediction

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gcn2snn.model_folder import Measured
    from gcn2snn.verify import SourceCheck, VerifyReport

_PROCESS = [os.getpid()]
"""The process that has threads to compute with. They do not follow it through a fork."""


class Documents(Protocol):
    """What classifies texts with a network; :class:`gcn2snn.textgcn.NewDocuments` is the one that Text GCNs have."""

    @property
    def class_names(self) -> tuple[str, ...]: ...
    @property
    def temperature(self) -> float: ...
    @property
    def tokeniser(self) -> str | None: ...
    def predict(self, snn: SpikingNetwork, texts: Sequence[str], preset: str = "fp32") -> list[Prediction]: ...

    def parts(self) -> tuple[dict[str, Tensor], dict[str, object]]: ...


class SpikingNetwork(DescribedModule):
    """A converted network. ``snn(*args)`` takes what the source model takes and gives its potentials, structured as there.

    It is used like any module: ``to``, ``double``, ``copy.deepcopy``, ``pickle``, ``torch.save`` and ``state_dict`` work, and
    so do calls from several threads and after a fork (one thread in the child). It is never trained and has no parameters:
    weights, scales, thresholds and starting potentials are buffers.

    ``snn(...)`` hands every keyword to the source model. The other methods have keywords of their own (``engine``,
    ``wait`` and so on); where the source model has an argument of the same name, give that one by position there.

    >>> import torch, gcn2snn
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2)).eval()
    >>> snn = gcn2snn.convert(model, torch.rand(8, 4))
    >>> snn(torch.rand(5, 4)).shape
    torch.Size([5, 2])

    Args:
        network: calibrated description.
        config: how it was converted.
        report: how well each population's code fits.
        refits, choice: what a refit kept of a population; what was measured to choose the configuration, or None."""

    def __init__(
        self,
        network: ir.Network,
        config: ConvertConfig,
        report: Sequence[PopulationReport] = (),
        refits: Sequence[RefitReport] = (),
        choice: Choice | None = None,
    ):
        super().__init__(network)
        self.config = config
        self.report, self.refits, self.choice = tuple(report), tuple(refits), choice
        self.checked: SourceCheck | None = None  # what a conversion compared with the source; files do not keep it
        self.documents: Documents | None = None
        self.origin: dict[str, object] = {}  # JSON values about data, training and source; files keep them
        self._known: dict[str, Value] | None = None

    def forward(self, *args: object, **kwargs: object) -> ir.Returned:
        """Output potentials, with the closed form where it is exact and the bucketed engine otherwise.

        Args:
            args, kwargs: as for the source model. NumPy arrays, lists, sparse tensors and other number types become
                tensors of the network's type where a value of the network is expected. Sparse features stay sparse where
                the first layer is a dense layer or an aggregation and the closed form runs.

        Raises:
            InputError, InputTypeError: the arguments are not those of the source model.
        """
        if torch.compiler.is_compiling():
            from gcn2snn.opaque_call import call  # only now: it loads torch's compiler, which takes seconds

            return call(self, args, kwargs)
        self.refuse_tracing(args, kwargs)
        with torch.no_grad():
            chosen = choose_engine(self.network, self.config.wait, "auto")
            inputs = self._bound(args, kwargs, sparse=chosen == "closed")
            return self._run(inputs, chosen, self.config.wait, None, None)

    def simulate(
        self,
        *args: object,
        engine: str = "auto",
        wait: int | None = None,
        observe: Observer | None = None,
        recordings: dict[str, Recording] | None = None,
        **kwargs: object,
    ) -> ir.Returned:
        """Output potentials by a chosen engine.

        Args:
            args, kwargs: as for the source model.
            engine: "auto", "closed", "bucketed" or "temporal" (docs/method.md, three engines).
            wait: w, default the one of the configuration.
            observe: called with every node, its inputs and its result. With an engine in time it sees, after the run, the
                spikes that were really sent and the sums that they make.
            recordings: {population: Recording()} to fill; needs the temporal engine.

        Raises:
            ConfigError: the closed form is asked for where w < T - 1, wait is negative or too long, another engine is to record, or a
                recording is asked of what is no population.
            InputError, InputTypeError: the arguments are not those of the source model.
        """
        wait = self.config.wait if wait is None else wait
        if recordings is not None:
            check_recordings(self.network, recordings, engine)
            engine = "temporal"
        plain = observe is None and recordings is None and choose_engine(self.network, wait, engine) == "closed"
        inputs = self._bound(args, kwargs, sparse=plain)
        return self._run(inputs, engine, wait, observe, recordings, foreign=observe is not None)

    def _bound(self, args: Sequence[object], kwargs: Mapping[str, object], sparse: bool = False) -> dict[str, Value]:
        """The inputs of a call by name; in a forked child the first one goes over to one thread.

        The OpenMP runtime of a child would wait for ever for its parent's threads; torch's data loaders do the same.
        """
        if _PROCESS[0] != os.getpid():
            _PROCESS[0] = os.getpid()
            torch.set_num_threads(1)
        names = [node.name for node in self.network.of(ir.Input)]
        with misfits("the network", dict(zip(names, args, strict=False)) | dict(kwargs)):
            return bind(self.network, args, kwargs, sparse=sparse)

    def _run(
        self,
        inputs: dict[str, Value],
        engine: str,
        wait: int | None,
        observe: Observer | None,
        recordings: dict[str, Recording] | None,
        *,
        foreign: bool = False,
    ) -> ir.Returned:
        """Run bound inputs; with ``foreign`` the observer is the caller's, so that errors may be the caller's own."""
        chosen = choose_engine(self.network, wait, engine)
        if chosen == "closed" and self._known is None:  # spikes that no input changes, coded once for all calls
            # Codes of inference mode would not count their changes.
            with torch.inference_mode(False), torch.no_grad(), self.without_autocast():
                self._known = input_free(self.network)
        known = self._known if observe is None else None
        with contextlib.nullcontext() if foreign else misfits("the network", inputs), self.without_autocast():
            heads = run_chosen(chosen, self.network, inputs, wait, observe, recordings, known)
        return ir.assembled(self.network.structure, list(heads.values()))

    @torch.no_grad()
    def spikes(
        self, *args: object, engine: str = "auto", wait: int | None = None, **kwargs: object
    ) -> dict[str, Spikes]:
        """The spikes of every population, by name: with a short wait those that are really sent, late and false ones too.

        Args:
            args, kwargs: as for the source model.
            engine, wait: as in :meth:`simulate`.

        Raises:
            ConfigError, InputError, InputTypeError: as :meth:`simulate`.
        """
        found: dict[str, Spikes] = {}

        def observe(node: ir.Node, args: tuple[Value, ...], value: Value) -> None:
            if isinstance(node, ir.Neuron) and isinstance(value, Spikes):
                found[node.name] = replace(value, scale=value.scale.clone())  # the caller may write to it

        self._run(self._bound(args, kwargs), engine, self.config.wait if wait is None else wait, observe, None)
        return found

    def energy(
        self, *args: object, preset: str = "fp32", engine: str = "auto", wait: int | None = None, **kwargs: Any
    ) -> EnergyReport:
        """Operations, additions and joules of one call (docs/method.md, energy).

        Args:
            args, kwargs: as for the source model.
            preset: energy per operation, a name of ``gcn2snn.energy.PRESETS``.
            engine, wait: as in :meth:`simulate`. With a short wait the spikes that are really sent are counted.

        Raises:
            ConfigError, InputError, InputTypeError: as :meth:`simulate`, or an unknown preset.
        """
        preset_of(preset)
        counter = self.counter(wait)
        self.count(counter, *args, engine=engine, **kwargs)
        return counter.report(preset)

    @torch.no_grad()
    def plot(
        self,
        *args: object,
        rows: Sequence[int] | None = None,
        neurons: Mapping[str, Sequence[int]] | None = None,
        limit: int = 60,
        wait: int | None = None,
        **kwargs: object,
    ) -> dict[str, Figure]:
        """Pictures of one call as matplotlib figures: "raster", "potentials" and "phases".

        Args:
            args, kwargs: as for the source model.
            rows: rows of the output (documents, nodes, images) whose neurons are drawn; default: neurons of all rows.
            neurons: {population: flat numbers of the neurons whose potentials are drawn}; default: some at different phases.
            limit: neurons of a population in the raster; the picture says how many there are.
            wait: w, default the one of the network.

        Raises:
            ConfigError: wait is negative or too long.
            MissingPackageError: matplotlib is not installed.
            InputError, InputTypeError: a row, neuron or population is not there, or the arguments do not fit.
        """
        from gcn2snn.pictures import draw

        wait = self.config.wait if wait is None else wait
        with misfits("plot", {"rows": rows, "neurons": neurons, "limit": limit}):
            return draw(self.network, self._bound(args, kwargs), wait, rows=rows, neurons=neurons, limit=limit)

    def counter(self, wait: int | None = None, *, event_driven: bool = False) -> EventCounter:
        """A fresh counter for :meth:`count`; the counts of several calls add up in it."""
        return EventCounter(self.network, self.config.wait if wait is None else wait, event_driven=event_driven)

    @torch.no_grad()
    def count(
        self,
        counter: EventCounter | WantedRows,
        *args: object,
        engine: str = "auto",
        observe: Observer | None = None,
        **kwargs: object,
    ) -> ir.Returned:
        """Output potentials of a call whose spikes and additions are added to ``counter``, at the counter's wait."""
        seen = watching(counter, observe)
        return self._run(self._bound(args, kwargs), engine, counter.wait, seen, None, foreign=observe is not None)

    @torch.no_grad()
    def source(self, *args: object, observe: Observer | None = None, **kwargs: object) -> ir.Returned:
        """What the source model gives: the same description with its ReLUs instead of neurons."""
        heads: dict[str, Tensor] = {}
        inputs = self._bound(args, kwargs, sparse=observe is None)
        with misfits("the network", inputs) if observe is None else contextlib.nullcontext(), self.without_autocast():
            run_float(self.network, inputs, observe, heads)
        return ir.assembled(self.network.structure, list(heads.values()))

    @refuses_misfits
    def head(self, output: object) -> SpikingNetwork:
        """A network that gives one of several results, for what needs one: ``evaluate``, ``export``, a report.

        ``output``: index, key or field, or a path of them, as for :func:`gcn2snn.convert`.

        Raises:
            InputError: there is no such result; the message lists what there is.
        """
        network = self.network.only(output)
        kept = [row for row in self.report if row.name in network]
        chosen = SpikingNetwork(network, self.config, kept, [r for r in self.refits if r.name in network], self.choice)
        chosen.origin, chosen.checked = dict(self.origin), self.checked
        return chosen

    @torch.no_grad()
    def verify(self, *args: object, tolerance: float = 0.0, wait: int | None = None, **kwargs: object) -> VerifyReport:
        """Which layer departs first from the source model, by how much, and whether its code explains it.

        Args:
            args, kwargs: as for the source model.
            tolerance: relative error from which a layer counts as departed.
            wait: w, default the one of the configuration.

        Returns:
            A report; ``str(report)`` is a table and one sentence (docs/method.md, verify).
        """
        from gcn2snn.verify import verify

        wait = self.config.wait if wait is None else wait
        inputs = self._bound(args, kwargs)
        with misfits("verify", {**inputs, "tolerance": tolerance}), self.without_autocast():
            return verify(self.network, inputs, wait, tolerance)

    def layers_table(self, *args: object, **kwargs: Any) -> list[dict[str, object]]:
        """A row per population and the output: its code, its spikes and its errors on these inputs, as JSON values."""
        return [code_values(self.network[row["name"]]) | row for row in self.verify(*args, **kwargs).table()]

    def summary(self) -> str:
        """A table of the layers: operation, spikes, population, code, scale; and what was measured to choose these."""
        told = [x.told() for x in (self.choice, self.checked) if x is not None]
        return "\n\n".join([summary(self.network), *filter(None, told)])

    def __repr__(self) -> str:
        told = layers(self.network) + ("" if self.checked is None else f"\n{self.checked.told()}")
        return f"{type(self).__name__}({headline(self.network)}\n{indent(told.rstrip(), '  ')}\n)"

    def documents_of(self) -> Documents:
        """What classifies new texts with this network.

        Raises:
            ConfigError: the network cannot classify texts.
        """
        if self.documents is None:
            raise ConfigError(
                "this network cannot classify texts: only a Text GCN that was converted on its text graph can, with neurons "
                "between weights and aggregation (message='signed' or 'rectified') and a wait until all input is there. "
                "Train with `gcn2snn train r8` or a corpus of your own, and convert that run"
            )
        return self.documents

    def predict(self, texts: Sequence[str]) -> list[str]:
        """The class name of each new text (docs/method.md, new documents).

        Args:
            texts: any number of strings; they need not be in the graph that the network was trained on.

        Raises:
            ConfigError: the network was not converted from a Text GCN on a text graph.
            InputTypeError: a text is no string.
        """
        return [answer.label for answer in self.documents_of().predict(self, texts)]

    def predict_proba(self, texts: Sequence[str]) -> Tensor:
        """Probability of each class for each new text, [texts, classes], float64, in the order of ``documents.class_names``.

        The softmax of the output potentials divided by the stored temperature. Raises as :meth:`predict`.
        """
        documents = self.documents_of()
        answers = documents.predict(self, texts)
        rows = [[answer.probability[name] for name in documents.class_names] for answer in answers]
        return torch.tensor(rows, dtype=torch.float64).reshape(len(rows), len(documents.class_names))

    @refuses_misfits
    def save_pretrained(
        self,
        directory: str | Path,
        *,
        evaluation: Measured | None = None,
        licence: str | None = None,
        force: bool = False,
    ) -> Path:
        """Write a folder in the Hugging Face layout, for ``gcn2snn.from_pretrained``: the network, its configuration, a model card.

        >>> import tempfile, torch, gcn2snn
        >>> x, model = torch.rand(8, 4), torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU()).eval()
        >>> snn = gcn2snn.convert(model, x)
        >>> gcn2snn.from_pretrained(snn.save_pretrained(tempfile.mkdtemp()))(x).equal(snn(x))
        True

        Args:
            directory: a new or an empty folder; hidden files (``.git``) may be there and stay.
            evaluation: what ``gcn2snn.evaluate`` gave on test data; without it the card says "not measured".
            licence: terms of the network for the card's header, as the Hub names them, such as "mit".
            force: replace the three files of a network of this package that is there.

        Raises:
            ArtefactError: the folder holds something else, or a network without ``force``; or it cannot be written.
        """
        from gcn2snn.model_folder import write_folder

        return write_folder(self, Path(directory), measured=evaluation, licence=licence, force=force)

    def replace_network(self, network: ir.Network) -> None:
        """Put another description in the place of the present one; spikes that were kept belong to the old one."""
        super().replace_network(network)
        self._known = None

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_known": None}  # made again from the description where it is needed
