"""Runs of secrets in a stream of bytes: any 16 bytes of any secret, at any offset.

Any run of 16 bytes holds one whole of the stream's aligned 8-byte words, so only those are looked up: in a
table of what the secrets' own 8-byte windows hash to, then among these windows, sorted; the rest is compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

RUN, WINDOW = 16, 8  # bytes
CHUNK = 16 << 20  # bytes of a part
BLOCK = 1 << 15  # 8-byte words looked up at a time, which the processor's cache holds
PAIRS = 1 << 18  # of a word and a window compared at a time
TABLE = (16, 26)  # bits of the table's index, at least and at most
SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2⁶⁴ over the golden ratio: multiplicative hashing (Knuth, 6.4)
ONES = np.uint64(0x0101010101010101)
Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]
Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a stream: `content` stands at `offset`; what begins in it at first..last − 1 is the part's own.

    The bytes around those are of the parts before and after. offset and first are whole eights.
    """

    content: bytes
    offset: int
    first: int
    last: int


def parts(chunks: Iterable[bytes], reach: int) -> Iterator[Part]:
    """A stream in parts of some CHUNK bytes, each with `reach` bytes or more of its neighbours each side."""
    margin = -(-reach // WINDOW) * WINDOW
    kept, offset, first = b"", 0, 0
    for chunk in _of_size(chunks):
        content = kept + chunk
        last = max(first, (len(content) - margin) // WINDOW * WINDOW)
        yield Part(content, offset, first, last)
        cut = max(last - margin, 0)
        kept, offset, first = content[cut:], offset + cut, last - cut
    yield Part(kept, offset, first, len(kept))


def _of_size(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in chunks of CHUNK."""
    held = bytearray()
    for chunk in chunks:
        for start in range(0, len(chunk), CHUNK):
            held += memoryview(chunk)[start : start + CHUNK]
            if len(held) >= CHUNK:
                yield bytes(held[:CHUNK])
                del held[:CHUNK]
    if held:
        yield bytes(held)


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """Runs found, an entry each: of which secret, where in the stream from and to, and from where in `flat`."""

    numbers: Places
    begins: Places
    ends: Places
    diagonals: Places  # the stream's offset less that in `flat`: one for all of a run


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Secrets, arranged to be found: some 20 bytes a byte of theirs.

    flat: one after the other; bounds (k+1,): where each begins, and the end. values: their 8-byte windows,
    sorted; starts: where in `flat` each begins. table: whether a window's hash has these high bits.
    """

    flat: Bytes
    bounds: Places
    values: Words
    starts: Places
    table: NDArray[np.bool_]

    @classmethod
    def of(cls, secrets: Sequence[bytes], allowed: Sequence[bytes] = ()) -> Self:
        """Arrange them. Windows of one repeated byte are left out, and those that `allowed` bytes have too."""
        flat, bounds = _joined(secrets)
        values, starts = _windows(flat, bounds)
        keep = values != (values & np.uint64(0xFF)) * ONES
        if allowed:
            keep &= ~np.isin(values, _windows(*_joined(allowed))[0])
        values, starts = values[keep], starts[keep]
        order = np.argsort(values)
        return cls(flat, bounds, values[order], starts[order], _table(values))

    def matches(self, part: Part) -> Iterator[Matches]:
        """Runs that hold one of the part's own words; a long run comes in pieces, which overlap."""
        content = np.frombuffer(part.content, np.uint8)
        at = self._candidates(content, part)
        low, high = (np.searchsorted(self.values, _words_at(content, at), side) for side in ("left", "right"))
        for which, where in _pairs(low, high):
            yield self._compared(content, at[which], self.starts[where], part.offset)

    def _candidates(self, content: Bytes, part: Part) -> Places:
        """Where the part's own aligned words stand of which the table says that they may be a secret's."""
        whole = max((min(part.last + WINDOW - 1, len(content)) - part.first) // WINDOW, 0)
        words = content[part.first : part.first + whole * WINDOW].view("<u8")
        shift = np.uint64(65 - len(self.table).bit_length())
        found = [np.empty(0, np.int64)]
        for start in range(0, whole, BLOCK):
            hashed = words[start : start + BLOCK] * SPREAD
            hashed >>= shift
            seen = np.flatnonzero(self.table.take(hashed.view(np.int64), mode="clip"))  # none is beyond the end
            found.append((seen + start) * WINDOW + part.first)
        return np.concatenate(found)

    def _compared(self, content: Bytes, at: Places, starts: Places, offset: int) -> Matches:
        """Those of the pairs, a word at `at` and a window at `starts`, that RUN bytes around them agree on."""
        numbers = np.searchsorted(self.bounds, starts, side="right") - 1
        low, high = self.bounds[numbers], self.bounds[numbers + 1]
        before, after = np.zeros_like(at), np.full_like(at, WINDOW)
        for length, step in ((before, -1), (after, 1)):
            alive = np.ones(len(at), np.bool_)
            for k in range(WINDOW):
                f, p = (place + (k + WINDOW if step > 0 else -1 - k) for place in (at, starts))
                alive &= (f >= 0) & (f < len(content)) & (p >= low) & (p < high)
                alive[alive] = content[f[alive]] == self.flat[p[alive]]
                length += alive
        good = before + after >= RUN
        begins, ends = at - before + offset, at + after + offset
        return Matches(*(each[good] for each in (numbers, begins, ends, at - starts + offset)))


def _joined(values: Sequence[bytes]) -> tuple[Bytes, Places]:
    bounds = np.zeros(len(values) + 1, np.int64)
    np.cumsum([len(value) for value in values], out=bounds[1:])
    return np.frombuffer(b"".join(values), np.uint8), bounds


def _windows(flat: Bytes, bounds: Places) -> tuple[Words, Places]:
    """Every 8 bytes that stand within one of the values, as numbers, and where they begin."""
    ends = np.repeat(bounds[1:], np.diff(bounds))
    starts = np.flatnonzero(np.arange(WINDOW, len(flat) + WINDOW) <= ends)
    return _words_at(flat, starts), starts


def _words_at(content: Bytes, at: Places) -> Words:
    words = np.zeros(len(at), np.uint64)
    for k in range(WINDOW):
        words |= content[at + k].astype(np.uint64) << np.uint64(8 * k)
    return words


def _table(values: Words) -> NDArray[np.bool_]:
    """One of 128 entries set, or fewer, so that few words pass by chance; more for very many windows."""
    least, most = TABLE
    bits = min(max(len(values).bit_length() + 7, least), most)
    table = np.zeros(1 << bits, np.bool_)
    table[(values * SPREAD) >> np.uint64(64 - bits)] = True
    return table


def _pairs(low: Places, high: Places) -> Iterator[tuple[Places, Places]]:
    """Each candidate with each window equal to it, some PAIRS at a time: numbers of candidates, of windows."""
    counts = high - low
    which = np.flatnonzero(counts)
    ends = np.cumsum(counts[which])
    start = 0
    while start < len(which):
        done = ends[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends, done + PAIRS, side="right")), start + 1)
        some, many = which[start:stop], counts[which[start:stop]]
        first = np.repeat(ends[start:stop] - many - done, many)
        yield np.repeat(some, many), np.repeat(low[some], many) + np.arange(many.sum()) - first
        start = stop
