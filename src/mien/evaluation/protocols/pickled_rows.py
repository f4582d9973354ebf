"""NumPy's rows of uint8 in a pickle, and its truth values, read as plain bytes and bools.

cv2.imencode gives such rows, and packers pickle them as they are: names to import, calls of them, and states to
fill the results with (NumPy's array_reduce in methods.c, arraydescr_reduce in descriptor.c, _frombuffer in
numeric.py). Here a name becomes a Name, which stands on the stack and can do nothing; a call or a state is
held against the very values that NumPy writes, Python 2's too, whose texts are bytes. Nothing is imported or
called, and what comes out is bytes of the file or a bool. Whatever else is met is refused.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any

ROW = b"ndarray"
UINT8 = b"u1"
BOOL = b"b1"
SHOWN = 40


class RefusedError(ValueError):
    """Something that no picture and no truth value is pickled with; the message shows it."""


class Name(Enum):
    """What a pickle may name, module and name: as words, never imported."""

    ARRAY = b"numpy._core.multiarray _reconstruct"
    BUFFER = b"numpy._core.numeric _frombuffer"
    SCALAR = b"numpy._core.multiarray scalar"
    CLASS = b"numpy ndarray"
    DTYPE = b"numpy dtype"
    ENCODE = b"_codecs encode"


@dataclass(frozen=True, slots=True)
class Text:
    """A text of Python 3, kept in Latin-1 so that the bytes it may stand for are made once."""

    content: bytes

    def __repr__(self) -> str:
        return repr(self.content[:SHOWN].decode("latin-1"))


@dataclass(frozen=True, slots=True, eq=False)
class Unfilled:
    """A row or a dtype as a call of Name.ARRAY or Name.DTYPE leaves it: what it will be, ROW, UINT8 or BOOL."""

    kind: bytes

    def __repr__(self) -> str:
        return f"numpy {self.kind.decode()}"


@dataclass(frozen=True, slots=True)
class Dtype:
    """A dtype whose state was NumPy's: UINT8 or BOOL."""

    kind: bytes

    def __repr__(self) -> str:
        return f"numpy {self.kind.decode()}"


def text_of(text: str) -> Text:
    """The Text of a text, none of whose characters may be beyond Latin-1."""
    try:
        return Text(text.encode("latin-1"))
    except UnicodeEncodeError:
        raise RefusedError(_shown(text)) from None


def named(module: object, name: object) -> Name:
    """The Name that stands for an import."""
    if not isinstance(module, Text) or not isinstance(name, Text):
        raise RefusedError(_shown((module, name)))
    words = Text(module.content + b" " + name.content)
    if words.content not in NAMES:
        raise RefusedError(_shown(words))
    return NAMES[words.content]


def called(name: object, arguments: object) -> object:
    """What a call stands for: bytes, a bool, or what is still to be filled."""
    call = CALLS.get(name) if isinstance(name, Name) else None
    value = call(arguments) if call and type(arguments) is tuple else None
    if value is None:
        raise RefusedError(f"{_shown(name)} of {_shown(arguments)}")
    return value


def filled(thing: object, state: object) -> object:
    """What a thing is with its state: a row's bytes, or a dtype."""
    value = FILLS[thing.kind](state) if isinstance(thing, Unfilled) and type(state) is tuple else None
    if value is None:
        raise RefusedError(f"{_shown(thing)} with {_shown(state)}")
    return value


def _array(arguments: tuple[Any, ...]) -> Unfilled | None:
    return Unfilled(ROW) if arguments == (Name.CLASS, (0,), b"b") else None


def _dtype(arguments: tuple[Any, ...]) -> Unfilled | None:
    kind = next((kind for kind in (UINT8, BOOL) if arguments[:1] in ((Text(kind),), (kind,))), None)
    return Unfilled(kind) if kind and arguments[1:] == (0, 1) else None  # False and True; of Python 2, 0 and 1


def _buffer(arguments: tuple[Any, ...]) -> bytes | None:
    return _row(*arguments[:3]) if len(arguments) == 4 and arguments[3] in (Text(b"C"), Text(b"F")) else None


def _scalar(arguments: tuple[Any, ...]) -> bool | None:
    return next((bool(byte) for byte in (0, 1) if arguments == (Dtype(BOOL), bytes([byte]))), None)


def _encoded(arguments: tuple[Any, ...]) -> bytes | None:
    """The bytes that Python 3 writes as text in protocols 0 to 2."""
    if len(arguments) != 2 or not isinstance(arguments[0], Text):
        return None
    return arguments[0].content if arguments[1] in (Text(b"latin1"), Text(b"latin-1")) else None


def _filled_row(state: tuple[Any, ...]) -> bytes | None:
    if len(state) != 5 or state[0] != 1 or type(state[3]) is not bool:  # version 1; whether columns come first
        return None
    return _row(state[4], state[2], state[1])


def _row(content: object, dtype: object, shape: object) -> bytes | None:
    """The content, where it is one row or one column of as many bytes as the shape says."""
    if type(content) is not bytes or dtype != Dtype(UINT8):
        return None
    n = len(content)
    return content if shape in ((n,), (n, 1), (1, n)) else None


def _filled_dtype(kind: bytes) -> Callable[[tuple[Any, ...]], Dtype | None]:
    plain = None, None, None, -1, -1, 0  # no parts, names or fields; size and alignment its own; no flags
    return lambda state: Dtype(kind) if state in ((3, Text(b"|"), *plain), (3, b"|", *plain)) else None


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxtuple, self.maxlist, self.maxstring, self.maxother = 3, 5, 2, 80, 80

    def repr_bytes(self, content: bytes, level: int) -> str:
        return repr(content[:SHOWN])


def _shown(value: object) -> str:
    return _Short().repr(Text(value.value) if isinstance(value, Name) else value)


OLDER = MappingProxyType(  # before NumPy 2
    {
        b"numpy.core.multiarray _reconstruct": Name.ARRAY,
        b"numpy.core.numeric _frombuffer": Name.BUFFER,
        b"numpy.core.multiarray scalar": Name.SCALAR,
    }
)
NAMES: Mapping[bytes, Name] = MappingProxyType({name.value: name for name in Name} | OLDER)
CALLS: Mapping[Name, Callable[[Any], object]] = MappingProxyType(
    {
        Name.ARRAY: _array,
        Name.BUFFER: _buffer,
        Name.SCALAR: _scalar,
        Name.DTYPE: _dtype,
        Name.ENCODE: _encoded,
    }
)
FILLS: Mapping[bytes, Callable[[Any], object]] = MappingProxyType(
    {ROW: _filled_row, UINT8: _filled_dtype(UINT8), BOOL: _filled_dtype(BOOL)}
)
