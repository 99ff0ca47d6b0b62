"""What a file must hold for a network that classifies new documents, and whether it belongs to the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import torch
from pydantic import Field

from gcn2snn import ir
from gcn2snn.errors import InputError
from gcn2snn.schema import Stored

if TYPE_CHECKING:
    from gcn2snn.textgcn.new_documents import NewDocuments


class StoredDocuments(Stored):
    """The JSON values of :class:`NewDocuments`."""

    words: list[str]
    options: dict[str, object]
    class_names: list[str]
    temperature: Annotated[float, Field(gt=0.0)]
    codings: dict[str, dict[str, object]]


def check_documents(documents: NewDocuments, network: ir.Network) -> None:
    """Refuse parts that no network has, or that do not belong to this one.

    Raises:
        InputError: names the part, what it is and what is needed.
    """
    words, classes = len(documents.vocabulary.words), len(documents.class_names)
    _need(classes > 0 and len(set(documents.class_names)) == classes, f"{classes} class names, some of them twice")
    _need(len(set(documents.vocabulary.words)) == words, "a word that stands twice")
    outputs = network.shapes[network.output.name][-1]
    _need(outputs in (None, classes), f"{classes} class names for {outputs} outputs")
    for name, numbers, count in (
        ("weight", documents.vocabulary.weight, words),
        ("inverse_root", documents.vocabulary.inverse_root, words),
        ("prior", documents.prior, classes),
    ):
        good = numbers.dtype == torch.float64 and tuple(numbers.shape) == (count,)
        good = good and bool(torch.isfinite(numbers).all()) and bool((numbers >= 0).all())
        _need(good, f"{name} {numbers.dtype} {[*numbers.shape]}; {count} finite float64 numbers from 0 on are needed")
    read = {node.inputs[-1] for node in network if isinstance(node, ir.Aggregate)}
    _need(set(documents.states) == read, f"spikes of {sorted(documents.states)}; the aggregations read {sorted(read)}")
    for name, spikes in documents.states.items():
        node = network[name]
        own = False
        if isinstance(node, ir.Neuron):
            own = node.coding == spikes.coding and torch.equal(node.threshold_scale, spikes.scale)
        _need(own, f"{name}: another code than the population's")
        _need(tuple(spikes.code.shape) == (words, network.shapes[name][1]), f"{name}: spikes {[*spikes.code.shape]}")
        least, most = spikes.coding.timesteps if spikes.coding.signed else 0, spikes.coding.timesteps
        good = spikes.code.dtype == spikes.coding.code_dtype
        good = good and not bool(((spikes.code < -least) | (spikes.code > most)).any())
        _need(good, f"{name}: spikes outside the phases {-least} to {most}")


def _need(good: bool, got: str) -> None:
    if not good:
        raise InputError(f"what classifies new documents has {got}")
