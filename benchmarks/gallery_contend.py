"""One contender of the gallery's tables, alone in its process: builds once, takes a turn whenever it is told.

The first line that comes in says what to build (JSON: call and settings), each further line is a turn's number.
Each is answered with a line of JSON.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import TextIO

from contenders.gallery_searching import Ready, Searched


def main(orders: TextIO, answers: TextIO) -> None:
    order = json.loads(orders.readline())
    module, function = order["call"].split(":")
    ready: Ready = getattr(import_module(f"contenders.{module}"), function)(**order["settings"])
    _say(ready.recall(), answers)
    for line in orders:
        _say(ready.turn(int(line)), answers)


def _say(measured: Searched, answers: TextIO) -> None:
    print(json.dumps(measured), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
