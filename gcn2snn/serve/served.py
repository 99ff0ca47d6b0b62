"""The network that a service answers with, and what the service says about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gcn2snn.artefact import load_with_origin
from gcn2snn.datasets import import_tokeniser, refuse_other_tokeniser
from gcn2snn.prediction import Prediction
from gcn2snn.spiking_network import Documents, SpikingNetwork


@dataclass(frozen=True, eq=False)
class Served:
    """A network that classifies texts, ready to answer.

    Args:
        network: the converted network.
        documents: what turns texts into answers with it.
        trained_on: name of its corpus.
    """

    network: SpikingNetwork
    documents: Documents
    trained_on: str

    @property
    def class_names(self) -> tuple[str, ...]:
        """One name per class, in the order of probabilities."""
        return tuple(self.documents.class_names)

    def answer(self, texts: Sequence[str]) -> list[Prediction]:
        """What the network says about each text, energy by the preset fp32."""
        return self.documents.predict(self.network, texts)


def load_served(path: Path, tokeniser: str | None = None) -> Served:
    """Read a network that can be served.

    Args:
        path: of the artefact.
        tokeniser: ``module:function`` that the network's corpus was cut into words with, where it was one of your own.

    Raises:
        ArtefactError: the file is missing or damaged.
        ConfigError: the network does not classify texts, or the tokeniser is unknown or not the network's.
    """
    if tokeniser is not None:
        import_tokeniser(tokeniser)
    network, origin = load_with_origin(path)
    dataset = origin.get("dataset")
    name = dataset.get("dataset", "a corpus") if isinstance(dataset, dict) else "a corpus"
    documents = network.documents_of()
    refuse_other_tokeniser(tokeniser, documents.tokeniser)
    return Served(network, documents, str(name))
