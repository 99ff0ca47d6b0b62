"""Every figure and table of the paper by name: what makes it, and the options it understands."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from gcn2snn.errors import ArtefactError, ConfigError, given_or_default, way_out_of
from gcn2snn.owner_lock import owned
from gcn2snn.reproduce.given_weights import refuse_wrong_weights
from gcn2snn.reproduce.options import ReproduceOptions, flags


@dataclass(frozen=True)
class Item:
    """What makes one figure or table.

    Args:
        function: "module:function"; it is imported when it is asked for, so that listing the names is instant.
        what: what is computed, for a list.
        time: how long it takes with its own options on two processor cores, roughly, once its data and weights are there.
        options: the fields of :class:`ReproduceOptions` that it takes; all others are refused.
    """

    function: str
    what: str
    time: str
    options: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As in :data:`ITEMS`."""
        return self.function.partition(":")[2]


_IMAGES = ("rows", "limit", "weights", "data_dir")
_TEXTS = ("datasets", "seeds", "modes", "keep_going", "data_dir")

ITEMS: dict[str, Item] = {
    "fig1": Item(
        "gcn2snn.reproduce.figures:fig1",
        "rate, temporal and phase coding of five activations",
        "seconds",
    ),
    "fig2": Item(
        "gcn2snn.reproduce.figures:fig2",
        "one neuron in time: potential, threshold, spike",
        "seconds",
    ),
    "fig4": Item(
        "gcn2snn.reproduce.figures:fig4",
        "thresholds with and without the midpoint shift, and their error",
        "seconds",
    ),
    "fig5": Item(
        "gcn2snn.reproduce.figures:fig5",
        "neurons of two layers in time",
        "seconds",
    ),
    "fig6": Item(
        "gcn2snn.reproduce.figures:fig6",
        "expected error by base and number of time steps, and its minima",
        "seconds",
    ),
    "fig10": Item(
        "gcn2snn.reproduce.figures:fig10",
        "the clock of four layers and three inputs",
        "seconds",
        ("limit",),
    ),
    "fig3": Item(
        "gcn2snn.reproduce.image_figures:fig3",
        "a layer's values under one scale, and under one scale for each channel",
        "minutes",
        _IMAGES,
    ),
    "fig7": Item(
        "gcn2snn.reproduce.image_figures:fig7",
        "sent against true activations in four layers",
        "minutes",
        _IMAGES,
    ),
    "fig8": Item(
        "gcn2snn.reproduce.image_figures:fig8",
        "accuracy of an image network by base and time steps",
        "an hour or more",
        _IMAGES,
    ),
    "fig9": Item(
        "gcn2snn.reproduce.image_figures:fig9",
        "error of the activations, and accuracy lost, by base",
        "an hour or more",
        _IMAGES,
    ),
    "table1": Item(
        "gcn2snn.reproduce.image_tables:table1",
        "CIFAR-10: accuracy of source and spiking network",
        "an hour or more, by rows",
        (*_IMAGES, "modes"),
    ),
    "table2": Item(
        "gcn2snn.reproduce.image_tables:table2",
        "CIFAR-100: accuracy of source and spiking network",
        "an hour or more, by rows",
        (*_IMAGES, "modes"),
    ),
    "table3": Item(
        "gcn2snn.reproduce.image_tables:table3",
        "ImageNet: accuracy of source and spiking network",
        "an hour or more, by rows",
        (*_IMAGES, "modes"),
    ),
    "table4": Item(
        "gcn2snn.reproduce.image_tables:table4",
        "energy of image networks, float weights",
        "an hour or more, by rows",
        (*_IMAGES, "modes"),
    ),
    "table6": Item(
        "gcn2snn.reproduce.image_tables:table6",
        "energy of image networks, 8-bit weights",
        "an hour or more, by rows",
        (*_IMAGES, "modes"),
    ),
    "table7": Item(
        "gcn2snn.reproduce.image_tables:table7",
        "the input as single spikes",
        "an hour or more, by rows",
        (*_IMAGES, "modes"),
    ),
    "table8": Item(
        "gcn2snn.reproduce.image_tables:table8",
        "accuracy by wait timestep",
        "17 minutes for ResNet-20",
        (*_IMAGES, "modes"),
    ),
    "table5": Item(
        "gcn2snn.reproduce.table5:table5",
        "Text GCN on five corpora: accuracy and energy, five seeds",
        "77 minutes, 43 of them 20NG",
        (*_TEXTS, "trials", "max_loss"),
    ),
    "tcurve": Item(
        "gcn2snn.reproduce.t_curve:tcurve",
        "accuracy lost by number of time steps on the five corpora",
        "an hour or more",
        _TEXTS,
    ),
    "codings": Item(
        "gcn2snn.reproduce.t_curve:codings",
        "one spike against rate, first-spike and multi-spike phase codes",
        "an hour or more",
        _TEXTS,
    ),
    "inductive": Item(
        "gcn2snn.reproduce.inductive:inductive",
        "documents that no graph has seen, on the five corpora",
        "an hour or more",
        ("datasets", "seeds", "data_dir"),
    ),
    "inductive_choice": Item(
        "gcn2snn.reproduce.inductive_choice:inductive_choice",
        "variants of training for new documents, on held-out training documents",
        "an hour or more",
        ("datasets", "modes", "seeds", "data_dir"),
    ),
    "opponents": Item(
        "gcn2snn.reproduce.opponents:opponents",
        "spiking Text GCNs beside uniform grids of 4 to 6 bits, ternary weights, and pruning",
        "minutes, once table5 has trained the networks",
        (*_TEXTS, "trials", "max_loss"),
    ),
    "coverage": Item(
        "gcn2snn.reproduce.coverage:coverage",
        "which classes of torch, PyG, DGL and torchvision convert",
        "minutes",
        ("rows",),
    ),
    "defaults": Item(
        "gcn2snn.reproduce.defaults:defaults",
        "small networks converted without options, and with each setting that convert chooses from",
        "a quarter of an hour",
        ("rows", "data_dir"),
    ),
    "rivals": Item(
        "gcn2snn.reproduce.rivals:rivals",
        "classifiers without a graph on the same corpora",
        "an hour or more",
        ("datasets", "seeds", "data_dir"),
    ),
    "last": Item(
        "gcn2snn.reproduce.last_threshold:last",
        "two thresholds of the last phase: divergence from the source",
        "minutes",
        ("rows", "seeds", "weights", "data_dir"),
    ),
    "residual": Item(
        "gcn2snn.reproduce.residual:residual",
        "residual branches as spikes, or kept in the potential: error, accuracy, energy",
        "half an hour",
        ("rows", "modes", "seeds", "limit", "weights", "data_dir"),
    ),
    "recipes": Item(
        "gcn2snn.reproduce.recipes:recipes",
        "two recipes for training image networks, in equal processor time, on held-out training images",
        "minutes for resnet8",
        ("rows", "seeds", "limit", "data_dir"),
    ),
    "scale": Item(
        "gcn2snn.reproduce.scale:scale",
        "a power-law graph of 30 million edges under a memory limit; --limit: its nodes",
        "five minutes",
        ("limit",),
    ),
    "motifs": Item(
        "gcn2snn.reproduce.motifs:motifs",
        "a GIN that classifies graphs, BA-2Motifs",
        "minutes",
        ("seeds", "modes"),
    ),
    "planetoid": Item(
        "gcn2snn.reproduce.planetoid:planetoid",
        "PyG and DGL models on Cora and Citeseer",
        "minutes",
        ("rows", "datasets", "seeds", "modes", "data_dir"),
    ),
}

Maker = Callable[[Path, "ReproduceOptions"], dict[str, object]]
"""function(out, options) -> JSON values: what was computed, and under "files" what was written below ``out``."""


def item_named(name: str) -> Item:
    """What is behind a name, however it is spelt.

    Raises:
        ConfigError: there is no such item; the message names the nearest ones.
    """
    key = name.lower().replace(" ", "").replace(".", "").replace("figure", "fig")
    if key in ITEMS:
        return ITEMS[key]
    near = difflib.get_close_matches(key, ITEMS, n=3, cutoff=0.5)
    hint = f"nearest are {', '.join(near)}" if near else "none is near"
    raise ConfigError(f"there is nothing called {name!r} to reproduce; {hint}. All: {', '.join(sorted(ITEMS))}")


def refuse_unused(item: Item, given: Iterable[str]) -> None:
    """Refuse options that an item has no use for, instead of dropping them.

    Raises:
        ConfigError: one was given; the message lists those that the item takes.
    """
    unused = [name for name in given if name not in item.options]
    if unused:
        taken = f"{flags(item.options)}, and like every item" if item.options else "only"
        raise ConfigError(
            f"{item.name} does not take {flags(unused)}; it takes {taken} --out and --json. "
            f"Leave {'it' if len(unused) == 1 else 'them'} out"
        )


def reproduce(name: str, out: Path, options: ReproduceOptions | None = None) -> dict[str, object]:
    """Compute one figure or table and write it below ``out``.

    Args:
        name: a key of :data:`ITEMS`, in any case ("Fig. 6" is fig6).
        out: folder for the files; made when missing.
        options: see :class:`ReproduceOptions`.

    Returns:
        JSON values; "item" names what was made.

    Raises:
        ConfigError: unknown item, or an option that it does not take.
        LockedError: another process makes the same item there.
        ArtefactError: ``out`` cannot be made, or a file of ``weights`` is missing or fits no network of its name.
        DataError, MissingPackageError: as the item needs data or packages that are not there.
    """
    item, options = item_named(name), given_or_default("options", options, ReproduceOptions)
    refuse_unused(item, options.given())
    refuse_wrong_weights(options.weights)
    make: Maker = getattr(import_module(item.function.partition(":")[0]), item.name)
    new = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArtefactError(
            f"{out} cannot be written: {error.strerror or error}. {way_out_of(error, 'folder (--out)')}"
        ) from error
    try:
        with owned(out / item.name):  # results that are there are read, completed and written again
            return {"item": item.name} | make(out, options)
    except BaseException:
        if new:
            with contextlib.suppress(OSError):  # something was written, so the folder stays
                out.rmdir()
        raise
