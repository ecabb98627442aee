"""The graph of a model: every write to the residual stream (a source), every read of it, and which read can see which source.

Sources are the embedding, each head and each MLP. Reads are the query, key and value of each head, each MLP, and the logits. An
edge `L0H3->L1H2.k` is what head L0H3 contributes to the keys of L1H2. A model of 6 layers and 6 heads has 2,188 edges, GPT-2
small 32,491. Output biases of attention are constants and no sources.

Source: Elhage et al. 2021 for the sum of writes; Conmy et al. 2023 and Syed et al. 2023 for edges between components.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Int

from nanoscope.errors import NanoscopeError
from nanoscope.model.config import GPTConfig
from nanoscope.model.names import head_name

EMBED, LOGITS = "embed", "logits"
WAYS = ("q", "k", "v")


@dataclass(frozen=True)
class Edge:
    """What one component writes and another reads: `Edge("L0H3", "L1H2.k")` prints as `L0H3->L1H2.k`."""

    source: str
    read: str

    def __str__(self) -> str:
        return f"{self.source}->{self.read}"

    @staticmethod
    def named(name: str) -> Edge:
        """The edge of such a name. NanoscopeError for a name of another form; a graph knows which edges there are."""
        source, arrow, read = name.partition("->")
        if not (source and arrow and read):
            raise NanoscopeError(f"{name!r} names no edge; write one as L0H3->L1H2.k, embed->MLP0 or MLP5->logits")
        return Edge(source, read)


@dataclass(frozen=True, eq=False)
class Graph:
    """The sources and reads of a model in the order in which they are computed, and which pairs are edges."""

    sources: tuple[str, ...]
    reads: tuple[str, ...]
    exists: Bool[np.ndarray, "source read"]

    @staticmethod
    def named(names: Iterable[str]) -> Graph:
        """The graph whose `edges` have these names."""
        edges = [Edge.named(name) for name in names]
        reads = tuple(dict.fromkeys(edge.read for edge in edges))
        sources = tuple(edge.source for edge in edges if edge.read == LOGITS)
        exists = np.zeros((len(sources), len(reads)), dtype=bool)
        for edge in edges:
            exists[sources.index(edge.source), reads.index(edge.read)] = True
        return Graph(sources, reads, exists)

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """All edges, read by read."""
        return tuple(Edge(self.sources[s], self.reads[r]) for r, s in np.argwhere(self.exists.T))

    def __len__(self) -> int:
        return int(self.exists.sum())

    def index(self, edge: Edge) -> tuple[int, int]:
        """The source and the read of an edge. NanoscopeError if the model has no such edge."""
        at = self._source.get(edge.source, -1), self._read.get(edge.read, -1)
        if min(at) < 0 or not self.exists[at]:
            raise NanoscopeError(f"the model has no edge {edge}; a source must be computed before it is read")
        return at

    def reads_of(self, source: str) -> list[int]:
        """The numbers of the reads that a source is computed from: a head's query, key and value, an MLP's one; none of the
        embedding's."""
        return [n for n, name in enumerate(self.reads) if name.partition(".")[0] == source]

    def readers(self, source: str) -> list[int]:
        """The numbers of the reads that can see a source."""
        return [int(n) for n in np.flatnonzero(self.exists[self.sources.index(source)])]

    def source_of(self, read: str) -> int | None:
        """The number of the source that a read belongs to; None for the logits."""
        return self._source.get(read.partition(".")[0])

    @cached_property
    def read_layers(self) -> Int[np.ndarray, "read"]:
        """The layer of each read; the logits' is the number of layers."""
        layers = [_layer(name) for name in self.reads[:-1]]
        return np.array([*layers, layers[-1] + 1])

    @cached_property
    def source_layers(self) -> Int[np.ndarray, "source"]:
        """The layer of each source; the embedding's is -1."""
        return np.array([-1, *(_layer(name) for name in self.sources[1:])])

    @cached_property
    def _source(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.sources)}

    @cached_property
    def _read(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.reads)}


def _layer(name: str) -> int:
    found = re.search(r"\d+", name)
    assert found is not None
    return int(found[0])


def graph_of(config: GPTConfig) -> Graph:
    """The graph of a model of this shape. NanoscopeError if its norms come after additions: then the stream is no sum of
    writes."""
    if config.norm_position == "post":
        raise NanoscopeError(
            "the model's norms come after additions, so its residual stream is no sum; it has no edges"
        )
    nodes = list(_computed(config))
    sources = (EMBED, *(name for name, write in nodes if write))
    reads = (*(name for name, write in nodes if not write), LOGITS)
    exists = np.zeros((len(sources), len(reads)), dtype=bool)
    written = read = 1
    for _, write in nodes:
        written += write
        if not write:
            exists[:written, read - 1] = True
            read += 1
    exists[:, -1] = True
    return Graph(sources, reads, exists)


def _computed(config: GPTConfig) -> Iterator[tuple[str, bool]]:
    """The reads (False) and writes (True) of all layers in the order in which they are computed."""
    for layer in range(config.n_layer):
        heads = [head_name(layer, head) for head in range(config.n_head)]
        mlp = [] if config.attention_only else [f"MLP{layer}"]
        yield from ((f"{head}.{way}", False) for head in heads for way in WAYS)
        if config.parallel:
            yield from ((name, False) for name in mlp)
        yield from ((head, True) for head in heads)
        if not config.parallel:
            yield from ((name, False) for name in mlp)
        yield from ((name, True) for name in mlp)
