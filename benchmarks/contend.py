"""One contender, alone in its process: a call and its settings come in as JSON, its figures go out as JSON.

    echo '{"call": "ours:read", "settings": {…}}' | python benchmarks/contend.py

The last line of the output is the answer; whatever a library prints before it is ignored.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module

from clock import Measured, peak_mb


def main() -> None:
    order = json.load(sys.stdin)
    module, function = order["call"].split(":")
    measured: Measured = getattr(import_module(f"contenders.{module}"), function)(**order["settings"])
    print()
    print(json.dumps({"peak_mb": peak_mb()} | measured))


if __name__ == "__main__":
    main()
