"""Pickles of plain values, read and never run.

A pickle is a program for a stack machine (PEP 307, 3154, 574; the standard library's pickletools documents
every opcode). This one knows only the opcodes that make bytes, truth values, lists and tuples, of protocols 0
to 5, text of Python 2 being bytes; numbers, texts and names stand on its stack for NumPy's rows of uint8, which
are bytes when read (pickled_rows). Whatever else a file holds is refused: nothing is imported, called or built
from it.
"""

from __future__ import annotations

import codecs
import io
import pickletools
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from mien.evaluation.protocols.pickled_rows import RefusedError, Text, Unfilled, called, filled, named, text_of

MAX_STEPS = 16 << 20  # a million pairs of bytes take seven million, 350,000 pairs of NumPy's rows take all
MAX_PROTOCOL = 5
AHEAD = 40
# What no string of Python 2 has after a backslash, doubled backslashes taken out.
NO_ESCAPE = re.compile(rb"\\(?!x[0-9a-fA-F]{2}|['\"nrt])")
ANEW = "where you trust its maker, load it yourself and save ([bytes(p) …], [bool(s) …]) anew, protocol 4"
READ = "bytes, truth values, lists, tuples and NumPy's rows of uint8 are read"


class Machine:
    """A pickle's stack, its marks, its memo, and what became of things remembered before they were filled.

    Every wrong move is a ValueError.
    """

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.filled: dict[Unfilled, Any] = {}

    def take(self, count: int) -> list[Any]:
        """The topmost `count` values, taken off; never any from below the last mark."""
        floor = self.marks[-1] if self.marks else 0
        if len(self.stack) - count < floor:
            raise ValueError(f"{count} values wanted on the stack, {len(self.stack) - floor} there")
        return self.take_from(len(self.stack) - count)

    def take_marked(self) -> list[Any]:
        """The values above the last mark, taken off with the mark."""
        if not self.marks:
            raise ValueError("a mark wanted on the stack, none there")
        return self.take_from(self.marks.pop())

    def take_from(self, place: int) -> list[Any]:
        """The values from `place` up, taken off."""
        taken = self.stack[place:]
        del self.stack[place:]
        return taken

    def extend(self, items: list[Any]) -> None:
        """Add to the list that is on top."""
        (top,) = self.take(1)
        if type(top) is not list:
            raise ValueError(f"a list wanted on the stack, {kind_of(top)} there")
        top.extend(items)
        self.stack.append(top)

    def keep(self, number: int) -> None:
        """Remember the topmost value under a number."""
        (top,) = self.take(1)
        if not 0 <= number < MAX_STEPS:
            raise ValueError(f"{number} numbers a memory, 0 to {MAX_STEPS - 1} is wanted")
        self.memo[number] = top
        self.stack.append(top)

    def recall(self, number: int) -> None:
        """Push what was remembered under a number."""
        if number not in self.memo:
            raise ValueError(f"nothing is remembered as {number}")
        value = self.memo[number]
        self.stack.append(self.filled.get(value, value) if isinstance(value, Unfilled) else value)

    def fill(self) -> None:
        """Fill the thing below the topmost value with it, here and where it is remembered."""
        thing, state = self.take(2)
        value = filled(thing, state)
        self.filled[thing] = value
        self.stack.append(value)


def value_of(pickle: bytes) -> object:
    """The value that a pickle describes; ValueError at the first opcode outside STEPS, or any false move."""
    machine, stream = Machine(), io.BytesIO(pickle)
    for _ in range(MAX_STEPS):
        at = stream.tell()
        opcode = OPCODES.get(stream.read(1).decode("latin-1"))
        if opcode is None:
            raise ValueError(f"byte {at}: no pickle's opcode; the file is damaged or no insightface .bin")
        if opcode.name == "STOP":
            return _result(machine, at)
        if opcode.name not in STEPS:
            raise ValueError(_refusal(opcode.name, at, repr(stream.read(AHEAD))))
        try:
            STEPS[opcode.name](machine, _argument(opcode, stream))
        except RefusedError as refusal:
            raise ValueError(_refusal(opcode.name, at, str(refusal))) from refusal
        except ValueError as error:
            raise ValueError(f"byte {at}, {opcode.name}: {error}; the file is damaged") from error
    raise ValueError(f"more than {MAX_STEPS} steps; split the set")


def _result(machine: Machine, at: int) -> object:
    if machine.marks or len(machine.stack) != 1:
        raise ValueError(
            f"byte {at}: it ends with {len(machine.stack)} values, one is wanted; the file is damaged"
        )
    return machine.stack[0]


def _refusal(opcode: str, at: int, what: str) -> str:
    advice = ANEW if "numpy" in what else "nothing of the file was run"
    return f"byte {at}: {opcode} {what} is refused; {READ}; {advice}"


def _argument(opcode: pickletools.OpcodeInfo, stream: io.BytesIO) -> Any:
    reader = READERS.get(opcode.name, opcode.arg and opcode.arg.reader)
    return reader(stream) if reader else None


def _unquoted(stream: io.BytesIO) -> bytes:
    line = stream.readline()
    text = line[1:-2]
    if len(line) < 3 or line[:1] not in b"'\"" or line[-2:] != line[:1] + b"\n":
        raise ValueError("a string in quotes and the end of its line wanted")
    if NO_ESCAPE.search(text.replace(b"\\\\", b"")):
        raise ValueError("an escape that Python 2 does not write")
    return codecs.escape_decode(text)[0]


def _two_lines(stream: io.BytesIO) -> tuple[Text, Text]:
    first, second = stream.readline(), stream.readline()
    if not second.endswith(b"\n"):
        raise ValueError("the ends of two lines wanted")
    return Text(first[:-1]), Text(second[:-1])


def _push(machine: Machine, argument: object) -> None:
    machine.stack.append(argument)


def _require_protocol(machine: Machine, protocol: int) -> None:
    if protocol > MAX_PROTOCOL:
        raise ValueError(f"protocol {protocol} found, 0 to {MAX_PROTOCOL} are read")


def kind_of(value: object) -> str:
    """What a value is, in a word."""
    return type(value).__name__


# In place of the library's: its text wants ASCII, which pictures are not, and warns of escapes.
READERS: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {"STRING": _unquoted, "GLOBAL": _two_lines, "BYTEARRAY8": pickletools.read_bytes8}
)
PUSHED = (
    *("STRING", "BINBYTES", "BINBYTES8", "SHORT_BINBYTES", "BYTEARRAY8"),
    *("INT", "BININT", "BININT1", "BININT2", "NONE"),
)
OPCODES = {opcode.code: opcode for opcode in pickletools.opcodes}
STEPS: Mapping[str, Callable[[Machine, Any], None]] = MappingProxyType(
    dict.fromkeys(PUSHED, _push)
    | {
        "PROTO": _require_protocol,
        "FRAME": lambda machine, length: None,
        "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
        "EMPTY_LIST": lambda machine, _: machine.stack.append([]),
        "EMPTY_TUPLE": lambda machine, _: machine.stack.append(()),
        "LIST": lambda machine, _: machine.stack.append(machine.take_marked()),
        "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.take_marked())),
        "TUPLE1": lambda machine, _: machine.stack.append(tuple(machine.take(1))),
        "TUPLE2": lambda machine, _: machine.stack.append(tuple(machine.take(2))),
        "TUPLE3": lambda machine, _: machine.stack.append(tuple(machine.take(3))),
        "APPEND": lambda machine, _: machine.extend(machine.take(1)),
        "APPENDS": lambda machine, _: machine.extend(machine.take_marked()),
        "BINSTRING": lambda machine, text: machine.stack.append(text.encode("latin-1")),
        "SHORT_BINSTRING": lambda machine, text: machine.stack.append(text.encode("latin-1")),
        "UNICODE": lambda machine, text: machine.stack.append(text_of(text)),
        "BINUNICODE": lambda machine, text: machine.stack.append(text_of(text)),
        "SHORT_BINUNICODE": lambda machine, text: machine.stack.append(text_of(text)),
        "NEWTRUE": lambda machine, _: machine.stack.append(True),
        "NEWFALSE": lambda machine, _: machine.stack.append(False),
        "PUT": Machine.keep,
        "BINPUT": Machine.keep,
        "LONG_BINPUT": Machine.keep,
        "MEMOIZE": lambda machine, _: machine.keep(len(machine.memo)),
        "GET": Machine.recall,
        "BINGET": Machine.recall,
        "LONG_BINGET": Machine.recall,
        "GLOBAL": lambda machine, names: machine.stack.append(named(*names)),
        "STACK_GLOBAL": lambda machine, _: machine.stack.append(named(*machine.take(2))),
        "REDUCE": lambda machine, _: machine.stack.append(called(*machine.take(2))),
        "BUILD": lambda machine, _: machine.fill(),
    }
)
