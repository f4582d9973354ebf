"""The search for remains: does any part of what was erased still stand in these files?

Looked for are runs of 16 bytes of the secrets (vectors, crops, sealed values) and whole words (names), anywhere
in a file. Not found is what stands there compressed or encrypted, and a run in which 8 bytes are one repeated
byte, such as zeros, may be missed: such are in every file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from mien.errors import InputError
from mien.gallery.protection.windows import CHUNK, RUN, Part, Windows, parts

SHORTEST = 4  # bytes of a word: shorter ones occur by chance
MOST = 10_000  # hits reported of one source; more say nothing new


@dataclass(frozen=True, slots=True)
class Hit:
    """Something found in a source: bytes of secret `number`, or word `number`, at an offset.

    length: the bytes found, for a run from its first to its last. allowed: the word is part of one that may be
    there.
    """

    source: str
    kind: Literal["run", "word"]
    number: int
    offset: int
    length: int
    allowed: bool = False


def scan(
    files: Iterable[str | os.PathLike[str]],
    secrets: Sequence[bytes],
    words: Sequence[bytes] = (),
    *,
    allowed: Sequence[bytes] = (),
) -> list[Hit]:
    """Where the secrets or the words (names in UTF-8) still stand in files.

    allowed: words and values that may be there. A word that is part of one is told apart; a run that one holds,
    too, such as the head of a picture file, is not searched. InputError where a file cannot be read, or a
    secret or word is too short to be told from chance.
    """
    search = Search.of(secrets, words, allowed=allowed)
    return [hit for file in files for hit in search.file(file)]


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """What is looked for, arranged once for any number of files."""

    windows: Windows
    words: tuple[bytes, ...]
    allowed: tuple[bytes, ...]

    @classmethod
    def of(
        cls, secrets: Sequence[bytes], words: Sequence[bytes] = (), *, allowed: Sequence[bytes] = ()
    ) -> Self:
        """Arrange the search. InputError where a secret has less than 16 bytes, or a word less than 4."""
        for kind, given, least in (("secret", secrets, RUN), ("word", words, SHORTEST)):
            if any(len(each) < least for each in given):
                raise InputError(f"a {kind} to search for has at least {least} bytes: less occurs by chance")
        return cls(Windows.of(secrets, allowed), tuple(words), tuple(allowed))

    def file(self, path: str | os.PathLike[str]) -> list[Hit]:
        """What is found in one file."""
        try:
            with Path(path).open("rb") as stream:
                return self.stream(str(path), iter(lambda: stream.read(CHUNK), b""))
        except OSError as error:
            raise InputError(f"{path}: cannot be searched ({error.strerror or error})") from error

    def stream(self, source: str, chunks: Iterable[bytes]) -> list[Hit]:
        """What is found in bytes that come in chunks of any size, first offset first; at most MOST."""
        runs: dict[tuple[int, int], tuple[int, int]] = {}
        words: list[Hit] = []
        for part in parts(chunks, self._reach()):
            self._widen(runs, part)
            words += [hit for number in range(len(self.words)) for hit in self._found(source, part, number)]
            if len(runs) + len(words) >= MOST:
                break
        spans = [Hit(source, "run", key[0], begin, end - begin) for key, (begin, end) in runs.items()]
        return sorted(spans + words, key=lambda hit: hit.offset)[:MOST]

    def _reach(self) -> int:
        """How many bytes before and after a place decide what is found there."""
        lengths = map(len, (*self.words, *self.allowed) if self.words else ())
        return max(RUN, *lengths, 0)

    def _widen(self, runs: dict[tuple[int, int], tuple[int, int]], part: Part) -> None:
        """Add a part's runs to those so far: (secret, diagonal) → (begin, end)."""
        for found in self.windows.matches(part):
            columns = (each.tolist() for each in (found.numbers, found.diagonals, found.begins, found.ends))
            for number, diagonal, begin, end in zip(*columns, strict=True):
                low, high = runs.get((number, diagonal), (begin, end))
                runs[number, diagonal] = min(low, begin), max(high, end)
            if len(runs) >= MOST:
                return

    def _found(self, source: str, part: Part, number: int) -> list[Hit]:
        """Where a word begins in the part's own bytes."""
        word, hits = self.words[number], list[Hit]()
        at = part.content.find(word, part.first)
        while 0 <= at < part.last and len(hits) < MOST:
            allowed = self._within_allowed(part.content, word, at)
            hits.append(Hit(source, "word", number, part.offset + at, len(word), allowed))
            at = part.content.find(word, at + 1)
        return hits

    def _within_allowed(self, content: bytes, word: bytes, at: int) -> bool:
        """Whether the word found at `at` is part of a longer one that may be there."""
        for other in self.allowed:
            inside = other.find(word)
            while inside >= 0:
                if at >= inside and content.startswith(other, at - inside):
                    return True
                inside = other.find(word, inside + 1)
        return False
