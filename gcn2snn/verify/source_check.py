"""On what a description was compared with the model that it was read from, when the model was converted."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class SourceCheck:
    """What the source model was run on to see that its description computes the same.

    >>> SourceCheck("sample", 256, 11_000, 20_000, 0, 10_000_000).told()
    'compared with its source on a sample: 256 nodes with their neighbourhoods, 20,000 of 10,000,000 edges'

    Args:
        kind: "full", the example as it is, or "sample", neighbourhoods of some of its nodes, or "part", the first nodes
            under a memory limit.
        seeds: of a sample: the nodes whose neighbourhoods it holds.
        nodes, edges: of a sample: how many it has.
        left_out: of a sample: edges of these neighbourhoods that are not in it, because a hub has too many.
        of: of a sample: edges of the example.
        why: where a sample was asked for or would be due, but the whole was taken: the reason.
    """

    kind: str
    seeds: int = 0
    nodes: int = 0
    edges: int = 0
    left_out: int = 0
    of: int = 0
    why: str = ""

    @property
    def is_sample(self) -> bool:
        """Whether only a part of the example was compared."""
        return self.kind == "sample"

    def told(self) -> str:
        """One sentence; nothing where the whole example was compared as usual."""
        if self.kind == "part":
            return f"compared with its source on a part of the graph: {self.why}"
        if not self.is_sample:
            return f"compared with its source on the whole example: {self.why}" if self.why else ""
        lost = f"; {self.left_out:,} edges of hubs were left out" if self.left_out else ""
        return (
            f"compared with its source on a sample: {self.seeds:,} nodes with their neighbourhoods, "
            f"{self.edges:,} of {self.of:,} edges{lost}"
        )

    def to_dict(self) -> dict[str, object]:
        """As JSON values."""
        return asdict(self)
