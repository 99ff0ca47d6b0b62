"""Rows of the test data as people see them: a document by its words, a node by its neighbours, an image as a picture."""

from __future__ import annotations

import base64
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from gcn2snn.graph import Graph
from gcn2snn.prediction import RowPredictions

WORDS = 12
"""Words of a document that are shown: those with the largest weights."""

EACH = 3
"""Rows that are shown of each kind."""

KINDS = (
    ("Both are right", True, True),
    ("Only the source is right", True, False),
    ("Only the spiking network is right", False, True),
    ("Both are wrong", False, False),
)
"""Heading, is the source right, is the spiking network right."""


@dataclass(frozen=True)
class Sample:
    """A row of the data.

    Args:
        name: what it is called.
        words: what is known of it.
        picture: a PNG file, or nothing.
    """

    name: str
    words: str = ""
    picture: bytes = b""

    @property
    def address(self) -> str:
        """The picture as an address that holds it."""
        return f"data:image/png;base64,{base64.b64encode(self.picture).decode()}"


@dataclass(frozen=True)
class Shown:
    """A sample with its class and what both networks say."""

    sample: Sample
    label: str
    source: str
    network: str


Describe = Callable[[Sequence[int]], list[Sample]]


def of_graph(graph: Graph) -> Describe:
    """Documents by their heaviest words, other nodes by the classes of their neighbours."""

    def describe(rows: Sequence[int]) -> list[Sample]:
        return [Sample(_name(graph, row), _words(graph, row)) for row in rows]

    return describe


def _name(graph: Graph, row: int) -> str:
    return graph.node_names[row] if graph.node_names else f"node {row}"


def _words(graph: Graph, row: int) -> str:
    start, end = int(graph.raw.rowptr[row]), int(graph.raw.rowptr[row + 1])
    neighbours, weights = graph.raw.col[start:end].long(), graph.raw.value[start:end]
    if graph.vocabulary:
        order = weights.argsort(descending=True, stable=True)
        heaviest = [graph.node_names[node] for node in neighbours[order].tolist() if node >= graph.num_documents]
        return ", ".join(heaviest[:WORDS]) or "no word of the graph"
    classes = Counter(graph.labels[neighbours].tolist())
    told = [f"{times} of {graph.class_names[label]}" for label, times in classes.most_common(3) if label >= 0]
    return f"{end - start} neighbours" + (f": {', '.join(told)}" if told else "")


def shown(rows: RowPredictions, class_names: Sequence[str], describe: Describe) -> list[tuple[str, list[Shown]]]:
    """At most :data:`EACH` rows of each of the :data:`KINDS`, the first of the data; kinds without rows are left out."""
    found: list[tuple[str, list[Shown]]] = []
    for heading, source_right, network_right in KINDS:
        chosen = ((rows.source == rows.label) == source_right) & ((rows.network == rows.label) == network_right)
        places = chosen.nonzero().flatten()[:EACH]
        if len(places):
            said = zip(*(getattr(rows, name)[places].tolist() for name in ("label", "source", "network")), strict=True)
            samples = describe(rows.row[places].tolist())
            found.append(
                (
                    heading,
                    [Shown(x, *(class_names[c] for c in classes)) for x, classes in zip(samples, said, strict=True)],
                )
            )
    return found


def png(pixels: Tensor) -> bytes:
    """A PNG file of an image. Pillow would write it too, but is not among the packages that a report needs.

    Args:
        pixels: [channels, height, width], uint8, with one channel (grey) or three (red, green, blue).

    Source: the PNG specification (ISO/IEC 15948), Sections 5 and 11: three chunks, each with length, name and checksum, and
    lines without a filter.
    """
    channels, height, width = pixels.shape
    lines = pixels.permute(1, 2, 0).reshape(height, width * channels).contiguous().cpu().numpy()
    head = struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2}[channels], 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + line.tobytes() for line in lines), 9)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
