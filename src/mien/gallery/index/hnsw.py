"""A graph of neighbours (HNSW, Malkov and Yashunin 2018): approximate, for galleries too large to look through.

The only place that opens usearch. Vectors are held and compared as eight bits a number, each at its own scale,
for which a cosine does not care. A removed person's node stays in the graph, but its vector is overwritten with
noise, a stranger like others, so that the graph holds together: nobody finds it, and the next person put takes
it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.bundle.runtime import Runtime
from mien.errors import MissingExtraError
from mien.gallery.index.asked import checked_keys, checked_probes, checked_vectors
from mien.gallery.index.forms import ROW_LEVELS, rounded
from mien.gallery.index.found import NOBODY, Found, Keys, best
from mien.gallery.index.places import Places
from mien.gallery.index.rows import last_of_each
from mien.gallery.index.turns import Turns
from mien.values import Floats

Codes = NDArray[np.int8]
NEIGHBOURS = 32  # of a node, M in the paper
WIDTH_BUILDING, WIDTH_SEARCHING = 128, 256  # efConstruction and ef: recall@1 ≥ 0.99 (docs/performance.md)
WIDER = 4  # times as many are asked for where too many nodes of the removed come back


class Hnsw:
    """Approximate: its recall is measured against `exact`. `_keys` says whose each node is: 0, 1, 2 …"""

    name, exact = "hnsw", False

    def __init__(self, dimension: int, runtime: Runtime) -> None:
        self._dimension, self._threads = dimension, runtime.threads
        self._graph = _graph(dimension)
        self._turns, self._places = Turns(), Places()
        self._keys = np.empty(0, np.int64)
        self._spare = np.empty(0, np.int64)  # nodes of nobody

    def __len__(self) -> int:
        return len(self._keys) - len(self._spare)

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes: vectors, graph and keys."""
        return int(self._graph.memory_usage) + self._keys.nbytes + self._spare.nbytes + self._places.nbytes

    def put(self, keys: Keys, vectors: Floats) -> None:
        """See `mien.gallery.index.Index`."""
        keys, vectors = checked_keys(keys), checked_vectors(vectors, len(keys), self._dimension)
        keys, take = last_of_each(keys)
        with self._turns.writing():
            self._write(self._nodes(keys), _codes(vectors[take]))

    def remove(self, keys: Keys) -> None:
        """See `mien.gallery.index.Index`."""
        keys = np.unique(checked_keys(keys))
        with self._turns.writing():
            nodes = self._places.find(keys)
            keys, nodes = keys[nodes >= 0], nodes[nodes >= 0]
            self._places.drop(keys)
            self._keys[nodes] = NOBODY
            self._spare = np.concatenate([self._spare, nodes])
            self._write(nodes, self._noise(len(nodes)))

    def search(self, probes: Floats, k: int) -> Found:
        """See `mien.gallery.index.Index`."""
        probes = checked_probes(probes, k, self._dimension)
        with self._turns.reading():
            wanted, asked = min(k, len(self)), min(k, len(self._keys))
            owners, nodes, cosines = self._ask(probes, asked)
            while len(probes) and np.bincount(owners, minlength=len(probes)).min() < wanted:
                if asked == len(self._keys):
                    break
                asked = min(WIDER * asked, len(self._keys))
                owners, nodes, cosines = self._ask(probes, asked)
            return best(owners, self._keys[nodes], cosines, len(probes), k)

    def _ask(self, probes: Floats, count: int) -> tuple[Keys, Keys, Floats]:
        """Of the nearest `count` nodes of each probe those of somebody: the probe, the node, the cosine."""
        if not count or not len(probes):
            return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
        matches = self._graph.search(_codes(probes), count, threads=min(self._threads, len(probes)))
        nodes, distances = (np.atleast_2d(each) for each in (matches.keys, matches.distances))
        counts: Any = getattr(matches, "counts", nodes.shape[1])  # of one probe there are no counts
        owners, places = np.nonzero(np.arange(nodes.shape[1]) < np.reshape(counts, (-1, 1)))
        found = nodes[owners, places].astype(np.int64)
        cosines = np.clip(1 - distances[owners, places], -1, 1).astype(np.float32)
        somebody = self._keys[found] != NOBODY
        return owners[somebody], found[somebody], cosines[somebody]

    def _nodes(self, keys: Keys) -> Keys:
        """Each key's node: its own, else one of nobody's, else a new one."""
        nodes = self._places.find(keys)
        new = np.flatnonzero(nodes < 0)
        spare, self._spare = np.split(self._spare, [min(len(new), len(self._spare))])
        fresh = np.arange(len(self._keys), len(self._keys) + len(new) - len(spare))
        nodes[new] = np.concatenate([spare, fresh])
        self._keys = np.concatenate([self._keys, np.empty(len(fresh), np.int64)])
        self._keys[nodes[new]] = keys[new]
        self._places.set(keys[new], nodes[new])
        return nodes

    def _noise(self, count: int) -> Codes:
        noise = np.random.default_rng().integers(-ROW_LEVELS, ROW_LEVELS + 1, (count, self._dimension))
        return noise.astype(np.int8)

    def _write(self, nodes: Keys, codes: Codes) -> None:
        """Put codes at nodes. usearch gives the memory of a node taken out to the next that comes in."""
        old = nodes[nodes < len(self._graph)]
        if len(old):
            self._graph.remove(old.astype(np.uint64))
        if len(nodes):
            self._graph.add(nodes.astype(np.uint64), codes, threads=self._threads)


def _codes(vectors: Floats) -> Codes:
    codes, _, _ = rounded(vectors, ROW_LEVELS)
    return codes.astype(np.int8)


def _graph(dimension: int) -> Any:
    try:
        from usearch.index import Index
    except ModuleNotFoundError:
        raise MissingExtraError("usearch", "hnsw") from None
    return Index(
        ndim=dimension,
        metric="cos",
        dtype="i8",
        connectivity=NEIGHBOURS,
        expansion_add=WIDTH_BUILDING,
        expansion_search=WIDTH_SEARCHING,
    )
